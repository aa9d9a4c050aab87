//! What both documents can say, for people and for editors: one page with every key and every limit, and a JSON Schema for each document.
//! All of it is written from the tables that the readers use.

mod page;
mod schema;
#[cfg(test)]
mod tests;

pub use page::reference;
pub use schema::schema;

use crate::manifest::{Kind, Section, Shape};

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// `plugin.toml`, the author's.
    Plugin,
    /// `cofferdam.toml`, the operator's.
    Cofferdam,
}

impl Document {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Plugin, Self::Cofferdam];

    /// The name of such a file.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Plugin => "plugin.toml",
            Self::Cofferdam => "cofferdam.toml",
        }
    }

    fn shape(self) -> &'static Shape {
        match self {
            Self::Plugin => &crate::manifest::SHAPE,
            Self::Cofferdam => &crate::config::SHAPE,
        }
    }
}

/// A value that stands in the tables as TOML, as it would be in JSON; none for words.
fn value(text: &str) -> Option<serde_json::Value> {
    let table: toml::Table = toml::from_str(&format!("it = {}", text.trim_matches('`'))).ok()?;
    serde_json::to_value(table.get("it")?).ok()
}

/// The section of `shape` with this name.
fn section(shape: &Shape, name: &str) -> Option<&'static Section> {
    shape.sections.iter().find(|section| section.name == name)
}

/// The section below `parent` whose names the writer chooses, and what they are.
fn named_below(shape: &Shape, parent: &str) -> Option<(&'static Section, &'static str)> {
    shape.sections.iter().find_map(|section| {
        let word = section.name.strip_prefix(parent)?.trim_start_matches('.').strip_prefix('<')?.strip_suffix('>')?;
        (!word.contains('.')).then_some((section, word))
    })
}

/// What a key holds, in words.
fn kind_text(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Count => "whole number from 1".to_owned(),
        Kind::Size => "size".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(" or "),
        Kind::Texts => "list of texts".to_owned(),
        Kind::Section => "section".to_owned(),
    }
}
