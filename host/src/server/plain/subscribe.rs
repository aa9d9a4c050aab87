//! What somebody asks for who wants events, over whatever connection.

use super::super::respond::Problem;
use super::super::route::App;
use crate::ids::PluginName;
use crate::limits::Limits;
use crate::mcp::{bounds, strict};
use crate::topics::{Filter, Notice, SubscribeError, Subscriber, Subscription, Wanted, check_topic};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Why every subscription ends.
pub(super) const HOST_STOPS: &str = "the host stops";

/// Topics, a filter, and where to begin.
#[derive(Default)]
pub(super) struct Asked {
    wanted: Vec<Wanted>,
    filter: Option<Arc<Filter>>,
    after: Option<u64>,
}

impl Asked {
    /// One more topic: `<plugin>/<topic>`.
    pub(super) fn topic(&mut self, name: &str, limits: &Limits) -> Result<(), Problem<'static>> {
        let most = limits.subscription_topics_max;
        if self.wanted.len() >= most {
            return Err(Problem::BadRequest(format!("a subscription has at most {most} topics (subscription_topics_max)")));
        }
        self.wanted.push(wanted(name)?);
        Ok(())
    }

    /// The filter, as JSON text.
    pub(super) fn filters_text(&mut self, text: &str, limits: &Limits) -> Result<(), Problem<'static>> {
        let bad = |why: String| Problem::BadRequest(format!("`filters` is a JSON object such as {{\"severity\":[\"error\"]}}: {why}"));
        bounds::check(text.as_bytes(), limits.json_depth_max, limits.json_values_max).map_err(|error| bad(error.to_string()))?;
        match strict::parse(text).map_err(|error| bad(error.to_string()))? {
            Value::Object(members) => self.filters(&members, limits),
            _ => Err(bad("it is something else".to_owned())),
        }
    }

    /// The filter.
    pub(super) fn filters(&mut self, members: &Map<String, Value>, limits: &Limits) -> Result<(), Problem<'static>> {
        self.filter = Some(Filter::parse(members, limits)?);
        Ok(())
    }

    /// First what was retained since the event with this id; `name` is what the client calls it.
    pub(super) fn after(&mut self, name: &str, id: &str) -> Result<(), Problem<'static>> {
        let parsed = id.parse().ok().filter(|id| *id < 1 << 53);
        self.after = Some(parsed.ok_or_else(|| Problem::BadRequest(format!("{name} is the id of an event, a number")))?);
        Ok(())
    }

    /// Subscribes, for whoever calls.
    pub(super) fn subscribe(self, app: &App) -> Result<Subscription, Problem<'static>> {
        if self.wanted.is_empty() {
            return Err(Problem::BadRequest("name a topic: `topic=<plugin>/<topic>`".to_owned()));
        }
        let principal = app.principal();
        let subscriber = Subscriber { tenant: &principal.tenant, subject: &principal.subject };
        let filter = self.filter.unwrap_or_else(Filter::all);
        Ok(app.dispatch().registry().topics().subscribe(subscriber, &self.wanted, &filter, self.after)?)
    }
}

fn wanted(name: &str) -> Result<Wanted, Problem<'static>> {
    check_topic(name).map_err(SubscribeError::from)?;
    let Some((plugin, topic)) = name.split_once('/') else {
        let text = format!("{name:?} has no topic: write `<plugin>/<topic>`");
        return Err(Problem::BadRequest(text));
    };
    match PluginName::parse(plugin) {
        Ok(plugin) => Ok(Wanted { plugin, topic: topic.to_owned() }),
        Err(_) => Err(SubscribeError::UnknownTopic(name.to_owned()).into()),
    }
}

/// What subscribers are told about the source of their events.
pub(super) fn notice(notice: &Notice) -> Map<String, Value> {
    let members = match notice {
        Notice::Restarting { topic, delay_ms } => json!({ "notice": "restarting", "topic": &**topic, "delay_ms": delay_ms }),
        Notice::Restarted { topic } => json!({ "notice": "restarted", "topic": &**topic }),
    };
    if let Value::Object(members) = members { members } else { Map::new() }
}
