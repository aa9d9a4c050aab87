//! Topics of a host in this process, without a plugin that publishes: the test does.

use crate::host::{Plugins, TestHost};
use cofferdam::ids::{PluginName, TenantId};
use cofferdam::topics::{Declared, NewEvent, Overflow, TopicPattern};
use serde_json::Value;

/// The plugin that the topics belong to.
const PLUGIN: &str = "news";

/// A host with topics.
pub struct News {
    /// The host.
    pub host: TestHost,
}

fn plugin() -> PluginName {
    PluginName::parse(PLUGIN).expect("a plugin's name")
}

impl News {
    /// Starts a host, and declares `news/lines`, `news/latest`, which coalesces, and `news/rooms/{id}`. Each keeps 100 events.
    #[must_use]
    pub fn start(plugins: Plugins) -> Self {
        let news = Self { host: plugins.start() };
        news.declare(&[("lines", Overflow::DropOldest), ("latest", Overflow::Coalesce), ("rooms/{id}", Overflow::DropOldest)]);
        news
    }

    /// Says anew what topics there are.
    pub fn declare(&self, topics: &[(&str, Overflow)]) {
        let declared = |(name, overflow): &(&str, Overflow)| {
            let pattern = TopicPattern::parse(name).expect("a topic");
            Declared { pattern, retained_max: 100, overflow: *overflow, feed: false }
        };
        self.host.topics().declare(&TenantId::local(), &plugin(), topics.iter().map(declared).collect());
    }

    /// Publishes data; `severity`, `source` and `type` of it are the event's own.
    pub fn publish(&self, topic: &str, data: Value) -> u64 {
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        let new = NewEvent { source: text("source"), severity: text("severity"), kind: text("type"), data: data.to_string() };
        self.host.topics().publish(&TenantId::local(), &plugin(), topic, new).expect("the event is published")
    }

    /// Subscriptions that are open.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.host.topics().subscriptions(&TenantId::local())
    }

    /// Waits until so many are open.
    pub fn wait_for_subscriptions(&self, count: usize) {
        crate::until(|| self.subscriptions() == count, || format!("{} subscriptions, not {count}", self.subscriptions()));
    }
}
