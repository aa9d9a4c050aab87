//! Where the passwords of databases come from.

use futures_util::future::BoxFuture;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Gives the value of a secret by its name, or says why it cannot. Asked at every new connection, so that a changed password is found.
pub type Passwords = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Zeroizing<String>, String>> + Send + Sync>;

/// A host without secrets.
#[must_use]
pub fn no_passwords() -> Passwords {
    Arc::new(|_| Box::pin(async { Err("this host has no secrets".to_owned()) }))
}
