//! Tells every client of the tenant that something of this plugin's changed. Needs `[grants.changes]` in the manifest.
//!
//! ```
//! use cofferdam_plugin::prelude::*;
//!
//! fn rename(ticket: u32) {
//!     // ...
//!     changes::resource_updated(&format!("tickets://{ticket}"));
//!     changes::list_changed(changes::Listing::Resources);
//! }
//! ```
//!
//! In a native build, as under `cargo test`, [`testing::Client::reports`](crate::testing::Client::reports) has them.

use crate::bindings::imports::changes as wit;

pub use wit::Listing;

/// The contents of a resource are not what they were. It is one of this plugin's, or fits a template of this plugin's; others are
/// dropped, and the host's log says so.
pub fn resource_updated(uri: &str) {
    #[cfg(target_family = "wasm")]
    wit::resource_updated(uri);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::record(crate::testing::Report::ResourceUpdated(uri.into()));
}

/// A list is worth fetching again.
pub fn list_changed(listing: Listing) {
    #[cfg(target_family = "wasm")]
    wit::list_changed(listing);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::record(crate::testing::Report::ListChanged(listing));
}
