//! What a `#[prompt]` answers.

use crate::bindings::prompts::FilledPrompt;
use crate::content::{Content, Role};
use crate::{Failure, Result};
use alloc::string::String;
use alloc::vec::Vec;

pub use crate::bindings::prompts::Message;

/// What a prompt may return, alone or as the `Ok` of a `Result`.
///
/// | type | the client sees |
/// |---|---|
/// | `String`, `&str` | one message of the user's |
/// | [`Prompt`] | whatever you put in: messages of both sides, images, resources |
/// | `Result<T, E>` | as `T`, or a failure if `E` can become a [`Failure`] |
#[diagnostic::on_unimplemented(
    message = "a prompt cannot return `{Self}`",
    label = "not a prompt",
    note = "return `String`, `Prompt`, or a `Result` of one of them"
)]
pub trait IntoPrompt {
    /// Makes the prompt.
    ///
    /// # Errors
    /// Whatever the function failed with.
    fn into_prompt(self) -> Result<Prompt>;
}

impl IntoPrompt for String {
    fn into_prompt(self) -> Result<Prompt> {
        Ok(Prompt::new().user(self))
    }
}

impl IntoPrompt for &str {
    fn into_prompt(self) -> Result<Prompt> {
        Ok(Prompt::new().user(self))
    }
}

impl IntoPrompt for Prompt {
    fn into_prompt(self) -> Result<Prompt> {
        Ok(self)
    }
}

impl<T: IntoPrompt, E: Into<Failure>> IntoPrompt for Result<T, E> {
    fn into_prompt(self) -> Result<Prompt> {
        self.map_err(Into::into)?.into_prompt()
    }
}

/// A prompt, message by message.
///
/// ```
/// use cofferdam_plugin::{Prompt, content::Content};
///
/// let png = vec![0x89, b'P', b'N', b'G'];
/// let prompt = Prompt::new()
///     .user(Content::image(png, "image/png"))
///     .user("What is wrong with this plot?")
///     .assistant("The axes have no units. Apart from that,");
/// assert_eq!(prompt.messages().len(), 3);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt(FilledPrompt);

impl Default for Prompt {
    fn default() -> Self {
        Self::new()
    }
}

impl Prompt {
    /// A prompt without messages.
    #[must_use]
    pub const fn new() -> Self {
        Self(FilledPrompt { description: None, messages: Vec::new() })
    }

    /// Says what this prompt, filled in, is good for.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.0.description = Some(text.into());
        self
    }

    /// Adds a message of the user's: a text, or any other [`Content`].
    #[must_use]
    pub fn user(self, content: impl Into<Content>) -> Self {
        self.message(Role::User, content.into())
    }

    /// Adds a message of the model's: a text, or any other [`Content`].
    #[must_use]
    pub fn assistant(self, content: impl Into<Content>) -> Self {
        self.message(Role::Assistant, content.into())
    }

    fn message(mut self, role: Role, content: Content) -> Self {
        self.0.messages.push(Message { role, content });
        self
    }

    /// The messages, in order.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.0.messages
    }

    /// The text of the first message that is text.
    #[must_use]
    pub fn first_text(&self) -> Option<&str> {
        self.0.messages.iter().find_map(|message| match &message.content {
            Content::Text(block) => Some(block.text.as_str()),
            _ => None,
        })
    }
}

impl From<Prompt> for FilledPrompt {
    fn from(prompt: Prompt) -> Self {
        prompt.0
    }
}
