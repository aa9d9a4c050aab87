//! The way to a server: a socket, TLS where it is wanted, and a look at the length of every message.
//!
//! The driver reads a message as a whole before it hands out its row. So a row with a value of a gigabyte would be in memory before any
//! limit could be met; here the connection ends at the message's header instead.

use crate::config::{PostgresServer, ServerHost};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A socket of either kind.
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Unix(socket) => Pin::new(socket).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Unix(socket) => Pin::new(socket).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(context),
            Self::Unix(socket) => Pin::new(socket).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }
}

type Rustls = <MakeRustlsConnect as MakeTlsConnect<Wire>>::TlsConnect;
type RustlsStream = <Rustls as TlsConnect<Wire>>::Stream;

/// Connects to the server.
pub(super) async fn dial(server: &PostgresServer) -> io::Result<Wire> {
    Ok(match &server.host {
        ServerHost::Name(host) => {
            let socket = TcpStream::connect((host.as_str(), server.port)).await?;
            socket.set_nodelay(true)?;
            Wire::Tcp(socket)
        }
        ServerHost::Socket(folder) => Wire::Unix(UnixStream::connect(folder.join(format!(".s.PGSQL.{}", server.port))).await?),
    })
}

/// A stream of messages none of which is longer than allowed.
pub(super) struct Bounded<S> {
    inner: S,
    gauge: Gauge,
}

impl<S> Bounded<S> {
    /// Watches over a stream. `exceeded` becomes true when a message is too long; then reading fails.
    pub(super) fn new(inner: S, message_bytes_max: usize, exceeded: &Arc<AtomicBool>) -> Self {
        let gauge = Gauge { header: [0; HEADER_BYTES], filled: 0, skip: 0, message_bytes_max, exceeded: Arc::clone(exceeded) };
        Self { inner, gauge }
    }
}

/// A kind, and a length that counts itself.
const HEADER_BYTES: usize = 5;

struct Gauge {
    header: [u8; HEADER_BYTES],
    filled: usize,
    /// Bytes until the next header.
    skip: usize,
    message_bytes_max: usize,
    exceeded: Arc<AtomicBool>,
}

impl Gauge {
    fn see(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.filled) {
                *place = *first;
            }
            self.filled += 1;
            bytes = rest;
            if self.filled == HEADER_BYTES {
                let [_, length @ ..] = self.header;
                let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                if length > self.message_bytes_max {
                    self.exceeded.store(true, Ordering::Release);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of the server is too long"));
                }
                self.filled = 0;
                self.skip = length.saturating_sub(HEADER_BYTES - 1);
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.gauge.see(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Bounded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// TLS whose inside is watched.
pub(super) struct BoundedTls {
    tls: Rustls,
    message_bytes_max: usize,
    exceeded: Arc<AtomicBool>,
}

impl BoundedTls {
    /// TLS to a server of this name.
    pub(super) fn new(maker: &MakeRustlsConnect, host: &str, message_bytes_max: usize, exceeded: &Arc<AtomicBool>) -> io::Result<Self> {
        let tls = MakeTlsConnect::<Wire>::make_tls_connect(&mut maker.clone(), host).map_err(io::Error::other)?;
        Ok(Self { tls, message_bytes_max, exceeded: Arc::clone(exceeded) })
    }
}

impl TlsConnect<Wire> for BoundedTls {
    type Stream = Bounded<RustlsStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

    fn connect(self, stream: Wire) -> Self::Future {
        Box::pin(async move {
            let inner = self.tls.connect(stream).await?;
            Ok(Bounded::new(inner, self.message_bytes_max, &self.exceeded))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_measured_however_they_are_cut() {
        let message = |length: usize| {
            let length_bytes = u32::try_from(length).unwrap().to_be_bytes();
            [&b"D"[..], &length_bytes, &vec![7; length - 4]].concat()
        };
        let stream = [message(4), message(100), message(5), message(99)].concat();
        for piece in [1, 2, 3, 7, 64, 1_000] {
            let exceeded = Arc::default();
            let mut gauge = Bounded::new((), 100, &exceeded).gauge;
            stream.chunks(piece).for_each(|bytes| gauge.see(bytes).unwrap());
            let longer = message(101);
            let seen: Vec<_> = longer.chunks(piece).map(|bytes| gauge.see(bytes)).take_while(Result::is_ok).collect();
            assert!(exceeded.load(Ordering::Acquire) && seen.len() * piece <= HEADER_BYTES, "{piece}");
        }
    }
}
