//! What a handler wants back in the next round, in the hands of a client (2026-07-28, multi-round-trip requests, "requestState"): sealed, so
//! that the client can neither read nor change it, and bound to who asked for what, so that it is good for nothing else.

use crate::auth::Principal;
use crate::mcp::strict;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

const NONCE_BYTES: usize = 24;

/// The key of this process. A state that another process made does not open.
pub(super) struct Sealer(XChaCha20Poly1305);

/// What travels inside.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// When it stops being good, in milliseconds since 1970.
    pub(super) expires_ms: u64,
    /// The answers of earlier rounds: key and JSON text.
    pub(super) answers: Vec<(String, String)>,
    /// The handler's own.
    pub(super) state: Option<String>,
}

/// What a state is bound to.
pub(super) struct Bound([u8; 32]);

impl Bound {
    /// Principal, method, what it is called on, and its arguments whatever the order of their keys.
    pub(super) fn new(principal: &Principal, method: &str, name: &str, arguments: Option<&str>) -> Self {
        let mut digest = Sha256::new();
        let mut part = |text: &str| {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        };
        for text in [principal.tenant.as_str(), &principal.subject, method, name] {
            part(text);
        }
        let value = arguments.and_then(|text| strict::parse(text).ok()).unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let mut canonical = String::new();
        write_sorted(&value, &mut canonical);
        part(&canonical);
        Self(digest.finalize().into())
    }
}

/// JSON with the keys of every object in order.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in entries {
                let _ = write!(out, "{}:", Value::String(key.clone()));
                write_sorted(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

impl Sealer {
    /// A key of its own. None without randomness from the operating system.
    pub(super) fn new() -> Option<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        Some(Self(XChaCha20Poly1305::new(&key.into())))
    }

    /// Seals. None when the operating system has no randomness.
    pub(super) fn seal(&self, bound: &Bound, sealed: &Sealed) -> Option<String> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok()?;
        let plain = serde_json::to_vec(sealed).ok()?;
        let cipher = self.0.encrypt(XNonce::from_slice(&nonce), Payload { msg: &plain, aad: &bound.0 }).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &cipher].concat()))
    }

    /// Opens. None when it was made elsewhere, for something else, was changed, or is too old.
    pub(super) fn open(&self, bound: &Bound, text: &str, now_ms: u64) -> Option<Sealed> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, cipher) = bytes.split_at_checked(NONCE_BYTES)?;
        let plain = self.0.decrypt(XNonce::from_slice(nonce), Payload { msg: cipher, aad: &bound.0 }).ok()?;
        let sealed: Sealed = serde_json::from_slice(&plain).ok()?;
        (now_ms < sealed.expires_ms).then_some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TenantId;

    fn principal(subject: &str) -> Principal {
        Principal { tenant: TenantId::local(), subject: subject.to_owned(), scopes: Vec::new() }
    }

    #[test]
    fn a_state_opens_only_where_it_belongs() {
        let (sealer, other) = (Sealer::new().unwrap(), Sealer::new().unwrap());
        let bound = Bound::new(&principal("ann"), "tools/call", "t", Some(r#"{"a":1,"b":[{"d":2,"c":3}]}"#));
        let sealed =
            Sealed { expires_ms: 1_000, answers: vec![("name".to_owned(), r#"{"x":"secret"}"#.to_owned())], state: Some("s".to_owned()) };
        let text = sealer.seal(&bound, &sealed).unwrap();
        assert_eq!(sealer.open(&bound, &text, 999).as_ref(), Some(&sealed));
        assert_ne!(sealer.seal(&bound, &sealed).unwrap(), text, "no two are alike");
        assert!(!text.contains("secret"));
        let same = Bound::new(&principal("ann"), "tools/call", "t", Some(r#"{ "b": [{"c":3,"d":2}], "a": 1 }"#));
        assert_eq!(sealer.open(&same, &text, 0).as_ref(), Some(&sealed));
        assert_eq!(sealer.open(&bound, &text, 1_000), None, "too old");
        assert_eq!(other.open(&bound, &text, 0), None, "another host");
        for elsewhere in [
            Bound::new(&principal("bob"), "tools/call", "t", Some(r#"{"a":1,"b":[{"d":2,"c":3}]}"#)),
            Bound::new(&principal("ann"), "prompts/get", "t", Some(r#"{"a":1,"b":[{"d":2,"c":3}]}"#)),
            Bound::new(&principal("ann"), "tools/call", "u", Some(r#"{"a":1,"b":[{"d":2,"c":3}]}"#)),
            Bound::new(&principal("ann"), "tools/call", "t", Some(r#"{"a":2,"b":[{"d":2,"c":3}]}"#)),
            Bound::new(&principal("ann"), "tools/call", "t", None),
        ] {
            assert_eq!(sealer.open(&elsewhere, &text, 0), None);
        }
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let sealer = Sealer::new().unwrap();
        let bound = Bound::new(&principal(""), "tools/call", "t", None);
        let text = sealer.seal(&bound, &Sealed { expires_ms: u64::MAX, ..Sealed::default() }).unwrap();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(sealer.open(&bound, std::str::from_utf8(&changed).unwrap(), 0), None, "{at}");
        }
        for text in ["", "A", "not base64!", &format!("{text}-TAMPERED"), &text[1..], &format!("{text}A")] {
            assert_eq!(sealer.open(&bound, text, 0), None, "{text}");
        }
    }
}
