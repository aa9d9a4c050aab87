//! Names that cannot be mixed up.

use std::fmt;
use std::sync::Arc;

/// Owner of plugins, data, quotas and secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The only tenant of a host that has none configured.
    #[must_use]
    pub fn local() -> Self {
        Self(Arc::from("local"))
    }

    /// A name that this host has written down before. Not for names that come from outside.
    #[must_use]
    pub fn stored(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tenants for tests.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a plugin's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a plugin name: it takes 1 to 48 of a-z, 0-9 and -, and begins with a letter")]
pub struct BadPluginName(pub String);

/// A plugin's name: 1 to 48 of `a-z 0-9 -`, beginning with a letter. It stands in tool names, paths, logs and metrics, so nothing else
/// is let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginName(Arc<str>);

impl PluginName {
    /// Checks and takes a name.
    pub fn parse(text: &str) -> Result<Self, BadPluginName> {
        let good = (1..=48).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if good { Ok(Self(Arc::from(text))) } else { Err(BadPluginName(text.chars().take(64).collect())) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for PluginName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One immutable build of a plugin: the SHA-256 of its component.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevisionId(pub [u8; 32]);

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl RevisionId {
    /// The first twelve digits, enough to tell revisions apart in a log.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

/// A call's reference: stands in its log records and in the errors that a client sees, so that one finds the other. Not guessable enough
/// to be a credential, and not used as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRef(u64);

impl CallRef {
    /// The next one of this process.
    #[must_use]
    pub fn next() -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Spread over the whole range, so that references of one process look different and do not tell how many calls there were.
        Self(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl fmt::Display for CallRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_names_hold_nothing_that_could_be_a_path_or_a_header() {
        for good in ["a", "database", "my-plugin-2"] {
            assert!(PluginName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "2a", "A", "a_b", "a.b", "..", "a/b", "a\0", "ä", " a", &"a".repeat(49)] {
            assert!(PluginName::parse(bad).is_err(), "{bad}");
        }
    }
}
