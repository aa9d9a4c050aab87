//! Answers of queries that are given more than once: to whoever asks the same at the same time, as long afterwards as the catalog allows,
//! and, where the manifest says so, in the place of a failure.
//!
//! Only what cannot depend on anything but the question is shared: no `_meta` of the client's, no answers of an earlier round, nobody who
//! is told anything on the way. A caller sees its own answers only, unless the catalog says that they are everybody's.

use super::gather::{Gatherings, Place};
use super::joined::Joins;
use super::rounds::{Ended, Handling, Invoked};
use super::writes::{Count, Writes};
use super::{CallError, Dispatch, admit::Admission, encode, failed, rounds};
use crate::auth::Principal;
use crate::caps::budget::CallTag;
use crate::ids::{CallRef, TenantId};
use crate::limits::Limits;
use crate::mcp::{Abilities, strict};
use crate::registry::{Binding, Tool, catalog::Operation};
use crate::runtime::{Ask, Done, Export, GuestError, Handler, Job};
use crate::wit::cofferdam::mcp::types::{Body, Content, Failure, Reply};
use bytes::Bytes;
use futures_util::StreamExt as _;
use moka::sync::Cache;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// In `_meta` of an answer that is given because the handler failed.
const STALE: &str = "io.cofferdam/stale";
/// What an entry takes beside its texts.
const ENTRY_BYTES: usize = 512;

/// What makes two queries the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    binding: u64,
    operation: Arc<str>,
    arguments: String,
    /// None when the answer is everybody's.
    caller: Option<(String, Vec<String>)>,
    /// What the handler is told about the client.
    abilities: [bool; 4],
}

/// What queries that run together have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Common {
    binding: u64,
    operation: Arc<str>,
    caller: (String, Vec<String>),
}

/// An answer that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// The reply.
    pub(super) reply: Reply,
    /// The same as the rest of a result of the newest revision of MCP.
    pub(super) encoded: Bytes,
    /// Of the call that made it.
    pub(super) reference: CallRef,
    made: Instant,
    fresh_for: Duration,
    shared: bool,
    writes: u64,
    size_bytes: usize,
}

/// How an operation was carried out.
pub(super) enum Performed {
    /// By its handler.
    Ended(Ended),
    /// An answer that is good still.
    Kept(Arc<Kept>),
}

/// How long an answer may be used again by whoever got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// From now on.
    pub lasts: Duration,
    /// Whether it is the same for every caller of the tenant.
    pub shared: bool,
}

/// Everything that is shared of answers.
pub(super) struct Answers {
    joins: Arc<Joins<Question, Invoked>>,
    gatherings: Arc<Gatherings<Common, Invoked>>,
    kept: Mutex<HashMap<TenantId, Cache<Question, Arc<Kept>>>>,
    writes: Arc<Writes>,
    limits: Arc<Limits>,
}

impl Answers {
    pub(super) fn new(limits: &Arc<Limits>, writes: &Arc<Writes>) -> Self {
        Self {
            joins: Joins::new(limits.joins_max),
            gatherings: Gatherings::new(limits.gather_max, limits.gather_wait_max),
            kept: Mutex::default(),
            writes: Arc::clone(writes),
            limits: Arc::clone(limits),
        }
    }

    /// What is kept for a tenant.
    fn of(&self, tenant: &TenantId) -> Cache<Question, Arc<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = kept.get(tenant) {
            return cache.clone();
        }
        let limits = &self.limits;
        let weigh = |question: &Question, kept: &Arc<Kept>| {
            u32::try_from(question.arguments.len() + kept.size_bytes + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder()
            .max_capacity(u64::try_from(limits.cache_bytes_max).unwrap_or(u64::MAX))
            .weigher(weigh)
            .time_to_live(limits.cache_ttl_max.max(limits.cache_stale_max))
            .build();
        kept.insert(tenant.clone(), cache.clone());
        cache
    }
}

impl Kept {
    fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// How long it may be used again.
    pub(super) fn freshness(&self) -> Freshness {
        Freshness { lasts: self.fresh_for.saturating_sub(self.age()), shared: self.shared }
    }

    fn is_fresh(&self, now: Count) -> bool {
        self.writes == now.plugin && self.age() < self.fresh_for
    }
}

/// Whether a reply says that it is old.
pub(super) fn is_stale(reply: &Reply) -> bool {
    let meta = reply.meta.as_deref().filter(|meta| meta.contains(STALE));
    meta.and_then(|meta| serde_json::from_str::<Value>(meta).ok()).is_some_and(|meta| meta.get(STALE) == Some(&Value::Bool(true)))
}

/// A reply that says that it is old.
fn marked_stale(reply: &Reply) -> Reply {
    let meta = reply.meta.as_deref().and_then(|meta| strict::parse(meta).ok());
    let mut meta = meta.filter(Value::is_object).unwrap_or_else(|| json!({}));
    if let Some(members) = meta.as_object_mut() {
        members.insert(STALE.to_owned(), true.into());
    }
    Reply { meta: Some(meta.to_string()), ..reply.clone() }
}

/// What a reply takes.
fn size_bytes(reply: &Reply) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let content = |content: &Content| match content {
        Content::Text(content) => content.text.len() + text(&content.meta),
        Content::Image(content) | Content::Audio(content) => content.data.len() + content.mime_type.len() + text(&content.meta),
        Content::ResourceLink(link) => link.uri.len() + link.name.len() + text(&link.description) + text(&link.meta) + ENTRY_BYTES,
        Content::Embedded(resource) => {
            let body = match &resource.contents.body {
                Body::Text(text) => text.len(),
                Body::Blob(bytes) => bytes.len(),
            };
            body + resource.contents.uri.len() + text(&resource.contents.meta) + text(&resource.meta) + ENTRY_BYTES
        }
    };
    let blocks = reply.content.capacity() * size_of::<Content>();
    blocks + text(&reply.structured) + text(&reply.meta) + reply.content.iter().map(content).sum::<usize>()
}

/// Arguments in one form, whatever the order of their keys and the space between them. Fractions and huge numbers are not looked into:
/// who writes them otherwise asks something else.
fn canonical(text: &str) -> String {
    let Ok(value) = strict::parse(text) else { return text.to_owned() };
    let mut out = String::with_capacity(text.len());
    if write_canonical(&value, &mut out).is_some() { out } else { text.to_owned() }
}

fn write_canonical(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in entries {
                write!(out, "{}:", Value::String(key.clone())).ok()?;
                write_canonical(value, out)?;
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out)?;
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) if !number.is_u64() && !number.is_i64() => return None,
        other => write!(out, "{other}").ok()?,
    }
    Some(())
}

/// What runs handlers, for answers that outlive who asked first.
#[derive(Clone)]
struct Runner {
    admission: Arc<Admission>,
    long_calls: tokio::runtime::Handle,
    binding: Arc<Binding>,
}

impl Runner {
    async fn run(&self, job: Job) -> Invoked {
        rounds::invoke(&self.admission, &self.long_calls, job, &self.binding).await
    }

    /// The same queries, each on its own.
    async fn run_each(&self, name: &Arc<str>, caller: &Arc<Principal>, parameters: &[String]) -> Vec<Invoked> {
        let runs = parameters.iter().map(|arguments| {
            let ask = Ask::Operation { handler: Handler::Query, name: Arc::clone(name), arguments: arguments.clone() };
            self.run(job(&self.binding, Arc::new(ask), Arc::clone(caller), self.binding.limits.wall_time_max))
        });
        let runs: Vec<_> = runs.collect();
        futures_util::stream::iter(runs).buffered(ONE_BY_ONE_MAX).collect().await
    }

    /// Several queries of one name and one caller.
    async fn run_together(self, name: Arc<str>, caller: Arc<Principal>, mut parameters: Vec<String>) -> Vec<Invoked> {
        let count = parameters.len();
        let alone = if count == 1 { parameters.pop() } else { None };
        let ask = match alone {
            Some(arguments) => Ask::Operation { handler: Handler::Query, name, arguments },
            None => Ask::Batch { name, parameters },
        };
        let limits = self.binding.limits.clone();
        let ask = Arc::new(ask);
        let (done, reference) = match self.run(job(&self.binding, Arc::clone(&ask), Arc::clone(&caller), limits.wall_time_max)).await {
            Ok(invoked) => invoked,
            // One of them may be to blame, or all of them together were too much for one call: each gets its own.
            Err(CallError::Deadline { .. } | CallError::PluginFailed { .. }) if let Ask::Batch { name, parameters } = &*ask => {
                return self.run_each(name, &caller, parameters).await;
            }
            Err(error) => return vec![Err(error); count],
        };
        match done {
            Ok(Done::Batch(answers)) if answers.len() == count => {
                answers.into_iter().map(|answer| Ok((answer.map(Done::Reply), reference))).collect()
            }
            Ok(Done::Batch(answers)) => {
                let wrong = format!("{} answers to {count} queries", answers.len());
                vec![Err(failed(&self.binding, &GuestError::BadReply(wrong), reference)); count]
            }
            other => vec![Ok((other, reference)); count],
        }
    }
}

/// Queries that run one by one after they failed together: so many at a time.
const ONE_BY_ONE_MAX: usize = 8;

fn job(binding: &Binding, ask: Arc<Ask>, caller: Arc<Principal>, wall_time_max: Duration) -> Job {
    Job {
        ask,
        round: None,
        tag: CallTag { reference: CallRef::next(), tenant: caller.tenant.clone(), plugin: binding.plugin.clone() },
        caller,
        abilities: Abilities::default(),
        client: None,
        meta: None,
        limits: binding.limits.clone(),
        deadline: Instant::now() + wall_time_max,
    }
}

impl Dispatch {
    /// Whether the answer can be somebody else's as well, and then under what.
    fn question(&self, handling: &Handling<'_>, operation: &Operation, job: &Job) -> Option<Question> {
        let Ask::Operation { handler: Handler::Query, arguments, .. } = &*handling.ask else { return None };
        if job.round.is_some() || job.meta.is_some() || job.client.is_some() {
            return None;
        }
        let shared = operation.cache.as_ref().is_some_and(|cache| cache.shared);
        let Abilities { elicitation_form, elicitation_url, sampling, roots, tasks: _ } = job.abilities;
        Some(Question {
            binding: handling.binding.number,
            operation: Arc::clone(&operation.name),
            arguments: canonical(arguments),
            caller: (!shared).then(|| caller(handling.principal)),
            abilities: [elicitation_form, elicitation_url, sampling, roots],
        })
    }

    /// Answers a query from what is kept, with what somebody else is waiting for, or by its handler. Anything else is run by its handler.
    pub(super) async fn answered(&self, handling: &Handling<'_>, tool: &Tool, operation: &Operation) -> Result<Performed, CallError> {
        let round = self.first_round(handling)?;
        let (job, binding) = (self.job(handling, round.clone()), handling.binding);
        let Some(question) = self.question(handling, operation, &job) else {
            let invoked = self.invoke(job, binding).await?;
            return self.run_on(handling, round, invoked).await.map(Performed::Ended);
        };
        // Before anything is looked at: what is changed from here on may or may not be in the answer.
        let writes = self.answers.writes.now(binding);
        let cache = operation.cache.as_ref().map(|_| self.answers.of(&binding.tenant));
        let kept = cache.as_ref().and_then(|cache| cache.get(&question));
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh(writes)) {
            return Ok(Performed::Kept(Arc::clone(kept)));
        }
        let run = || self.run_shared(job, tool, operation, &question, writes, cache.clone());
        let invoked = self.answers.joins.join(&question, writes.all, run).await;
        let failed = match &invoked {
            Ok((done, _)) => matches!(done, Err(Failure::Unavailable(_))),
            Err(error) => matches!(error, CallError::PluginFailed { .. } | CallError::Deadline { .. } | CallError::Internal { .. }),
        };
        let stale_max = binding.stale_if_error.filter(|_| failed);
        if let Some(stale) = kept.filter(|kept| stale_max.is_some_and(|most| kept.age() < most)) {
            let (plugin, tenant, age_s) = (&binding.plugin, &binding.tenant, stale.age().as_secs());
            tracing::warn!(%plugin, %tenant, operation = &*operation.name, age_s, "a handler failed, and an old answer was given");
            return Ok(Performed::Ended(Ended::Done(Done::Reply(marked_stale(&stale.reply)), stale.reference)));
        }
        self.run_on(handling, round, invoked?).await.map(Performed::Ended)
    }

    /// One run for all who wait for it. It keeps what may be kept, whoever is still there.
    fn run_shared(
        &self,
        job: Job,
        tool: &Tool,
        operation: &Operation,
        question: &Question,
        writes: Count,
        cache: Option<Cache<Question, Arc<Kept>>>,
    ) -> impl Future<Output = Invoked> + Send + use<> {
        let binding = Arc::clone(&tool.binding);
        let runner = Runner { admission: Arc::clone(&self.admission), long_calls: self.long_calls.clone(), binding: Arc::clone(&binding) };
        let ttl = operation.cache.as_ref().map(|cache| Duration::from_millis(cache.ttl_ms.into()).min(self.limits.cache_ttl_max));
        let gatherings = Arc::clone(&self.answers.gatherings);
        let gathers = binding.guest.has(Export::QueryBatch) && question.abilities == [false; 4];
        let (question, tool) = (question.clone(), tool.clone());
        async move {
            let invoked = if gathers { gathered(&gatherings, &runner, job).await } else { runner.run(job).await };
            if let (Some(cache), Some(fresh_for), Ok((Ok(Done::Reply(reply)), reference))) = (cache, ttl, &invoked)
                && let Some(kept) = keep(&tool, reply, *reference, fresh_for, writes)
                // Whoever began later knows better.
                && cache.get(&question).is_none_or(|known| known.writes <= writes.plugin)
            {
                cache.insert(question, Arc::new(kept));
            }
            invoked
        }
    }

    /// How long an answer of an operation may be used again; none when it may not.
    #[must_use]
    pub fn freshness(&self, operation: &Operation) -> Option<Freshness> {
        let hint = operation.cache.as_ref()?;
        let lasts = Duration::from_millis(hint.ttl_ms.into()).min(self.limits.cache_ttl_max);
        Some(Freshness { lasts, shared: hint.shared })
    }
}

fn caller(principal: &Principal) -> (String, Vec<String>) {
    (principal.subject.clone(), principal.scopes.clone())
}

/// Runs a query alone or with others, as there are.
async fn gathered(gatherings: &Arc<Gatherings<Common, Invoked>>, runner: &Runner, job: Job) -> Invoked {
    let Ask::Operation { name, arguments, .. } = &*job.ask else { return runner.run(job).await };
    let common = Common { binding: runner.binding.number, operation: Arc::clone(name), caller: caller(&job.caller) };
    let (name, principal, batch) = (Arc::clone(name), Arc::clone(&job.caller), runner.clone());
    let run = move |parameters: Vec<String>| batch.run_together(name, principal, parameters);
    match gatherings.enter(&common, arguments.clone(), run) {
        Place::Alone(running) => {
            let invoked = runner.run(job).await;
            drop(running);
            invoked
        }
        Place::Together(together, index) => {
            let lost = || Err(CallError::Internal { reference: CallRef::next() });
            together.await.get(index).cloned().unwrap_or_else(lost)
        }
    }
}

/// What is kept of a reply: only one that is good, and can be given to clients as it is.
fn keep(tool: &Tool, reply: &Reply, reference: CallRef, fresh_for: Duration, writes: Count) -> Option<Kept> {
    if reply.is_error {
        return None;
    }
    let encoded: Bytes = encode::tool_rest(tool.operation()?, reply, tool.binding.limits.output_bytes_max).ok()?.into();
    let size_bytes = size_bytes(reply) + encoded.len();
    let shared = tool.operation()?.cache.as_ref().is_some_and(|cache| cache.shared);
    Some(Kept { reply: reply.clone(), encoded, reference, made: Instant::now(), fresh_for, shared, writes: writes.plugin, size_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_question_and_what_is_not() {
        for (one, other, same) in [
            (r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true , null ] ,\n\"a\":1}", true),
            (r#"{"a":{"x":1,"y":2}}"#, r#"{"a":{"y":2,"x":1}}"#, true),
            (r#"{"a":"A"}"#, r#"{"a":"\u0041"}"#, true),
            (r#"{"a":1.5}"#, r#"{"a":1.5}"#, true),
            (r#"{"a":1}"#, r#"{"a":1.0}"#, false),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, false),
            (r#"{"a":0}"#, r#"{"a":-0}"#, false),
            (r#"{"a":100}"#, r#"{"a":1e2}"#, false),
            (r#"{"a":12345678901234567890123}"#, r#"{"a":12345678901234567890124}"#, false),
            (r#"{"a":0.1}"#, r#"{"a":0.10000000000000000001}"#, false),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, false),
            (r#"{"a":[[1],2]}"#, r#"{"a":[[1,2]]}"#, false),
            (r#"{"a":"b,c"}"#, r#"{"a":"b","c":""}"#, false),
            (r#"{"a":null}"#, "{}", false),
        ] {
            assert_eq!(canonical(one) == canonical(other), same, "{one} {other}");
        }
    }

    #[test]
    fn a_stale_reply_says_so_and_keeps_what_it_had() {
        let reply = |meta: Option<&str>| Reply { content: Vec::new(), structured: None, is_error: false, meta: meta.map(str::to_owned) };
        assert_eq!(marked_stale(&reply(None)).meta.as_deref(), Some(r#"{"io.cofferdam/stale":true}"#));
        let marked = marked_stale(&reply(Some(r#"{"a":1}"#))).meta.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&marked).unwrap(), json!({"a": 1, "io.cofferdam/stale": true}));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_fresh_for_its_time_and_until_something_is_changed() {
        let reply = Reply { content: Vec::new(), structured: None, is_error: false, meta: None };
        let kept = Kept {
            reply,
            encoded: Bytes::new(),
            reference: CallRef::next(),
            made: Instant::now(),
            fresh_for: Duration::from_secs(1),
            shared: true,
            writes: 2,
            size_bytes: 0,
        };
        let at = |plugin| Count { all: 9, plugin };
        assert!(kept.is_fresh(at(2)) && !kept.is_fresh(at(3)));
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(kept.is_fresh(at(2)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!kept.is_fresh(at(2)));
    }

    #[test]
    fn a_tenant_keeps_only_so_much() {
        let limits = Arc::new(Limits { cache_bytes_max: 100_000, ..Limits::default() });
        let answers = Answers::new(&limits, &Arc::default());
        let (one, other) = (answers.of(&TenantId::named("one")), answers.of(&TenantId::named("other")));
        let question =
            |n: usize| Question { binding: 1, operation: "o".into(), arguments: n.to_string(), caller: None, abilities: [false; 4] };
        let kept = |size_bytes| {
            let reply = Reply { content: Vec::new(), structured: None, is_error: false, meta: None };
            let (reference, made) = (CallRef::next(), Instant::now());
            Arc::new(Kept { reply, encoded: Bytes::new(), reference, made, fresh_for: Duration::MAX, shared: true, writes: 0, size_bytes })
        };
        other.insert(question(0), kept(10_000));
        for n in 0..1_000 {
            one.insert(question(n), kept(10_000));
        }
        one.insert(question(1_000), kept(200_000));
        one.run_pending_tasks();
        assert!(one.weighted_size() <= 100_000 && one.entry_count() > 0, "{}", one.weighted_size());
        assert!(one.get(&question(1_000)).is_none() && other.get(&question(0)).is_some());
    }
}
