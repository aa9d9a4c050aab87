//! The header rules of 2026-07-28 ("Streamable HTTP", "Request Headers"): what intermediaries read has to agree with the body.

use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::borrow::Cow;

/// `MCP-Protocol-Version`.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `Mcp-Method`.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// `Mcp-Name`.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// `Mcp-Session-Id`.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// `Last-Event-ID`.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const PARAM_PREFIX: &str = "mcp-param-";

/// A header that is missing, malformed or in disagreement: always -32020.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HeaderError(String);

/// The one value of a header without the white space around it, or none when the header is missing.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, HeaderError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(HeaderError(format!("the header {name} occurs twice")));
    }
    text(value).map(Some).ok_or_else(|| HeaderError(format!("the header {name} holds characters that are not visible ASCII")))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(|text| text.trim_matches([' ', '\t']))
}

/// Checks `Mcp-Method`, and `Mcp-Name` where the method has one, against the body.
pub fn check_method(headers: &HeaderMap, method: &str, name: Option<&str>) -> Result<(), HeaderError> {
    match single(headers, &METHOD)? {
        Some(header) if header == method => {}
        Some(header) => return Err(HeaderError(format!("Mcp-Method says {header:?}, the body says {method:?}"))),
        None => return Err(HeaderError("the header Mcp-Method is missing".to_owned())),
    }
    let Some(name) = name else { return Ok(()) };
    match single(headers, &NAME)? {
        Some(header) if decode(header).ok_or_else(|| bad_base64(&NAME))? == name => Ok(()),
        Some(_) => Err(HeaderError("Mcp-Name and the body name different things".to_owned())),
        None => Err(HeaderError("the header Mcp-Name is missing".to_owned())),
    }
}

/// One property of a tool's arguments that clients repeat in a header: `x-mcp-header`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamHeader {
    /// The whole header's name, `mcp-param-...`.
    pub header: HeaderName,
    /// The way to the property through objects.
    pub path: Vec<String>,
}

/// Checks the `Mcp-Param-*` headers that a tool declares. Headers that it does not declare are ignored.
pub fn check_params(headers: &HeaderMap, declared: &[ParamHeader], arguments: &Value) -> Result<(), HeaderError> {
    for param in declared {
        let in_body = param.path.iter().try_fold(arguments, |value, key| value.get(key)).filter(|value| !value.is_null());
        let in_header = single(headers, &param.header)?;
        let header = &param.header;
        match (in_body, in_header) {
            (None, None) => {}
            (None, Some(_)) => return Err(HeaderError(format!("{header} is there, but the argument is not"))),
            (Some(_), None) => return Err(HeaderError(format!("the header {header} is missing"))),
            (Some(value), Some(text)) => {
                let text = decode(text).ok_or_else(|| bad_base64(header))?;
                if !same(value, &text) {
                    return Err(HeaderError(format!("{header} and the argument have different values")));
                }
            }
        }
    }
    Ok(())
}

fn bad_base64(header: &HeaderName) -> HeaderError {
    HeaderError(format!("{header} is not the base64 of UTF-8 text"))
}

/// Numbers compare as numbers, since clients print them differently.
fn same(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string == text,
        Value::Bool(flag) => text == if *flag { "true" } else { "false" },
        Value::Number(number) => match (number.as_i64(), text.parse::<i64>()) {
            (Some(ours), Ok(theirs)) => ours == theirs,
            _ => text.parse::<f64>().is_ok_and(|theirs| number.as_f64() == Some(theirs)),
        },
        _ => false,
    }
}

/// `=?base64?...?=` is decoded, strictly; anything else is literal. None: it is marked as base64 and is not.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(value));
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Reads the `x-mcp-header` annotations of an input schema (2026-07-28, tools, "Custom headers"). Clients drop a tool that breaks the
/// rules, so it is refused when it is loaded.
pub fn declared_in(schema: &Value) -> Result<Vec<ParamHeader>, String> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    let legal = found.len();
    let marks = count_marks(schema);
    if marks != legal {
        return Err("x-mcp-header may only stand on properties that are reached through `properties` alone".to_owned());
    }
    for (index, param) in found.iter().enumerate() {
        if found.iter().take(index).any(|other| other.header == param.header) {
            return Err(format!("x-mcp-header {:?} occurs twice", param.header.as_str()));
        }
    }
    Ok(found)
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<ParamHeader>) -> Result<(), String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (key, property) in properties {
        path.push(key.clone());
        if let Some(mark) = property.get("x-mcp-header") {
            found.push(ParamHeader { header: header_name(mark, property)?, path: path.clone() });
        }
        collect(property, path, found)?;
        path.pop();
    }
    Ok(())
}

fn header_name(mark: &Value, property: &Value) -> Result<HeaderName, String> {
    let name = mark.as_str().filter(|name| !name.is_empty()).ok_or("x-mcp-header has to be a name that is not empty")?;
    if !matches!(property.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
        return Err(format!("x-mcp-header {name:?} stands on a property that is not a string, an integer or a boolean"));
    }
    HeaderName::from_bytes(format!("{PARAM_PREFIX}{name}").as_bytes())
        .map_err(|_| format!("x-mcp-header {name:?} is not a header name (RFC 9110 token)"))
}

/// How often the annotation occurs anywhere where a schema can stand, to find those that `collect` does not reach.
fn count_marks(schema: &Value) -> usize {
    match schema {
        Value::Object(object) => {
            let here = usize::from(object.get("x-mcp-header").is_some_and(|mark| !mark.is_object()));
            let data = ["const", "default", "enum", "examples"];
            here + object.iter().filter(|(key, _)| !data.contains(&key.as_str())).map(|(_, value)| count_marks(value)).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(count_marks).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn method_and_name_agree_with_the_body() {
        let check = |pairs: &[(&'static str, &str)]| check_method(&headers(pairs), "tools/call", Some("héllo")).is_ok();
        assert!(check(&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?aMOpbGxv?=")]));
        assert!(check(&[("mcp-method", "  tools/call\t"), ("mcp-name", " =?base64?aMOpbGxv?= ")]));
        for wrong in [
            &[("mcp-name", "=?base64?aMOpbGxv?=")][..],
            &[("mcp-method", "tools/call")],
            &[("mcp-method", "TOOLS/CALL"), ("mcp-name", "=?base64?aMOpbGxv?=")],
            &[("mcp-method", "tools/list"), ("mcp-name", "=?base64?aMOpbGxv?=")],
            &[("mcp-method", "tools/call"), ("mcp-name", "hello")],
            &[("mcp-method", "tools/call"), ("mcp-name", "=?base64?aMOpbGxv")],
            &[("mcp-method", "tools/call"), ("mcp-name", "=?base64?aMOpbGx?=")],
            &[("mcp-method", "tools/call"), ("mcp-name", "=?base64?!!!!?=")],
            &[("mcp-method", "tools/call"), ("mcp-name", "=?BASE64?aMOpbGxv?=")],
            &[("mcp-method", "tools/call"), ("mcp-method", "tools/call"), ("mcp-name", "=?base64?aMOpbGxv?=")],
        ] {
            assert!(!check(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn strict_base64_and_literals() {
        assert_eq!(decode("=?base64?SGVsbG8=?=").as_deref(), Some("Hello"));
        assert_eq!(decode("=?base64?SGVsbG8?="), None);
        assert_eq!(decode("=?base64?/w==?="), None);
        for literal in ["Hello", "=?base64?SGVsbG8=", "SGVsbG8=?=", ""] {
            assert_eq!(decode(literal).as_deref(), Some(literal));
        }
    }

    #[test]
    fn parameters_agree_with_the_body() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "n": {"type": "object", "properties": {"limit": {"type": "integer", "x-mcp-header": "Limit"}}},
            "dry": {"type": "boolean", "x-mcp-header": "Dry"}}});
        let declared = declared_in(&schema).unwrap();
        let check = |pairs: &[(&'static str, &str)], arguments: Value| check_params(&headers(pairs), &declared, &arguments).is_ok();
        assert!(check(&[], json!({})));
        assert!(check(&[], json!({"region": null})));
        assert!(check(&[("mcp-param-region", "eu"), ("mcp-param-limit", "42.0")], json!({"region": "eu", "n": {"limit": 42}})));
        assert!(check(&[("mcp-param-dry", "true"), ("mcp-param-unknown", "x")], json!({"dry": true})));
        assert!(!check(&[("mcp-param-region", "eu")], json!({})));
        assert!(!check(&[], json!({"region": "eu"})));
        assert!(!check(&[("mcp-param-region", "EU")], json!({"region": "eu"})));
        assert!(!check(&[("mcp-param-limit", "9007199254740993")], json!({"n": {"limit": 9_007_199_254_740_992_i64}})));
        assert!(!check(&[("mcp-param-dry", "True")], json!({"dry": true})));
    }

    #[test]
    fn annotations_that_clients_would_drop_are_refused() {
        for (name, schema) in [
            ("empty", json!({"properties": {"a": {"type": "string", "x-mcp-header": ""}}})),
            ("line break", json!({"properties": {"a": {"type": "string", "x-mcp-header": "A\r\nB"}}})),
            ("not a name", json!({"properties": {"a": {"type": "string", "x-mcp-header": 7}}})),
            ("number", json!({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}})),
            ("no type", json!({"properties": {"a": {"x-mcp-header": "A"}}})),
            ("twice", json!({"properties": {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}})),
            ("items", json!({"properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}})),
            ("anyOf", json!({"anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}]})),
            ("$defs", json!({"$defs": {"a": {"type": "string", "x-mcp-header": "A"}}})),
        ] {
            assert!(declared_in(&schema).is_err(), "{name}");
        }
        assert!(declared_in(&json!({"properties": {"x-mcp-header": {"type": "string"}}})).unwrap().is_empty());
        assert!(declared_in(&json!({"properties": {"a": {"const": {"x-mcp-header": "A"}}}})).unwrap().is_empty());
    }
}
