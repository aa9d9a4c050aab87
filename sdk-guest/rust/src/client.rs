//! The client at the other end of the call: how far the work has come, and messages for its log. Needs `[grants.client]` in the
//! manifest.
//!
//! The host passes on what the client asked for, and drops the rest: there is no need to look first.
//!
//! ```
//! use cofferdam_plugin::prelude::*;
//!
//! fn import(files: &[String]) {
//!     for (done, file) in files.iter().enumerate() {
//!         client::progress(done as f64, files.len() as f64, file.as_str());
//!         client::log(client::Level::Info, &json!({"file": file}));
//!     }
//! }
//! ```
//!
//! In a native build, as under `cargo test`, [`testing::Client::reports`](crate::testing::Client::reports) has them.

use crate::bindings::imports::client as wit;
use alloc::string::{String, ToString};
use serde::Serialize;

pub use wit::Level;

/// Reports progress: `done` of `total` (if that is known), with a message if you like. `done` has to grow from report to report; one that
/// does not is dropped.
pub fn progress<'a>(done: f64, total: impl Into<Option<f64>>, message: impl Into<Option<&'a str>>) {
    send_progress(done, total.into(), message.into());
}

/// Sends a message to the client's log: a text, or any other value.
pub fn log(level: Level, data: &(impl Serialize + ?Sized)) {
    send_log(level, None, &text_of(data));
}

/// Sends a message to the client's log under a name, such as a part of the plugin.
pub fn log_as(logger: &str, level: Level, data: &(impl Serialize + ?Sized)) {
    send_log(level, Some(logger), &text_of(data));
}

/// A message that cannot be written as JSON says why: it is worth no failure.
fn text_of(data: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(data).unwrap_or_else(|e| serde_json::Value::String(e.to_string()).to_string())
}

fn send_progress(done: f64, total: Option<f64>, message: Option<&str>) {
    #[cfg(target_family = "wasm")]
    wit::progress(done, total, message);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::record(crate::testing::Report::Progress { done, total, message: message.map(Into::into) });
}

fn send_log(level: Level, logger: Option<&str>, data: &str) {
    #[cfg(target_family = "wasm")]
    wit::log(level, logger, data);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::record(crate::testing::Report::Log {
        level,
        logger: logger.map(Into::into),
        data: serde_json::from_str(data).unwrap_or_default(),
    });
}
