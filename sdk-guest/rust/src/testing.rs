//! Calls a plugin's handlers natively, as the host would, under plain `cargo test`.
//!
//! The module that carries `#[plugin]` has a `Plugin` in it, which a [`Client`] takes. Arguments are written as JSON and read again
//! like those of a real call, and the reply is what the host would get. What needs the host (databases) fails as unavailable, a
//! [store](crate::keyvalue) is one of the test's thread; the log
//! goes to stderr, and what the client or other clients are told, and what was published, is in [`Client::reports`].
//!
//! ```
//! #[cofferdam_plugin::plugin]
//! mod shop {
//!     use cofferdam_plugin::prelude::*;
//!
//!     #[derive(Deserialize, JsonSchema)]
//!     struct Price { item: String }
//!
//!     /// Tells the price of an item in cents.
//!     #[query]
//!     fn price(cx: &Context, input: Price) -> Result<Json<Answer>> {
//!         let cents = match input.item.as_str() {
//!             "tea" if cx.caller().has_scope("member") => 90,
//!             "tea" => 120,
//!             other => return Err(Failure::not_found(format!("there is no {other} here, only tea"))),
//!         };
//!         Ok(Json(Answer { cents }))
//!     }
//!
//!     #[derive(Serialize, JsonSchema)]
//!     struct Answer { cents: u32 }
//! }
//!
//! # fn main() -> cofferdam_plugin::Result<()> {
//! use cofferdam_plugin::{prelude::*, testing::Client};
//!
//! let guest = Client::<shop::Plugin>::new();
//! let member = Client::<shop::Plugin>::new().subject("ann").scopes(["member"]);
//! assert_eq!(guest.query("price", json!({"item": "tea"}))?.structured_json(), Some(r#"{"cents":120}"#));
//! assert_eq!(member.query("price", json!({"item": "tea"}))?.structured_json(), Some(r#"{"cents":90}"#));
//!
//! let failure = guest.query("price", json!({"item": 5})).unwrap_err();
//! assert_eq!(failure.to_string(), "invalid: item: invalid type: integer `5`, expected a string");
//!
//! let catalog = guest.catalog();
//! assert_eq!(catalog.queries[0].description.as_deref(), Some("Tells the price of an item in cents."));
//! # Ok(())
//! # }
//! ```

use crate::bindings::imports::types;
use crate::bindings::webhook::Header;
use crate::catalog::Catalog;
use crate::feeds::OpenFeed;
use crate::plugin::{Batches, Completions, Describe, Feeds, Of, Prompts, Queries, Resources, Updates, Webhooks};
use crate::{ClientAbilities, Contents, Context, Event, Others, Prompt, Reply, Result, Suggestions, Webhook, changes, client};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use serde::Serialize;
use serde_json::{Value, json};

/// As many rounds as a host allows before it gives up on a handler that only asks.
const ROUNDS_MAX: usize = 16;

/// Somebody who calls the plugin `P`, such as `tickets::Plugin`.
///
/// A client can be given answers. A handler that [asks](crate::ask) for them runs again with them, round by round, as with a real host; a
/// question without an answer ends the call with [`FailureKind::Asks`](crate::FailureKind::Asks), and
/// [`Failure::asked`](crate::Failure::asked) has it.
pub struct Client<P> {
    context: types::Context,
    answers: Vec<types::Response>,
    reports: RefCell<Vec<Report>>,
    of: PhantomData<P>,
}

/// What a handler told its client, or all clients.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Report {
    /// [`client::progress`].
    Progress {
        /// How much is done.
        done: f64,
        /// Of how much.
        total: Option<f64>,
        /// In words.
        message: Option<String>,
    },
    /// [`client::log`].
    Log {
        /// How serious it is.
        level: client::Level,
        /// Which part of the plugin it comes from.
        logger: Option<String>,
        /// The message.
        data: Value,
    },
    /// [`changes::resource_updated`], with the URI.
    ResourceUpdated(String),
    /// [`changes::list_changed`].
    ListChanged(changes::Listing),
    /// [`events::publish`](crate::events::publish).
    Published {
        /// Under which topic.
        topic: String,
        /// The event.
        event: Event<Value>,
    },
}

impl<P> Client<P> {
    /// Nobody in particular, of the tenant `test`, at a client that can be asked everything.
    #[must_use]
    pub fn new() -> Self {
        let caller = types::Caller { tenant: "test".into(), subject: String::new(), scopes: Vec::new() };
        let client = ClientAbilities { elicitation_form: true, elicitation_url: true, sampling: true, roots: true };
        let context = types::Context { caller, client, meta: None, round: None };
        Self { context, answers: Vec::new(), reports: RefCell::default(), of: PhantomData }
    }

    /// Calls for another tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.context.caller.tenant = tenant.into();
        self
    }

    /// Signs in.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.context.caller.subject = subject.into();
        self
    }

    /// Grants scopes to the caller.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.context.caller.scopes = scopes.into_iter().map(Into::into).collect();
        self.context.caller.scopes.sort();
        self
    }

    /// Sends `_meta`, a JSON object.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "for `json!` in place")]
    pub fn meta(mut self, meta: Value) -> Self {
        self.context.meta = Some(meta.to_string());
        self
    }

    /// Says what the client can be asked.
    #[must_use]
    pub fn abilities(mut self, abilities: ClientAbilities) -> Self {
        self.context.client = abilities;
        self
    }

    /// Answers the question with this key: a JSON object as MCP defines it for the kind of question.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "for `json!` in place")]
    pub fn answer(mut self, key: impl Into<String>, result: Value) -> Self {
        self.answers.push(types::Response { key: key.into(), value: result.to_string() });
        self
    }

    /// Fills in the form with this key.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "for `json!` in place")]
    pub fn accept(self, key: impl Into<String>, content: Value) -> Self {
        self.answer(key, json!({"action": "accept", "content": content}))
    }

    /// Says no to the form or link with this key.
    #[must_use]
    pub fn decline(self, key: impl Into<String>) -> Self {
        self.answer(key, json!({"action": "decline"}))
    }

    /// Closes the form or link with this key.
    #[must_use]
    pub fn cancel(self, key: impl Into<String>) -> Self {
        self.answer(key, json!({"action": "cancel"}))
    }

    /// Lets the model say this to the message with this key.
    #[must_use]
    pub fn say(self, key: impl Into<String>, text: &str) -> Self {
        let content = json!({"type": "text", "text": text});
        self.answer(key, json!({"role": "assistant", "content": content, "model": "test", "stopReason": "endTurn"}))
    }

    /// What handlers told since this was asked last, over all rounds.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let mut reports = self.reports.take();
        // Those of feeds.
        reports.extend(recorded());
        reports
    }
}

impl<P: Describe> Client<P> {
    /// What the plugin offers.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        P::describe()
    }
}

impl<P: Queries> Client<P> {
    /// Calls a query.
    ///
    /// # Errors
    /// What the handler fails with, or arguments that do not fit.
    pub fn query(&self, name: &str, arguments: impl Serialize) -> Result<Reply> {
        let arguments = serde_json::to_string(&arguments)?;
        self.rounds(|context| P::query(context, name, &arguments))
    }
}

impl<P: Batches> Client<P> {
    /// Calls a query several times at once.
    ///
    /// # Errors
    /// What the handler fails with as a whole.
    pub fn queries(&self, name: &str, arguments: &[impl Serialize]) -> Result<Vec<Result<Reply>>> {
        let arguments: Vec<_> = arguments.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        self.rounds(|context| P::batch(context, name, &arguments))
    }
}

impl<P: Updates> Client<P> {
    /// Calls an update.
    ///
    /// # Errors
    /// What the handler fails with, or arguments that do not fit.
    pub fn update(&self, target: &str, arguments: impl Serialize) -> Result<Reply> {
        let arguments = serde_json::to_string(&arguments)?;
        self.rounds(|context| P::update(context, target, &arguments))
    }
}

impl<P: Prompts> Client<P> {
    /// Gets a prompt, with arguments by name and value.
    ///
    /// # Errors
    /// What the function fails with, or arguments that do not fit.
    pub fn prompt(&self, name: &str, arguments: &[(&str, &str)]) -> Result<Prompt> {
        let arguments = owned(arguments);
        self.rounds(|context| P::prompt(context, name, &arguments))
    }
}

impl<P: Resources> Client<P> {
    /// Reads a resource.
    ///
    /// # Errors
    /// What the function fails with, or that there is no such resource.
    pub fn read(&self, uri: &str) -> Result<Contents> {
        self.rounds(|context| P::read(context, uri))
    }
}

impl<P: Completions> Client<P> {
    /// Completes an argument of a prompt, of which `typed` is there so far; `others` are filled in already.
    ///
    /// # Errors
    /// What the function fails with.
    pub fn complete_prompt(&self, prompt: &str, argument: &str, typed: &str, others: &[(&str, &str)]) -> Result<Suggestions> {
        self.complete(Of::Prompt(prompt), argument, typed, others)
    }

    /// Completes a variable of a resource template.
    ///
    /// # Errors
    /// What the function fails with.
    pub fn complete_template(&self, template: &str, argument: &str, typed: &str, others: &[(&str, &str)]) -> Result<Suggestions> {
        self.complete(Of::Template(template), argument, typed, others)
    }

    fn complete(&self, of: Of<'_>, argument: &str, typed: &str, others: &[(&str, &str)]) -> Result<Suggestions> {
        let others = Others(owned(others));
        self.rounds(|context| P::complete(context, of, argument, typed, &others))
    }
}

impl<P: Feeds> Client<P> {
    /// Opens a feed, as the host does when somebody listens.
    ///
    /// # Errors
    /// What the function fails with, filters that do not fit, or that there is no such feed.
    pub fn feed(&self, topic: &str, filters: impl Serialize) -> Result<RunningFeed> {
        let filters = serde_json::to_string(&filters)?;
        Ok(RunningFeed(P::open(&self.context.clone().into(), topic, &filters)?))
    }
}

impl<P: Webhooks> Client<P> {
    /// Sends a request to a webhook, and returns the events that come of it.
    ///
    /// # Errors
    /// What the function fails with.
    pub fn webhook(&self, topic: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Result<Vec<Event<Value>>> {
        let headers = headers.iter().map(|&(name, value)| Header { name: name.to_ascii_lowercase(), value: value.into() });
        let webhook = Webhook::new(topic.into(), headers.collect(), body.as_ref().into());
        Ok(P::transform(&self.context.clone().into(), &webhook)?.into_iter().map(parsed).collect())
    }
}

/// A feed that a [`Client`] opened. It looks at no filters, as the host would.
#[derive(Debug)]
pub struct RunningFeed(OpenFeed);

impl RunningFeed {
    /// The next events: an empty list means nothing yet, none that the feed has ended.
    ///
    /// # Errors
    /// What the feed fails with.
    pub fn next(&self, timeout: Duration) -> Result<Option<Vec<Event<Value>>>> {
        Ok(self.0.next(timeout)?.map(|events| events.into_iter().map(parsed).collect()))
    }
}

/// An event, to be looked at.
pub(crate) fn parsed(event: types::Event) -> Event<Value> {
    let types::Event { data, source, severity, kind } = event;
    let mut parsed = Event::new(serde_json::from_str(&data).unwrap_or_default());
    (parsed.source, parsed.severity, parsed.kind) = (source, severity, kind);
    parsed
}

impl<P> Client<P> {
    /// Runs a handler until it has no more questions, or one that nobody answers anew.
    fn rounds<T>(&self, run: impl Fn(&Context) -> Result<T>) -> Result<T> {
        let mut record = self.context.clone();
        for _ in 1..ROUNDS_MAX {
            let result = run(&record.clone().into());
            self.reports.borrow_mut().extend(recorded());
            let Err(end) = &result else { return result };
            let Some(asked) = end.asked() else { return result };
            let mut responses = record.round.take().map(|round| round.responses).unwrap_or_default();
            let known = responses.len();
            for request in &asked.requests {
                let answer = self.answers.iter().rfind(|answer| answer.key == request.key);
                let again = responses.iter().any(|response| response.key == request.key);
                responses.extend(answer.filter(|_| !again).cloned());
            }
            if responses.len() == known && !asked.requests.is_empty() {
                return result;
            }
            record.round = Some(types::Round { responses, state: asked.state.clone() });
        }
        let result = run(&record.into());
        self.reports.borrow_mut().extend(recorded());
        result
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<types::Argument> {
    pairs.iter().map(|&(name, value)| types::Argument { name: name.into(), value: value.into() }).collect()
}

#[cfg(not(target_family = "wasm"))]
std::thread_local! {
    /// What handlers on this thread told, until their client takes it.
    static RECORDED: RefCell<Vec<Report>> = const { RefCell::new(Vec::new()) };
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn record(report: Report) {
    RECORDED.with_borrow_mut(|reports| reports.push(report));
}

#[cfg(not(target_family = "wasm"))]
fn recorded() -> Vec<Report> {
    RECORDED.take()
}

/// In a component, the host gets the reports.
#[cfg(target_family = "wasm")]
fn recorded() -> Vec<Report> {
    Vec::new()
}

impl<P> Default for Client<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Clone for Client<P> {
    fn clone(&self) -> Self {
        Self { context: self.context.clone(), answers: self.answers.clone(), reports: self.reports.clone(), of: PhantomData }
    }
}

impl<P> fmt::Debug for Client<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("context", &self.context).field("answers", &self.answers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    #[crate::plugin]
    mod patient {
        use crate::prelude::*;

        #[query]
        fn count(cx: &Context) -> Result<String> {
            let round: u32 = cx.kept().unwrap_or(0);
            cx.keep(&(round + 1))?;
            if round < 3 { Err(cx.next_round()) } else { Ok(format!("{round} rounds")) }
        }

        #[query]
        fn never(cx: &Context) -> Result<()> {
            client::progress(1.0, None, None);
            Err(cx.next_round())
        }

        #[derive(Deserialize, JsonSchema)]
        struct Word {
            word: String,
        }

        #[update]
        fn two_words(cx: &Context) -> Result<String> {
            if cx.kept::<String>().is_none() {
                cx.keep(&"kept")?;
            }
            let first: Word = cx.elicit("first", "One word?")?;
            let second: Word = cx.elicit("second", "Another word?")?;
            Ok(format!("{} {} {}", cx.kept::<String>().unwrap_or_default(), first.word, second.word))
        }

        #[resource(uri = "patient://word")]
        fn word(cx: &Context) -> Result<Json<String>> {
            Ok(Json(cx.elicit::<Word>("first", "One word?")?.word))
        }
    }

    type Patient = Client<patient::Plugin>;

    #[test]
    fn a_handler_runs_until_it_is_done_or_nobody_answers() {
        assert_eq!(Patient::new().query("count", json!({})).unwrap().first_text(), Some("3 rounds"));
        let client = Patient::new();
        assert_eq!(client.query("never", json!({})).unwrap_err().kind(), FailureKind::Asks);
        assert_eq!((client.reports().len(), client.reports().len()), (ROUNDS_MAX, 0));
    }

    #[test]
    fn what_is_kept_stays_until_it_is_replaced() {
        let client = Patient::new().accept("first", json!({"word": "a"}));
        let failure = client.update("two_words", json!({})).unwrap_err();
        let asked = failure.asked().unwrap();
        assert_eq!((asked.requests[0].key.as_str(), asked.state.as_deref()), ("second", Some("\"kept\"")));
        let client = client.accept("second", json!({"word": "b"}));
        assert_eq!(client.update("two_words", json!({})).unwrap().first_text(), Some("kept a b"));
    }

    #[test]
    fn resources_ask_too_and_have_a_media_type() {
        let read = Patient::new().accept("first", json!({"word": "a"})).read("patient://word").unwrap();
        assert_eq!((read.first_text(), read.items()[0].mime_type.as_deref()), (Some("\"a\""), Some("application/json")));
        assert_eq!(Patient::new().decline("first").read("patient://word").unwrap_err().kind(), FailureKind::Denied);
    }
}
