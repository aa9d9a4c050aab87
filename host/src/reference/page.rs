//! The reference page.

use super::{Document, kind_text};
use crate::limits::{Limits, Row};
use crate::manifest::{Key, Kind, Section, size_text};
use std::fmt::Write as _;

const HEAD: &str = "\
# Reference

Every key of the two documents, and every limit. This page is written from the tables that the host itself reads; `UPDATE=1 cargo test
--release --workspace --lib -- reference` writes it anew.

Sizes are texts with a unit, such as `\"64MiB\"` or `\"10KB\"`; durations too, such as `\"250ms\"` or `\"1m 30s\"`. A key that stands in no
table here is refused, with its line and the nearest right key. Editors check and complete both documents by their JSON Schemas, in
[schema/](schema): the first line of a document can say `#:schema <path>/plugin.schema.json`.

";

/// The page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    for document in Document::ALL {
        let _ = writeln!(out, "## {}\n", document.file());
        for section in document.shape().sections {
            write_section(&mut out, section);
        }
    }
    write_limits(&mut out);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn write_section(out: &mut String, section: &Section) {
    if !section.name.is_empty() {
        let _ = writeln!(out, "### `[{}]`\n", section.name);
    }
    let _ = writeln!(out, "{}\n", section.about);
    let keys: Vec<_> = section.keys.iter().filter(|key| key.kind != Kind::Section).collect();
    if !keys.is_empty() {
        out.push_str("| key | holds | default | meaning | example |\n|---|---|---|---|---|\n");
        keys.into_iter().for_each(|key| write_key(out, key));
        out.push('\n');
    }
}

fn write_key(out: &mut String, key: &Key) {
    let default = if key.default.is_empty() { "has to be there" } else { key.default };
    let cells = [format!("`{}`", key.name), kind_text(key.kind), default.to_owned(), key.about.to_owned(), format!("`{}`", key.example)];
    let _ = writeln!(out, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
}

fn write_limits(out: &mut String) {
    out.push_str("## Limits\n\nWhat holds unless a document says otherwise, as `cofferdam limits` prints it.\n\n");
    out.push_str("| limit | value | why |\n|---|---|---|\n");
    for Row { name, value, reason } in Limits::default().rows() {
        let bytes = value.parse().ok().filter(|_| name.contains("_bytes_"));
        let _ = writeln!(out, "| `{name}` | {} | {} |", bytes.map_or(value, size_text), reason.replace('|', "\\|"));
    }
}
