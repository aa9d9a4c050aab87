//! `wasi:http/outgoing-handler`, written out.

use crate::fetcher::{Answer, Ask};
use wasip2::http::outgoing_handler::{FutureIncomingResponse, handle};
use wasip2::http::types::{Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};
use wasip2::io::streams::StreamError;

/// Begins all of them before it waits for the first.
pub fn fetch(ask: &Ask) -> Vec<Result<Answer, String>> {
    let begun: Vec<_> = (0..ask.times.unwrap_or(1)).map(|_| begin(ask)).collect();
    begun.into_iter().map(|response| end(&response?)).collect()
}

fn begin(ask: &Ask) -> Result<FutureIncomingResponse, String> {
    let (scheme, rest) = ask.url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let fields = Fields::new();
    for (name, value) in &ask.headers {
        fields.append(name, value.as_bytes()).map_err(|error| format!("{name}: {error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let method = match ask.method.as_deref().unwrap_or("GET") {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let bad = |what: &'static str| move |()| what.to_owned();
    request.set_method(&method).map_err(bad("method"))?;
    request.set_scheme(Some(&scheme)).map_err(bad("scheme"))?;
    request.set_authority(Some(authority)).map_err(bad("authority"))?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(bad("path"))?;
    let options = RequestOptions::new();
    if let Some(ms) = ask.timeout_ms {
        let wish = Some(ms.saturating_mul(1_000_000));
        options.set_connect_timeout(wish).and_then(|()| options.set_first_byte_timeout(wish)).map_err(bad("timeout"))?;
        options.set_between_bytes_timeout(wish).map_err(bad("timeout"))?;
    }
    let body = request.body().map_err(bad("body"))?;
    let response = handle(request, Some(options)).map_err(|error| format!("{error:?}"))?;
    if let Some(text) = &ask.body {
        let stream = body.write().map_err(bad("body"))?;
        for piece in text.as_bytes().chunks(4096) {
            stream.blocking_write_and_flush(piece).map_err(|error| format!("{error:?}"))?;
        }
    }
    OutgoingBody::finish(body, None).map_err(|error| format!("{error:?}"))?;
    Ok(response)
}

fn end(response: &FutureIncomingResponse) -> Result<Answer, String> {
    response.subscribe().block();
    let response = response.get().ok_or("not ready")?.map_err(|()| "taken")?.map_err(|error| format!("{error:?}"))?;
    let headers = response.headers().entries();
    let status = response.status();
    let incoming = response.consume().map_err(|()| "consumed")?;
    let stream = incoming.stream().map_err(|()| "streamed")?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(bytes) => body.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    drop(stream);
    IncomingBody::finish(incoming);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let headers = headers.into_iter().map(|(name, value)| (name, text(value))).collect();
    Ok(Answer { status, headers, body: text(body), source: "upstream".into(), error: String::new() })
}
