//! URI templates (RFC 6570): which template of a catalog a URI belongs to.
//!
//! Templates are only matched here, never expanded: an expression stands for what an expansion could have put in its place.

use regex::Regex;

/// Expressions of one template.
const EXPRESSIONS_MAX: usize = 16;
/// The compiled expression of one template.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// A template that is ready to match.
#[derive(Debug, Clone)]
pub struct Template(Regex);

impl Template {
    /// Reads a template: literal text and expressions of RFC 6570, levels 1 to 4.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pattern = String::from("^");
        let mut rest = text;
        let mut expressions = 0;
        while let Some(open) = rest.find(['{', '}']) {
            let (literal, after) = rest.split_at(open);
            pattern.push_str(&regex::escape(literal));
            let inside = after.strip_prefix('{').ok_or("a `}` without a `{`")?;
            let (expression, after) = inside.split_once('}').ok_or("a `{` without a `}`")?;
            pattern.push_str(&expression_pattern(expression)?);
            expressions += 1;
            if expressions > EXPRESSIONS_MAX {
                return Err(format!("more than {EXPRESSIONS_MAX} expressions"));
            }
            rest = after;
        }
        if expressions == 0 {
            return Err("there is no expression such as `{id}` in it: list it as a resource".to_owned());
        }
        pattern.push_str(&regex::escape(rest));
        pattern.push('$');
        let regex = regex::RegexBuilder::new(&pattern).size_limit(COMPILED_BYTES_MAX).build();
        regex.map(Self).map_err(|_| "the template is too complex".to_owned())
    }

    /// Whether an expansion of the template could be this URI.
    #[must_use]
    pub fn matches(&self, uri: &str) -> bool {
        self.0.is_match(uri)
    }
}

/// What an expression can expand to.
fn expression_pattern(expression: &str) -> Result<String, String> {
    let (operator, names) = match expression.chars().next() {
        Some(operator @ ('+' | '#' | '.' | '/' | ';' | '?' | '&')) => (Some(operator), expression.get(1..).unwrap_or_default()),
        _ => (None, expression),
    };
    let names: Vec<&str> = names.split(',').collect();
    for name in &names {
        let name = name.strip_suffix('*').unwrap_or(name);
        let (name, length) = name.split_once(':').unwrap_or((name, "1"));
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '%');
        if name.is_empty() || !name.chars().all(legal) || length.parse::<u16>().is_err() {
            return Err(format!("{{{expression}}} is not an expression of RFC 6570"));
        }
    }
    // Unreserved characters and percent-encoded ones; a comma between several values.
    let value = if names.len() > 1 || expression.ends_with('*') { "[A-Za-z0-9._~%,=-]" } else { "[A-Za-z0-9._~%-]" };
    Ok(match operator {
        None => format!("{value}+"),
        Some('+') => "[^?#]+".to_owned(),
        Some('#') => "(?:#.*)?".to_owned(),
        Some('.') => format!(r"(?:\.{value}+)+"),
        Some('/') => format!("(?:/{value}+)+"),
        Some(';') => "(?:;[^/?#]*)*".to_owned(),
        Some('?') => r"(?:\?[^#]*)?".to_owned(),
        _ => "(?:&[^#]*)*".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_fit_what_templates_expand_to() {
        for (template, good, bad) in [
            (
                "test://template/{id}/data",
                &["test://template/123/data", "test://template/a%20b/data"][..],
                &["test://template//data", "test://template/a/b/data", "test://template/1/data/"][..],
            ),
            ("file:///{+path}", &["file:///a/b.txt"], &["file:///", "file:///a?x=1"]),
            ("db://{table}{?limit,offset}", &["db://t", "db://t?limit=1&offset=2"], &["db://", "db://t/x"]),
            ("a{/x,y}", &["a/1", "a/1/2"], &["a", "a/"]),
            ("a.b/{x}", &["a.b/1"], &["aXb/1"]),
            ("a{.x}", &["a.json"], &["a", "ajson"]),
            ("a{#x}", &["a", "a#b"], &["ab"]),
        ] {
            let parsed = Template::parse(template).unwrap();
            good.iter().for_each(|uri| assert!(parsed.matches(uri), "{template} {uri}"));
            bad.iter().for_each(|uri| assert!(!parsed.matches(uri), "{template} {uri}"));
        }
    }

    #[test]
    fn bad_templates_are_refused() {
        for template in ["plain", "a{", "a}", "a{}", "a{b c}", "a{x:y}", &"{a}".repeat(17)] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
