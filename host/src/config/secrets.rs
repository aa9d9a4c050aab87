//! `[secrets.<secret>]`: where the operator's secrets are, and who may have them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::read::path;
use super::{AllowedHost, ConfigError};
use crate::grants::OfferedSecret;
use crate::limits::Limits;
use crate::manifest::{Field, SECRET_NAME, TIME_MIN, Table, hidden, is_database_name, quoted};
use crate::secrets::SecretSource;

/// A secret of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSecret {
    /// Where its text comes from.
    pub source: SecretSource,
    /// Who may have it.
    pub offered: OfferedSecret,
}

const SOURCES: &str = "file = \"secrets/example\", env = \"EXAMPLE_TOKEN\" or command = [\"pass\", \"show\", \"example\"]";

pub(super) fn secrets(table: &Table<'_>, folder: &Path) -> Result<BTreeMap<String, NamedSecret>, ConfigError> {
    let keys = ["file", "env", "command", "refresh", "hosts", "reveal"];
    // Somebody may have written the secret itself here: no message repeats it.
    if let Some(field) = table.fields().into_iter().find(|field| !field.is_table() && !keys.contains(&field.key())) {
        let message =
            format!("{} in [secrets] must be a section that says where the secret is; no secret stands in this file", quoted(field.key()));
        let name = if is_database_name(field.key()) { field.key() } else { "example-token" };
        return Err(field.at_key(message).with_help(format!("write [secrets.{name}] with {SOURCES}")));
    }
    let mut secrets = BTreeMap::new();
    for (field, secret) in table.named_sections()? {
        if !is_database_name(field.key()) {
            let near = field.key().trim().to_lowercase();
            let help = format!("write [secrets.{}]", if is_database_name(&near) { &near } else { "example-token" });
            let message = format!("{} is not a secret's name: {SECRET_NAME}", quoted(field.key()));
            return Err(field.at_key(message).with_help(help));
        }
        let source = source(&field, &secret, folder)?;
        let offered = OfferedSecret {
            hosts: secret.get("hosts").map(|field| hosts(&field)).transpose()?,
            reveal: secret.get("reveal").map(|field| field.flag()).transpose()?.unwrap_or(false),
        };
        secrets.insert(field.key().to_owned(), NamedSecret { source, offered });
    }
    Ok(secrets)
}

/// One of the three ways to say where a secret is, and no more.
fn source(secret: &Field<'_>, table: &Table<'_>, folder: &Path) -> Result<SecretSource, ConfigError> {
    let given: Vec<_> = ["file", "env", "command"].into_iter().filter_map(|key| table.get(key)).collect();
    let field = match given.as_slice() {
        [] => {
            let message = format!("[secrets.{}] does not say where the secret is", secret.key());
            return Err(secret.at_key(message).with_help(format!("write {SOURCES}")));
        }
        [field] => field,
        [one, other, ..] => {
            let message =
                format!("[secrets.{}] has {} and {}; a secret is in one place", secret.key(), quoted(one.key()), quoted(other.key()));
            return Err(other.at_key(message).with_help("keep one"));
        }
    };
    if let Some(refresh) = table.get("refresh").filter(|_| field.key() != "command") {
        let message = format!("\"refresh\" in [secrets.{}] is about the output of a command", secret.key());
        let help = "take it out: a file is read again when it has changed, and the environment does not change";
        return Err(refresh.at_key(message).with_help(help));
    }
    match field.key() {
        "file" => Ok(SecretSource::File(path(field, "a file such as \"secrets/example\"", folder)?)),
        "env" => Ok(SecretSource::Environment(variable(field)?)),
        _ => Ok(SecretSource::Command { argv: argv(field)?, folder: folder.to_owned(), refresh: refresh(table)? }),
    }
}

fn variable(field: &Field<'_>) -> Result<String, ConfigError> {
    let expected = "the name of a variable such as \"EXAMPLE_TOKEN\"";
    let text = field.text(expected)?;
    let is_variable = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let near = text.trim_start_matches(['$', '{']).trim_end_matches('}');
    if is_variable(text) {
        Ok(text.to_owned())
    } else if is_variable(near) {
        Err(field.wrong(expected).with_help(format!("write \"{near}\"")))
    } else {
        // It may be the secret itself: the message does not repeat it.
        Err(field.error(&format!("must be {expected}")).with_help("write the variable's name, not its value"))
    }
}

fn argv(field: &Field<'_>) -> Result<Vec<String>, ConfigError> {
    let expected = "a program and its arguments such as [\"pass\", \"show\", \"example\"]";
    let list = field.list(expected).map_err(|error| match field.raw_text(expected) {
        Ok(line) => {
            let words: Vec<_> = line.split_whitespace().map(quoted).collect();
            error.with_help(format!("no shell reads it: write [{}]", words.join(", ")))
        }
        Err(_) => error,
    })?;
    if list.is_empty() {
        return Err(field.wrong(expected).with_help("write [\"pass\", \"show\", \"example\"]"));
    }
    let argument = |(at, field): (usize, &Field<'_>)| {
        let expected = "texts such as \"show\"";
        let text = if at == 0 { field.text("a program such as \"pass\"")? } else { field.raw_text(expected)? };
        let hidden =
            hidden(text).map(|c| field.error(&format!("has the invisible character {}", c.escape_unicode())).with_help("take it out"));
        hidden.map_or(Ok(text.to_owned()), Err)
    };
    list.iter().enumerate().map(argument).collect()
}

fn refresh(table: &Table<'_>) -> Result<Duration, ConfigError> {
    let refresh = table.get("refresh").map(|field| field.duration(TIME_MIN..=Duration::MAX)).transpose()?;
    Ok(refresh.unwrap_or_else(|| Limits::default().secret_refresh))
}

fn hosts(field: &Field<'_>) -> Result<Vec<String>, ConfigError> {
    let expected = "hosts such as \"api.example.com\"";
    let list = field.list(&format!("a list of {expected}"))?;
    if list.is_empty() {
        let message = "names no host, so the secret could go into no header";
        return Err(field
            .error(message)
            .with_help("write [\"api.example.com\"], or leave the key out for every host that a plugin is granted"));
    }
    let host = |field: &Field<'_>| {
        let host = AllowedHost::parse(field.text(expected)?).map_err(|why| field.wrong(expected).with_help(why))?;
        match host.port {
            None => Ok(host.host),
            Some(_) => Err(field.wrong(expected).with_help(format!("leave out the port: \"{}\"", host.host))),
        }
    };
    list.iter().map(host).collect()
}
