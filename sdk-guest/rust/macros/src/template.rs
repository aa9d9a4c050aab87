//! URI templates, as far as the SDK knows them: `{name}` and `{+name}`.

use syn::{Error, LitStr, Result};

/// The names of the variables.
pub(crate) fn variables(template: &str) -> Vec<&str> {
    template.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.trim_start_matches('+'))).collect()
}

pub(crate) fn check(template: &LitStr) -> Result<()> {
    let text = template.value();
    let mistake = |why: &str| Err(Error::new(template.span(), why));
    let closed = text.split('{').skip(1).all(|rest| rest.matches('}').count() == 1);
    if !closed || text.split('{').next().is_some_and(|literal| literal.contains('}')) {
        return mistake("each `{` of a template has a `}`");
    }
    let names = variables(&text);
    let good = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !names.iter().all(good) {
        return mistake("a template's variables are `{name}` or `{+name}`, of A-Z a-z 0-9 _; other expressions are not supported");
    }
    if names.is_empty() {
        return mistake("a template has variables, such as `{id}`; without one, write `uri = ...`");
    }
    if names.iter().enumerate().any(|(at, name)| names.iter().take(at).any(|other| other == name)) {
        return mistake("a template has each variable once");
    }
    Ok(())
}
