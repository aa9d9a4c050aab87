//! The operator's secrets by name: read from files, the environment or commands when they are needed, and never written anywhere.

mod call;
mod read;
#[cfg(test)]
mod tests;

pub use self::call::CallSecrets;
use crate::limits::Limits;
use crate::secret::Secret;
use read::{Failed, Stamp};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Where a secret's text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file; read again when it has changed.
    File(PathBuf),
    /// A variable of the environment that the host was started in.
    Environment(String),
    /// What a program prints.
    Command {
        /// The program and its arguments. No shell reads them.
        argv: Vec<String>,
        /// Where it runs.
        folder: PathBuf,
        /// How long what it printed stays good.
        refresh: Duration,
    },
}

/// Why there is no secret. Holds nothing of it, and nothing of where it comes from: that stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The operator has named no such secret.
    #[error("there is no secret {0:?}")]
    Unknown(String),
    /// It cannot be read now.
    #[error("the secret {0:?} cannot be read; the host's log says why")]
    Unreadable(String),
}

/// The operator's secrets. Clones share what was read.
#[derive(Clone, Default)]
pub struct Secrets(Arc<BTreeMap<String, Slot>>);

struct Slot {
    source: SecretSource,
    /// The text of the variable, for a source in the environment.
    variable: Option<Secret>,
    bytes_max: usize,
    command_time_max: Duration,
    retry_after: Duration,
    /// Held while it is read, so that many calls read once.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    secret: Option<Secret>,
    stamp: Option<Stamp>,
    read: Option<Instant>,
    failed: Option<Instant>,
}

impl Secrets {
    /// Takes the operator's secrets; nothing is read yet. Those of the environment have no text: see [`Secrets::with_environment`].
    #[must_use]
    pub fn new(sources: &BTreeMap<String, SecretSource>) -> Self {
        Self::with_environment(sources, |_| None)
    }

    /// The same, with somebody who knows the environment.
    #[must_use]
    pub fn with_environment(sources: &BTreeMap<String, SecretSource>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let limits = Limits::default();
        let slot = |source: &SecretSource| Slot {
            source: source.clone(),
            variable: match source {
                SecretSource::Environment(name) => variable(name).map(Secret::new),
                _ => None,
            },
            bytes_max: limits.secret_bytes_max,
            command_time_max: limits.secret_command_time_max,
            retry_after: limits.secret_retry_after,
            known: Mutex::default(),
        };
        Self(Arc::new(sources.iter().map(|(name, source)| (name.clone(), slot(source))).collect()))
    }

    /// The text of a secret, as it is now.
    pub async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let slot = self.0.get(name).ok_or_else(|| SecretError::Unknown(name.to_owned()))?;
        slot.get(name).await.ok_or_else(|| SecretError::Unreadable(name.to_owned()))
    }

    /// The names of those that cannot be read now; the log says why.
    pub async fn unreadable(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, slot) in self.0.iter() {
            if slot.get(name).await.is_none() {
                names.push(name.clone());
            }
        }
        names
    }

    /// For one call, which sees one text of each secret however long it runs.
    #[must_use]
    pub fn for_call(&self) -> CallSecrets {
        CallSecrets::new(self.clone())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Slot {
    async fn get(&self, name: &str) -> Option<Secret> {
        let mut known = self.known.lock().await;
        // One that cannot be read is not tried at every call: calls come faster than an operator mends it, and so would log records.
        if known.failed.is_some_and(|failed| failed.elapsed() < self.retry_after) {
            return known.secret.clone();
        }
        let read = match &self.source {
            SecretSource::File(path) => read::file(path, name, self.bytes_max, known.stamp).await,
            SecretSource::Environment(_) => read::variable(self.variable.as_ref(), self.bytes_max).map(|secret| Some((secret, None))),
            SecretSource::Command { refresh, .. } if known.read.is_some_and(|read| read.elapsed() < *refresh) => Ok(None),
            SecretSource::Command { argv, folder, .. } => {
                read::command(argv, folder, self.bytes_max, self.command_time_max).await.map(|secret| Some((secret, None)))
            }
        };
        match read {
            Ok(Some((secret, stamp))) => *known = Known { secret: Some(secret), stamp, read: Some(Instant::now()), failed: None },
            Ok(None) => known.failed = None,
            Err(failed) => self.failed(&mut known, name, &failed),
        }
        known.secret.clone()
    }

    /// A file that is gone takes its secret with it. A command that fails may work again soon, and what it printed last is still the best
    /// that there is.
    fn failed(&self, known: &mut Known, name: &str, failed: &Failed) {
        known.failed = Some(Instant::now());
        if !matches!(self.source, SecretSource::Command { .. }) {
            (known.secret, known.stamp) = (None, None);
        }
        let old = known.secret.is_some();
        tracing::error!(secret = name, old_one_used = old, "a secret cannot be read: {failed}");
    }
}
