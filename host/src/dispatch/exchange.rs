//! The client's end of one request: how it speaks, what it can be asked, and how it is reached before its answer is there.

use crate::caps::client::{Outlet, Reported};
use crate::mcp::{Abilities, LogLevel, Version};
use http::HeaderMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a request has beside its message.
#[derive(Clone)]
pub struct Exchange<'a> {
    /// The revision of this request, or of its session.
    pub version: Version,
    /// The head of the HTTP request, where there is one: some of the arguments are repeated in it.
    pub headers: Option<&'a HeaderMap>,
    /// What the client can be asked.
    pub abilities: Abilities,
    /// From which level on the client wants log messages about this request; none when it wants none.
    pub log_level: Option<LogLevel>,
    /// Where messages about this request go.
    pub outlet: Arc<dyn Outlet>,
    /// The last progress that was reported there.
    pub reported: Reported,
    /// How the client is asked while the request waits; none in the stateless era, where it asks again with the answers.
    pub live: Option<&'a dyn Live>,
}

/// A request to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Its method.
    pub method: &'static str,
    /// Its parameters: a JSON object.
    pub params: String,
}

/// Why a client did not answer. The text goes to the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It did not answer in time.
    #[error("the client did not answer in time")]
    Timeout,
    /// It is gone, or has taken back its call.
    #[error("the client is gone")]
    Gone,
    /// It answered with an error, or with something that is no object.
    #[error("the client could not answer {0}")]
    Failed(&'static str),
}

/// What the client answered: a JSON object as text.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<String, AskError>> + 'a>>;

/// Asks a client of the `initialize` era.
pub trait Live {
    /// Sends a request and waits for its answer. Dropping the future takes the request back.
    fn ask(&self, asking: Asking) -> Asked<'_>;
}
