//! How a request ends without a response. Nothing in here has an address, a certificate's names or a resolver's words in it: they go to the
//! log, since guests learn this.

/// How a request ends without a response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Every address of the name is one that plugins do not reach.
    #[error("the host does not connect plugins to this address: it is not public, and the operator has not offered it ([egress] private)")]
    Refused,
    /// The name has no address.
    #[error("the name has no address")]
    NoAddress,
    /// Nobody answers at any address.
    #[error("no connection: {0}")]
    Connect(&'static str),
    /// The peer is not who it should be, or does not speak TLS.
    #[error("no TLS: {0}")]
    Tls(&'static str),
    /// The peer does not speak HTTP as it should, or left in the middle.
    #[error("{0}")]
    Broken(&'static str),
    /// A deadline has passed.
    #[error("{0} took longer than {1:?}")]
    Timeout(&'static str, std::time::Duration),
    /// A limit of size.
    #[error("{0} is larger than {1}")]
    TooLarge(&'static str, usize),
    /// The body of the request could not be read.
    #[error("the request's body ended badly")]
    RequestBody,
}

impl EgressError {
    /// Whether nothing of the request can have been done: it never reached anybody.
    #[must_use]
    pub fn is_before_request(&self) -> bool {
        matches!(self, Self::NoAddress | Self::Connect(_) | Self::Tls(_)) || matches!(self, Self::Timeout(what, _) if BEFORE.contains(what))
    }
}

/// What is timed before a request is sent.
pub(super) const RESOLVING: &str = "looking up the name";
pub(super) const CONNECTING: &str = "connecting";
pub(super) const HANDSHAKE: &str = "the TLS handshake";
const BEFORE: [&str; 3] = [RESOLVING, CONNECTING, HANDSHAKE];
