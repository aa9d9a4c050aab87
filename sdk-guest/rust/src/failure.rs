//! Why a handler could not do what it was asked.

use crate::bindings::imports::types;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What a handler returns.
pub type Result<T, E = Failure> = core::result::Result<T, E>;

/// Why a handler could not do what it was asked. The text reaches the client and the model: say what to do about it, and put
/// nothing in it that is not theirs to know.
///
/// ```
/// use cofferdam_plugin::{Failure, Result};
///
/// fn seat(number: u32) -> Result<&'static str> {
///     match number {
///         0 => Err(Failure::invalid("seats are numbered from 1")),
///         1 => Ok("window"),
///         _ => Err(Failure::not_found(format!("there is no seat {number}, the last one is 1"))),
///     }
/// }
/// assert_eq!(seat(7).unwrap_err().to_string(), "not found: there is no seat 7, the last one is 1");
/// ```
///
/// A handler that [asks the client](crate::ask) ends in the same way, through `?`: then this holds the questions
/// ([`FailureKind::Asks`]), and the client sees no failure. So pass on what you did not expect, and look at the [kind](Failure::kind)
/// before you turn one failure into another.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure(End);

/// How a handler ended without a reply.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Failed { kind: FailureKind, message: String },
    Asks(Box<types::InputRequired>),
}

// Nothing but text is in it.
impl Eq for Failure {}

/// What kind of failure it is; the host turns it into the protocol's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The arguments make no sense, beyond what the schema could tell.
    Invalid,
    /// What was asked for does not exist.
    NotFound,
    /// The caller may not do this.
    Denied,
    /// Something that the handler needs does not answer; trying again may help.
    Unavailable,
    /// Anything else.
    Other,
    /// No failure: the client is asked first, and the handler runs again with the answers.
    Asks,
}

impl Failure {
    const fn new(kind: FailureKind, message: String) -> Self {
        Self(End::Failed { kind, message })
    }

    /// Not a failure: the handler goes on when these are answered.
    pub(crate) fn asks(requests: Vec<types::KeyedRequest>, state: Option<String>) -> Self {
        Self(End::Asks(Box::new(types::InputRequired { requests, state })))
    }

    /// The arguments make no sense, beyond what the schema could tell.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Invalid, message.into())
    }

    /// What was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureKind::NotFound, message.into())
    }

    /// The caller may not do this.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Denied, message.into())
    }

    /// Something that the handler needs does not answer; trying again may help.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, message.into())
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Other, message.into())
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match &self.0 {
            End::Failed { kind, .. } => *kind,
            End::Asks(_) => FailureKind::Asks,
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.0 {
            End::Failed { message, .. } => message,
            End::Asks(_) => "the client is asked first",
        }
    }

    /// What the client is asked, and the state of the handler's own that comes back with the answers; none when it is a failure.
    #[must_use]
    pub fn asked(&self) -> Option<&types::InputRequired> {
        match &self.0 {
            End::Failed { .. } => None,
            End::Asks(asked) => Some(asked),
        }
    }

    /// For handlers that have nobody to ask: questions are a failure too.
    pub(crate) fn into_failure(self) -> types::Failure {
        let asked = |_| types::Failure::Other("this would have to ask the client, and there is none".into());
        self.into_outcome(asked).unwrap_or_else(|failure| failure)
    }

    /// Tells the two ways apart in which a handler ends without a reply.
    pub(crate) fn into_outcome<T>(self, asks: impl FnOnce(types::InputRequired) -> T) -> Result<T, types::Failure> {
        match self.0 {
            End::Asks(asked) => Ok(asks(*asked)),
            End::Failed { kind, message } => Err(match kind {
                FailureKind::Invalid => types::Failure::Invalid(message),
                FailureKind::NotFound => types::Failure::NotFound(message),
                FailureKind::Denied => types::Failure::Denied(message),
                FailureKind::Unavailable => types::Failure::Unavailable(message),
                FailureKind::Other | FailureKind::Asks => types::Failure::Other(message),
            }),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind() {
            FailureKind::Invalid => "invalid: ",
            FailureKind::NotFound => "not found: ",
            FailureKind::Denied => "denied: ",
            FailureKind::Unavailable => "unavailable: ",
            FailureKind::Other | FailureKind::Asks => "",
        };
        f.write_str(kind)?;
        f.write_str(self.message())
    }
}

impl core::error::Error for Failure {}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::other(message)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::other(message)
    }
}

/// JSON of the handler's own that cannot be read or written. What the client sent is checked before the handler runs.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::other(format!("JSON: {error}"))
    }
}
