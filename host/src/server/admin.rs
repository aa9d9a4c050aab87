//! The operator's own listener, on loopback: is the process alive, and is it ready. It runs apart from the workers, so that it answers
//! while every guest thread is busy.

use crate::auth::guard::Guard;
use crate::limits::Limits;
use crate::registry::Registry;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;

/// What the health endpoints tell.
pub struct Health {
    registry: Arc<Registry>,
    draining: AtomicBool,
}

impl Health {
    /// Of a host that has just started.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Arc<Self> {
        Arc::new(Self { registry, draining: AtomicBool::new(false) })
    }

    /// From now on the host is not ready.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_ready(&self) -> bool {
        self.registry.is_ready() && !self.draining.load(Ordering::Relaxed)
    }
}

/// Serves `/healthz` and `/readyz` for as long as it is polled.
pub async fn serve_admin(listener: TcpListener, health: Arc<Health>, limits: Arc<Limits>) {
    let slots = Arc::new(tokio::sync::Semaphore::new(limits.address_connections_max));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(super::ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (health, head_time_max) = (Arc::clone(&health), limits.head_time_max);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&request, &health);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            let connection =
                builder.timer(TokioTimer::new()).header_read_timeout(head_time_max).serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the admin listener ended");
            }
            drop(slot);
        });
    }
}

fn answer(request: &hyper::Request<Incoming>, health: &Health) -> Response<http_body_util::Full<bytes::Bytes>> {
    let refused = Guard::default().check(request.version(), request.uri(), request.headers()).is_err();
    let (status, text) = match (request.method(), request.uri().path()) {
        _ if refused => (StatusCode::FORBIDDEN, "refused\n"),
        (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, "ok\n"),
        (&Method::GET | &Method::HEAD, "/readyz") if health.is_ready() => (StatusCode::OK, "ready\n"),
        (&Method::GET | &Method::HEAD, "/readyz") => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        _ => (StatusCode::NOT_FOUND, "there is /healthz and /readyz\n"),
    };
    let mut response = Response::new(http_body_util::Full::from(text));
    *response.status_mut() = status;
    response
}
