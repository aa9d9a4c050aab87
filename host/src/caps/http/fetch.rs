//! The life of a `fetch`: checked, answered from the cache or by the upstream, tried again, redirects followed, read to its end.

use super::cache::{Key, Whole};
use super::check::Asked;
use super::{CallQuota, HttpCap, HttpError, wit};
use crate::egress::{EgressError, Payload, Request, ResponseBody, Times};
use crate::grants::http::{Method, Target, belongs_to_the_host};
use flate2::read::GzDecoder;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use std::io::Read as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

impl HttpCap {
    /// Makes a request and reads its response.
    pub(super) async fn fetch(&self, call: &CallQuota, request: wit::Request) -> Result<wit::Response, HttpError> {
        let asked = Asked::read(request, &self.limits).inspect_err(|why| call.denied(&why.to_string(), "request"))?;
        self.check(call, asked.method, &asked.target)?;
        let cache = self.cache.as_ref().filter(|_| asked.method == Method::Get && asked.body.is_empty());
        let key = cache.map(|_| Key::of(&asked.target, &asked.headers, asked.decompress));
        let kept = cache.zip(key.as_ref()).and_then(|(cache, key)| cache.get(key));
        if let Some((kept, true)) = &kept {
            return Ok(answer((**kept).clone(), wit::Source::Cache));
        }
        let result = self.attempts(call, &asked).await;
        let failed = match &result {
            Ok(response) => response.status >= 500,
            Err(HttpError::Egress(error)) => *error != EgressError::Refused,
            Err(_) => false,
        };
        if let Some((kept, _)) = kept.filter(|_| failed) {
            tracing::debug!("a stale response is better than an error");
            return Ok(answer((*kept).clone(), wit::Source::Stale));
        }
        let response = result?;
        if let Some((cache, key)) = cache.zip(key) {
            cache.put(key, &response);
        }
        Ok(answer(response, wit::Source::Upstream))
    }

    /// As often as the grant says, as far as the time reaches.
    async fn attempts(&self, call: &CallQuota, asked: &Asked) -> Result<Whole, HttpError> {
        let total_max = asked.time_max.map_or(self.grant.total_time_max, |time| time.min(self.grant.total_time_max));
        let deadline = call.deadline.min(Instant::now() + total_max);
        let limits = &self.limits;
        let times = Times {
            connect_max: limits.http_connect_time_max,
            head_max: limits.http_head_time_max,
            between_max: limits.http_between_time_max,
            total_max,
            deadline,
        };
        let retry = self.grant.retry.as_ref().filter(|_| asked.method.is_idempotent());
        let mut attempt = 1;
        loop {
            let result = self.follow(call, asked, times).await;
            let again = match &result {
                Ok(response) => matches!(response.status, 502..=504),
                Err(HttpError::Egress(error)) => error.is_before_request(),
                Err(_) => false,
            };
            let Some(retry) = retry.filter(|retry| again && attempt < retry.attempts_max) else { return result };
            let delay = jitter(retry.delay.saturating_mul(1 << (attempt - 1).min(16)));
            let asked_for = result.as_ref().ok().and_then(|response| retry_after(&response.headers));
            let delay = asked_for.map_or(delay, |asked_for| asked_for.max(delay));
            // What would come too late is not waited for.
            if Instant::now().checked_add(delay).is_none_or(|then| then >= deadline) {
                return result;
            }
            sleep(delay).await;
            attempt += 1;
        }
    }

    /// One attempt, with the redirects that the grant lets it follow; each hop is checked anew.
    async fn follow(&self, call: &CallQuota, asked: &Asked, times: Times) -> Result<Whole, HttpError> {
        let mut hop = asked.clone();
        for left in (0..=self.grant.redirects_max).rev() {
            let request = Request {
                method: hop.method,
                target: hop.target.clone(),
                headers: hop.headers.clone(),
                body: Payload::Whole(hop.body.clone()),
            };
            let response = self.send(call, request, times).await?;
            let leads = if left > 0 { location(&response, &hop.target) } else { None };
            let Some(leads) = leads else { return self.read(response, hop.decompress).await };
            let leads = leads.inspect_err(|why| call.denied(&why.to_string(), "redirect"))?;
            hop = hop.redirected(response.status(), leads);
        }
        Err(HttpError::Egress(EgressError::Broken("too many redirects")))
    }

    async fn read(&self, response: Response<ResponseBody>, decompress: bool) -> Result<Whole, HttpError> {
        let (head, body) = response.into_parts();
        let mut headers = head.headers;
        let mut body: Vec<u8> = body.collect().await?.to_bytes().into();
        let compressed = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
        if decompress && compressed && !body.is_empty() {
            body = decompressed(&body, self.grant.response_bytes_max)?;
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        Ok(Whole { status: head.status.as_u16(), headers, body })
    }
}

impl Asked {
    /// The request that follows a redirect (RFC 9110, section 15.4): what was meant for one origin does not go to another.
    fn redirected(mut self, status: StatusCode, target: Target) -> Self {
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let becomes_get = match self.method {
            Method::Get | Method::Head | Method::Options => false,
            Method::Post => !keeps_method,
            Method::Put | Method::Patch | Method::Delete => status == StatusCode::SEE_OTHER,
        };
        if becomes_get {
            self.method = Method::Get;
            self.body = bytes::Bytes::new();
            self.headers.remove(CONTENT_TYPE);
        }
        if self.target.origin != target.origin {
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(COOKIE);
        }
        self.target = target;
        self
    }
}

/// Where a response leads, if it is a redirect.
fn location(response: &Response<ResponseBody>, from: &Target) -> Option<Result<Target, HttpError>> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| redirects)?;
    let bad = |why: &str| HttpError::Denied(format!("the redirect cannot be followed: {why}"));
    Some(match location.to_str() {
        Ok(location) => from.join(location).map_err(|why| bad(&why.0)),
        Err(_) => Err(bad("it is not ASCII")),
    })
}

/// Undoes gzip within a bound: a small body can be a large one in disguise.
fn decompressed(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, HttpError> {
    let mut whole = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    // One member: a body of many empty ones would cost a lot and give nothing.
    let read = GzDecoder::new(bytes).take(most).read_to_end(&mut whole);
    read.map_err(|_| HttpError::Egress(EgressError::Broken("the response's body is not compressed as it says")))?;
    if whole.len() > bytes_max {
        return Err(HttpError::Egress(EgressError::TooLarge("the response's body, decompressed,", bytes_max)));
    }
    Ok(whole)
}

/// Between a half and the whole of it, so that those who failed together do not come back together.
fn jitter(delay: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness it is the whole of it.
    let share = getrandom::fill(&mut random).map_or(255, |()| random[0]);
    let half = delay / 2;
    half.saturating_add(half.mul_f64(f64::from(share) / 255.0))
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let seconds = then.as_second() - jiff::Timestamp::now().as_second();
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

fn answer(response: Whole, source: wit::Source) -> wit::Response {
    let visible = response.headers.iter().filter(|(name, _)| *name == CONTENT_LENGTH || !belongs_to_the_host(name));
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| wit::Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    wit::Response { status: response.status, headers: visible.map(header).collect(), body: response.body, source }
}
