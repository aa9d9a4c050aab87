//! One request and its response, on a connection that waits or on a new one.

use super::Egress;
use super::body::{Bounds, RequestBody, ResponseBody};
use super::error::EgressError;
use super::meter::{HeadBudget, Metered};
use super::pool::{Connection, Pool};
use crate::grants::http::{Method, Target};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

/// Makes the requests of one binding.
pub struct Client {
    egress: Arc<Egress>,
    pool: Arc<Pool>,
    lookups: Arc<Semaphore>,
}

/// A request that was checked.
pub struct Request {
    /// How.
    pub method: Method,
    /// Where.
    pub target: Target,
    /// With these fields, none of which is the connection's.
    pub headers: HeaderMap,
    /// With this body.
    pub body: Payload,
}

/// The body of a request.
pub enum Payload {
    /// All of it.
    Whole(Bytes),
    /// As the guest writes it. Can be sent once.
    Stream(RequestBody),
}

/// How long things may take; the host's own limits hold as well.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Connecting.
    pub connect_max: Duration,
    /// From the request to the end of the response's head.
    pub head_max: Duration,
    /// Between two pieces of the body.
    pub between_max: Duration,
    /// All of it, as it was granted.
    pub total_max: Duration,
    /// When all of it has to be over.
    pub deadline: Instant,
}

impl Client {
    /// With a pool of its own.
    #[must_use]
    pub fn new(egress: &Arc<Egress>) -> Self {
        let limits = &egress.limits;
        let pool = Pool::new(limits.http_idle_connections_max, limits.http_idle_time_max);
        Self { egress: Arc::clone(egress), pool, lookups: Arc::new(Semaphore::new(limits.http_plugin_lookups_max)) }
    }

    /// Sends a request and waits for the head of its response. `held` is dropped when the body has come to its end.
    pub async fn send(
        &self,
        request: Request,
        times: Times,
        bytes_max: usize,
        held: Box<dyn Any + Send>,
    ) -> Result<Response<ResponseBody>, EgressError> {
        let late = EgressError::Timeout("the request", times.total_max);
        let has_body = request.method != Method::Head;
        let exchange = self.exchange(request, &times);
        let (response, lease) = timeout_at(times.deadline, exchange).await.map_err(|_| late)??;
        let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if has_body && length.is_some_and(|length| length > bytes_max) {
            return Err(EgressError::TooLarge("the response's body", bytes_max));
        }
        let Times { between_max, deadline, total_max, .. } = times;
        let bounds = Bounds { bytes_max, between_max, deadline, total_max };
        Ok(response.map(|incoming| ResponseBody::new(incoming, bounds, Some(lease), held)))
    }

    async fn exchange(&self, request: Request, times: &Times) -> Result<(Response<Incoming>, super::pool::Lease), EgressError> {
        let Request { method, target, headers, body } = request;
        let (whole, mut stream) = match body {
            Payload::Whole(bytes) => (Some(bytes), None),
            Payload::Stream(body) => (None, Some(body)),
        };
        let mut waiting = self.pool.take(&target.origin);
        loop {
            let reused = waiting.is_some();
            let mut connection = match waiting.take() {
                Some(connection) => connection,
                None => self.connect(&target, times).await?,
            };
            let body = match (&whole, stream.take()) {
                (_, Some(body)) => body,
                (Some(bytes), None) => Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync(),
                (None, None) => return Err(EgressError::RequestBody),
            };
            let sent = self.send_on(&mut connection, message(method, &target, &headers, body)?, times).await;
            match sent {
                Ok(response) => {
                    check_framing(&response)?;
                    return Ok((response, self.pool.lease(target.origin, connection)));
                }
                // It was closed while it waited: nothing was sent.
                Err(Unsent::Given(body)) if reused => stream = Some(body),
                // It was closed about when this was sent: nothing came back.
                Err(Unsent::Lost(_)) if reused && method.is_idempotent() && whole.is_some() => {}
                Err(Unsent::Given(_)) => return Err(EgressError::Broken("the connection was closed at once")),
                Err(Unsent::Lost(error) | Unsent::Failed(error)) => return Err(error),
            }
        }
    }

    async fn connect(&self, target: &Target, times: &Times) -> Result<Connection, EgressError> {
        let io = self.egress.dial(&target.origin, times.connect_max, &self.lookups).await?;
        let limits = &self.egress.limits;
        let head = HeadBudget::unbounded();
        let metered = Metered { io, head: head.clone() };
        let mut builder = hyper::client::conn::http1::Builder::new();
        let head_max = limits.http_head_bytes_max;
        builder.max_buf_size(head_max).max_header_size(head_max).max_headers(limits.http_headers_max);
        let (sender, connection) =
            builder.handshake(TokioIo::new(metered)).await.map_err(|_| EgressError::Broken("the connection was closed at once"))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended badly");
            }
        });
        Ok(Connection { sender, head })
    }

    async fn send_on(
        &self,
        connection: &mut Connection,
        message: http::Request<RequestBody>,
        times: &Times,
    ) -> Result<Response<Incoming>, Unsent> {
        let limits = &self.egress.limits;
        let head_max = times.head_max.min(limits.http_head_time_max);
        // A read may bring the beginning of the body as well.
        connection.head.begin(2 * limits.http_head_bytes_max);
        let ready = async {
            // What is wrong with a connection that waited shows here.
            if connection.sender.ready().await.is_err() {
                return Err((Some(message.into_body()), None));
            }
            connection.sender.try_send_request(message).await.map_err(|mut error| {
                let given = error.take_message().map(http::Request::into_body);
                (given, Some(error.into_error()))
            })
        };
        let Ok(sent) = timeout(head_max, ready).await else {
            return Err(Unsent::Failed(EgressError::Timeout("the head of the response", head_max)));
        };
        match sent {
            Ok(response) => {
                connection.head.end();
                Ok(response)
            }
            Err((Some(body), _)) => Err(Unsent::Given(body)),
            Err((None, error)) => {
                let spent = connection.head.is_spent();
                Err(self.why(error.as_ref(), spent))
            }
        }
    }

    fn why(&self, error: Option<&hyper::Error>, spent: bool) -> Unsent {
        let limits = &self.egress.limits;
        tracing::debug!(error = error.map(tracing::field::display), "no response");
        let Some(error) = error else { return Unsent::Lost(EgressError::Broken("the connection was closed")) };
        if spent || error.is_parse_too_large() {
            Unsent::Failed(EgressError::TooLarge("the response's head", limits.http_head_bytes_max))
        } else if error.is_parse() {
            Unsent::Failed(EgressError::Broken("the response is not HTTP/1.1 as it should be"))
        } else if error.is_user() {
            Unsent::Failed(EgressError::RequestBody)
        } else {
            Unsent::Lost(EgressError::Broken("the connection was closed before there was a response"))
        }
    }
}

/// Why a request has no response.
enum Unsent {
    /// Nothing of it was sent, and its body is still there.
    Given(RequestBody),
    /// The connection went away.
    Lost(EgressError),
    /// Something else.
    Failed(EgressError),
}

fn message(method: Method, target: &Target, headers: &HeaderMap, body: RequestBody) -> Result<http::Request<RequestBody>, EgressError> {
    let unsendable = |_| EgressError::Broken("the request cannot be sent");
    let uri = http::Uri::builder().path_and_query(target.path_and_query.clone()).build().map_err(unsendable)?;
    let mut message = http::Request::builder().method(method.as_str()).uri(uri).body(body).map_err(unsendable)?;
    let host = HeaderValue::from_str(&target.origin.authority()).map_err(|error| unsendable(error.into()))?;
    message.headers_mut().insert(HOST, host);
    for (name, value) in headers {
        message.headers_mut().append(name, value.clone());
    }
    Ok(message)
}

/// Refuses a response whose end can be read in two ways.
fn check_framing(response: &Response<Incoming>) -> Result<(), EgressError> {
    let lengths = response.headers().get_all(CONTENT_LENGTH).iter().count();
    let chunked = response.headers().contains_key(TRANSFER_ENCODING);
    if lengths > 1 || lengths == 1 && chunked {
        return Err(EgressError::Broken("the response says in two ways where it ends"));
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(EgressError::Broken("the response switches to another protocol"));
    }
    Ok(())
}
