//! `cofferdam stdio`.

use super::start::{self, Host};
use super::{Options, banner};
use crate::server;
use std::sync::Arc;
use tokio::task::LocalSet;

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let config = start::config(options)?;
    start::logging(&config);
    let host = Host::new(&config)?;
    host.load(&config, |reports| banner::log(reports));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dispatch = Arc::clone(&host.dispatch);
    let tasks = LocalSet::new();
    let serving = tasks.run_until(server::stdio::serve(tokio::io::stdin(), tokio::io::stdout(), dispatch));
    let result = runtime.block_on(serving);
    host.shut_down();
    // Reading standard input holds a thread that nothing can wake.
    runtime.shutdown_background();
    // A client that has gone has nobody to tell.
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
