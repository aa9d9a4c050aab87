//! Messages that a server sends without being asked: notifications, and requests of the `initialize` era.

use super::LogLevel;
use super::write;

/// A notification; `params` are the members of its parameters.
#[must_use]
pub fn notification(method: &str, params: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{params}}}}}"#).into_bytes()
}

/// A request to the client; `id` is JSON text, `params` a JSON object.
#[must_use]
pub fn request(id: &str, method: &str, params: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#).into_bytes()
}

/// `notifications/progress`. `token` is JSON text.
#[must_use]
pub fn progress(token: &str, done: f64, total: Option<f64>, message: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#);
    out.extend_from_slice(token.as_bytes());
    out.extend_from_slice(b",\"progress\":");
    write::number(&mut out, done);
    if let Some(total) = total {
        out.extend_from_slice(b",\"total\":");
        write::number(&mut out, total);
    }
    if let Some(message) = message {
        out.extend_from_slice(b",\"message\":");
        write::json(&mut out, message);
    }
    out.extend_from_slice(b"}}");
    out
}

/// `notifications/message`. `data` is JSON text.
#[must_use]
pub fn log(level: LogLevel, logger: Option<&str>, data: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":""#);
    out.extend_from_slice(level.as_str().as_bytes());
    out.push(b'"');
    if let Some(logger) = logger {
        out.extend_from_slice(b",\"logger\":");
        write::json(&mut out, logger);
    }
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(data.as_bytes());
    out.extend_from_slice(b"}}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: Vec<u8>) -> String {
        String::from_utf8(message).unwrap()
    }

    #[test]
    fn notices_are_messages() {
        for (message, expected) in [
            (
                progress("7", 50.0, Some(100.0), Some("half\n")),
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":50,"total":100,"message":"half\n"}}"#,
            ),
            (
                progress("\"a\"", 0.5, None, None),
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"a","progress":0.5}}"#,
            ),
            (
                log(LogLevel::Info, Some("x"), "{\"a\":1}"),
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","logger":"x","data":{"a":1}}}"#,
            ),
            (notification("a", "\"b\":1"), r#"{"jsonrpc":"2.0","method":"a","params":{"b":1}}"#),
            (request("\"1\"", "a", "{}"), r#"{"jsonrpc":"2.0","id":"1","method":"a","params":{}}"#),
        ] {
            assert_eq!(text(message), expected);
        }
    }
}
