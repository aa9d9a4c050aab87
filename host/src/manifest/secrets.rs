//! `[grants.secrets]`: which secrets a plugin asks to read.

use super::document::Table;
use super::error::{DocumentError, Place};
use super::secret_text::SECRET_NAME;
use super::values::{is_database_name, quoted};

/// A secret that a manifest asks to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedSecret {
    /// The operator's name for it.
    pub name: String,
    /// Where it asks.
    pub place: Place,
}

pub(super) fn wanted_secrets(table: &Table<'_>) -> Result<Vec<WantedSecret>, DocumentError> {
    let field = table.require("reveal", "reveal = [\"example-token\"], with the operator's names for the secrets")?;
    let expected = "secrets' names such as \"example-token\"";
    let list = field.list(&format!("a list of {expected}"))?;
    if list.is_empty() {
        return Err(field.error("names no secret").with_help("write [\"example-token\"], or take the section out"));
    }
    let mut wanted: Vec<WantedSecret> = Vec::new();
    for field in &list {
        let name = field.text(expected)?;
        let bare = name.strip_prefix("${secret:").and_then(|name| name.strip_suffix('}'));
        if let Some(bare) = bare {
            return Err(field.wrong(expected).with_help(format!("write the name alone: {}", quoted(bare))));
        }
        if !is_database_name(name) {
            return Err(field.error(&format!("names the secret {}", quoted(name))).with_help(SECRET_NAME));
        }
        if wanted.iter().any(|secret| secret.name == name) {
            return Err(field.error(&format!("names {} twice", quoted(name))).with_help("keep one"));
        }
        wanted.push(WantedSecret { name: name.to_owned(), place: field.value_place() });
    }
    Ok(wanted)
}
