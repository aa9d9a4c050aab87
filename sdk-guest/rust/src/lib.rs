//! Write MCP tools as plugins for [Cofferdam](https://github.com/cofferdam/cofferdam): small WebAssembly components, each call of which
//! runs in a fresh sandbox of its own.
//!
//! # Your first plugin
//!
//! ```toml
//! # Cargo.toml
//! [package]
//! name = "tickets"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [lib]
//! crate-type = ["cdylib", "rlib"]    # the component, and a library for tests
//!
//! [dependencies]
//! cofferdam-plugin = "0.1"
//!
//! [profile.release]                  # small components load faster
//! opt-level = "s"
//! lto = true
//! codegen-units = 1
//! panic = "abort"
//! strip = true
//! ```
//!
//! ```
//! // src/lib.rs
//! #[cofferdam_plugin::plugin(title = "Tickets", instructions = "Finds support tickets.")]
//! mod tickets {
//!     use cofferdam_plugin::prelude::*;
//!
//!     #[derive(Deserialize, JsonSchema)]
//!     struct Find {
//!         /// Words to look for
//!         text: String,
//!         /// No more than this many tickets; 10 unless told otherwise
//!         limit: Option<usize>,
//!     }
//!
//!     /// Finds tickets by their text, newest first.
//!     #[query]
//!     fn find(input: Find) -> Result<String> {
//!         let all = ["The printer is on fire", "The coffee machine prints coffee"];
//!         let found = all.into_iter().filter(|ticket| ticket.contains(&input.text));
//!         Ok(found.take(input.limit.unwrap_or(10)).collect::<Vec<_>>().join("\n"))
//!     }
//! }
//!
//! # fn main() -> cofferdam_plugin::Result<()> {
//! # use cofferdam_plugin::{prelude::json, testing::Client};
//! # let reply = Client::<tickets::Plugin>::new().query("find", json!({"text": "fire"}))?;
//! # assert_eq!(reply.first_text(), Some("The printer is on fire"));
//! # Ok(())
//! # }
//! ```
//!
//! ```toml
//! # plugin.toml
//! name = "tickets"
//! version = "0.1.0"
//! component = "tickets.wasm"
//!
//! [build]
//! command = "cargo build --release --target wasm32-wasip2"
//! watch = ["src"]
//! ```
//!
//! ```sh
//! rustup target add wasm32-wasip2            # once
//! cargo build --release --target wasm32-wasip2
//! cp target/wasm32-wasip2/release/tickets.wasm .
//! ```
//!
//! A folder with `plugin.toml` and `tickets.wasm` in the host's `plugins/` is all that it takes: MCP clients now see the tool
//! `tickets_find`, with the comment as its description and a JSON Schema made of `Find`.
//!
//! # Queries, updates and their arguments
//!
//! Each marked function of the module is an operation, and a tool for MCP clients: [`#[query]`](macro@query) reads,
//! [`#[update]`](macro@update) writes. A function takes one input, or none, and beside it the [`&Context`](Context) if it likes. Comments
//! on functions and on fields are what the model reads, so write them for it: what the operation does, when to use it, what comes back.
//!
//! The input is a struct that is written as a JSON object. The host checks arguments against its schema before the function runs, and
//! serde's and schemars' attributes say more: defaults, alternatives, ranges.
//!
//! ```
//! # #[cofferdam_plugin::plugin]
//! # mod tickets {
//! #     use cofferdam_plugin::prelude::*;
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(rename_all = "lowercase")]
//! enum Urgency { Low, High }
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Open {
//!     /// What is wrong, in a sentence or two
//!     #[schemars(length(min = 10, max = 500))]
//!     problem: String,
//!     urgency: Urgency,
//! }
//!
//! /// Opens a ticket and returns its number. Look with `find` first whether there is one already.
//! #[update(title = "Open a ticket", destructive = false, publishes = ["tickets/opened"])]
//! fn open(cx: &Context, input: Open) -> Result<String> {
//!     log::info!("{} opens a ticket: {}", cx.caller().subject(), input.problem);
//!     Ok(match input.urgency {
//!         Urgency::High => "ticket 1, and somebody is on the way".into(),
//!         Urgency::Low => "ticket 1".into(),
//!     })
//! }
//! # }
//! # fn main() {
//! # let catalog = cofferdam_plugin::testing::Client::<tickets::Plugin>::new().catalog();
//! # let [open] = &catalog.updates[..] else { panic!() };
//! # assert!(open.input_schema.contains(r#""minLength":10"#) && open.input_schema.contains(r#""enum":["low","high"]"#), "{}", open.input_schema);
//! # }
//! ```
//!
//! # Replies
//!
//! [`IntoReply`] lists what a function may return. Text is enough for many tools; [`Json`] is for results that programs read as well,
//! and puts their schema into the catalog; [`Reply`] is for everything else: several blocks, images, links, and errors that are
//! results.
//!
//! ```
//! # #[cofferdam_plugin::plugin]
//! # mod tickets {
//! #     use cofferdam_plugin::prelude::*;
//! # fn plot() -> Vec<u8> { Vec::new() }
//! #[derive(Serialize, JsonSchema)]
//! struct Load {
//!     /// Tickets that wait
//!     open: u32,
//!     /// Hours until somebody has time
//!     wait_hours: f64,
//! }
//!
//! /// Tells how busy the support is.
//! #[query(cache_ms = 60_000, cache_shared = true)]
//! fn load() -> Json<Load> {
//!     Json(Load { open: 3, wait_hours: 1.5 })
//! }
//!
//! /// Draws how busy the support was this week.
//! #[query]
//! fn chart() -> Reply {
//!     Reply::new().text("Monday was quiet, as you see:").image(plot(), "image/png")
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! A schema of your own takes the place of the one that is made from a type: `input_schema` and `output_schema` of the attribute. The input
//! is then whatever you can read, [`RawJson`] for instance, and extensions such as `x-mcp-header` have their place; on a type,
//! `#[schemars(extend("x-mcp-header" = "Region"))]` does the same. An operation that may take long says `task = "optional"`, and goes on as a
//! task for clients that know tasks.
//!
//! ```
//! # #[cofferdam_plugin::plugin]
//! # mod tickets {
//! #     use cofferdam_plugin::prelude::*;
//! /// Imports tickets as another system writes them.
//! #[update(
//!     input_schema = r#"{"type":"object","properties":{"tickets":{"type":"array"}},"required":["tickets"]}"#, // or include_str!("...")
//!     task = "optional",
//!     icon(src = "https://example.com/import.svg", theme = "dark"),
//!     meta = r#"{"ui":{"resourceUri":"ui://tickets/import.html"}}"#
//! )]
//! fn import(input: RawJson) -> String {
//!     format!("{} bytes were imported", input.get().len())
//! }
//! # }
//! # fn main() -> cofferdam_plugin::Result<()> {
//! # use cofferdam_plugin::{prelude::json, testing::Client};
//! # let client = Client::<tickets::Plugin>::new();
//! # assert_eq!(client.update("import", json!({"tickets": []}))?.first_text(), Some("14 bytes were imported"));
//! # let [import] = &client.catalog().updates[..] else { panic!() };
//! # assert!(import.input_schema.starts_with(r#"{"type":"object","properties""#) && import.icons.len() == 1 && import.meta.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # Failures
//!
//! A function that may fail returns [`Result`]; `?` turns errors into a [`Failure`], whose kind the host translates into the protocol's
//! errors. Its text reaches the client, so it should help, and should not tell what is not theirs. A panic is for mistakes of yours: it
//! ends the call, and its text goes to the operator's log only.
//!
//! ```
//! use cofferdam_plugin::{Failure, Result};
//!
//! fn half(number: &str) -> Result<i64> {
//!     let number: i64 = number.parse().map_err(|_| Failure::invalid(format!("{number:?} is not a whole number")))?;
//!     if number % 2 != 0 {
//!         return Err(Failure::invalid("only even numbers have a half here"));
//!     }
//!     Ok(number / 2)
//! }
//! # assert_eq!(half("4"), Ok(2));
//! ```
//!
//! # Prompts, resources, completion
//!
//! A [`#[prompt]`](macro@prompt) is for people: they choose it at the client, and fill in its arguments. A
//! [`#[resource]`](macro@resource) is read by its URI, one of its own or any that fits a template. A [`#[complete]`](macro@complete) suggests
//! values for the arguments of both. The host offers what a plugin has; there is nothing to switch on.
//!
//! ```
//! # #[cofferdam_plugin::plugin]
//! # mod tickets {
//! #     use cofferdam_plugin::prelude::*;
//! #[derive(Deserialize, JsonSchema)]
//! struct Ticket {
//!     /// The number of the ticket
//!     number: u32,
//! }
//!
//! /// Writes an answer to a ticket.
//! #[prompt(title = "Answer a ticket")]
//! fn answer(ticket: Ticket) -> Prompt {
//!     let text = format!("Ticket {}: the printer is on fire", ticket.number);
//!     Prompt::new()
//!         .user(Content::embedded_text(format!("tickets://{}", ticket.number), "text/plain", text))
//!         .user("Write an answer to this ticket. Be kind.")
//! }
//!
//! /// The text of a ticket.
//! #[resource(template = "tickets://{number}", mime = "text/plain", cache_ms = 60_000)]
//! fn ticket(ticket: Ticket) -> Option<String> {
//!     (ticket.number < 100).then(|| format!("Ticket {}: the printer is on fire", ticket.number))
//! }
//!
//! #[complete(template = "tickets://{number}", argument = "number")]
//! fn number(typed: &str) -> Suggestions {
//!     Suggestions::starting_with(typed, (0..100).map(|number| number.to_string()))
//! }
//! # }
//! # fn main() -> cofferdam_plugin::Result<()> {
//! # use cofferdam_plugin::testing::Client;
//! # let client = Client::<tickets::Plugin>::new();
//! # assert_eq!(client.prompt("answer", &[("number", "7")])?.messages().len(), 2);
//! # assert_eq!(client.read("tickets://7")?.cache().map(|cache| cache.ttl_ms), Some(60_000));
//! # assert_eq!(client.complete_template("tickets://{number}", "number", "4", &[])?.values().len(), 11);
//! # Ok(())
//! # }
//! ```
//!
//! # Asking the client
//!
//! A handler that cannot go on without the person, the client's model or its folders asks for them where it needs them, and goes on with the
//! answer. This works in queries, updates, prompts and resources; [`ask`] has all of it.
//!
//! ```
//! # #[cofferdam_plugin::plugin]
//! # mod tickets {
//! #     use cofferdam_plugin::prelude::*;
//! #[derive(Deserialize, JsonSchema)]
//! struct Sure {
//!     /// Delete it for good
//!     sure: bool,
//! }
//!
//! /// Deletes all tickets.
//! #[update(destructive = true)]
//! fn delete_all(cx: &Context) -> Result<&'static str> {
//!     let Sure { sure } = cx.elicit("sure", "All tickets will be gone. Are you sure?")?;
//!     Ok(if sure { "all tickets are gone" } else { "nothing was deleted" })
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! # Telling the client
//!
//! With `[grants.client]` in the manifest, [`client`] reports progress and sends messages to the client's log; with `[grants.changes]`,
//! [`changes`] tells all clients that a resource or a list is not what it was.
//!
//! # Topics and events
//!
//! A topic is a name under which events are published: those who listen get them as they come, filtered by the host. There are four ways to
//! make them. An update that `publishes` a topic needs nothing else: its structured reply is the event. With `[grants.events]`,
//! [`events::publish`] does it from anywhere. A [`#[webhook]`](macro@webhook) makes them of what others send, as `[grants.webhooks]` lets
//! them. And a [`#[feed]`](macro@feed) is a source that the plugin runs itself, for as long as anybody listens.
//!
//! ```
//! #[cofferdam_plugin::plugin(topic(name = "rooms/{room}", title = "What happens in a room", retained = 50))]
//! mod rooms {
//!     use cofferdam_plugin::prelude::*;
//!     use core::time::Duration;
//!
//!     #[derive(Deserialize, JsonSchema)]
//!     struct Say { room: String, text: String }
//!
//!     #[derive(Serialize, JsonSchema)]
//!     struct Said { by: String, text: String }
//!
//!     /// Says something in a room.
//!     #[update(destructive = false, publishes = ["rooms/{room}"])]
//!     fn say(cx: &Context, say: Say) -> Result<Json<Said>> {
//!         if say.text.contains("fire") {
//!             events::publish("alarms", Event::new(json!({"room": say.room})).severity("critical"))?;
//!         }
//!         Ok(Json(Said { by: cx.caller().subject().into(), text: say.text }))
//!     }
//!
//!     /// What sensors report.
//!     #[webhook(topic = "alarms")]
//!     fn alarm(webhook: &Webhook) -> Result<Event<RawJson>> {
//!         Ok(Event::new(webhook.json()?).severity("warning").source("sensor"))
//!     }
//!
//!     #[derive(Serialize, JsonSchema)]
//!     struct Temperature { celsius: f64 }
//!
//!     struct Thermometer { celsius: f64 }
//!
//!     impl Feed for Thermometer {
//!         type Event = Temperature;
//!
//!         fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Event<Temperature>>>> {
//!             std::thread::sleep(timeout.min(Duration::from_secs(5)));
//!             self.celsius += 0.5;
//!             Ok(Some(vec![Event::new(Temperature { celsius: self.celsius }).source("cellar")]))
//!         }
//!     }
//!
//!     /// The temperature in the cellar, every few seconds.
//!     #[feed(topic = "temperature")]
//!     fn temperature() -> Thermometer {
//!         Thermometer { celsius: 12.0 }
//!     }
//! }
//!
//! # fn main() -> cofferdam_plugin::Result<()> {
//! # use cofferdam_plugin::{prelude::*, testing::{Client, Report}};
//! # let client = Client::<rooms::Plugin>::new();
//! # client.update("say", json!({"room": "a", "text": "fire!"}))?;
//! # let Report::Published { topic, event } = &client.reports()[0] else { panic!() };
//! # assert_eq!((topic.as_str(), event.severity.as_deref()), ("alarms", Some("critical")));
//! # assert_eq!(client.webhook("alarms", &[], r#"{"smoke": true}"#)?[0].data, json!({"smoke": true}));
//! # let feed = client.feed("temperature", json!({}))?;
//! # assert_eq!(feed.next(core::time::Duration::ZERO)?.unwrap()[0].data, json!({"celsius": 12.5}));
//! # let topics: Vec<_> = client.catalog().topics.iter().map(|topic| topic.name.clone()).collect();
//! # assert_eq!(topics, ["rooms/{room}", "alarms", "temperature"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Databases
//!
//! What a plugin may use beside the [clock](now_ms), [random bytes](random_bytes) and the [log], its manifest has to name. A component
//! that does not call a capability does not import it, and one that is granted nothing can do nothing. With
//! `[grants.sql.main]` in the manifest, [`sql`] is there: rows arrive as types of yours.
//!
//! ```
//! # #[cofferdam_plugin::plugin]
//! # mod tickets {
//! #     use cofferdam_plugin::prelude::*;
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Ticket { id: i64, title: String }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Tickets { tickets: Vec<Ticket>, total: i64 }
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Find { text: String }
//!
//! /// Finds tickets by their title.
//! #[query]
//! fn find(input: Find) -> Result<Json<Tickets>> {
//!     let db = sql::database("main");
//!     let pattern = format!("%{}%", input.text);
//!     let tickets = db.query("select id, title from tickets where title like ? limit 20", [&pattern])?.rows()?;
//!     let total = db.query("select count(*) from tickets where title like ?", [&pattern])?.one()?;
//!     Ok(Json(Tickets { tickets, total }))
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! # Configuration and secrets
//!
//! A manifest's `[config]` has values that the operator can replace, and [`config`] reads them. With `[grants.secrets]`, [`secrets`] reads
//! what the operator keeps secret and lets plugins read.
//!
//! # Requests to others
//!
//! With `[grants.http]` in the manifest, [`http`] reaches what it allows, and nothing else. Credentials stay with the host.
//!
//! # Keys and values, and files
//!
//! With `[grants.keyvalue]` in the manifest, [`keyvalue`] is a store of the plugin's own, which outlives the call. With `[grants.files.docs]`,
//! the operator's folder `docs` is at `/docs`, and `std::fs` is all that it takes.
//!
//! # Tests
//!
//! Handlers run natively too: [`testing`] calls them as the host would, under plain `cargo test`.
//!
//! # Faster calls
//!
//! A call starts with an instance of your component, and an instance starts with its imports. Rust's standard library imports more than
//! a dozen interfaces of WASI (standard streams, environment, exit, clocks, often files) to print panics, whether your code uses them or
//! not, and the host connects them anew for every call. There is nothing behind them in the sandbox, so a plugin can do
//! without:
//!
//! ```toml
//! # Cargo.toml
//! cofferdam-plugin = { version = "0.1", default-features = false }
//! ```
//!
//! ```
//! // src/lib.rs
//! #![cfg_attr(target_family = "wasm", no_std)]
//!
//! #[cofferdam_plugin::plugin(no_std, title = "Tickets")]
//! mod tickets {
//!     // ...
//! #     use cofferdam_plugin::prelude::*;
//! #     #[query]
//! #     fn count() -> String { 0.to_string() }
//! }
//! # fn main() {}
//! ```
//!
//! The [`prelude`] has `String`, `Vec`, `format!` and the like, `alloc::collections` has maps, and a panic's text goes to the host's log.
//! All of the plugin's other dependencies have to do without the standard library as well. (What the feature `std` adds is serde and
//! schemas for the types of `std::collections`. In a workspace, cargo turns it on for all plugins when one of them wants it.)
//!
//! Nothing else is needed. Memory for small calls is part of the component (in either kind), so that nothing has to be mapped when they
//! run; it goes back to the host with the instance, whatever you do with it. State does not outlive a call.

#![no_std]

extern crate alloc;
#[cfg(not(target_family = "wasm"))]
extern crate std;
// So that `#[plugin]` works in this crate's own tests.
extern crate self as cofferdam_plugin;

pub mod ask;
mod batch;
mod bindings;
pub mod changes;
pub mod client;
mod completion;
pub mod config;
pub mod content;
mod contents;
mod context;
pub mod events;
mod exports;
mod failure;
mod feeds;
mod fields;
mod host;
pub mod http;
pub mod keyvalue;
pub mod log;
#[cfg(target_family = "wasm")]
mod memory;
mod panic;
mod plugin;
mod prompts;
mod reply;
mod schema;
pub mod secrets;
pub mod sql;
mod template;
pub mod testing;
mod webhook;

pub use batch::IntoReplies;
pub use cofferdam_plugin_macros::{complete, feed, plugin, prompt, query, resource, update, webhook};
pub use completion::{IntoSuggestions, Others, Suggestions};
pub use contents::{Contents, IntoContents};
pub use context::{Caller, ClientAbilities, Context};
pub use events::{Event, IntoEvents};
pub use failure::{Failure, FailureKind, Result};
pub use feeds::{Feed, Filters, IntoFeed};
pub use host::{now_ms, now_rfc3339, random_bytes, rfc3339};
pub use prompts::{IntoPrompt, Message, Prompt};
pub use reply::{IntoReply, Json, RawJson, Reply};
pub use webhook::Webhook;
#[doc(no_inline)]
pub use {schemars, serde, serde_json};

/// What plugins are made of: `use cofferdam_plugin::prelude::*;` in the plugin's module.
pub mod prelude {
    pub use crate::content::Content;
    pub use crate::{Contents, Context, Failure, FailureKind, IntoReply, Json, Others, Prompt, RawJson, Reply, Result, Suggestions};
    pub use crate::{Event, Feed, Filters, Webhook};
    pub use crate::{changes, client, config, events, http, keyvalue, log, secrets, sql};
    pub use crate::{complete, feed, prompt, query, resource, update, webhook};
    pub use crate::{now_ms, now_rfc3339, random_bytes, rfc3339};
    pub use alloc::borrow::ToOwned;
    pub use alloc::boxed::Box;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec::Vec;
    pub use alloc::{format, vec};
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}

/// What a plugin offers, as the host sees it. `#[plugin]` makes it; tests look at it.
pub mod catalog {
    pub use crate::bindings::catalog::{
        CacheHint, Catalog, Hints, Operation, Overflow, Prompt, PromptArgument, ResourceTemplate, TaskSupport, Topic,
    };
}

/// What the attribute macro's output calls. Not for use by hand, and not kept stable.
#[doc(hidden)]
pub mod __private {
    pub use crate::batch::{Many, batch, single};
    pub use crate::bindings::catalog::export_catalog;
    pub use crate::bindings::completion::export_completion;
    pub use crate::bindings::imports::types::Argument;
    pub use crate::bindings::prompts::export_prompts;
    pub use crate::bindings::query::export_query;
    pub use crate::bindings::query_batch::export_query_batch;
    pub use crate::bindings::resources::export_resources;
    pub use crate::bindings::subscribe::export_subscribe;
    pub use crate::bindings::update::export_update;
    pub use crate::bindings::webhook::export_webhook;
    pub use crate::bindings::{catalog, completion, imports, prompts, query, query_batch, resources, subscribe, update, webhook};
    pub use crate::contents::{contents, no_such_resource};
    pub use crate::feeds::{OpenFeed, open};
    pub use crate::plugin::{Batches, Completions, Describe, Feeds, Of, Prompts, Queries, Resources, Updates, Webhooks};
    pub use crate::plugin::{IconSpec, OperationSpec, PluginSpec, PromptSpec, ResourceSpec, TopicSpec};
    pub use crate::plugin::{arguments, describe, no_such_feed, no_such_operation, prompt_arguments};
    pub use crate::template::{fits, variables};
    pub use crate::{__panic_handler as panic_handler, panic::panicked};
    pub use crate::{Contents, Context, IntoContents, IntoPrompt, IntoReply, IntoSuggestions, Others, Prompt, Reply, Result, Suggestions};
    pub use crate::{Feed, IntoEvents, IntoFeed, IntoReplies, Webhook};
    pub use alloc::string::String;
    pub use alloc::vec::Vec;
    pub use core::default::Default;
    pub use core::option::Option::{None, Some};
    pub use core::result::Result::{Err, Ok};

    /// Schemas of inputs, results, events and prompts.
    pub mod schema {
        pub use crate::fields::prompt_arguments;
        pub use crate::schema::{event, input, no_arguments};
    }
}
