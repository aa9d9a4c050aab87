//! The most that any manifest can be granted.

use super::GrantError;
use crate::manifest::{DocumentError, Manifest, listed, quoted};
use std::collections::BTreeSet;

/// The operator's ceiling. Without one a manifest is granted what it asks for, as far as the operator has it to offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// The capabilities that manifests can be granted; all of them when none are named.
    pub grants: Option<BTreeSet<String>>,
}

impl Ceiling {
    /// Refuses a manifest that asks for more.
    pub(super) fn check(&self, manifest: &Manifest) -> Result<(), GrantError> {
        let Some(grants) = &self.grants else { return Ok(()) };
        let Some((asked, place)) = manifest.grants.asked.iter().find(|(asked, _)| !grants.contains(asked.as_str())) else { return Ok(()) };
        let names: Vec<_> = grants.iter().map(|name| quoted(name)).collect();
        let known = if names.is_empty() {
            "no plugin is granted anything".to_owned()
        } else {
            format!("plugins are granted {} at most", listed(&names, "and"))
        };
        let message = format!("[grants.{asked}] asks for more than the operator's ceiling: {known}");
        let help = format!("take it out, or the operator adds {} to \"grants\" in [ceiling] of cofferdam.toml", quoted(asked));
        Err(DocumentError::at(&manifest.file, *place, message).about(format!("grants.{asked}")).with_help(help))
    }
}
