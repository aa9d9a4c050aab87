//! Texts with secrets in them by reference: `Bearer ${secret:example-token}`. Only keys that say so are read this way; in all others
//! `${` is text.

use super::document::Field;
use super::error::DocumentError;
use super::values::{is_database_name, quoted};
use std::fmt;

/// What a secret may be called.
pub(crate) const SECRET_NAME: &str = "it takes 1 to 48 of a-z, 0-9, - and _, and begins with a letter";

/// A text that secrets are put into when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretText(Vec<Part>);

/// A part of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is written.
    Text(String),
    /// The secret of this name.
    Secret(String),
}

/// What is wrong in such a text, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSecretText {
    /// What is wrong; follows the key.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl SecretText {
    /// The parts in order; none is an empty text.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The names of the secrets, in the order of the text.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }
}

impl fmt::Display for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Secret(name) => write!(f, "${{secret:{name}}}"),
        })
    }
}

/// Reads a text such as `Bearer ${secret:example-token}`.
pub fn parse_template(text: &str) -> Result<SecretText, BadSecretText> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once("${") {
        let Some((inside, after)) = reference.split_once('}') else {
            let message = format!("has a reference without its end: {}", quoted(&format!("${{{reference}")));
            return Err(BadSecretText { message, help: "close it with }, as in ${secret:example-token}".to_owned() });
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(Part::Secret(secret_name(inside)?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(SecretText(parts))
}

fn secret_name(inside: &str) -> Result<String, BadSecretText> {
    let Some(name) = inside.strip_prefix("secret:") else {
        let message =
            format!("has {}, and only secrets are put in: nothing is taken from the environment", quoted(&format!("${{{inside}}}")));
        let near = inside.rsplit([':', '.']).next().unwrap_or_default().trim().to_lowercase().replace('_', "-");
        let near = if is_database_name(&near) { near } else { "example-token".to_owned() };
        let help = format!("write ${{secret:{near}}}; the operator says in [secrets.{near}] of cofferdam.toml where it is");
        return Err(BadSecretText { message, help });
    };
    if is_database_name(name) {
        return Ok(name.to_owned());
    }
    let near = name.trim().to_lowercase();
    let near = if is_database_name(&near) { near } else { "example-token".to_owned() };
    let message = format!("names the secret {}: {SECRET_NAME}", quoted(name));
    Err(BadSecretText { message, help: format!("write ${{secret:{near}}}") })
}

impl Field<'_> {
    /// A text that secrets are put into.
    pub(crate) fn secret_text(&self, expected: &str) -> Result<SecretText, DocumentError> {
        parse_template(self.text(expected)?).map_err(|BadSecretText { message, help }| self.error(&message).with_help(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_its_secrets_by_name() {
        let text = |text: &str| Part::Text(text.to_owned());
        let secret = |name: &str| Part::Secret(name.to_owned());
        for (given, parts) in [
            ("", vec![]),
            ("plain $HOME $$ {} }", vec![text("plain $HOME $$ {} }")]),
            ("${secret:a}", vec![secret("a")]),
            ("Bearer ${secret:example-token}", vec![text("Bearer "), secret("example-token")]),
            ("${secret:user}:${secret:password_2}!", vec![secret("user"), text(":"), secret("password_2"), text("!")]),
        ] {
            let read = parse_template(given).unwrap();
            assert_eq!((read.parts(), read.to_string().as_str()), (parts.as_slice(), given));
        }
    }

    #[test]
    fn other_references_are_refused_with_what_to_write() {
        for (bad, message, help) in [
            ("${AWS_SECRET}", "has \"${AWS_SECRET}\"", "write ${secret:aws-secret}; the operator says in [secrets.aws-secret]"),
            ("Bearer ${env:TOKEN}", "has \"${env:TOKEN}\"", "write ${secret:token}"),
            ("${}", "has \"${}\"", "${secret:example-token}"),
            ("${secret:Token}", "names the secret \"Token\"", "write ${secret:token}"),
            ("${secret:}", "names the secret \"\"", "write ${secret:example-token}"),
            ("${secret:a b}", "names the secret \"a b\"", "write ${secret:example-token}"),
            ("${secret:${secret:a}}", "names the secret \"${secret:a\"", "write ${secret:example-token}"),
            ("a ${secret:b", "without its end: \"${secret:b\"", "close it with }"),
        ] {
            let error = parse_template(bad).unwrap_err();
            assert!(error.message.contains(message) && error.help.contains(help), "{bad}: {error:?}");
        }
    }
}
