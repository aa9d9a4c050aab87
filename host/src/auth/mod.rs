//! From credentials to a [`Principal`], and the guard against pages in a browser that talk to us behind their user's back.

pub mod guard;

use crate::ids::TenantId;
use std::sync::Arc;

/// Who is calling. What guests see of it; credentials never leave this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The owner of plugins and data.
    pub tenant: TenantId,
    /// The user or service; empty for nobody in particular.
    pub subject: String,
    /// What it may do, sorted.
    pub scopes: Vec<String>,
}

impl Principal {
    /// Whoever can reach a host without authentication: a process on the same machine.
    #[must_use]
    pub fn local() -> Arc<Self> {
        Arc::new(Self { tenant: TenantId::local(), subject: String::new(), scopes: Vec::new() })
    }
}
