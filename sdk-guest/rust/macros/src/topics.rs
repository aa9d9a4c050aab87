//! Topics: what `topic(...)` says, and what the functions say that make events of them.

use crate::handler::{Handler, Kind};
use crate::keys::{key, one_of, set};
use syn::meta::ParseNestedMeta;
use syn::{Error, LitInt, LitStr, Result, Type};

/// `topic(name = "...", ...)`, or a topic that only a function names.
#[derive(Default)]
pub(crate) struct Topic {
    pub(crate) name: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) description: Option<String>,
    pub(crate) retained: Option<LitInt>,
    pub(crate) overflow: Option<LitStr>,
    pub(crate) event: Option<Type>,
    /// What the function of its feed returns.
    pub(crate) feed: Option<Type>,
}

impl Topic {
    pub(crate) fn read(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let (mut topic, mut description) = (Self::default(), None::<LitStr>);
        meta.parse_nested_meta(|meta| match key(&meta)?.as_str() {
            "name" => set(&mut topic.name, &meta),
            "title" => set(&mut topic.title, &meta),
            "description" => set(&mut description, &meta),
            "retained" => set(&mut topic.retained, &meta),
            "event" => set(&mut topic.event, &meta),
            "overflow" => {
                set(&mut topic.overflow, &meta)?;
                one_of(topic.overflow.as_ref(), &["drop-oldest", "coalesce"])
            }
            other => Err(meta.error(format!("unknown key `{other}`; a topic knows: name, title, description, retained, overflow, event"))),
        })?;
        if topic.name.is_none() {
            return Err(meta.error("a topic needs a name"));
        }
        if let Some(retained) = &topic.retained {
            retained.base10_parse::<u32>()?;
        }
        topic.description = description.map(|text| text.value());
        Ok(topic)
    }

    fn is(&self, name: &LitStr) -> bool {
        self.name.as_ref().is_some_and(|own| own.value() == name.value())
    }
}

/// Brings together what is declared and what functions feed or publish; returns what does not fit.
pub(crate) fn complete(topics: &mut Vec<Topic>, handlers: &[Handler]) -> Vec<Error> {
    let mut mistakes = Vec::new();
    for (at, topic) in topics.iter().enumerate() {
        if let Some(name) = &topic.name
            && topics.iter().take(at).any(|other| other.is(name))
        {
            mistakes.push(Error::new(name.span(), format!("there is a topic `{}` already", name.value())));
        }
    }
    for handler in handlers {
        let Some(name) = &handler.options.topic else { continue };
        let topic = named(topics, name);
        if topic.description.is_none() {
            topic.description.clone_from(&handler.description);
        }
        if handler.kind == Kind::Feed {
            topic.feed.clone_from(&handler.returns);
        }
    }
    // What an update publishes is a topic, declared or not.
    let published = handlers.iter().filter_map(|handler| handler.options.publishes.as_ref()).flat_map(|list| &list.0);
    let hooked = handlers.iter().filter(|handler| handler.kind == Kind::Webhook).filter_map(|handler| handler.options.topic.as_ref());
    for name in published.chain(hooked) {
        if named(topics, name).feed.is_some() {
            let why = format!("the topic `{}` has a feed: all of its events come from there", name.value());
            mistakes.push(Error::new(name.span(), why));
        }
    }
    mistakes
}

/// The topic of this name, which comes into being if it has to.
fn named<'a>(topics: &'a mut Vec<Topic>, name: &LitStr) -> &'a mut Topic {
    let at = topics.iter().position(|topic| topic.is(name)).unwrap_or(topics.len());
    if at == topics.len() {
        topics.push(Topic { name: Some(name.clone()), ..Topic::default() });
    }
    #[expect(clippy::indexing_slicing, reason = "found, or just added")]
    &mut topics[at]
}
