//! Capabilities: one file or folder each, with the same five items in the same order: what lives once per process, what a binding was
//! granted, what one call sees, the host functions, and `link`.
//!
//! A host function sees its tenant, its own grant, the call's budget and the call's handle table. Never a request, a header or a token.

pub mod audit;
pub mod budget;
pub mod changes;
pub mod client;
pub mod config;
pub mod events;
pub mod files;
pub mod host;
pub mod http;
pub mod keyvalue;
pub mod log;
pub mod secrets;
pub mod sql;
