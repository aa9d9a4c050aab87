//! placeholder
#![allow(missing_docs)]
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", not(target_family = "wasm")))]
extern crate std;
// So that `#[plugin]` works in this crate's own tests.
extern crate self as cofferdam_plugin;

mod bindings;
mod context;
pub mod failure;
mod host;
pub mod log;
#[cfg(target_family = "wasm")]
mod memory;
#[cfg(all(target_family = "wasm", not(feature = "std")))]
mod panic;
mod plugin;
pub mod reply;
#[doc(hidden)]
pub mod schema;
pub mod sql;
pub mod testing;

pub use cofferdam_plugin_macros::{plugin, query, update};
pub use context::{Caller, Context};
pub use failure::{Failure, Result};
pub use host::{now_ms, now_rfc3339, random_bytes, rfc3339};
pub use reply::{IntoReply, Json, RawJson, Reply};
pub mod catalog {
    pub use crate::bindings::catalog::{CacheHint, Catalog, Hints, Operation, Overflow, Prompt, PromptArgument, ResourceTemplate, TaskSupport, Topic};
}
#[doc(no_inline)]
pub use {schemars, serde, serde_json};

pub mod prelude {
    pub use crate::{Context, Failure, IntoReply, Json, RawJson, Reply, Result, log, now_ms, now_rfc3339, random_bytes, sql, query, update};
    pub use alloc::borrow::ToOwned;
    pub use alloc::boxed::Box;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec::Vec;
    pub use alloc::{format, vec};
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::{catalog, imports, query, update};
    pub use crate::bindings::catalog::export_catalog;
    pub use crate::bindings::query::export_query;
    pub use crate::bindings::update::export_update;
    pub use crate::plugin::{Describe, OperationSpec, PluginSpec, Queries, TopicSpec, Updates, arguments, describe, no_such_operation};
    pub use crate::{Context, IntoReply, Reply, Result, schema};
    pub use core::option::Option::{None, Some};
    pub use core::result::Result::Err;
}
