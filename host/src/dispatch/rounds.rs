//! Handlers that ask their client (2026-07-28, multi-round-trip requests). A handler never waits: it ends with what it wants to know, and
//! runs again from the top with the answers. A stateless client brings them with its next request; a client of the `initialize` era is
//! asked while its request waits.

use super::admit::Admission;
use super::exchange::{AskError, Asking, Exchange};
use super::seal::{Bound, Sealed};
use super::{CallError, Dispatch};
use crate::auth::Principal;
use crate::caps::budget::CallTag;
use crate::caps::client::ClientChannel;
use crate::ids::CallRef;
use crate::mcp::{Abilities, Params, strict};
use crate::registry::Binding;
use crate::runtime::{self, Ask, Done, GuestError, Job, Round};
use crate::wit::cofferdam::mcp::types::{Failure, InputRequired, KeyedRequest, Request as Wanted};
use serde_json::Value;
use std::sync::Arc;
use tokio::time::Instant;

/// Questions of one round.
const QUESTIONS_MAX: usize = 16;
/// A question's key.
const KEY_BYTES_MAX: usize = 128;
/// The same as clients see it, which may have a number behind it.
const SHOWN_KEY_BYTES_MAX: usize = KEY_BYTES_MAX + 16;

/// One request on its way through a handler.
pub(super) struct Handling<'a> {
    pub(super) principal: &'a Arc<Principal>,
    pub(super) binding: &'a Arc<Binding>,
    /// The method that brought it, and its parameters.
    pub(super) method: &'a str,
    pub(super) params: &'a Params<'a>,
    pub(super) exchange: &'a Exchange<'a>,
    /// What it is called on: a tool, a prompt, a resource.
    pub(super) name: &'a str,
    pub(super) ask: Arc<Ask>,
}

/// How a handler ended, once its client has answered what could be asked at once.
pub(super) enum Ended {
    /// It is done; the reference finds the call in the log.
    Done(Done, CallRef),
    /// It says that it could not do it.
    Failed(Failure),
    /// The client has to send its request again: the members of the result that says so.
    Ask(String),
    /// The client was asked and did not answer.
    NoAnswer(AskError),
}

/// What came of one run of a handler; the reference finds it in the log.
pub(super) type Invoked = Result<(Result<Done, Failure>, CallRef), CallError>;

/// A question, checked.
pub(super) struct Question {
    pub(super) key: String,
    pub(super) asking: Asking,
}

impl Dispatch {
    /// Runs a handler until it is done, or until the client has to send another request.
    pub(super) async fn run(&self, handling: &Handling<'_>) -> Result<Ended, CallError> {
        let round = self.first_round(handling)?;
        let invoked = self.invoke(self.job(handling, round.clone()), handling.binding).await?;
        self.run_on(handling, round, invoked).await
    }

    /// The same, after the handler has run once.
    pub(super) async fn run_on(
        &self,
        handling: &Handling<'_>,
        mut round: Option<Round>,
        mut invoked: (Result<Done, Failure>, CallRef),
    ) -> Result<Ended, CallError> {
        for asked in 0..=self.limits.rounds_max {
            let (outcome, reference) = invoked;
            let wanted = match outcome {
                Err(failure) => return Ok(Ended::Failed(failure)),
                Ok(Done::InputRequired(wanted)) => wanted,
                Ok(done) => return Ok(Ended::Done(done, reference)),
            };
            let Some(live) = handling.exchange.live else { return self.ask_client(handling, wanted, round, reference) };
            if asked == self.limits.rounds_max {
                break;
            }
            let mut answered = round.unwrap_or_default();
            answered.state.clone_from(&wanted.state);
            let asked = self.questions(handling, wanted, reference)?;
            let asked = asked.into_iter().map(|question| async {
                let answer = live.ask(question.asking).await;
                answer.map(|answer| (question.key, answer))
            });
            match futures_util::future::try_join_all(asked).await {
                Ok(answers) => answers.into_iter().for_each(|(key, value)| put(&mut answered.responses, key, value)),
                Err(error) => return Ok(Ended::NoAnswer(error)),
            }
            round = Some(answered);
            invoked = self.invoke(self.job(handling, round.clone()), handling.binding).await?;
        }
        Err(CallError::Rounds(self.limits.rounds_max))
    }

    /// What a handler wants to know, if the client can be asked it.
    fn questions(&self, handling: &Handling<'_>, wanted: InputRequired, reference: CallRef) -> Result<Vec<Question>, CallError> {
        let questions = questions(wanted).map_err(|error| super::failed(handling.binding, &error, reference))?;
        check_abilities(&questions, handling.exchange.abilities)?;
        Ok(questions)
    }

    /// What the client brought with its request.
    pub(super) fn first_round(&self, handling: &Handling<'_>) -> Result<Option<Round>, CallError> {
        let params = handling.params;
        if params.input_responses.is_none() && params.request_state.is_none() {
            return Ok(None);
        }
        let mut round = Round::default();
        if let Some(text) = &params.request_state {
            let unusable = || CallError::Params("`requestState` is not one of this call, or is too old: begin again".to_owned());
            let fits = text.len() <= self.limits.request_state_bytes_max;
            let now_ms = self.clock.since_epoch_ms();
            let sealed = fits.then(|| self.sealer.open(&bound(handling), text, now_ms)).flatten();
            let sealed = sealed.ok_or_else(|| {
                let Principal { tenant, subject, .. } = &**handling.principal;
                let (plugin, method) = (&handling.binding.plugin, handling.method);
                tracing::warn!(%tenant, subject, %plugin, %method, "a client brought a state that is not one of its call: refused");
                unusable()
            })?;
            round = Round { responses: sealed.answers, state: sealed.state };
        }
        for (key, value) in answers(params)? {
            put(&mut round.responses, key, value);
        }
        Ok(Some(round))
    }

    /// The members of an `input_required` result. There is a state only when there is something to bring back.
    pub(super) fn ask_client(
        &self,
        handling: &Handling<'_>,
        wanted: InputRequired,
        round: Option<Round>,
        reference: CallRef,
    ) -> Result<Ended, CallError> {
        let mut answered = round.unwrap_or_default();
        answered.state.clone_from(&wanted.state);
        let questions = self.questions(handling, wanted, reference)?;
        let mut members = Vec::with_capacity(256);
        if !questions.is_empty() {
            members.push(format!("\"inputRequests\":{}", requests_json(&questions)));
        }
        if !answered.responses.is_empty() || answered.state.is_some() || questions.is_empty() {
            let lasts_ms = u64::try_from(self.limits.request_state_time_max.as_millis()).unwrap_or(u64::MAX);
            let expires_ms = self.clock.since_epoch_ms().saturating_add(lasts_ms);
            let sealed = Sealed { expires_ms, answers: answered.responses, state: answered.state };
            let internal = || CallError::Internal { reference: CallRef::next() };
            let text = self.sealer.seal(&bound(handling), &sealed).ok_or_else(internal)?;
            if text.len() > self.limits.request_state_bytes_max {
                let error = GuestError::BadReply("the answers and the state of a call are larger than request_state_bytes_max".to_owned());
                return Err(super::failed(handling.binding, &error, reference));
            }
            members.push(format!("\"requestState\":\"{text}\""));
        }
        Ok(Ended::Ask(members.join(",")))
    }

    /// A call of the handler. Its messages go to the client only if something of it could be wanted.
    pub(super) fn job(&self, handling: &Handling<'_>, round: Option<Round>) -> Job {
        let (binding, exchange, meta) = (handling.binding, handling.exchange, handling.params.meta.as_ref());
        let token = meta.and_then(|meta| meta.progress_token).map(|token| token.get().into());
        let wanted = binding.guest.talks_to_client() && (token.is_some() || exchange.log_level.is_some());
        let client = wanted.then(|| ClientChannel {
            outlet: Arc::clone(&exchange.outlet),
            progress_token: token,
            log_level: exchange.log_level,
            reported: exchange.reported.share(),
        });
        let limits = binding.limits.clone();
        Job {
            ask: Arc::clone(&handling.ask),
            round,
            caller: Arc::clone(handling.principal),
            abilities: exchange.abilities,
            client,
            meta: meta.and_then(crate::mcp::Meta::rest_json),
            tag: CallTag { reference: CallRef::next(), tenant: handling.principal.tenant.clone(), plugin: binding.plugin.clone() },
            deadline: Instant::now() + limits.wall_time_max,
            limits,
        }
    }

    /// One run of a handler: it waits for its slots, and gives them back.
    pub(super) async fn invoke(&self, job: Job, binding: &Arc<Binding>) -> Invoked {
        invoke(&self.admission, &self.long_calls, job, binding).await
    }
}

/// The same for whoever has only a part of the dispatch.
pub(super) async fn invoke(admission: &Admission, long_calls: &tokio::runtime::Handle, mut job: Job, binding: &Arc<Binding>) -> Invoked {
    let slots = admission.admit(binding, &job.ask).await?;
    // Waiting for a slot is not the handler's time.
    job.deadline = Instant::now() + job.limits.wall_time_max;
    let reference = job.tag.reference;
    let (meter, call) = binding.guest.call(job);
    // A call that is given up may still be running elsewhere for a moment: until it is really gone, its slots are taken and what it
    // changes counts as being changed.
    let call = Box::pin(async move {
        let outcome = call.await;
        drop(slots);
        outcome
    });
    let outcome = runtime::run_fair(long_calls, meter, call).await;
    let outcome = outcome.unwrap_or_else(|| Err(GuestError::HostPanic("the task ended early".to_owned())));
    outcome.map(|outcome| (outcome, reference)).map_err(|error| super::failed(binding, &error, reference))
}

fn bound(handling: &Handling<'_>) -> Bound {
    let arguments = handling.params.arguments.map(|raw| raw.get());
    Bound::new(handling.principal, handling.method, handling.name, arguments)
}

fn put(answers: &mut Vec<(String, String)>, key: String, value: String) {
    match answers.iter_mut().find(|(known, _)| *known == key) {
        Some(answer) => answer.1 = value,
        None => answers.push((key, value)),
    }
}

/// The answers that a client sends: an object of objects. What is no object is as if it were not there, so that the handler asks again.
pub(super) fn answers(params: &Params<'_>) -> Result<Vec<(String, String)>, CallError> {
    let Some(raw) = params.input_responses else { return Ok(Vec::new()) };
    let wrong = |why: String| CallError::Params(format!("`inputResponses` {why}"));
    let value = strict::parse(raw.get()).map_err(|error| wrong(format!("are wrong: {error}")))?;
    let Value::Object(object) = value else { return Err(wrong("have to be an object".to_owned())) };
    if object.len() > QUESTIONS_MAX * 2 {
        return Err(wrong(format!("are more than {}", QUESTIONS_MAX * 2)));
    }
    let usable = object.into_iter().filter(|(key, value)| value.is_object() && key.len() <= SHOWN_KEY_BYTES_MAX);
    Ok(usable.map(|(key, value)| (key, value.to_string())).collect())
}

/// Checks what a handler wants to know.
pub(super) fn questions(wanted: InputRequired) -> Result<Vec<Question>, GuestError> {
    let bad = |why: String| GuestError::BadReply(format!("input-required: {why}"));
    if wanted.requests.len() > QUESTIONS_MAX {
        return Err(bad(format!("more than {QUESTIONS_MAX} requests")));
    }
    if wanted.requests.is_empty() && wanted.state.is_none() {
        return Err(bad("neither requests nor a state".to_owned()));
    }
    let mut questions: Vec<Question> = Vec::with_capacity(wanted.requests.len());
    for KeyedRequest { key, request } in wanted.requests {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || questions.iter().any(|other| other.key == key) {
            return Err(bad(format!("the key {key:?} occurs twice, or does not have 1 to {KEY_BYTES_MAX} bytes")));
        }
        let (method, params) = match request {
            Wanted::Elicitation(params) => ("elicitation/create", params),
            Wanted::Sampling(params) => ("sampling/createMessage", params),
            Wanted::Roots => ("roots/list", "{}".to_owned()),
        };
        // Printed again, so that it has no line breaks and no key twice.
        let params = strict::parse(&params).ok().filter(Value::is_object);
        let params = params.ok_or_else(|| bad(format!("the parameters under {key:?} are not a JSON object")))?.to_string();
        questions.push(Question { key, asking: Asking { method, params } });
    }
    Ok(questions)
}

/// A client is never asked what it did not say that it can answer: it is told everything that it would have to say.
pub(super) fn check_abilities(questions: &[Question], abilities: Abilities) -> Result<(), CallError> {
    let mut missing = Abilities::default();
    for Question { asking, .. } in questions {
        let by_url = || {
            let params = serde_json::from_str::<Value>(&asking.params);
            params.is_ok_and(|params| params.get("mode").is_some_and(|mode| mode == "url"))
        };
        match asking.method {
            "roots/list" => missing.roots |= !abilities.roots,
            "sampling/createMessage" => missing.sampling |= !abilities.sampling,
            _ if by_url() => missing.elicitation_url |= !abilities.elicitation_url,
            _ => missing.elicitation_form |= !abilities.elicitation_form,
        }
    }
    if missing == Abilities::default() {
        return Ok(());
    }
    // Without a mode, elicitation is by form.
    let elicitation = match (missing.elicitation_form, missing.elicitation_url) {
        (false, false) => None,
        (true, false) => Some(r#""elicitation":{}"#),
        (false, true) => Some(r#""elicitation":{"url":{}}"#),
        (true, true) => Some(r#""elicitation":{"form":{},"url":{}}"#),
    };
    let roots = missing.roots.then_some(r#""roots":{}"#);
    let sampling = missing.sampling.then_some(r#""sampling":{}"#);
    let members: Vec<_> = [elicitation, roots, sampling].into_iter().flatten().collect();
    Err(CallError::MissingCapability(format!("{{{}}}", members.join(",")).into()))
}

/// `inputRequests` as a JSON object.
pub(super) fn requests_json(questions: &[Question]) -> String {
    let one = |question: &Question| {
        let Asking { method, params } = &question.asking;
        format!(r#"{}:{{"method":"{method}","params":{params}}}"#, Value::String(question.key.clone()))
    };
    format!("{{{}}}", questions.iter().map(one).collect::<Vec<_>>().join(","))
}
