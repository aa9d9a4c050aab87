//! What a `#[complete]` answers.

use crate::bindings::completion;
use crate::bindings::imports::types::Argument;
use crate::{Failure, Result};
use alloc::string::String;
use alloc::vec::Vec;

/// As many as MCP allows.
const VALUES_MAX: usize = 100;

/// What a completion may return, alone or as the `Ok` of a `Result`: a list of texts, best first, or [`Suggestions`].
#[diagnostic::on_unimplemented(
    message = "a completion cannot return `{Self}`",
    label = "not suggestions",
    note = "return `Vec<String>`, `Vec<&str>`, `Suggestions`, or a `Result` of one of them"
)]
pub trait IntoSuggestions {
    /// Makes the suggestions.
    ///
    /// # Errors
    /// Whatever the function failed with.
    fn into_suggestions(self) -> Result<Suggestions>;
}

impl<S: Into<String>> IntoSuggestions for Vec<S> {
    fn into_suggestions(self) -> Result<Suggestions> {
        Ok(Suggestions::new(self))
    }
}

impl IntoSuggestions for Suggestions {
    fn into_suggestions(self) -> Result<Suggestions> {
        Ok(self)
    }
}

impl<T: IntoSuggestions, E: Into<Failure>> IntoSuggestions for Result<T, E> {
    fn into_suggestions(self) -> Result<Suggestions> {
        self.map_err(Into::into)?.into_suggestions()
    }
}

/// Values that a person may want, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestions(completion::Suggestions);

/// None.
impl Default for Suggestions {
    fn default() -> Self {
        Self(completion::Suggestions { values: Vec::new(), total: None, has_more: false })
    }
}

impl Suggestions {
    /// These values. No more than 100 are used; if there are more, the client is told so.
    pub fn new<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        let mut values = values.into_iter().map(Into::into);
        let first = values.by_ref().take(VALUES_MAX).collect();
        Self(completion::Suggestions { values: first, total: None, has_more: values.next().is_some() })
    }

    /// Those of the values that begin with what was typed so far, whatever the case.
    ///
    /// ```
    /// # use cofferdam_plugin::Suggestions;
    /// assert_eq!(Suggestions::starting_with("p", ["Paris", "London", "Prague"]).values(), ["Paris", "Prague"]);
    /// ```
    pub fn starting_with<S: Into<String> + AsRef<str>>(typed: &str, values: impl IntoIterator<Item = S>) -> Self {
        let typed = typed.to_lowercase();
        Self::new(values.into_iter().filter(|value| value.as_ref().to_lowercase().starts_with(&typed)))
    }

    /// Says how many there are in all.
    #[must_use]
    pub fn total(mut self, total: u32) -> Self {
        self.0.total = Some(total);
        self
    }

    /// Says that there are more than these.
    #[must_use]
    pub fn has_more(mut self) -> Self {
        self.0.has_more = true;
        self
    }

    /// The values, best first.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.0.values
    }
}

impl From<Suggestions> for completion::Suggestions {
    fn from(suggestions: Suggestions) -> Self {
        suggestions.0
    }
}

/// The arguments that a person has filled in already, beside the one that is being completed.
#[derive(Clone, Debug, PartialEq)]
pub struct Others(pub(crate) Vec<Argument>);

impl Others {
    /// The value of one of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(other, value)| (other == name).then_some(value))
    }

    /// All of them, by name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|argument| (argument.name.as_str(), argument.value.as_str()))
    }
}
