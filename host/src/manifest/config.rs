//! Configuration values: `[config]` in a manifest, with the author's defaults, and `[config.<plugin>]` in the operator's document, which
//! replaces them.

use std::collections::BTreeMap;

use super::document::{Field, Table};
use super::error::DocumentError;
use super::values::{quoted, size_text};
use crate::limits::Limits;

/// The longest name of a value.
const KEY_BYTES_MAX: usize = 64;

/// Texts by their names. Nothing in them is expanded.
pub(crate) fn config_values(table: &Table<'_>) -> Result<BTreeMap<String, String>, DocumentError> {
    let limits = Limits::default();
    let (mut values, mut bytes) = (BTreeMap::new(), 0_usize);
    for field in table.fields() {
        let key = field.key();
        let text = text(&field)?;
        if !is_key(key) {
            let message = format!("{} is not the name of a configuration value", quoted(key));
            let help = format!("a name has 1 to {KEY_BYTES_MAX} of A-Z, a-z, 0-9, ., - and _");
            return Err(field.at_key(message).with_help(help));
        }
        bytes = bytes.saturating_add(key.len()).saturating_add(text.len());
        if bytes > limits.config_bytes_max {
            let message = format!("the configuration values are larger than {} together", size_text(limits.config_bytes_max));
            return Err(field.at_key(message).with_help("keep what is long in a database, or in the component itself"));
        }
        if values.len() == limits.config_values_max {
            let message = format!("there are more than {} configuration values", limits.config_values_max);
            return Err(field.at_key(message).with_help("join some of them in one text"));
        }
        values.insert(key.to_owned(), text.to_owned());
    }
    Ok(values)
}

/// Whether a text can name a value.
fn is_key(text: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn text<'d>(field: &Field<'d>) -> Result<&'d str, DocumentError> {
    let expected = "a text such as \"en\"";
    field.raw_text(expected).map_err(|error| match field.shown().as_str() {
        "a section" => error.with_help(format!("a dotted name stands in quotes: \"{}.part\" = \"...\"", field.key())),
        "a list" => error.with_help("write the list as one text, such as \"a, b\""),
        bare => error.with_help(format!("write {}", quoted(bare))),
    })
}
