//! The rules of the protocol as data: every file of `tests/cases/protocol` is a request, and after a line `---` the answer to it.
//! `UPDATE=1` writes the answers anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tests::client::{self, Answer};
use tests::host::Plugins;

/// A file is header lines, an empty line and the body, if there is one. `@modern METHOD` and `@legacy` stand for the usual headers; `@raw` for none: then
/// the request line comes first. `\xNN`, `\r` and `\n` in the body of a raw request are bytes.
fn request(text: &str) -> Vec<u8> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let body = body.trim_end_matches('\n');
    let mut lines = head.lines();
    let first = lines.next().expect("a first line");
    let own: String = lines.fold(String::new(), |mut own, line| {
        let _ = write!(own, "{line}\r\n");
        own
    });
    if let Some(rest) = first.strip_prefix("@modern") {
        let mut words = rest.split_whitespace();
        let method = words.next().unwrap_or_default();
        let name = words.next().map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
        return client::post_text(&format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}{own}"), body).into_bytes();
    }
    match first {
        "@plain" => client::post_text(&own, body).into_bytes(),
        "@raw" => {
            let length = if own.contains("Content-Length") || own.contains("Transfer-Encoding") || body.is_empty() {
                String::new()
            } else {
                format!("Content-Length: {}\r\n", body.len())
            };
            format!("{own}{length}\r\n{body}").into_bytes()
        }
        other => panic!("unknown first line {other:?}"),
    }
}

pub(crate) fn show(answer: &Answer) -> String {
    let mut shown = format!("{}\n", answer.status);
    for (name, value) in &answer.headers {
        // What differs from run to run is not shown.
        let value = if name == "mcp-session-id" { "<id>" } else { value };
        if name != "date" && name != "content-length" {
            let _ = writeln!(shown, "{name}: {value}");
        }
    }
    let body = answer.body.trim_end();
    if !body.is_empty() {
        let _ = writeln!(shown, "\n{}", body.replace(env!("CARGO_PKG_VERSION"), "<version>"));
    }
    shown
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/protocol");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_case_is_answered_as_written() {
    let host = Plugins::new().wat("echo-bare").start();
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    for case in cases() {
        let text = std::fs::read_to_string(&case).unwrap();
        let (asked, expected) = text.split_once("\n---\n").unwrap_or((&text, ""));
        let answered = show(&client::raw(host.address, &request(&format!("{asked}\n"))));
        if update {
            std::fs::write(&case, format!("{}\n---\n{answered}", asked.trim_end_matches('\n'))).unwrap();
        } else if answered != expected {
            let _ = writeln!(wrong, "{}\nexpected:\n{expected}\ngot:\n{answered}", case.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn ids_come_back_byte_for_byte() {
    let host = Plugins::new().wat("echo-bare").start();
    for id in ["0", "-1", "9223372036854775807", "\"\"", "\"a\\u0041\\/\"", "\"\u{1f600}\""] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        );
        let text = client::post_text("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n", &body);
        let answer = client::raw(host.address, text.as_bytes());
        assert!(answer.body.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#)), "{id}: {}", answer.body);
    }
}
