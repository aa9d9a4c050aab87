//! What the tests share: fixtures, a host in a process of its own, and raw clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a harness fails by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` values are made for the call")]

pub mod client;
pub mod events;
pub mod host;
pub mod process;
pub mod session;
pub mod stateless;
pub mod stdio;
pub mod upstream;
pub mod wat;
