//! Why a handler could not do what it was asked.

use crate::bindings::imports::types;
use alloc::format;
use alloc::string::String;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    message: String,
}

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
}

impl Failure {
    /// The arguments make no sense, beyond what the schema could tell.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Invalid, message: message.into() }
    }

    /// What was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::NotFound, message: message.into() }
    }

    /// The caller may not do this.
    pub fn denied(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Denied, message: message.into() }
    }

    /// Something that the handler needs does not answer; trying again may help.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unavailable, message: message.into() }
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Other, message: message.into() }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FailureKind::Invalid => "invalid: ",
            FailureKind::NotFound => "not found: ",
            FailureKind::Denied => "denied: ",
            FailureKind::Unavailable => "unavailable: ",
            FailureKind::Other => "",
        };
        f.write_str(kind)?;
        f.write_str(&self.message)
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

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            FailureKind::Invalid => Self::Invalid(failure.message),
            FailureKind::NotFound => Self::NotFound(failure.message),
            FailureKind::Denied => Self::Denied(failure.message),
            FailureKind::Unavailable => Self::Unavailable(failure.message),
            FailureKind::Other => Self::Other(failure.message),
        }
    }
}
