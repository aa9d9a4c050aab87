//! URIs that fit a template. Of RFC 6570 there are simple expressions (`{name}`: anything but `/`, `?` and `#`) and reserved ones
//! (`{+path}`: anything). `#[resource]` refuses others.

use crate::bindings::imports::types::Argument;
use crate::fields;
use alloc::string::String;
use alloc::vec::Vec;
use serde::de::DeserializeOwned;

/// The variables of a URI that fits a template; none when it does not, or when they do not fit the type.
#[must_use]
pub fn variables<T: DeserializeOwned>(template: &str, uri: &str) -> Option<T> {
    fields::read(&captures(template, uri)?).ok()
}

/// Whether a URI fits a template.
#[must_use]
pub fn fits(template: &str, uri: &str) -> bool {
    captures(template, uri).is_some()
}

fn captures(template: &str, uri: &str) -> Option<Vec<Argument>> {
    let mut captured = Vec::new();
    capture(template, uri, &mut captured)?;
    captured.into_iter().map(|(name, value)| Some(Argument { name: name.into(), value: decoded(value)? })).collect()
}

/// Each variable takes as much as the rest of the template leaves, and at least one character.
fn capture<'a>(template: &'a str, uri: &'a str, captured: &mut Vec<(&'a str, &'a str)>) -> Option<()> {
    let (literal, rest) = template.split_once('{').unwrap_or((template, ""));
    let uri = uri.strip_prefix(literal)?;
    if literal.len() == template.len() {
        return uri.is_empty().then_some(());
    }
    let (name, rest) = rest.split_once('}')?;
    let (name, reserved) = name.strip_prefix('+').map_or((name, false), |name| (name, true));
    let longest = if reserved { uri.len() } else { uri.find(['/', '?', '#']).unwrap_or(uri.len()) };
    let at = captured.len();
    for end in (1..=longest).rev() {
        let Some((value, after)) = uri.split_at_checked(end) else { continue };
        captured.push((name, value));
        if capture(rest, after, captured).is_some() {
            return Some(());
        }
        captured.truncate(at);
    }
    None
}

/// Resolves `%41`; none when what comes out is not UTF-8, or when a `%` stands alone.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte == b'%' {
            let [high, low, after @ ..] = rest else { return None };
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit(*high)? << 4 | digit(*low)?);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, uri: &str, expected: Option<&[(&str, &str)]>) {
        let captured = captures(template, uri);
        let captured =
            captured.as_ref().map(|pairs| pairs.iter().map(|pair| (pair.name.as_str(), pair.value.as_str())).collect::<Vec<_>>());
        assert_eq!(captured.as_deref(), expected, "{template} {uri}");
    }

    #[test]
    fn uris_fit_templates() {
        let id = "test://template/{id}/data";
        check(id, "test://template/123/data", Some(&[("id", "123")]));
        check(id, "test://template/a%20b%2Fc/data", Some(&[("id", "a b/c")]));
        check(id, "test://template/\u{e4}/data", Some(&[("id", "\u{e4}")]));
        for uri in ["test://template//data", "test://template/1/2/data", "test://template/1/data/", "test://template/1", "", "1"] {
            check(id, uri, None);
        }
        check("a:{x}-{y}", "a:1-2-3", Some(&[("x", "1-2"), ("y", "3")]));
        check("a:{+path}.txt", "a:b/c.txt.txt", Some(&[("path", "b/c.txt")]));
        check("a:{+path}", "a:b?c#d", Some(&[("path", "b?c#d")]));
        check("a:b", "a:b", Some(&[]));
    }

    #[test]
    fn what_cannot_be_decoded_fits_nothing() {
        for value in ["%", "%4", "%zz", "%ff"] {
            check("a:{x}", &alloc::format!("a:{value}"), None);
        }
    }
}
