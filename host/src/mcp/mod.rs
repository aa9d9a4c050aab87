//! The protocol: JSON-RPC envelopes, `_meta`, header rules, versions, and how answers are written. Pure: no I/O, no clock.
//!
//! A message is parsed once, straight into typed structs that borrow from its text. What nobody here has to look into (arguments,
//! capabilities, unknown `_meta` keys) stays raw JSON.

pub mod bounds;
pub mod client;
pub mod headers;
pub mod message;
pub mod notice;
pub mod strict;
pub mod template;
pub mod version;
pub mod write;

pub use client::{Abilities, LogLevel};
pub use message::{Id, Message, MessageError, Meta, Params, Request, Response};
pub use version::Version;

/// JSON-RPC error codes of the specification (2026-07-28, basic, "Error Codes") and our own, which are small positive numbers because
/// everything from -32768 to -32000 is reserved.
pub mod code {
    /// The text is not JSON.
    pub const PARSE: i64 = -32700;
    /// The JSON is not a request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// The method does not exist, or belongs to a capability that is not offered.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters are wrong, or `_meta` lacks what it must have.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The host failed.
    pub const INTERNAL: i64 = -32603;
    /// A header is missing or says something else than the body.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The request did not declare a capability of the client that it needs.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// A resource does not exist; only before 2026-07-28.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// The protocol version is not spoken here.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// The tenant or the plugin has too many calls running.
    pub const TENANT_BUSY: i64 = 1001;
    /// The host has too many calls running, or is stopping.
    pub const HOST_BUSY: i64 = 1002;
    /// The call did not end in time.
    pub const DEADLINE: i64 = 1003;
    /// The plugin failed: a trap, a limit, or a result that it must not return.
    pub const PLUGIN_FAILED: i64 = 1004;
    /// A handler said that it could not do it, where there is no other place to say so.
    pub const HANDLER_FAILED: i64 = 1005;
}
