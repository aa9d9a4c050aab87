//! Cofferdam runs MCP handlers as sandboxed WebAssembly components: a component dropped into `plugins/` with a few lines of manifest
//! answers any MCP client, over HTTP or stdio, in a fresh sandbox for every call, with exactly what its manifest was granted.
//!
//! The modules are layers; one may use only those below it (`ARCHITECTURE.md` has the table, a test holds it). Read [`dispatch`] first.

pub mod auth;
pub mod caps;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod egress;
pub mod grants;
pub mod ids;
pub mod legacy;
pub mod limits;
pub mod manifest;
pub mod mcp;
pub mod reference;
pub mod registry;
pub mod runtime;
pub mod secret;
pub mod secrets;
pub mod server;
pub mod tasks;
pub mod topics;
pub mod wit;
