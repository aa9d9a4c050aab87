//! What one call sees of the secrets.

use super::{SecretError, Secrets};
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The secrets as one call sees them: a secret that changes while the call runs stays what it was for this call, so that two requests of
/// one call never have different credentials. Clones share what the call has seen.
#[derive(Clone, Debug)]
pub struct CallSecrets {
    secrets: Secrets,
    seen: Arc<Mutex<BTreeMap<String, Secret>>>,
}

impl CallSecrets {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, seen: Arc::default() }
    }

    /// The text of a secret, as it was when the call first asked.
    pub async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        if let Some(seen) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(seen.clone());
        }
        let secret = self.secrets.get(name).await?;
        // Two requests of a call may get here at once; the first one's text holds.
        Ok(self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_insert(secret).clone())
    }
}
