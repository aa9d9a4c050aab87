//! Upstreams on loopback and a resolver of the test's, for the tests of this module and of the capability above it.

mod addresses;
mod secure;
pub(crate) mod upstream;

use super::{Egress, Resolve};
use crate::limits::Limits;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Knows what a test tells it. A name has one answer after the other; the last one stays.
#[derive(Default)]
pub(crate) struct Names {
    answers: Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
}

impl Names {
    pub(crate) fn set(&self, name: &str, answers: &[&[&str]]) {
        let answers = answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers);
    }
}

/// Slots for lookups.
pub(crate) fn lookups() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1))
}

/// One of them.
pub(crate) async fn slot() -> OwnedSemaphorePermit {
    lookups().acquire_owned().await.unwrap()
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str, port: u16, _slot: OwnedSemaphorePermit) -> BoxFuture<'a, std::io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.lock().unwrap().get_mut(name).map(
            |answers| {
                if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
            },
        );
        let silent = name.starts_with("silent.");
        Box::pin(async move {
            if silent {
                std::future::pending::<()>().await;
            }
            let answer = answer.ok_or_else(|| std::io::Error::other("NXDOMAIN"))?;
            Ok(answer.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
        })
    }
}

/// A way out with loopback offered, as far as `private` says so.
pub(crate) fn egress(names: &Arc<Names>, private: &[&str], ca: Option<&Path>, limits: &Arc<Limits>) -> Arc<Egress> {
    let private = private.iter().map(|range| range.parse().unwrap()).collect();
    Arc::new(Egress::new(private, ca, Arc::clone(names) as Arc<dyn Resolve>, Arc::clone(limits)).unwrap())
}
