//! `cofferdam:mcp/events`: a plugin publishes events under topics of its own, as far as its manifest asks for them.

use super::budget::Budget;
use crate::topics::{NewEvent, PublishError, TopicPattern, Topics};
use crate::wit::cofferdam::mcp::events as wit;
use std::sync::{Arc, OnceLock};
use wasmtime::component::{HasData, Linker};

/// What a plugin may publish.
pub struct EventsCap {
    /// Where subscribers are.
    pub topics: Arc<Topics>,
    /// The topics of the plugin's catalog that its manifest names. Known when the catalog is: until then there are none.
    pub granted: Arc<OnceLock<Vec<GrantedTopic>>>,
}

/// Says what is wrong with a text as the data of an event; none when it is a JSON object that fits.
pub type Problems = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A topic that a plugin may publish under.
pub struct GrantedTopic {
    /// Which topics.
    pub pattern: TopicPattern,
    /// What is wrong with an event of it.
    pub problems: Problems,
}

impl EventsCap {
    fn topic(&self, name: &str) -> Option<&GrantedTopic> {
        self.granted.get()?.iter().find(|topic| topic.pattern.matches(name))
    }
}

/// One call's view.
pub struct EventsView<'a> {
    /// None when the plugin was not granted it; then it is not linked either.
    pub cap: Option<&'a EventsCap>,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl EventsView<'_> {
    /// A topic that was not granted is like one that does not exist.
    fn denied(&mut self, topic: &str) -> wit::Error {
        super::audit::denied(self.budget, "events", topic);
        wit::Error::Denied("no topic of that name is granted".to_owned())
    }
}

impl wit::Host for EventsView<'_> {
    fn publish(&mut self, topic: String, event: wit::Event) -> wasmtime::Result<Result<(), wit::Error>> {
        self.budget.charge_host_call()?;
        let Some((cap, granted)) = self.cap.and_then(|cap| Some((cap, cap.topic(&topic)?))) else { return Ok(Err(self.denied(&topic))) };
        let wit::Event { data, source, severity, kind } = event;
        let new = NewEvent { data, source, severity, kind };
        // Before it is parsed, so that what is too large costs nothing.
        if let Err(error) = cap.topics.check_size(&new) {
            return Ok(Err(error.into()));
        }
        if let Some(problems) = (granted.problems)(&new.data) {
            return Ok(Err(wit::Error::Invalid(problems)));
        }
        let published = cap.topics.publish(&self.budget.tag.tenant, &self.budget.tag.plugin, &topic, new);
        match published {
            Ok(_) => Ok(Ok(())),
            Err(PublishError::UnknownTopic(_)) => Ok(Err(self.denied(&topic))),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl From<PublishError> for wit::Error {
    fn from(error: PublishError) -> Self {
        let text = error.to_string();
        match error {
            PublishError::UnknownTopic(_) => Self::Denied(text),
            PublishError::TooLarge(_) => Self::Invalid(text),
            PublishError::TooFast(_) => Self::Busy(text),
            PublishError::TooManyTopics(_) => Self::Other(text),
        }
    }
}

struct HasEvents;

impl HasData for HasEvents {
    type Data<'a> = EventsView<'a>;
}

/// Links the interface.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> EventsView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasEvents>(linker, view)
}
