//! Secrets that a plugin reads, and what it is told.

use std::collections::{BTreeMap, BTreeSet};

use super::{GrantError, Offered};
use crate::manifest::{DocumentError, Manifest, WantedSecret, closest, listed, quoted};

/// Secrets that a plugin may read itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretsGrant {
    /// The operator's names for them.
    pub reveal: BTreeSet<String>,
}

pub(super) fn secrets(manifest: &Manifest, offered: &Offered) -> Result<SecretsGrant, GrantError> {
    let wanted = &manifest.grants.secrets;
    match wanted.iter().find(|wanted| !offered.secrets.get(&wanted.name).is_some_and(|secret| secret.reveal)) {
        Some(refused) => Err(not_revealed(manifest, refused)),
        None => Ok(SecretsGrant { reveal: wanted.iter().map(|wanted| wanted.name.clone()).collect() }),
    }
}

/// The same whether there is no such secret or it is not for plugins to read: a manifest finds out nothing by asking.
fn not_revealed(manifest: &Manifest, wanted: &WantedSecret) -> GrantError {
    let name = &wanted.name;
    let message = format!("[grants.secrets] asks to read the secret {}, which the operator does not let plugins read", quoted(name));
    let help = format!(
        "the operator writes in cofferdam.toml: [secrets.{name}] with reveal = true, and where it is, such as file = \"secrets/{name}\""
    );
    DocumentError::at(&manifest.file, wanted.place, message).about("grants.secrets.reveal").with_help(help)
}

/// The manifest's values with the operator's in their places. A name that only the operator has is a slip: nobody would read it.
pub(super) fn config(manifest: &Manifest, offered: &Offered) -> Result<BTreeMap<String, String>, GrantError> {
    let mut values = manifest.config.clone();
    let plugin = &manifest.name;
    for (key, value) in offered.config.get(plugin.as_str()).into_iter().flatten() {
        let Some(own) = values.get_mut(key) else {
            let names: Vec<_> = manifest.config.keys().map(|name| quoted(name)).collect();
            let known = if names.is_empty() { "none".to_owned() } else { listed(&names, "and") };
            let near = closest(key, manifest.config.keys().map(String::as_str)).map(|near| format!("did you mean {near:?}? "));
            let message = format!("the operator's [config.{plugin}] has {}, and [config] here has no such name", quoted(key));
            let help = format!("{}[config] has {known}", near.unwrap_or_default());
            return Err(DocumentError::whole(&manifest.file, message).about(format!("config.{key}")).with_help(help));
        };
        own.clone_from(value);
    }
    Ok(values)
}
