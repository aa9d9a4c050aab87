//! A text that nobody is to see by accident.

use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A secret's text: prints as `***`, cannot be serialised or compared, and is overwritten when its last holder lets go.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text itself. It goes where it is used, and into no log, error or other value that prints.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_prints_stars() {
        let secret = Secret::new("canary".to_owned());
        assert_eq!(
            (format!("{secret} {secret:?} {:#?}", Some(&secret)).as_str(), secret.expose()),
            ("*** *** Some(\n    ***,\n)", "canary")
        );
    }
}
