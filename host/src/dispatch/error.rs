//! Every way in which a request can fail, with whose fault it is and two texts: one for the client, one for the log.

use crate::ids::CallRef;
use crate::limits::CallLimits;
use crate::mcp::{Version, code};
use crate::runtime::{GuestError, Limit};
use std::borrow::Cow;
use std::time::Duration;

/// How a request ends without a result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The parameters are wrong.
    #[error("{0}")]
    Params(String),
    /// A header is missing or disagrees with the body.
    #[error("{0}")]
    HeaderMismatch(String),
    /// The revision is not spoken here.
    #[error("protocol version {0:?} is not supported")]
    Version(String),
    /// The method does not exist.
    #[error("the method {0:?} does not exist here")]
    NoMethod(String),
    /// The tool, prompt or task does not exist, or not for this caller.
    #[error("Unknown {what}: {name}")]
    NoTarget {
        /// What kind of thing was asked for.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The resource does not exist, or not for this caller.
    #[error("Resource not found: {uri}")]
    NoResource {
        /// Its URI.
        uri: String,
        /// The code is another one before 2026-07-28.
        legacy: bool,
    },
    /// The client did not declare what the call needs of it: `ClientCapabilities` as JSON text.
    #[error("the request has to declare a capability of the client that it needs: {0}")]
    MissingCapability(Cow<'static, str>),
    /// The client was asked for input too often.
    #[error("the call asked for input more than {0} times")]
    Rounds(u32),
    /// A prompt or a resource could not be had; the handler says why.
    #[error("{0}")]
    Handler(String),
    /// Too many calls of the tenant or the plugin.
    #[error("too many calls are running: try again in a moment")]
    TenantBusy,
    /// Too many subscriptions of the caller or its tenant.
    #[error(transparent)]
    Subscriptions(#[from] crate::topics::SubscribeError),
    /// Too many calls in all.
    #[error("the host is busy: try again in a moment")]
    HostBusy,
    /// The call took too long.
    #[error("the call did not end within its {} ms of {of} (reference {reference})", .limit.as_millis())]
    Deadline {
        /// Which time was up.
        of: Limit,
        /// How much of it a call gets.
        limit: Duration,
        /// Finds the log record.
        reference: CallRef,
    },
    /// The plugin failed.
    #[error("the plugin failed (reference {reference})")]
    PluginFailed {
        /// Finds the log record.
        reference: CallRef,
    },
    /// The host failed.
    #[error("the host failed (reference {reference})")]
    Internal {
        /// Finds the log record.
        reference: CallRef,
    },
}

impl CallError {
    /// The JSON-RPC code.
    #[must_use]
    pub fn code(&self) -> i64 {
        match self {
            Self::Params(_) | Self::NoTarget { .. } | Self::NoResource { legacy: false, .. } => code::INVALID_PARAMS,
            Self::NoResource { legacy: true, .. } => code::RESOURCE_NOT_FOUND,
            Self::MissingCapability(_) => code::MISSING_CAPABILITY,
            Self::Rounds(_) | Self::Handler(_) => code::HANDLER_FAILED,
            Self::HeaderMismatch(_) => code::HEADER_MISMATCH,
            Self::Version(_) => code::UNSUPPORTED_VERSION,
            Self::NoMethod(_) => code::METHOD_NOT_FOUND,
            Self::TenantBusy | Self::Subscriptions(_) => code::TENANT_BUSY,
            Self::HostBusy => code::HOST_BUSY,
            Self::Deadline { .. } => code::DEADLINE,
            Self::PluginFailed { .. } => code::PLUGIN_FAILED,
            Self::Internal { .. } => code::INTERNAL,
        }
    }

    /// The `data` member as JSON text.
    #[must_use]
    pub fn data(&self) -> Option<String> {
        match self {
            Self::Version(requested) => {
                let supported = [Version::NEWEST.as_str()];
                Some(serde_json::json!({ "supported": supported, "requested": requested }).to_string())
            }
            Self::NoResource { uri, .. } => Some(serde_json::json!({ "uri": uri }).to_string()),
            Self::MissingCapability(missing) => Some(format!(r#"{{"requiredCapabilities":{missing}}}"#)),
            _ => None,
        }
    }

    /// The tool, prompt or task that a request names does not exist.
    #[must_use]
    pub fn unknown(what: &'static str, name: &str) -> Self {
        Self::NoTarget { what, name: shown(name, 128) }
    }

    /// The resource that a request names does not exist.
    #[must_use]
    pub fn no_resource(uri: &str, version: Version) -> Self {
        Self::NoResource { uri: shown(uri, 2_048), legacy: version.is_legacy() }
    }

    /// What a guest's failure is to the client. The whole story goes to the log, under the same reference.
    #[must_use]
    pub fn from_guest(error: &GuestError, limits: &CallLimits, reference: CallRef) -> Self {
        match error {
            GuestError::Limit(of @ Limit::WallTime) => Self::Deadline { of: *of, limit: limits.wall_time_max, reference },
            GuestError::Limit(of @ Limit::CpuTime) => Self::Deadline { of: *of, limit: limits.cpu_time_max, reference },
            GuestError::Limit(_) | GuestError::Trap(_) | GuestError::BadReply(_) | GuestError::Misfit(_) => {
                Self::PluginFailed { reference }
            }
            GuestError::NoSlot => Self::HostBusy,
            GuestError::HostPanic(_) => Self::Internal { reference },
        }
    }
}

/// Text of a client's that goes back to it, cut.
fn shown(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars_max).collect()
}
