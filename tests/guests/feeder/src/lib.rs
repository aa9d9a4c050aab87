//! Runs feeds, good ones and bad ones, and counts what the host asks of them. Written against the bare contract.
#![cfg(target_family = "wasm")]
#![allow(clippy::disallowed_methods, reason = "feeds wait")]

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:feeder;
        world feeder {
            import cofferdam:mcp/host@0.1.0;
            import cofferdam:mcp/keyvalue@0.1.0;
            export cofferdam:mcp/catalog@0.1.0;
            export cofferdam:mcp/query@0.1.0;
            export cofferdam:mcp/subscribe@0.1.0;
        }
    ",
    world: "test:feeder/feeder",
    generate_all,
    disable_run_ctors_once_workaround: true,
});

use cofferdam::mcp::types::{Content, Context, Event, Failure, Outcome, Reply, TextContent};
use cofferdam::mcp::{host, keyvalue};
use exports::cofferdam::mcp::catalog::{self, Catalog, Operation, Overflow, TaskSupport, Topic};
use exports::cofferdam::mcp::query;
use exports::cofferdam::mcp::subscribe::{self, Feed, GuestFeed};
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::time::Duration;

/// The topics, each named after what its feed does.
const TOPICS: [&str; 12] = ["ticks", "endless", "traps", "flaky", "slow", "stuck", "spins", "grows", "floods", "ends", "wrong", "refuses"];
/// As many as the host takes at once.
const BATCH: u32 = 256;

struct Feeder;
export!(Feeder);

impl catalog::Guest for Feeder {
    fn describe() -> Catalog {
        let topic = |name: &str| Topic {
            name: name.to_owned(),
            title: None,
            description: Some(format!("Events of a feed: {name}")),
            event_schema: (name == "wrong").then(|| r#"{"type":"object","required":["n"]}"#.to_owned()),
            retained: 0,
            overflow: Overflow::DropOldest,
            feed: true,
        };
        let count = Operation {
            name: "count".to_owned(),
            title: None,
            description: Some("How often something happened".to_owned()),
            input_schema: r#"{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}"#.to_owned(),
            output_schema: None,
            hints: None,
            publishes: Vec::new(),
            task: TaskSupport::Never,
            cache: None,
            icons: Vec::new(),
            meta: None,
        };
        Catalog {
            title: None,
            instructions: None,
            queries: vec![count],
            updates: Vec::new(),
            topics: TOPICS.iter().map(|name| topic(name)).collect(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
        }
    }
}

impl query::Guest for Feeder {
    fn handle(_: Context, _: String, parameters: String) -> Result<Outcome, Failure> {
        let key = parameters.split('"').nth(3).unwrap_or_default();
        let value = keyvalue::get(key).ok().flatten().unwrap_or_else(|| b"0".to_vec());
        let text = TextContent { text: String::from_utf8_lossy(&value).into_owned(), annotations: None, meta: None };
        Ok(Outcome::Complete(Reply { content: vec![Content::Text(text)], structured: None, is_error: false, meta: None }))
    }
}

/// Counts something that happens, for all feeds of the plugin to come.
fn count(what: &str) -> f64 {
    keyvalue::increment(what, 1, None).unwrap_or(0.0)
}

/// The number that the filters have under a name.
fn number(filters: &str, name: &str) -> Option<f64> {
    let (_, rest) = filters.split_once(&format!("\"{name}\":"))?;
    rest.split([',', '}']).next()?.parse().ok()
}

fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Computes for so many milliseconds.
fn burn(ms: f64) {
    let began = host::now_ms();
    while host::now_ms() - began < ms {
        for n in 0..200_000 {
            black_box(n);
        }
    }
}

struct Source {
    topic: String,
    filters: String,
    asked: Cell<u32>,
    kept: RefCell<Vec<Vec<u8>>>,
}

impl Drop for Source {
    fn drop(&mut self) {
        count(&format!("close/{}", self.topic));
    }
}

impl Source {
    /// What was asked for, with a number: so that it fits any filter by equality.
    fn event(&self, n: u32) -> Event {
        let begin = self.filters.trim_end_matches('}');
        let comma = if begin.len() > 1 { "," } else { "" };
        let data = format!("{begin}{comma}\"n\":{n}}}");
        Event { data, source: Some("feeder".to_owned()), severity: None, kind: Some(self.topic.clone()) }
    }
}

impl subscribe::Guest for Feeder {
    type Feed = Source;

    fn open(context: Context, topic: String, filters: String) -> Result<Feed, Failure> {
        assert!(context.caller.subject.is_empty() && context.meta.is_none() && context.round.is_none());
        let opened = count(&format!("open/{topic}"));
        match topic.as_str() {
            "traps" => trap(),
            "flaky" if opened <= number(&filters, "times").unwrap_or(1.0) => trap(),
            "refuses" if filters.contains("later") => Err(Failure::Unavailable("not yet".to_owned())),
            "refuses" => Err(Failure::Invalid("there is nothing to hear of".to_owned())),
            _ => Ok(Feed::new(Source { topic, filters, asked: Cell::new(0), kept: RefCell::default() })),
        }
    }
}

impl GuestFeed for Source {
    fn next(&self, timeout_ms: u32) -> Result<Option<Vec<Event>>, Failure> {
        count(&format!("next/{}", self.topic));
        let n = self.asked.get() + 1;
        self.asked.set(n);
        let one = || Ok(Some(vec![self.event(n)]));
        match self.topic.as_str() {
            "endless" => Ok(Some((0..BATCH).map(|at| self.event((n - 1) * BATCH + at)).collect())),
            "slow" => {
                std::thread::sleep(Duration::from_millis(timeout_ms.into()));
                Ok(Some(Vec::new()))
            }
            "spins" => {
                burn(number(&self.filters, "ms").unwrap_or(f64::INFINITY));
                one()
            }
            "ends" if n > 3 => Ok(None),
            "wrong" => Ok(Some(vec![Event { data: "{\"m\":1}".to_owned(), ..self.event(n) }])),
            "stuck" => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            "grows" => {
                self.kept.borrow_mut().push(vec![1; 8 << 20]);
                one()
            }
            "floods" => Ok(Some(vec![Event { data: format!("{{\"a\":\"{}\"}}", "x".repeat(10 << 20)), ..self.event(n) }])),
            _ => {
                std::thread::sleep(Duration::from_millis(10));
                one()
            }
        }
    }
}
