//! Protocol revisions.

/// A revision of MCP that this host speaks. Ordered by date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP+SSE, stdio.
    V2024_11_05,
    /// Streamable HTTP, batches.
    V2025_03_26,
    /// Structured output, `MCP-Protocol-Version`.
    V2025_06_18,
    /// Icons, JSON Schema 2020-12.
    V2025_11_25,
    /// Stateless: `_meta` on every request instead of `initialize`.
    V2026_07_28,
}

impl Version {
    /// The newest revision with the `initialize` handshake: what a client gets that asks for one that we do not know.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;
    /// The newest revision.
    pub const NEWEST: Self = Self::V2026_07_28;
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] = [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// The revision's name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this name, if we speak it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// Whether it begins with `initialize`.
    #[must_use]
    pub fn is_legacy(self) -> bool {
        self <= Self::NEWEST_LEGACY
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for version in Version::ALL {
            assert_eq!(Version::parse(version.as_str()), Some(version));
        }
        for other in ["", "2026-07-28 ", "2026-7-28", "1.0", "2099-01-01", "V2026-07-28"] {
            assert_eq!(Version::parse(other), None, "{other}");
        }
        assert!(Version::V2025_11_25.is_legacy() && !Version::V2026_07_28.is_legacy());
    }
}
