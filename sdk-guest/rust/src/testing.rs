//! Calls a plugin's handlers natively, as the host would, under plain `cargo test`.
//!
//! The module that carries `#[plugin]` has a `Plugin` in it, which a [`Client`] takes. Arguments are written as JSON and read again
//! like those of a real call, and the reply is what the host would get. What needs the host (databases) fails as unavailable; the log
//! goes to stderr.
//!
//! ```
//! #[cofferdam_plugin::plugin]
//! mod shop {
//!     use cofferdam_plugin::prelude::*;
//!
//!     #[derive(Deserialize, JsonSchema)]
//!     struct Price { item: String }
//!
//!     /// Tells the price of an item in cents.
//!     #[query]
//!     fn price(cx: &Context, input: Price) -> Result<Json<Answer>> {
//!         let cents = match input.item.as_str() {
//!             "tea" if cx.caller().has_scope("member") => 90,
//!             "tea" => 120,
//!             other => return Err(Failure::not_found(format!("there is no {other} here, only tea"))),
//!         };
//!         Ok(Json(Answer { cents }))
//!     }
//!
//!     #[derive(Serialize, JsonSchema)]
//!     struct Answer { cents: u32 }
//! }
//!
//! # fn main() -> cofferdam_plugin::Result<()> {
//! use cofferdam_plugin::{prelude::*, testing::Client};
//!
//! let guest = Client::<shop::Plugin>::new();
//! let member = Client::<shop::Plugin>::new().subject("ann").scopes(["member"]);
//! assert_eq!(guest.query("price", json!({"item": "tea"}))?.structured_json(), Some(r#"{"cents":120}"#));
//! assert_eq!(member.query("price", json!({"item": "tea"}))?.structured_json(), Some(r#"{"cents":90}"#));
//!
//! let failure = guest.query("price", json!({"item": 5})).unwrap_err();
//! assert_eq!(failure.to_string(), "invalid: item: invalid type: integer `5`, expected a string");
//!
//! let catalog = guest.catalog();
//! assert_eq!(catalog.queries[0].description.as_deref(), Some("Tells the price of an item in cents."));
//! # Ok(())
//! # }
//! ```

use crate::bindings::imports::types;
use crate::catalog::Catalog;
use crate::plugin::{Describe, Queries, Updates};
use crate::{Context, Reply, Result};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use serde::Serialize;

/// Somebody who calls the plugin `P`, such as `tickets::Plugin`.
pub struct Client<P> {
    context: types::Context,
    of: PhantomData<P>,
}

impl<P> Client<P> {
    /// Nobody in particular, of the tenant `test`.
    #[must_use]
    pub fn new() -> Self {
        let caller = types::Caller { tenant: "test".into(), subject: String::new(), scopes: Vec::new() };
        Self { context: types::Context { caller, meta: None, round: None }, of: PhantomData }
    }

    /// Calls for another tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.context.caller.tenant = tenant.into();
        self
    }

    /// Signs in.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.context.caller.subject = subject.into();
        self
    }

    /// Grants scopes to the caller.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.context.caller.scopes = scopes.into_iter().map(Into::into).collect();
        self.context.caller.scopes.sort();
        self
    }

    /// Sends `_meta`, a JSON object.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "for `json!` in place")]
    pub fn meta(mut self, meta: serde_json::Value) -> Self {
        self.context.meta = Some(meta.to_string());
        self
    }
}

impl<P: Describe> Client<P> {
    /// What the plugin offers.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        P::describe()
    }
}

impl<P: Queries> Client<P> {
    /// Calls a query.
    ///
    /// # Errors
    /// What the handler fails with, or arguments that do not fit.
    pub fn query(&self, name: &str, arguments: impl Serialize) -> Result<Reply> {
        P::query(&self.context(), name, &serde_json::to_string(&arguments)?)
    }
}

impl<P: Updates> Client<P> {
    /// Calls an update.
    ///
    /// # Errors
    /// What the handler fails with, or arguments that do not fit.
    pub fn update(&self, target: &str, arguments: impl Serialize) -> Result<Reply> {
        P::update(&self.context(), target, &serde_json::to_string(&arguments)?)
    }
}

impl<P> Client<P> {
    fn context(&self) -> Context {
        self.context.clone().into()
    }
}

impl<P> Default for Client<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Clone for Client<P> {
    fn clone(&self) -> Self {
        Self { context: self.context.clone(), of: PhantomData }
    }
}

impl<P> fmt::Debug for Client<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("context", &self.context).finish_non_exhaustive()
    }
}
