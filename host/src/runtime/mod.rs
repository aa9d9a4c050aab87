//! The only module that runs guests: engine, compiled code, one linker per binding, one store per call.
//!
//! A call is a fresh store and a fresh instance from a pre-instantiated component on the pooling allocator; nothing of it is used again.
//! Only a feed is called more than once: its store lives while it runs, and every call into it has a budget of its own.
//! Guests run on fibers and are interrupted at every tick of the epoch. Whoever embeds this (`dispatch`) sees neither a store nor an
//! instance: it hands in a [`Job`] and gets back an outcome or a [`GuestError`].

mod code_cache;
mod contract;
mod engine;
mod feed;
mod guest;
mod imports;
mod inspect;
mod meter;
mod plain;
mod store;
mod wasi;

pub use code_cache::{CodeCache, CompileError};
pub use engine::Engine;
pub use feed::{Feed, Opening};
pub use guest::{Ask, Call, Done, Export, Guest, Handler, Job, Reference, Round};
pub use imports::{Granted, ImportError, Linked, link};
pub use inspect::{Exported, Specimen};
pub use meter::run_fair;
pub use plain::Sources;
pub use store::{GuestError, Limit};
