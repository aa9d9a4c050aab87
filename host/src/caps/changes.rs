//! `cofferdam:mcp/changes`: a plugin tells the clients of its tenant that something of its own changed.

use super::budget::Budget;
use crate::mcp::template::Template;
use crate::topics::{Change, Changes, Listing};
use crate::wit::cofferdam::mcp::changes as wit;
use std::sync::{Arc, OnceLock};
use wasmtime::component::{HasData, Linker};

/// What a plugin may report about.
pub struct ChangesCap {
    /// Where listeners are.
    pub changes: Arc<Changes>,
    /// The resources that are the plugin's own. Known when its catalog is: until then nothing is.
    pub owned: Arc<OnceLock<Owned>>,
}

/// The resources that are a plugin's own.
#[derive(Debug, Default)]
pub struct Owned {
    /// By their URIs.
    pub uris: Vec<String>,
    /// By pattern.
    pub templates: Vec<Template>,
}

impl Owned {
    /// Whether the plugin's catalog has it, or a template that it fits.
    #[must_use]
    pub fn has(&self, uri: &str) -> bool {
        self.uris.iter().any(|owned| owned == uri) || self.templates.iter().any(|template| template.matches(uri))
    }
}

/// One call's view.
pub struct ChangesView<'a> {
    /// None when the plugin was not granted it; then it is not linked either.
    pub cap: Option<&'a ChangesCap>,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl ChangesView<'_> {
    fn publish(&mut self, change: &Change) {
        if let Some(cap) = self.cap.filter(|_| self.budget.charge_client_message()) {
            cap.changes.publish(&self.budget.tag.tenant, change);
        }
    }
}

impl wit::Host for ChangesView<'_> {
    fn resource_updated(&mut self, uri: String) -> wasmtime::Result<()> {
        self.budget.charge_host_call()?;
        let owned = self.cap.and_then(|cap| cap.owned.get()).is_some_and(|owned| owned.has(&uri));
        if owned {
            self.publish(&Change::Resource(uri.into()));
        } else {
            let (tag, uri) = (&self.budget.tag, super::host::escape(&uri.chars().take(256).collect::<String>()));
            tracing::warn!(call = %tag.reference, plugin = %tag.plugin, uri, "an update of a resource that is not the plugin's own");
        }
        Ok(())
    }

    fn list_changed(&mut self, listing: wit::Listing) -> wasmtime::Result<()> {
        self.budget.charge_host_call()?;
        self.publish(&Change::List(match listing {
            wit::Listing::Tools => Listing::Tools,
            wit::Listing::Prompts => Listing::Prompts,
            wit::Listing::Resources => Listing::Resources,
        }));
        Ok(())
    }
}

struct HasChanges;

impl HasData for HasChanges {
    type Data<'a> = ChangesView<'a>;
}

/// Links the interface.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> ChangesView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasChanges>(linker, view)
}
