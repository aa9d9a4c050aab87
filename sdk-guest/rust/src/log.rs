//! The host's log: `log::trace!`, `debug!`, `info!`, `warn!` and `error!`, all of which take what `format!` takes.
//!
//! The first two are for you, the others for the operator. Records carry the call's reference and never reach a client; long ones are cut,
//! and a call that logs without end is cut off. In a native build, as under `cargo test`, they go to stderr.
//!
//! ```
//! use cofferdam_plugin::log;
//!
//! let rows = 3;
//! log::info!("{rows} rows were old");
//! log::write(log::Level::Warn, "already text");
//! ```

use alloc::string::ToString;
use core::fmt;

pub use crate::bindings::imports::host::Level;
pub use crate::{__debug as debug, __error as error, __info as info, __trace as trace, __warn as warn};

/// Writes one record.
pub fn write(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::imports::host::log(level, message);
    #[cfg(not(target_family = "wasm"))]
    std::eprintln!("{level:?} {message}");
}

/// Writes one record; the macros come here.
#[doc(hidden)]
pub fn write_fmt(level: Level, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(text) => write(level, text),
        None => write(level, &message.to_string()),
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __trace { ($($message:tt)*) => { $crate::log::write_fmt($crate::log::Level::Trace, ::core::format_args!($($message)*)) } }

#[doc(hidden)]
#[macro_export]
macro_rules! __debug { ($($message:tt)*) => { $crate::log::write_fmt($crate::log::Level::Debug, ::core::format_args!($($message)*)) } }

#[doc(hidden)]
#[macro_export]
macro_rules! __info { ($($message:tt)*) => { $crate::log::write_fmt($crate::log::Level::Info, ::core::format_args!($($message)*)) } }

#[doc(hidden)]
#[macro_export]
macro_rules! __warn { ($($message:tt)*) => { $crate::log::write_fmt($crate::log::Level::Warn, ::core::format_args!($($message)*)) } }

#[doc(hidden)]
#[macro_export]
macro_rules! __error { ($($message:tt)*) => { $crate::log::write_fmt($crate::log::Level::Error, ::core::format_args!($($message)*)) } }
