//! What a handler knows about its call beside the arguments.

use crate::bindings::imports::types;
use crate::{Failure, Result};
use alloc::format;
use alloc::string::String;
use serde::de::DeserializeOwned;

/// What a handler knows about its call beside the arguments. A handler that wants it takes a `&Context`.
///
/// ```
/// use cofferdam_plugin::prelude::*;
///
/// fn delete_everything(cx: &Context) -> Result<String> {
///     if !cx.caller().has_scope("admin") {
///         return Err(Failure::denied("only administrators may do this"));
///     }
///     Ok(format!("{} deleted everything of {}", cx.caller().subject(), cx.caller().tenant()))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Context(types::Context);

impl Context {
    /// Who is calling.
    #[must_use]
    pub fn caller(&self) -> Caller<'_> {
        Caller(&self.0.caller)
    }

    /// The client's `_meta`, a JSON object; none when the client sent nothing but the protocol's own keys.
    #[must_use]
    pub fn meta_json(&self) -> Option<&str> {
        self.0.meta.as_deref()
    }

    /// The client's `_meta` as a type of yours; none when the client sent nothing but the protocol's own keys.
    ///
    /// # Errors
    /// [`Failure::invalid`] when it does not fit the type.
    pub fn meta<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.meta_json().map(|text| serde_json::from_str(text).map_err(|e| Failure::invalid(format!("_meta: {e}")))).transpose()
    }
}

impl From<types::Context> for Context {
    fn from(record: types::Context) -> Self {
        Self(record)
    }
}

/// Who is calling. Credentials stay with the host: a plugin never sees a token.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a>(&'a types::Caller);

impl<'a> Caller<'a> {
    /// The owner of the data that this call works on.
    #[must_use]
    pub fn tenant(self) -> &'a str {
        &self.0.tenant
    }

    /// The user or service within the tenant; empty when nobody signed in.
    #[must_use]
    pub fn subject(self) -> &'a str {
        &self.0.subject
    }

    /// The scopes that were granted to the caller, sorted.
    #[must_use]
    pub fn scopes(self) -> &'a [String] {
        &self.0.scopes
    }

    /// Whether the caller was granted `scope`.
    #[must_use]
    pub fn has_scope(self, scope: &str) -> bool {
        self.0.scopes.iter().any(|granted| granted == scope)
    }
}
