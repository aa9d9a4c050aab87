//! What a handler knows about its call beside the arguments.

use crate::bindings::imports::types;
use crate::{Failure, Result};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use types::ClientAbilities;

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
pub struct Context {
    record: types::Context,
    /// The state that goes with the next questions: the last round's, unless the handler says otherwise.
    kept: RefCell<Option<String>>,
}

impl Context {
    /// Who is calling.
    #[must_use]
    pub fn caller(&self) -> Caller<'_> {
        Caller(&self.record.caller)
    }

    /// The client's `_meta`, a JSON object; none when the client sent nothing but the protocol's own keys.
    #[must_use]
    pub fn meta_json(&self) -> Option<&str> {
        self.record.meta.as_deref()
    }

    /// The client's `_meta` as a type of yours; none when the client sent nothing but the protocol's own keys.
    ///
    /// # Errors
    /// [`Failure::invalid`] when it does not fit the type.
    pub fn meta<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.meta_json().map(|text| serde_json::from_str(text).map_err(|e| Failure::invalid(format!("_meta: {e}")))).transpose()
    }

    /// What the client can be asked. A question that it cannot answer ends the call, with an error that tells the client what is
    /// missing: look here first when the handler can do without.
    #[must_use]
    pub fn client(&self) -> ClientAbilities {
        self.record.client
    }

    /// The state that [`keep`](Context::keep) handed over in an earlier round of this call; none on the first round, and none when it
    /// does not fit the type (after a reload, say).
    #[must_use]
    pub fn kept<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.record.round.as_ref()?.state.as_deref()?).ok()
    }

    /// Keeps a state of the handler's own for the next rounds of this call. It travels with the next questions, sealed by the host: the
    /// client can neither read nor change it. What was kept in an earlier round stays until it is replaced.
    ///
    /// ```
    /// # use cofferdam_plugin::prelude::*;
    /// # #[derive(Deserialize, JsonSchema)] struct Confirmed { yes: bool }
    /// # fn search_for_long() -> Result<Vec<String>> { Ok(Vec::new()) }
    /// fn clean_up(cx: &Context) -> Result<String> {
    ///     let old: Vec<String> = match cx.kept() {
    ///         Some(found) => found,
    ///         None => search_for_long()?,
    ///     };
    ///     cx.keep(&old)?;
    ///     let confirmed: Confirmed = cx.elicit("confirm", format!("Delete {} files?", old.len()))?;
    ///     Ok(if confirmed.yes { "deleted" } else { "kept" }.into())
    /// }
    /// ```
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn keep(&self, state: &impl Serialize) -> Result<()> {
        *self.kept.borrow_mut() = Some(serde_json::to_string(state)?);
        Ok(())
    }

    /// Ends this round without a question: `return Err(cx.next_round())`. The client comes back at once, and the handler runs again with
    /// what it [kept](Context::keep). For work that is too long for one call, and for an overload that may be over by then.
    #[must_use]
    pub fn next_round(&self) -> Failure {
        Failure::asks(Vec::new(), Some(self.state_to_keep().unwrap_or_else(|| "null".into())))
    }

    pub(crate) fn state_to_keep(&self) -> Option<String> {
        self.kept.borrow().clone()
    }

    /// The client's answer under a key, as the JSON text of MCP's own result; none when it was not asked, or did not answer yet. The
    /// functions that [ask](crate::ask) read it for you.
    #[must_use]
    pub fn response_json(&self, key: &str) -> Option<&str> {
        let round = self.record.round.as_ref()?;
        round.responses.iter().find(|response| response.key == key).map(|response| response.value.as_str())
    }
}

impl From<types::Context> for Context {
    fn from(record: types::Context) -> Self {
        let kept = RefCell::new(record.round.as_ref().and_then(|round| round.state.clone()));
        Self { record, kept }
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
