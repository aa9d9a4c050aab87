//! The immutable set of bindings in force, with everything rendered that a listing needs.

use super::catalog::{Catalog, Operation};
use crate::ids::{PluginName, RevisionId, TenantId};
use crate::limits::CallLimits;
use crate::runtime::Guest;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A revision as granted to one tenant.
pub struct Binding {
    /// Whose it is.
    pub tenant: TenantId,
    /// The plugin's name.
    pub plugin: PluginName,
    /// Which build.
    pub revision: RevisionId,
    /// The code with its grants.
    pub guest: Arc<Guest>,
    /// What it offers.
    pub catalog: Catalog,
    /// What one call may take.
    pub limits: CallLimits,
    /// One permit for each call that may run at the same time.
    pub slots: Arc<Semaphore>,
}

/// A tool: an operation of a binding.
#[derive(Clone)]
pub struct Tool {
    /// The binding; whoever holds it keeps the revision alive.
    pub binding: Arc<Binding>,
    index: usize,
}

impl Tool {
    /// The operation.
    #[must_use]
    pub fn operation(&self) -> Option<&Operation> {
        self.binding.catalog.operations.get(self.index)
    }
}

/// The set in force.
#[derive(Default)]
pub struct Snapshot {
    bindings: Vec<Arc<Binding>>,
    tools: HashMap<String, Tool>,
    list: String,
    list_legacy: String,
    instructions: Option<String>,
}

impl Snapshot {
    /// Puts bindings together, in the order given. One that offers a tool name that another one has already is not taken: it comes back
    /// with the clash.
    #[must_use]
    pub fn assemble(bindings: Vec<Arc<Binding>>) -> (Self, Vec<(Arc<Binding>, String)>) {
        let mut snapshot = Self::default();
        let mut refused = Vec::new();
        for binding in bindings {
            match snapshot.clash(&binding) {
                Some(clash) => refused.push((binding, clash)),
                None => snapshot.add(binding),
            }
        }
        snapshot.render();
        (snapshot, refused)
    }

    fn clash(&self, binding: &Binding) -> Option<String> {
        let taken =
            |operation: &Operation| self.tools.get(&operation.tool).map(|other| (operation.tool.clone(), other.binding.plugin.clone()));
        let (tool, other) = binding.catalog.operations.iter().find_map(taken)?;
        Some(format!("its tool {tool:?} is offered by the plugin {other} already; give one of them another `prefix` in its manifest"))
    }

    fn add(&mut self, binding: Arc<Binding>) {
        for (index, operation) in binding.catalog.operations.iter().enumerate() {
            self.tools.insert(operation.tool.clone(), Tool { binding: Arc::clone(&binding), index });
        }
        self.bindings.push(binding);
    }

    fn render(&mut self) {
        let operations = || self.bindings.iter().flat_map(|binding| &binding.catalog.operations);
        self.list = operations().map(|operation| operation.definition.as_str()).collect::<Vec<_>>().join(",");
        self.list_legacy = operations().map(|operation| operation.definition_legacy.as_str()).collect::<Vec<_>>().join(",");
        let instructions =
            self.bindings.iter().filter_map(|binding| Some(format!("{}: {}", binding.plugin, binding.catalog.instructions.as_ref()?)));
        self.instructions = Some(instructions.collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty());
    }

    /// The tool of that name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.get(name)
    }

    /// The definitions of all tools, as the members of a JSON array; the order is the same every time.
    #[must_use]
    pub fn tool_list(&self, legacy: bool) -> &str {
        if legacy { &self.list_legacy } else { &self.list }
    }

    /// What the plugins tell the model about themselves.
    #[must_use]
    pub fn instructions(&self) -> Option<&str> {
        self.instructions.as_deref()
    }
}
