//! Signatures of webhooks: pure functions from the raw request to the code that it was signed with.
//!
//! The code that is compared is the one computed here, never the text that came: a signature can be written in more than one way, and what
//! is remembered of a request has to be the same each time.

use crate::grants::{Signature, WebhookGrant};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, Method};
use sha2::Sha256;

/// What GitHub signs with.
const GITHUB_HEADER: HeaderName = HeaderName::from_static("x-hub-signature-256");
/// GitHub's name for one delivery. It is not signed.
const GITHUB_DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");
/// What Stripe signs with.
const STRIPE_HEADER: HeaderName = HeaderName::from_static("stripe-signature");
/// Signatures that one Stripe header may have: one for each key while a key is replaced.
const STRIPE_SIGNATURES_MAX: usize = 8;

/// A request, as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery<'a> {
    pub(super) method: &'a Method,
    /// Path and query, as they were sent.
    pub(super) target: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// A request whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verified {
    /// What must not come again.
    pub(super) once: Vec<Vec<u8>>,
    /// Until when it would be let through again, in milliseconds since 1970.
    pub(super) until_ms: u64,
}

/// Why a request is refused. Goes to the log, and to nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// No header, or one that is there twice, or not text.
    #[error("the signature's headers are missing, there twice, or not text")]
    Headers,
    /// Not what the scheme writes.
    #[error("the signature is not written as its scheme wants it")]
    Malformed,
    /// A path that could be read as path and body in two ways.
    #[error("the path has a dot, which separates what is signed")]
    Path,
    /// Not the one that the key gives.
    #[error("the signature is wrong: another key, or another body, time, method or path")]
    Wrong,
    /// Too far from now.
    #[error("the time of the request is too far from the host's")]
    Time,
    /// It was there before.
    #[error("the request was taken before")]
    Again,
}

/// Verifies a request.
pub(super) fn verify(grant: &WebhookGrant, key: &[u8], delivery: Delivery<'_>, now_ms: u64) -> Result<Verified, Refused> {
    match grant.signature {
        Signature::Github => github(grant, key, delivery, now_ms),
        Signature::Stripe => stripe(grant, key, delivery, now_ms),
        Signature::HmacSha256 => generic(grant, key, delivery, now_ms),
    }
}

/// Header fields that have to do with a signature, or that a guest must not see for another reason.
pub(super) fn is_withheld(grant: &WebhookGrant, name: &HeaderName) -> bool {
    let credentials = [http::header::AUTHORIZATION, http::header::PROXY_AUTHORIZATION, http::header::COOKIE];
    let others = ["x-api-key", "x-hub-signature", "x-signature"];
    credentials.contains(name) || [GITHUB_HEADER, STRIPE_HEADER].contains(name) || others.contains(&name.as_str()) || *name == grant.header
}

/// The only value of a header.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map(str::trim).map_err(|_| Refused::Headers),
        _ => Err(Refused::Headers),
    }
}

fn code(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut code = Hmac::<Sha256>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| code.update(part));
    Some(code)
}

/// Compares in constant time. Returns the code itself.
fn compare(key: &[u8], parts: &[&[u8]], given: &[Vec<u8>]) -> Result<Vec<u8>, Refused> {
    let code = code(key, parts).filter(|_| !key.is_empty()).ok_or(Refused::Wrong)?;
    // Every one is looked at, whichever fits.
    let right = given.iter().filter(|given| code.clone().verify_slice(given).is_ok()).count();
    if right == 0 { Err(Refused::Wrong) } else { Ok(code.finalize().into_bytes().to_vec()) }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if text.len() != 64 {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None })
        .collect()
}

/// Whole seconds since 1970, in digits alone: a sign or a space would be another text for the same time.
fn seconds(text: &str) -> Option<u64> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn tolerance_ms(grant: &WebhookGrant) -> u64 {
    u64::try_from(grant.tolerance.as_millis()).unwrap_or(u64::MAX)
}

/// Until when a request of this time is let through; an error when that is not now.
fn within(grant: &WebhookGrant, seconds: u64, now_ms: u64) -> Result<u64, Refused> {
    let (time_ms, tolerance_ms) = (seconds.saturating_mul(1_000), tolerance_ms(grant));
    let until_ms = time_ms.saturating_add(tolerance_ms);
    let good = now_ms <= until_ms && time_ms <= now_ms.saturating_add(tolerance_ms);
    if good { Ok(until_ms) } else { Err(Refused::Time) }
}

/// `sha256=<hex>` of the body.
fn github(grant: &WebhookGrant, key: &[u8], delivery: Delivery<'_>, now_ms: u64) -> Result<Verified, Refused> {
    let text = single(delivery.headers, &GITHUB_HEADER)?;
    let given = text.strip_prefix("sha256=").and_then(hexadecimal).ok_or(Refused::Malformed)?;
    let code = compare(key, &[delivery.body], &[given])?;
    let mut once = vec![code];
    if delivery.headers.contains_key(GITHUB_DELIVERY) {
        once.push(single(delivery.headers, &GITHUB_DELIVERY)?.as_bytes().to_vec());
    }
    Ok(Verified { once, until_ms: now_ms.saturating_add(tolerance_ms(grant)) })
}

/// `t=<seconds>,v1=<hex>`, with a `v1` for every key that is in force.
fn stripe(grant: &WebhookGrant, key: &[u8], delivery: Delivery<'_>, now_ms: u64) -> Result<Verified, Refused> {
    let (mut time, mut given) = (None, Vec::new());
    for (name, value) in single(delivery.headers, &STRIPE_HEADER)?.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" if time.is_none() => time = Some(value),
            "t" => return Err(Refused::Malformed),
            "v1" => given.push(hexadecimal(value).ok_or(Refused::Malformed)?),
            // Older schemes stand beside it.
            _ => {}
        }
    }
    let time = time.ok_or(Refused::Malformed)?;
    if given.is_empty() || given.len() > STRIPE_SIGNATURES_MAX {
        return Err(Refused::Malformed);
    }
    let seconds = seconds(time).ok_or(Refused::Malformed)?;
    let code = compare(key, &[time.as_bytes(), b".", delivery.body], &given)?;
    Ok(Verified { once: vec![code], until_ms: within(grant, seconds, now_ms)? })
}

/// In hexadecimal or base64, of `<time>.<method>.<path>.<body>`.
fn generic(grant: &WebhookGrant, key: &[u8], delivery: Delivery<'_>, now_ms: u64) -> Result<Verified, Refused> {
    // With a dot in it, a part of the body could become a part of the path.
    if delivery.target.contains('.') {
        return Err(Refused::Path);
    }
    let text = single(delivery.headers, &grant.header)?;
    let text = text.strip_prefix("sha256=").unwrap_or(text);
    let base64 = || STANDARD.decode(text).ok().filter(|bytes| bytes.len() == 32);
    let given = hexadecimal(text).or_else(base64).ok_or(Refused::Malformed)?;
    let time = single(delivery.headers, &grant.timestamp_header)?;
    let seconds = seconds(time).ok_or(Refused::Malformed)?;
    let parts: [&[u8]; 7] =
        [time.as_bytes(), b".", delivery.method.as_str().as_bytes(), b".", delivery.target.as_bytes(), b".", delivery.body];
    let code = compare(key, &parts, &[given])?;
    Ok(Verified { once: vec![code], until_ms: within(grant, seconds, now_ms)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::Duration;

    const KEY: &[u8] = b"It's a Secret to Everybody";
    const HELLO: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const NOW_S: u64 = 1_700_000_000;

    fn grant(signature: Signature) -> WebhookGrant {
        WebhookGrant {
            topic: "pushes".to_owned(),
            signature,
            secret: "hook".to_owned(),
            tolerance: Duration::from_secs(300),
            header: HeaderName::from_static("x-signature"),
            timestamp_header: HeaderName::from_static("x-timestamp"),
        }
    }

    fn hex(parts: &[&[u8]], key: &[u8]) -> String {
        code(key, parts).unwrap().finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check_at(signature: Signature, headers: &[(&'static str, &str)], target: &str, body: &str, now_s: u64) -> Result<Verified, Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let delivery = Delivery { method: &Method::POST, target, headers: &map, body: body.as_bytes() };
        verify(&grant(signature), KEY, delivery, now_s * 1_000)
    }

    fn check(signature: Signature, headers: &[(&'static str, &str)], body: &str) -> Option<Refused> {
        check_at(signature, headers, "/hooks/p/pushes", body, NOW_S).err()
    }

    #[test]
    fn githubs_own_example() {
        let good = format!("sha256={HELLO}");
        for (value, body, expected) in [
            (good.as_str(), "Hello, World!", None),
            (&format!("sha256={}", HELLO.to_uppercase()), "Hello, World!", None),
            (&good, "Hello, World?", Some(Refused::Wrong)),
            (&good, "", Some(Refused::Wrong)),
            (HELLO, "Hello, World!", Some(Refused::Malformed)),
            (&format!("sha1={HELLO}"), "Hello, World!", Some(Refused::Malformed)),
            (&good[..good.len() - 1], "Hello, World!", Some(Refused::Malformed)),
            (&good[..good.len() - 2], "Hello, World!", Some(Refused::Malformed)),
            ("sha256=", "Hello, World!", Some(Refused::Malformed)),
            ("", "Hello, World!", Some(Refused::Malformed)),
        ] {
            assert_eq!(check(Signature::Github, &[("x-hub-signature-256", value)], body), expected, "{value} {body}");
        }
        let header = ("x-hub-signature-256", good.as_str());
        assert_eq!(check(Signature::Github, &[], "Hello, World!"), Some(Refused::Headers));
        assert_eq!(check(Signature::Github, &[header, header], "Hello, World!"), Some(Refused::Headers));
        assert_eq!(check(Signature::Github, &[("x-hub-signature", &good)], "Hello, World!"), Some(Refused::Headers));
        // However it is written, the same is remembered.
        let once = |value: &str| check_at(Signature::Github, &[("x-hub-signature-256", value)], "/", "Hello, World!", NOW_S).unwrap().once;
        assert_eq!(once(&good), once(&format!("sha256={}", HELLO.to_uppercase())));
    }

    #[test]
    fn stripes_header() {
        let body = r#"{"type":"charge.failed"}"#;
        let signed = |time: u64| hex(&[time.to_string().as_bytes(), b".", body.as_bytes()], KEY);
        let good = signed(NOW_S);
        let other = hex(&[b"x"], b"another key");
        for (value, expected) in [
            (format!("t={NOW_S},v1={good}"), None),
            (format!("t={NOW_S}, v1={good}, v0={other}"), None),
            (format!("v1={other},t={NOW_S},v1={good}"), None),
            (format!("t={},v1={}", NOW_S - 300, signed(NOW_S - 300)), None),
            (format!("t={},v1={}", NOW_S + 300, signed(NOW_S + 300)), None),
            (format!("t={},v1={}", NOW_S - 301, signed(NOW_S - 301)), Some(Refused::Time)),
            (format!("t={},v1={}", NOW_S + 301, signed(NOW_S + 301)), Some(Refused::Time)),
            (format!("t={},v1={good}", NOW_S + 1), Some(Refused::Wrong)),
            (format!("t=0{NOW_S},v1={good}"), Some(Refused::Wrong)),
            (format!("t={NOW_S},v1={other}"), Some(Refused::Wrong)),
            (format!("t={NOW_S},v0={good}"), Some(Refused::Malformed)),
            (format!("t={NOW_S},t={NOW_S},v1={good}"), Some(Refused::Malformed)),
            (format!("t=+{NOW_S},v1={good}"), Some(Refused::Malformed)),
            (format!("t=,v1={good}"), Some(Refused::Malformed)),
            (format!("v1={good}"), Some(Refused::Malformed)),
            (format!("t={NOW_S},v1={}", &good[1..]), Some(Refused::Malformed)),
            (format!("t={NOW_S}{}", format!(",v1={other}").repeat(9)), Some(Refused::Malformed)),
            (String::new(), Some(Refused::Malformed)),
        ] {
            assert_eq!(check(Signature::Stripe, &[("stripe-signature", &value)], body), expected, "{value}");
        }
        let value = format!("t={NOW_S},v1={good}");
        assert_eq!(check(Signature::Stripe, &[("stripe-signature", &value)], "{}"), Some(Refused::Wrong));
    }

    #[test]
    fn time_method_path_and_body() {
        let target = "/hooks/p/deploys/web";
        let time = NOW_S.to_string();
        let signed = |target: &str, body: &str| hex(&[time.as_bytes(), b".POST.", target.as_bytes(), b".", body.as_bytes()], KEY);
        let good = signed(target, "{}");
        let base64 = STANDARD.encode(hexadecimal(&good).unwrap());
        let check = |signature: &str, time: &str, target: &str, body: &str| {
            check_at(Signature::HmacSha256, &[("x-signature", signature), ("x-timestamp", time)], target, body, NOW_S).err()
        };
        for (signature, at, to, body, expected) in [
            (good.as_str(), time.as_str(), target, "{}", None),
            (&base64, &time, target, "{}", None),
            (&format!("sha256={good}"), &time, target, "{}", None),
            (&good, &time, target, "{ }", Some(Refused::Wrong)),
            (&good, &time, "/hooks/p/deploys/api", "{}", Some(Refused::Wrong)),
            (&good, &time, "/hooks/p/deploys/web?x=1", "{}", Some(Refused::Wrong)),
            (&good, "1700000001", target, "{}", Some(Refused::Wrong)),
            (&good, "1700000000.0", target, "{}", Some(Refused::Malformed)),
            (&good, "", target, "{}", Some(Refused::Malformed)),
            ("zz", &time, target, "{}", Some(Refused::Malformed)),
            // A part of the body cannot become a part of the path.
            (&signed(target, "a.b"), &time, "/hooks/p/deploys/web.a", "b", Some(Refused::Path)),
            (&signed("/hooks/p/deploys/web.a", "b"), &time, "/hooks/p/deploys/web.a", "b", Some(Refused::Path)),
        ] {
            assert_eq!(check(signature, at, to, body), expected, "{signature} {at} {to} {body}");
        }
        let other_method = hex(&[time.as_bytes(), b".PUT.", target.as_bytes(), b".{}"], KEY);
        assert_eq!(check(&other_method, &time, target, "{}"), Some(Refused::Wrong));
        let old = hex(&[b"1699999699.POST.", target.as_bytes(), b".{}"], KEY);
        assert_eq!(check(&old, "1699999699", target, "{}"), Some(Refused::Time));
    }

    #[test]
    fn an_empty_key_verifies_nothing() {
        let empty = hex(&[b"x"], b"");
        let mut headers = HeaderMap::new();
        headers.insert("x-hub-signature-256", HeaderValue::from_str(&format!("sha256={empty}")).unwrap());
        let delivery = Delivery { method: &Method::POST, target: "/", headers: &headers, body: b"x" };
        assert_eq!(verify(&grant(Signature::Github), b"", delivery, 0).err(), Some(Refused::Wrong));
    }
}
