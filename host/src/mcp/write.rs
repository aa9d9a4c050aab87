//! How answers are written: straight into one buffer, no value tree in between.

use serde::Serialize;

/// Appends a value as JSON. Serialising into memory fails only for maps with odd keys, which nothing here has.
pub fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let begin = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(begin);
        out.extend_from_slice(b"null");
    }
}

/// Appends a number, without a fraction where it has none. What JSON has no name for is 0.
pub fn number(out: &mut Vec<u8>, value: f64) {
    /// Up to here every integer has an `f64` of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        #[allow(clippy::cast_possible_truncation, reason = "it has no fraction and fits")]
        json(out, &(value as i64));
    } else if value.is_finite() {
        json(out, &value);
    } else {
        out.push(b'0');
    }
}

/// Begins a result: everything up to the members of the result object.
pub fn begin_result(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"result\":{");
}

/// Ends what [`begin_result`] began.
pub fn end_result(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}}");
}

/// A whole error message. `id` and `data` are JSON text. Without an id the message has none: JSON-RPC would have it null, but MCP's schema
/// takes a string or a number, and clients refuse null.
#[must_use]
pub fn error(id: Option<&str>, code: i64, message: &str, data: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + message.len());
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":");
        out.extend_from_slice(id.as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(b"\"error\":{\"code\":");
    json(&mut out, &code);
    out.extend_from_slice(b",\"message\":");
    json(&mut out, message);
    if let Some(data) = data {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(data.as_bytes());
    }
    out.extend_from_slice(b"}}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes() {
        let mut out = Vec::new();
        begin_result(&mut out, "\"a\"");
        out.extend_from_slice(b"\"x\":");
        json(&mut out, "\u{1}\"");
        end_result(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"jsonrpc":"2.0","id":"a","result":{"x":"\u0001\""}}"#);
        let text = String::from_utf8(error(None, -32700, "no \"JSON\"", Some("{\"a\":1}"))).unwrap();
        assert_eq!(text, r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no \"JSON\"","data":{"a":1}}}"#);
    }
}
