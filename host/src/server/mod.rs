//! Sockets: TCP in, hyper requests to `dispatch` and `legacy`, responses out. Nothing below this layer knows a status code.
//!
//! One thread accepts and counts connections, and hands each to the worker with the fewest. A worker is a thread with a runtime of its
//! own: its connections, and the guests that they call, stay on one core, where the instance pool's slots are warm.

mod admin;
mod batch;
mod body;
mod connection;
mod conversation;
mod cors;
mod deadlines;
mod events;
mod http_sse;
mod plain;
mod post;
mod queue;
mod respond;
mod route;
pub mod stdio;
mod workers;

pub use admin::Health;
pub use route::{App, MCP_PATH};

use crate::limits::Limits;
use connection::ConnectionContext;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use workers::Workers;

/// How long to wait when the operating system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` says so, then drains: no new connections, every request in flight is answered, idle connections close. Returns when
/// the last connection is gone or the time for draining is over.
pub async fn serve(listener: TcpListener, app: Arc<App>, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let limits = app.limits();
    let connections = Arc::new(Connections::new(limits));
    let context = ConnectionContext { app: Arc::clone(&app), drain: watch::Sender::new(false) };
    let workers = Workers::start(&context)?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Over a limit the socket is closed at once: an answer would cost what the limit is there to save.
        let Some(slot) = connections.take(peer) else { continue };
        if prepare(&stream, limits).is_ok() {
            workers.hand_over(stream, slot);
        }
    }
    drop(listener);
    context.drain.send_replace(true);
    app.legacy().hang_up();
    let drained = tokio::time::timeout(limits.drain_time_max, connections.all_gone()).await;
    if drained.is_err() {
        tracing::warn!(open = connections.open(), "the time to drain is over; what is still running is cut off");
    }
    Ok(())
}

/// What the operating system has to know about a connection.
fn prepare(stream: &TcpStream, limits: &Limits) -> std::io::Result<()> {
    // An answer is one small write; waiting for more of it would cost 40 ms.
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(limits.peer_silent_max))?;
    socket.set_tcp_notsent_lowat(limits.unsent_bytes_max)
}

/// How many connections each address has open.
type ByAddress = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Counts what is open, in all and by address.
struct Connections {
    slots: Arc<Semaphore>,
    slots_max: usize,
    by_address: ByAddress,
    address_max: usize,
}

/// One open connection.
struct ConnectionSlot {
    _slot: tokio::sync::OwnedSemaphorePermit,
    counted: Option<(IpAddr, ByAddress)>,
}

impl Connections {
    fn new(limits: &Limits) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(limits.connections_max)),
            slots_max: limits.connections_max,
            by_address: Arc::default(),
            address_max: limits.address_connections_max,
        }
    }

    fn take(&self, peer: SocketAddr) -> Option<ConnectionSlot> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        let address = peer.ip().to_canonical();
        if address.is_loopback() {
            return Some(ConnectionSlot { _slot: slot, counted: None });
        }
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let open = by_address.entry(address).or_insert(0);
        if *open >= self.address_max {
            return None;
        }
        *open += 1;
        Some(ConnectionSlot { _slot: slot, counted: Some((address, Arc::clone(&self.by_address))) })
    }

    fn open(&self) -> usize {
        self.slots_max - self.slots.available_permits()
    }

    async fn all_gone(&self) {
        let all = u32::try_from(self.slots_max).unwrap_or(u32::MAX);
        // The semaphore is never closed, so this ends only when every slot is back.
        let _ = self.slots.acquire_many(all).await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let Some((address, by_address)) = &self.counted else { return };
        let mut by_address = by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = by_address.get_mut(address) {
            *open -= 1;
            if *open == 0 {
                by_address.remove(address);
            }
        }
    }
}

pub use admin::serve_admin;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn c42_half_open_is_found_out_by_the_operating_system() {
        let limits = Limits::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        prepare(&stream, &limits).unwrap();
        let socket = socket2::SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(limits.peer_silent_max));
        // A sign of life is sent, and not acknowledged.
        assert!(limits.stream_alive_every + limits.peer_silent_max <= Duration::from_secs(60));
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), limits.unsent_bytes_max);
    }

    #[test]
    fn an_address_gets_only_so_many_connections() {
        let limits = Limits { connections_max: 10, address_connections_max: 2, ..Limits::default() };
        let connections = Connections::new(&limits);
        let (a, b): (SocketAddr, SocketAddr) = ("192.0.2.1:1".parse().unwrap(), "[::ffff:192.0.2.1]:2".parse().unwrap());
        let first = connections.take(a).unwrap();
        let _second = connections.take(b).unwrap();
        assert!(connections.take(a).is_none());
        assert!(connections.take("192.0.2.2:1".parse().unwrap()).is_some());
        drop(first);
        assert!(connections.take(b).is_some());
        assert_eq!(connections.open(), 1);
    }
}
