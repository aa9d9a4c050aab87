//! The only code that dials for guests: a name is resolved once, every address of it is classified, the connection goes to an address that
//! was checked, and TLS is for the name. What may be asked is decided above; where it may go is decided here.

mod body;
pub mod classify;
mod client;
mod dial;
mod error;
mod meter;
mod pool;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

use crate::limits::Limits;
use classify::{Class, classify};
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use body::{RequestBody, ResponseBody};
pub use client::{Client, Payload, Request, Times};
pub use error::EgressError;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync {
    /// All of them, in the order in which they should be tried. `slot` is the asking plugin's, and held for as long as the lookup really
    /// goes on: one whose names are slow on purpose waits for itself, and not others for it.
    fn resolve<'a>(&'a self, name: &'a str, port: u16, slot: OwnedSemaphorePermit) -> BoxFuture<'a, std::io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver. It cannot be interrupted, so a lookup that nobody waits for any more holds its slot until it ends: names
/// whose servers are slow on purpose take no more threads than that.
pub struct SystemResolver(Arc<Semaphore>);

impl SystemResolver {
    /// With this many lookups at the same time.
    #[must_use]
    pub fn new(lookups_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(lookups_max)))
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str, port: u16, slot: OwnedSemaphorePermit) -> BoxFuture<'a, std::io::Result<Vec<SocketAddr>>> {
        // The last dot keeps the resolver from trying the name within the machine's own domains.
        let name = if name.contains('.') { format!("{name}.") } else { name.to_owned() };
        Box::pin(async move {
            let slots = (Arc::clone(&self.0).acquire_owned().await.map_err(std::io::Error::other)?, slot);
            let lookup = tokio::task::spawn_blocking(move || {
                let found = (name, port).to_socket_addrs().map(Iterator::collect);
                drop(slots);
                found
            });
            lookup.await.map_err(std::io::Error::other)?
        })
    }
}

/// The way out of this host.
pub struct Egress {
    resolver: Arc<dyn Resolve>,
    private: Vec<IpNet>,
    own: RwLock<Vec<SocketAddr>>,
    tls: tls::Tls,
    limits: Arc<Limits>,
}

impl Egress {
    /// With the ranges that the operator offers beside public addresses, and a file of authorities that are trusted beside the system's.
    pub fn new(private: Vec<IpNet>, ca: Option<&Path>, resolver: Arc<dyn Resolve>, limits: Arc<Limits>) -> Result<Self, String> {
        Ok(Self { resolver, private, own: RwLock::default(), tls: tls::Tls::new(ca)?, limits })
    }

    /// Keeps plugins from a listener of this host's, whatever ranges are offered.
    pub fn keep_out_of(&self, listener: SocketAddr) {
        self.own.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Gets ready what takes a while the first time: the system's authorities.
    pub fn prepare(&self) {
        let _ = self.tls.config();
    }

    /// Whether plugins may be connected to an address.
    fn admits(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        match classify(ip) {
            Class::Metadata => false,
            Class::Special if !self.private.iter().any(|range| range.contains(&ip)) => false,
            Class::Global | Class::Special => !self.is_own(address),
        }
    }

    /// Whether one of our own listeners answers there.
    fn is_own(&self, address: SocketAddr) -> bool {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        own.iter().any(|own| {
            let same = own.ip().to_canonical() == address.ip().to_canonical();
            own.port() == address.port() && (same || own.ip().is_unspecified() && is_of_this_machine(address.ip()))
        })
    }
}

/// Whether an interface of this machine has the address: only to one's own can a socket be bound. When that cannot be tried, it has.
fn is_of_this_machine(ip: IpAddr) -> bool {
    let foreign = |error: std::io::Error| error.kind() == std::io::ErrorKind::AddrNotAvailable;
    ip.is_loopback() || ip.is_unspecified() || !UdpSocket::bind((ip, 0)).is_err_and(foreign)
}
