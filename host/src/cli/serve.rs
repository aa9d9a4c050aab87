//! `cofferdam serve`.

use super::start::Host;
use super::{Options, banner, start};
use crate::config::Config;
use crate::server::{self, Health};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let config = start::config(options)?;
    start::logging(&config);
    // Accepts, answers health checks and waits for signals; guests never run here.
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("control").enable_all().build()?;
    let host = Host::new(&config)?;
    let result = control.block_on(serve(&config, &host));
    host.shut_down();
    control.shutdown_background();
    result
}

async fn serve(config: &Config, host: &Host) -> anyhow::Result<()> {
    let listener = listen(config.listen.http).await?;
    let admin = listen(config.listen.admin).await?;
    let (http_address, admin_address) = (listener.local_addr()?, admin.local_addr()?);
    for address in [http_address, admin_address] {
        host.listens_on(address);
    }
    let health = Health::new(Arc::clone(&host.registry));
    let admin = tokio::spawn(server::serve_admin(admin, Arc::clone(&health), Arc::clone(&host.limits)));
    let plugins = config.plugins.clone();
    host.load(config, move |reports| banner::print(&plugins, reports, http_address, admin_address));

    let app = host.app(config);
    let (stop, stopped) = watch::channel(false);
    let stopper = tokio::spawn(stop_on_signal(stop, health));
    // On a thread of this runtime, so that the accept loop never waits for a guest.
    let served = tokio::spawn(server::serve(listener, app, stopped)).await.context("the server ended")?;
    admin.abort();
    stopper.abort();
    served.context("the server ended")
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; another address goes under [listen] in cofferdam.toml"))
}

/// The first signal drains; a second one does not wait.
async fn stop_on_signal(stop: watch::Sender<bool>, health: Arc<Health>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be received; stop this process by killing it");
        return;
    };
    let mut next = async || {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    };
    next().await;
    tracing::info!("draining: requests in flight are answered, new ones are not taken");
    health.drain();
    stop.send_replace(true);
    next().await;
    tracing::warn!("stopping at once");
    std::process::exit(1);
}
