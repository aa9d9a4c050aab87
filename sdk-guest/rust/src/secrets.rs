//! Secrets that the operator has named and the plugin's manifest asks to read.
//!
//! ```toml
//! # plugin.toml
//! [grants.secrets]
//! reveal = ["signing-key"]
//! ```
//!
//! A token that only goes into a header of a request need not be read: the manifest says where it goes, the host puts it in, and the plugin
//! cannot lose it.
//!
//! ```no_run
//! use cofferdam_plugin::prelude::*;
//!
//! fn sign(text: &str) -> Result<String> {
//!     let key = secrets::reveal("signing-key")?;
//! #   let hmac = |_: &str, text: &str| text.to_owned();
//!     Ok(hmac(&key, text))
//! }
//! ```
//!
//! In a native build, as under `cargo test`, there are no secrets: [`reveal`] returns [`Error::Unavailable`].

use crate::Failure;
#[cfg(target_family = "wasm")]
use crate::bindings::imports::secrets as wit;
use alloc::string::String;
use core::fmt;

/// Why there is no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The manifest's grant does not have it, whether it exists or not.
    Denied(String),
    /// It cannot be read now.
    Unavailable(String),
}

/// The text of a secret. It stays the same while a call runs, also when the operator changes it meanwhile.
///
/// # Errors
/// The secret is not granted, or cannot be read now.
pub fn reveal(name: &str) -> Result<String, Error> {
    #[cfg(target_family = "wasm")]
    return wit::reveal(name).map_err(|error| match error {
        wit::Error::Denied(text) => Error::Denied(text),
        wit::Error::Unavailable(text) => Error::Unavailable(text),
    });
    #[cfg(not(target_family = "wasm"))]
    Err(Error::Unavailable(alloc::format!("{name:?} is a secret of the host, and this is a native build without one")))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text) | Self::Unavailable(text) => f.write_str(text),
        }
    }
}

impl core::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(text) => Self::denied(text),
            Error::Unavailable(text) => Self::unavailable(text),
        }
    }
}
