//! From an origin to a connection: resolved once, every address checked, connected to a checked one.

use super::error::{CONNECTING, EgressError, HANDSHAKE, RESOLVING};
use super::{Egress, tls};
use crate::grants::http::Origin;
use crate::manifest::{Host, Scheme};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

/// A connection, with TLS or without.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Egress {
    /// Connects to an origin. `connect_max` is the guest's wish as far as it is shorter, `lookups` are the slots of whoever asks.
    pub(super) async fn dial(&self, origin: &Origin, connect_max: Duration, lookups: &Arc<Semaphore>) -> Result<Box<dyn Io>, EgressError> {
        let addresses = self.addresses(origin, lookups).await?;
        let stream = connect(&addresses, connect_max.min(self.limits.http_connect_time_max)).await?;
        if origin.scheme == Scheme::Http {
            return Ok(Box::new(stream));
        }
        let name = tls::server_name(&origin.host)?;
        let handshake = tokio_rustls::TlsConnector::from(self.tls.config()?).connect(name, stream);
        let time_max = self.limits.http_tls_time_max;
        match timeout(time_max, handshake).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => {
                tracing::debug!(%origin, %error, "no TLS");
                Err(EgressError::Tls(tls::reason(&error)))
            }
            Err(_) => Err(EgressError::Timeout(HANDSHAKE, time_max)),
        }
    }

    /// The addresses that may be dialled. Asked once for each connection: what is checked is what is dialled.
    async fn addresses(&self, origin: &Origin, lookups: &Arc<Semaphore>) -> Result<Vec<SocketAddr>, EgressError> {
        let found = match &origin.host {
            Host::Address(ip) => vec![SocketAddr::new(*ip, origin.port)],
            Host::Name(name) => {
                let time_max = self.limits.http_resolve_time_max;
                let lookup = async {
                    let slot = Arc::clone(lookups).acquire_owned().await.map_err(std::io::Error::other)?;
                    self.resolver.resolve(name, origin.port, slot).await
                };
                match timeout(time_max, lookup).await {
                    Ok(Ok(found)) => found,
                    Ok(Err(error)) => {
                        tracing::debug!(%origin, %error, "the name is not known");
                        return Err(EgressError::NoAddress);
                    }
                    Err(_) => return Err(EgressError::Timeout(RESOLVING, time_max)),
                }
            }
        };
        if found.is_empty() {
            return Err(EgressError::NoAddress);
        }
        // Whatever port a resolver may think of.
        let found = found.into_iter().take(self.limits.http_addresses_max).map(|found| SocketAddr::new(found.ip(), origin.port));
        let (admitted, refused): (Vec<_>, Vec<_>) = found.partition(|address| self.admits(*address));
        for address in &refused {
            tracing::warn!(target: "cofferdam::audit", %origin, ip = %address.ip(), "denied: address");
        }
        if admitted.is_empty() { Err(EgressError::Refused) } else { Ok(admitted) }
    }
}

/// Connects to the first address that answers; each gets its share of the time.
async fn connect(addresses: &[SocketAddr], time_max: Duration) -> Result<TcpStream, EgressError> {
    let deadline = Instant::now() + time_max;
    let mut failed = EgressError::Timeout(CONNECTING, time_max);
    for (at, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) if stream.peer_addr().is_ok_and(|peer| peer == *address) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Ok(_)) => failed = EgressError::Connect("somebody else answered"),
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "no connection");
                failed = EgressError::Connect("nobody answers there");
            }
            Err(_) => failed = EgressError::Timeout(CONNECTING, time_max),
        }
    }
    Err(failed)
}
