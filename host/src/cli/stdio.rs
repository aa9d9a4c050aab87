//! `cofferdam stdio`.

use super::start::{self, Host};
use super::{Options, banner};
use crate::server;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::task::LocalSet;

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let config = start::config(options)?;
    start::logging(&config);
    let host = Host::new(&config)?;
    host.load(&config, banner::log);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dispatch = Arc::clone(&host.dispatch);
    let tasks = LocalSet::new();
    let result = runtime.block_on(tasks.run_until(async { server::stdio::serve(input(), output(), dispatch).await }));
    host.shut_down();
    // Reading standard input holds a thread that nothing can wake.
    runtime.shutdown_background();
    // A client that has gone has nobody to tell.
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

const INPUT: &str = "/dev/fd/0";
const OUTPUT: &str = "/dev/fd/1";

/// Standard input without a thread in between, where the client connected a pipe or a socket: tokio's own hands every read to another
/// thread, which costs more than a call. Opening the pipe anew gives us a description of our own, so that nobody else's blocking mode
/// changes.
fn input() -> Box<dyn AsyncRead + Unpin> {
    if let Ok(pipe) = pipe::OpenOptions::new().open_receiver(INPUT) {
        return Box::new(pipe);
    }
    match socket(INPUT, std::io::stdin().as_fd()) {
        Some(socket) => Box::new(socket),
        None => Box::new(tokio::io::stdin()),
    }
}

/// Standard output, likewise.
fn output() -> Box<dyn AsyncWrite + Unpin> {
    if let Ok(pipe) = pipe::OpenOptions::new().open_sender(OUTPUT) {
        return Box::new(pipe);
    }
    match socket(OUTPUT, std::io::stdout().as_fd()) {
        Some(socket) => Box::new(socket),
        None => Box::new(tokio::io::stdout()),
    }
}

/// Node connects its children by sockets.
fn socket(path: &str, fd: BorrowedFd<'_>) -> Option<UnixStream> {
    std::fs::metadata(path).ok().filter(|metadata| metadata.file_type().is_socket())?;
    let socket = std::os::unix::net::UnixStream::from(fd.try_clone_to_owned().ok()?);
    socket.set_nonblocking(true).ok()?;
    UnixStream::from_std(socket).ok()
}
