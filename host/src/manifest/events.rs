//! `[grants.events]`: the topics that a plugin asks to publish under.

use super::document::Table;
use super::error::{DocumentError, Place};
use super::values::quoted;

/// A topic that a manifest asks to publish under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTopic {
    /// Its name, as the plugin's catalog writes it.
    pub name: String,
    /// Where it asks.
    pub place: Place,
}

pub(super) fn wanted_topics(table: &Table<'_>) -> Result<Vec<WantedTopic>, DocumentError> {
    let field = table.require("topics", "topics = [\"edits\"], with the names that the plugin's catalog has for the topics")?;
    let expected = "topics' names such as \"edits\" or \"collaboration/{id}\"";
    let list = field.list(&format!("a list of {expected}"))?;
    if list.is_empty() {
        return Err(field.error("names no topic").with_help("write [\"edits\"], or take the section out"));
    }
    let mut wanted: Vec<WantedTopic> = Vec::new();
    for field in &list {
        let name = field.text(expected)?;
        if let Some((_, own)) = name.strip_prefix("topic://").and_then(|rest| rest.split_once('/')) {
            return Err(field.wrong(expected).with_help(format!("write the name within the plugin alone: {}", quoted(own))));
        }
        if wanted.iter().any(|topic| topic.name == name) {
            return Err(field.error(&format!("names {} twice", quoted(name))).with_help("keep one"));
        }
        wanted.push(WantedTopic { name: name.to_owned(), place: field.value_place() });
    }
    Ok(wanted)
}
