//! The immutable set of bindings in force, with everything rendered that a listing needs.

use super::catalog::{Catalog, Operation};
use super::offers::{Prompt, ResourceTemplate};
use super::pages::{Listed, Page, Pages};
use super::topics::Topic;
use crate::ids::{PluginName, RevisionId, TenantId};
use crate::limits::{CallLimits, Limits};
use crate::runtime::Guest;
use crate::topics::Listing;
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

/// Something that a binding offers. Whoever holds it keeps the revision alive.
#[derive(Clone)]
pub struct Found {
    /// The binding.
    pub binding: Arc<Binding>,
    index: usize,
}

/// A tool: an operation of a binding.
pub type Tool = Found;

impl Found {
    /// The operation, if it is a tool.
    #[must_use]
    pub fn operation(&self) -> Option<&Operation> {
        self.binding.catalog.operations.get(self.index)
    }

    /// The prompt, if it is one.
    #[must_use]
    pub fn prompt(&self) -> Option<&Prompt> {
        self.binding.catalog.prompts.get(self.index)
    }

    /// The entry of `skills/list`, if it is a skill.
    #[must_use]
    pub fn skill(&self, uri: &str) -> Option<&str> {
        let resource = self.binding.catalog.resources.get(self.index).filter(|resource| resource.uri == uri)?;
        resource.skill.as_deref()
    }

    /// The template, if it is one.
    #[must_use]
    pub fn template(&self) -> Option<&ResourceTemplate> {
        self.binding.catalog.templates.get(self.index)
    }
}

/// The set in force.
#[derive(Default)]
pub struct Snapshot {
    bindings: Vec<Arc<Binding>>,
    tools: HashMap<String, Found>,
    prompts: HashMap<String, Found>,
    resources: HashMap<String, Found>,
    templates: Vec<Found>,
    topics: HashMap<PluginName, Arc<Binding>>,
    pages: HashMap<Listed, Pages>,
    // The same for clients of the `initialize` era.
    tool_pages_legacy: Pages,
    instructions: Option<String>,
}

impl Snapshot {
    /// Puts bindings together, in the order given. One that offers a name or a URI that another one has already is not taken: it comes
    /// back with the clash.
    #[must_use]
    pub fn assemble(bindings: Vec<Arc<Binding>>, limits: &Limits) -> (Self, Vec<(Arc<Binding>, String)>) {
        let mut snapshot = Self::default();
        let mut refused = Vec::new();
        for binding in bindings {
            match snapshot.clash(&binding) {
                Some(clash) => refused.push((binding, clash)),
                None => snapshot.add(&binding),
            }
        }
        snapshot.render(limits);
        (snapshot, refused)
    }

    fn clash(&self, binding: &Binding) -> Option<String> {
        let catalog = &binding.catalog;
        let tools = catalog.operations.iter().map(|operation| ("tool", &operation.tool, &self.tools));
        let prompts = catalog.prompts.iter().map(|prompt| ("prompt", &prompt.shown, &self.prompts));
        let resources = catalog.resources.iter().map(|resource| ("resource", &resource.uri, &self.resources));
        let taken = |(what, name, offered): (&str, &String, &HashMap<String, Found>)| {
            offered.get(name).map(|other| (what.to_owned(), name.clone(), other.binding.plugin.clone()))
        };
        let (what, name, other) = tools.chain(prompts).chain(resources).find_map(taken)?;
        let remedy = match what.as_str() {
            "resource" => "only one of them can be loaded",
            _ => "give one of them another `prefix` in its manifest",
        };
        Some(format!("its {what} {name:?} is offered by the plugin {other} already; {remedy}"))
    }

    fn add(&mut self, binding: &Arc<Binding>) {
        let found = |index| Found { binding: Arc::clone(binding), index };
        let catalog = &binding.catalog;
        self.tools.extend(catalog.operations.iter().enumerate().map(|(at, operation)| (operation.tool.clone(), found(at))));
        self.prompts.extend(catalog.prompts.iter().enumerate().map(|(at, prompt)| (prompt.shown.clone(), found(at))));
        self.resources.extend(catalog.resources.iter().enumerate().map(|(at, resource)| (resource.uri.clone(), found(at))));
        self.templates.extend((0..catalog.templates.len()).map(found));
        if !catalog.topics.is_empty() {
            self.topics.insert(binding.plugin.clone(), Arc::clone(binding));
        }
        self.bindings.push(Arc::clone(binding));
    }

    fn render(&mut self, limits: &Limits) {
        let catalogs = || self.bindings.iter().map(|binding| &binding.catalog);
        let operations = || catalogs().flat_map(|catalog| &catalog.operations);
        let prompts = catalogs().flat_map(|catalog| &catalog.prompts).map(|prompt| prompt.definition.as_str());
        let topics = |with_variables: bool| {
            let topics = catalogs().flat_map(|catalog| &catalog.topics);
            let topics = topics.filter(move |topic| topic.declared.pattern.has_variables() == with_variables);
            topics.map(|topic| topic.definition.as_str())
        };
        let resources = catalogs().flat_map(|catalog| &catalog.resources).map(|resource| resource.definition.as_str());
        let resources = resources.chain(topics(false));
        let templates = catalogs().flat_map(|catalog| &catalog.templates).map(|template| template.definition.as_str());
        let templates = templates.chain(topics(true));
        let skills = catalogs().flat_map(|catalog| &catalog.resources).filter_map(|resource| resource.skill.as_deref());
        let tools = operations().map(|operation| operation.definition.as_str());
        let legacy = operations().map(|operation| operation.definition_legacy.as_str());
        let pages = [
            (Listed::Tools, Pages::new(Listed::Tools, tools, limits)),
            (Listed::Prompts, Pages::new(Listed::Prompts, prompts, limits)),
            (Listed::Resources, Pages::new(Listed::Resources, resources, limits)),
            (Listed::Templates, Pages::new(Listed::Templates, templates, limits)),
            (Listed::Skills, Pages::new(Listed::Skills, skills, limits)),
        ];
        let tool_pages_legacy = Pages::new(Listed::Tools, legacy, limits);
        let instructions =
            self.bindings.iter().filter_map(|binding| Some(format!("{}: {}", binding.plugin, binding.catalog.instructions.as_ref()?)));
        self.instructions = Some(instructions.collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty());
        self.pages = pages.into_iter().collect();
        self.tool_pages_legacy = tool_pages_legacy;
    }

    /// The bindings, in their order.
    #[must_use]
    pub fn bindings(&self) -> &[Arc<Binding>] {
        &self.bindings
    }

    /// The tool of that name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Found> {
        self.tools.get(name)
    }

    /// The prompt of that name.
    #[must_use]
    pub fn prompt(&self, name: &str) -> Option<&Found> {
        self.prompts.get(name)
    }

    /// Who answers for a resource: the one that lists it, else the first with a template that it fits.
    #[must_use]
    pub fn resource(&self, uri: &str) -> Option<&Found> {
        let fits = |found: &&Found| found.template().is_some_and(|template| template.template.matches(uri));
        self.resources.get(uri).or_else(|| self.templates.iter().find(fits))
    }

    /// The topic of that name in a plugin, and whose it is.
    #[must_use]
    pub fn topic(&self, plugin: &str, name: &str) -> Option<(&Arc<Binding>, &Topic)> {
        let binding = self.topics.get(plugin)?;
        let topic = binding.catalog.topics.iter().find(|topic| topic.declared.pattern.matches(name))?;
        Some((binding, topic))
    }

    /// Whether this is the text of a template that stands for topics. Nobody knows values for its variables.
    #[must_use]
    pub fn is_topic_template(&self, text: &str) -> bool {
        self.topics.values().flat_map(|binding| &binding.catalog.topics).any(|topic| topic.uri == text)
    }

    /// The template with this very text.
    #[must_use]
    pub fn template(&self, text: &str) -> Option<&Found> {
        self.templates.iter().find(|found| found.template().is_some_and(|template| *template.text == *text))
    }

    /// A page of a list; none when the cursor is not one of this set. The order is the same every time.
    #[must_use]
    pub fn page(&self, listed: Listed, legacy: bool, cursor: Option<&str>) -> Option<&Page> {
        static NONE: Page = Page { members: String::new(), next: None };
        if legacy && listed == Listed::Tools {
            return self.tool_pages_legacy.page(cursor);
        }
        self.pages.get(&listed).map_or_else(|| cursor.is_none().then_some(&NONE), |pages| pages.page(cursor))
    }

    /// The lists that are not the same as in another set.
    #[must_use]
    pub fn changed_lists(&self, other: &Self) -> Vec<Listing> {
        let differs = |listed| self.pages.get(&listed) != other.pages.get(&listed);
        let of = |listing: &Listing| match listing {
            Listing::Tools => differs(Listed::Tools),
            Listing::Prompts => differs(Listed::Prompts),
            Listing::Resources => differs(Listed::Resources) || differs(Listed::Templates),
        };
        Listing::ALL.into_iter().filter(of).collect()
    }

    /// What the plugins tell the model about themselves.
    #[must_use]
    pub fn instructions(&self) -> Option<&str> {
        self.instructions.as_deref()
    }
}
