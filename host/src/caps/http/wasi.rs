//! `wasi:http/outgoing-handler`: the standard interface on the same checked path, without redirects, retries and cache.

use super::{CallQuota, HttpCap, HttpError};
use crate::egress::{EgressError, Payload, Request, Times};
use crate::grants::http::{Method, Target, belongs_to_the_host};
use http::header::{CONTENT_LENGTH, HOST};
use http_body_util::{BodyExt as _, Limited};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttp, WasiHttpCtxView, WasiHttpHooks};

/// What one call has of the standard interface. It outlives the host calls that begin requests.
#[derive(Default)]
pub struct Hooks(Option<(Arc<HttpCap>, Arc<CallQuota>)>);

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl Hooks {
    /// For one call. None when it was not granted; then it is not linked either.
    #[must_use]
    pub fn new(granted: Option<(Arc<HttpCap>, Arc<CallQuota>)>) -> Self {
        Self(granted)
    }
}

impl HttpCap {
    async fn send_streamed(&self, call: &CallQuota, request: http::Request<WasiBody>, wished: RequestOptions) -> Result<Sent, HttpError> {
        let limits = &self.limits;
        let (head, body) = request.into_parts();
        let target = Target::of(&head.uri).map_err(|why| HttpError::Invalid(why.0));
        let target = target.inspect_err(|why| call.denied(&why.to_string(), "request"))?;
        let Some(method) = Method::parse(head.method.as_str()) else {
            call.denied(head.method.as_str(), "request");
            return Err(HttpError::Denied("the method is not one that can be granted".to_owned()));
        };
        let mut headers = head.headers;
        headers.remove(HOST);
        let foreign = headers.keys().find(|name| **name != CONTENT_LENGTH && belongs_to_the_host(name));
        if let Some(name) = foreign {
            return Err(HttpError::Invalid(format!("the header {name} belongs to the connection")));
        }
        let lower = |wish: Option<Duration>, limit: Duration| wish.map_or(limit, |wish| wish.min(limit));
        let total_max = self.grant.total_time_max;
        let times = Times {
            connect_max: lower(wished.connect_timeout, limits.http_connect_time_max),
            head_max: lower(wished.first_byte_timeout, limits.http_head_time_max),
            between_max: lower(wished.between_bytes_timeout, limits.http_between_time_max),
            total_max,
            deadline: call.deadline.min(Instant::now() + total_max),
        };
        let body = Limited::new(body, limits.http_request_bytes_max).boxed_unsync();
        let request = Request { method, target, headers, body: Payload::Stream(body) };
        let response = self.send(call, request, times).await?;
        let response = response.map(|body| body.map_err(|error: EgressError| Error::from(HttpError::Egress(error))).boxed_unsync());
        Ok((response, Box::new(async { Ok(()) })))
    }
}

impl WasiHttpHooks for Hooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        // A body that is not as long as the guest wrote ends the connection, so that nobody reads it as another request.
        Arc::new(|name| *name != CONTENT_LENGTH && belongs_to_the_host(name))
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let granted = self.0.clone();
        Box::new(async move {
            let (cap, call) = granted.ok_or(Error::HttpRequestDenied)?;
            cap.send_streamed(&call, request, options.unwrap_or_default()).await.map_err(Into::into)
        })
    }
}

/// Links the interfaces.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> WasiHttpCtxView<'_>) -> wasmtime::Result<()> {
    use wasmtime_wasi_http::p2::bindings::{LinkOptions, http};
    http::outgoing_handler::add_to_linker::<T, WasiHttp>(linker, view)?;
    http::types::add_to_linker::<T, WasiHttp>(linker, &LinkOptions::default().into(), view)
}
