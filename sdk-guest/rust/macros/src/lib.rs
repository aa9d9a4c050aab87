//! The attributes of [`cofferdam-plugin`](https://docs.rs/cofferdam-plugin), which re-exports them. Use them from there.

mod expand;
mod handler;
mod keys;
mod plugin;
mod template;
mod topics;

use proc_macro::TokenStream;
use syn::Error;

/// Makes a plugin of a module: each function that is marked with [`macro@query`] or [`macro@update`] becomes an operation, with
/// [`macro@prompt`] a prompt, with [`macro@resource`] a resource or a family of them, with [`macro@complete`] the completion of an
/// argument, and with [`macro@feed`] or [`macro@webhook`] a source of events.
///
/// ```
/// #[cofferdam_plugin::plugin(title = "Dice", instructions = "Rolls dice fairly. Say how many sides they have.")]
/// mod dice {
///     use cofferdam_plugin::prelude::*;
///
///     #[derive(Deserialize, JsonSchema)]
///     struct Roll {
///         /// How many sides the die has
///         sides: u8,
///     }
///
///     /// Rolls one die.
///     #[query]
///     fn roll(input: Roll) -> Result<String> {
///         if input.sides < 2 {
///             return Err(Failure::invalid("a die has at least 2 sides"));
///         }
///         Ok((random_bytes(1)[0] % input.sides + 1).to_string())
///     }
/// }
/// # fn main() {}
/// ```
///
/// | key | value | |
/// |---|---|---|
/// | `title` | text | the plugin's name for people |
/// | `instructions` | text | how to use the plugin, for the model: one or two sentences |
/// | `no_std` | | the crate does without the standard library: see "Faster calls" at the crate's front page |
/// | `topic(...)` | | declares a topic of events; may be repeated |
///
/// A `topic` has a `name` (segments joined by `/`, and `{segment}` for any one segment), and if you like a `title`, a
/// `description`, `retained = 10` (how many events the host keeps for those who come late), `overflow = "drop-oldest"` or
/// `"coalesce"`, and `event = Type` (for the schema of its events). A topic that an update `publishes`, and one of a feed or a webhook, need
/// not be declared: what is not said of it comes from the function.
///
/// The module has to stand in the crate's own source with its body, and everything that it offers in it. It gets one more item,
/// `pub struct Plugin`, which stands for the plugin in tests. Types in it that derive `Serialize`, `Deserialize` or `JsonSchema` do so
/// through this crate, so that yours needs no other dependency.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    plugin::plugin(arguments.into(), item.into()).unwrap_or_else(Error::into_compile_error).into()
}

/// Marks a function that reads. To MCP clients it is a tool with `readOnlyHint: true`.
///
/// It takes at most one input, a type with `Deserialize` and `JsonSchema` that is written as a JSON object, and at most one
/// `&Context`; it returns an `IntoReply`. Its documentation is the description that the model reads: say what it does, when to use
/// it, and what comes back.
///
/// | key | value | |
/// |---|---|---|
/// | `name` | text | the operation's name, if not the function's |
/// | `title` | text | a name for people |
/// | `description` | text | instead of the function's documentation |
/// | `open_world` | bool | whether it reaches out to things beyond the host's own |
/// | `cache_ms` | number | how long a reply stays good, in milliseconds |
/// | `cache_shared` | bool | whether the reply is the same for every caller of the tenant |
/// | `batch` | | it takes a `Vec` of inputs and returns a `Vec` of what it may return else: queries that come within a moment are one call |
/// | `task` | `"optional"`, `"required"` | whether it can go on as a task while the client does something else |
/// | `input_schema` | text | the JSON Schema of the arguments, instead of the input's own; may be `include_str!("...")`. The input may then be a `RawJson` |
/// | `output_schema` | text | the JSON Schema of the structured result, instead of the reply's own |
/// | `icon(...)` | | an image for the client's user interface; may be repeated |
/// | `meta` | text | `_meta` of the tool: a JSON object |
///
/// An `icon` has a `src` (an `https:` or `data:` URI), and if you like a `mime`, `sizes = ["48x48"]`, and the `theme` that it is for,
/// `"light"` or `"dark"`.
///
/// With `batch`, one statement can do what would take a hundred. The host gathers queries of one caller's:
///
/// ```
/// #[cofferdam_plugin::plugin]
/// mod shop {
///     use cofferdam_plugin::prelude::*;
///
///     #[derive(Deserialize, JsonSchema)]
///     struct Price { item: String }
///
///     /// Tells the price of an item in cents.
///     #[query(batch)]
///     fn price(all: Vec<Price>) -> Result<Vec<Result<String>>> {
///         let price = |one: &Price| match one.item.as_str() {
///             "tea" => Ok("120".into()),
///             other => Err(Failure::not_found(format!("there is no {other} here, only tea"))),
///         };
///         Ok(all.iter().map(price).collect())
///     }
/// }
/// # fn main() {
/// # use cofferdam_plugin::{prelude::json, testing::Client};
/// # let client = Client::<shop::Plugin>::new();
/// # assert_eq!(client.queries("price", &[json!({"item": "tea"}), json!({"item": "milk"})]).unwrap().len(), 2);
/// # assert_eq!(client.query("price", json!({"item": "tea"})).unwrap().first_text(), Some("120"));
/// # }
/// ```
#[proc_macro_attribute]
pub fn query(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("query", &item.into()).into()
}

/// Marks a function that writes. To MCP clients it is a tool with `readOnlyHint: false`.
///
/// It takes and returns what a [`macro@query`] does, and has the same keys but `batch` and those of the cache. Beside them:
///
/// | key | value | |
/// |---|---|---|
/// | `destructive` | bool | whether it may destroy something; clients assume so unless told otherwise |
/// | `idempotent` | bool | whether doing it twice is like doing it once |
/// | `publishes` | list of text | topics that get the structured reply as an event when it succeeds, with the operation's name as its kind; a `{variable}` is the argument of that name |
#[proc_macro_attribute]
pub fn update(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("update", &item.into()).into()
}

/// Marks a function that fills in a prompt, which a person chooses at the client.
///
/// It takes at most one input, a struct whose fields are the prompt's arguments (texts, or what a text can be read as; an `Option` need not
/// be given), and at most one `&Context`; it returns an `IntoPrompt`. Its documentation tells the person what the prompt is good for.
///
/// ```
/// #[cofferdam_plugin::plugin]
/// mod reviews {
///     use cofferdam_plugin::prelude::*;
///
///     #[derive(Deserialize, JsonSchema)]
///     struct Review {
///         /// The code
///         code: String,
///         /// What to look at most
///         focus: Option<String>,
///     }
///
///     /// Reviews a piece of code.
///     #[prompt(title = "Review code")]
///     fn review(input: Review) -> Prompt {
///         let focus = input.focus.unwrap_or("correctness".into());
///         Prompt::new().user(format!("Review this code, above all its {focus}.")).user(input.code)
///     }
/// }
/// # fn main() {
/// # let client = cofferdam_plugin::testing::Client::<reviews::Plugin>::new();
/// # assert_eq!(client.prompt("review", &[("code", "a")]).unwrap().messages().len(), 2);
/// # assert_eq!(client.catalog().prompts[0].arguments[1].name, "focus");
/// # }
/// ```
///
/// | key | value | |
/// |---|---|---|
/// | `name` | text | the prompt's name, if not the function's |
/// | `title` | text | a name for people |
/// | `description` | text | instead of the function's documentation |
/// | `icon(...)` | | as for a [`macro@query`] |
/// | `meta` | text | `_meta` of the prompt: a JSON object |
#[proc_macro_attribute]
pub fn prompt(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("prompt", &item.into()).into()
}

/// Marks a function that reads a resource, or a family of them.
///
/// With `uri` it is one resource, listed under that URI. With `template` it is a family: the function takes the variables as a struct
/// (texts, or what a text can be read as), or the whole URI as `&str`. A variable `{name}` is anything but `/`, `?` and `#`; `{+name}` is
/// anything. Percent signs are resolved. A `&Context` may be taken as well; what is returned is an `IntoContents`.
///
/// ```
/// #[cofferdam_plugin::plugin]
/// mod tickets {
///     use cofferdam_plugin::prelude::*;
///
///     /// How this team works with tickets.
///     #[resource(uri = "tickets://rules", mime = "text/plain", cache_ms = 60_000, cache_shared = true)]
///     fn rules() -> &'static str {
///         "One ticket, one problem."
///     }
///
///     #[derive(Deserialize)]
///     struct Number { number: u32 }
///
///     /// A ticket.
///     #[resource(template = "tickets://{number}", mime = "text/plain")]
///     fn ticket(of: Number) -> Option<String> {
///         (of.number < 100).then(|| format!("Ticket {}: the printer is on fire", of.number))
///     }
/// }
/// # fn main() {
/// # let client = cofferdam_plugin::testing::Client::<tickets::Plugin>::new();
/// # assert_eq!(client.read("tickets://rules").unwrap().first_text(), Some("One ticket, one problem."));
/// # assert!(client.read("tickets://7").is_ok() && client.read("tickets://100").is_err() && client.read("tickets://x").is_err());
/// # }
/// ```
///
/// | key | value | |
/// |---|---|---|
/// | `uri` or `template` | text | which resource, or which family |
/// | `name` | text | a short name for programs, if not the function's |
/// | `title` | text | a name for people |
/// | `description` | text | instead of the function's documentation, which tells the model what it is |
/// | `mime` | text | the media type |
/// | `size_bytes` | number | the size before any encoding, if it is known; not for a family |
/// | `audience` | list | whom it is meant for: `["user"]`, `["assistant"]` or both |
/// | `priority` | number | from 0.0 (may be left out) to 1.0 (needed) |
/// | `last_modified` | text | when it was last changed (RFC 3339) |
/// | `cache_ms` | number | how long the contents stay good, in milliseconds |
/// | `cache_shared` | bool | whether the contents are the same for every caller of the tenant |
/// | `icon(...)` | | as for a [`macro@query`] |
/// | `meta` | text | `_meta` of the resource: a JSON object |
#[proc_macro_attribute]
pub fn resource(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("resource", &item.into()).into()
}

/// Marks a function that suggests values for an argument of a prompt, or for a variable of a resource template, while a person types.
///
/// It takes what was typed so far as `&str`, and if it likes the `&Context` and, as `&Others`, the arguments that are filled in already.
/// It returns an `IntoSuggestions`.
///
/// ```
/// #[cofferdam_plugin::plugin]
/// mod travel {
///     use cofferdam_plugin::prelude::*;
///
///     #[derive(Deserialize, JsonSchema)]
///     struct Journey { city: String }
///
///     /// Plans a journey.
///     #[prompt]
///     fn plan(journey: Journey) -> String {
///         format!("Plan a weekend in {}.", journey.city)
///     }
///
///     #[complete(prompt = "plan", argument = "city")]
///     fn city(typed: &str) -> Suggestions {
///         Suggestions::starting_with(typed, ["Paris", "London", "Prague"])
///     }
/// }
/// # fn main() {
/// # let client = cofferdam_plugin::testing::Client::<travel::Plugin>::new();
/// # assert_eq!(client.complete_prompt("plan", "city", "p", &[]).unwrap().values(), ["Paris", "Prague"]);
/// # }
/// ```
///
/// | key | value | |
/// |---|---|---|
/// | `prompt` or `template` | text | of which prompt, by its name, or of which resource template of this plugin |
/// | `argument` | text | of which argument or variable |
#[proc_macro_attribute]
pub fn complete(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("complete", &item.into()).into()
}

/// Marks a function that opens a feed: a source of events that the plugin runs itself, while anybody listens to its topic.
///
/// It returns a `Feed`, or a `Result` of one. It may take what subscribers filter by, as `Filters` or a type of yours with `Deserialize`, the
/// name of the topic as `&str`, and the `&Context`. There is one feed for each topic and set of filters, and the host looks at every event
/// with these filters itself. The schema of the events comes from `Feed::Event`.
///
/// ```
/// #[cofferdam_plugin::plugin(topic(name = "countdown", retained = 10))]
/// mod rocket {
///     use cofferdam_plugin::prelude::*;
///     use core::time::Duration;
///
///     #[derive(Serialize, JsonSchema)]
///     struct Second { left: u32 }
///
///     struct Countdown(u32);
///
///     impl Feed for Countdown {
///         type Event = Second;
///
///         fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Event<Second>>>> {
///             std::thread::sleep(timeout.min(Duration::from_millis(1)));
///             let Some(left) = self.0.checked_sub(1) else { return Ok(None) };
///             self.0 = left;
///             Ok(Some(vec![Event::new(Second { left })]))
///         }
///     }
///
///     /// Seconds until the start.
///     #[feed(topic = "countdown")]
///     fn countdown() -> Countdown {
///         Countdown(2)
///     }
/// }
/// # fn main() -> cofferdam_plugin::Result<()> {
/// # use cofferdam_plugin::{prelude::json, testing::Client};
/// # let feed = Client::<rocket::Plugin>::new().feed("countdown", json!({}))?;
/// # let mut next = || feed.next(core::time::Duration::from_secs(1)).unwrap();
/// # assert_eq!(next().unwrap()[0].data, json!({"left": 1}));
/// # assert!(next().is_some() && next().is_none());
/// # Ok(())
/// # }
/// ```
///
/// | key | value | |
/// |---|---|---|
/// | `topic` | text | of which topic; a segment `{name}` stands for any one segment |
/// | `description` | text | instead of the function's documentation, for a topic that has none |
#[proc_macro_attribute]
pub fn feed(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("feed", &item.into()).into()
}

/// Marks a function that makes events of a webhook's requests, which the host takes as `[grants.webhooks.<topic>]` of the manifest says.
///
/// It takes the request as `&Webhook`, and the `&Context` if it likes, and returns an `IntoEvents`. A topic without such a function needs
/// none: the body is the event's data.
///
/// ```
/// #[cofferdam_plugin::plugin]
/// mod code {
///     use cofferdam_plugin::prelude::*;
///
///     #[derive(Deserialize)]
///     struct Push { commits: Vec<Commit> }
///
///     #[derive(Serialize, Deserialize)]
///     struct Commit { id: String }
///
///     /// Commits, as they are pushed.
///     #[webhook(topic = "commits")]
///     fn push(webhook: &Webhook) -> Result<Vec<Event<Commit>>> {
///         let push: Push = webhook.json()?;
///         Ok(push.commits.into_iter().map(|commit| Event::new(commit).kind("commit")).collect())
///     }
/// }
/// # fn main() {
/// # let client = cofferdam_plugin::testing::Client::<code::Plugin>::new();
/// # assert_eq!(client.webhook("commits", &[], r#"{"commits":[{"id":"a1"}]}"#).unwrap()[0].kind.as_deref(), Some("commit"));
/// # }
/// ```
///
/// | key | value | |
/// |---|---|---|
/// | `topic` | text | of which topic; a segment `{name}` stands for any one segment |
/// | `description` | text | instead of the function's documentation, for a topic that has none |
#[proc_macro_attribute]
pub fn webhook(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("webhook", &item.into()).into()
}
