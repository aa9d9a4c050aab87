//! What the plugin is told: texts of the manifest's `[config]`, with the operator's in their places.
//!
//! ```toml
//! # plugin.toml
//! [config]
//! language = "en"
//! most = "10"
//! ```
//!
//! ```toml
//! # cofferdam.toml
//! [config.tickets]
//! language = "de"
//! ```
//!
//! ```
//! use cofferdam_plugin::prelude::*;
//!
//! fn most() -> Result<usize> {
//!     let most = config::get("most").unwrap_or("10".into());
//!     most.parse().map_err(|_| Failure::other("`most` of [config] is no number"))
//! }
//! # assert_eq!(most().ok(), Some(10));
//! ```
//!
//! In a native build, as under `cargo test`, there are no values: write functions so that they take what they are told as arguments.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::config as wit;
use alloc::string::String;
use alloc::vec::Vec;

/// The value of this name, if there is one.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    #[cfg(target_family = "wasm")]
    // The host has the values at hand, and never fails.
    return wit::get(name).ok().flatten();
    #[cfg(not(target_family = "wasm"))]
    {
        let _ = name;
        None
    }
}

/// All names with their values, in the order of the names.
#[must_use]
pub fn all() -> Vec<(String, String)> {
    #[cfg(target_family = "wasm")]
    return wit::get_all().unwrap_or_default();
    #[cfg(not(target_family = "wasm"))]
    Vec::new()
}
