//! What a kind of document can say: every section and key with its meaning. The reader refuses what is not here, and the reference page
//! and the JSON Schema for editors are written from it.

/// A kind of document.
pub(crate) struct Shape {
    /// Every section. The document itself is `""`.
    pub(crate) sections: &'static [Section],
    /// The other kind of document, and what belongs at the top of that one.
    pub(crate) other: (&'static str, &'static [&'static str]),
}

/// A section of a document. The last part of its name may be a word in `<>`: any name can stand there. A section that only holds such
/// sections has no keys of its own.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// What it is for: whole sentences, for the reference page.
    pub(crate) about: &'static str,
    pub(crate) keys: &'static [Key],
    /// Whether its keys are names that the writer chooses. `keys` is empty then.
    pub(crate) open: bool,
}

/// A key of a section, or a section below it.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it says: whole sentences, for the reference page. Empty for a section, which says it itself.
    pub(crate) about: &'static str,
    /// What holds without it, as it would be written or in words; empty when it has to be written.
    pub(crate) default: &'static str,
    /// A value as one would write it, in TOML.
    pub(crate) example: &'static str,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number from 1 on.
    Count,
    /// A size such as `"64MiB"`.
    Size,
    /// A duration such as `"10s"`.
    Duration,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A section of its own.
    Section,
}

impl Section {
    /// A section with these keys.
    pub(crate) const fn new(name: &'static str, about: &'static str, keys: &'static [Key]) -> Self {
        Self { name, about, keys, open: false }
    }

    /// A section whose keys are names that the writer chooses.
    pub(crate) const fn open(name: &'static str, about: &'static str) -> Self {
        Self { name, about, keys: &[], open: true }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known.name == key)
    }
}

impl Key {
    /// A key that can be left out: then `default` holds.
    pub(crate) const fn new(name: &'static str, kind: Kind, about: &'static str, default: &'static str, example: &'static str) -> Self {
        Self { name, kind, about, default, example }
    }

    /// A key that has to be there.
    pub(crate) const fn required(name: &'static str, kind: Kind, about: &'static str, example: &'static str) -> Self {
        Self { name, kind, about, default: "", example }
    }

    /// A section below this one.
    pub(crate) const fn section(name: &'static str) -> Self {
        Self { name, kind: Kind::Section, about: "", default: "none", example: "" }
    }
}
