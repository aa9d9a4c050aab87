//! What is wrong in a document that a person wrote, and where.

use std::fmt;

use super::values::size_text;

/// A document was refused: by its reader, or later for something that it says. Prints as one line, like a compiler's message:
/// `plugins/tickets/plugin.toml:12:1: unknown key "acess" in [grants.sql.main]; did you mean "access"?`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1; 0 when the error is about the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 when the error is about the file as a whole.
    pub column: usize,
    /// The dotted key that it is about, such as `grants.sql.main.access`.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl DocumentError {
    /// An error about a file as a whole.
    pub(crate) fn whole(file: &str, message: impl Into<String>) -> Self {
        Self::at(file, Place::default(), message)
    }

    /// A file that is too large to be looked at.
    pub(crate) fn too_large(file: &str, bytes_max: usize) -> Self {
        Self::whole(file, format!("the file is larger than {}", size_text(bytes_max)))
    }

    /// An error at a place in a file.
    pub(crate) fn at(file: &str, place: Place, message: impl Into<String>) -> Self {
        let Place { line, column } = place;
        Self { file: file.to_owned(), line, column, key: None, message: message.into(), help: None }
    }

    /// Says which key it is about.
    pub(crate) fn about(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Says what to write instead.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to write instead, if anything is known.
    pub(crate) fn with_help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Says what to write instead, unless something is said already.
    pub(crate) fn or_help(mut self, help: &str) -> Self {
        self.help.get_or_insert_with(|| help.to_owned());
        self
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

impl std::error::Error for DocumentError {}

/// Where something stands in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The line, from 1; 0 for the document as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 for the document as a whole.
    pub column: usize,
}

impl Place {
    /// The place of a byte of `text`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default().trim_start_matches('\u{feff}');
        Self { line: before.bytes().filter(|b| *b == b'\n').count() + 1, column: line.chars().count() + 1 }
    }
}
