//! Calls that go on as tasks (SEP-2663): the client has its answer later, and may leave meanwhile.
//!
//! A call begins in place. When it ends within a moment, or asks for input, it is answered like any other; when it goes on, it becomes a
//! task, and its client gets a handle. So quick calls never cost a second request, and slow ones never hold one.

use super::admit::Admission;
use super::encode;
use super::exchange::Exchange;
use super::rounds::{Ended, Handling, Question, answers, check_abilities, questions, requests_json};
use super::{CallError, Dispatch, Tool, tied};
use crate::auth::Principal;
use crate::clock::Clock;
use crate::ids::CallRef;
use crate::limits::{CallLimits, Limits};
use crate::mcp::{Abilities, Request};
use crate::runtime::{Ask, Call, Done, GuestError, Job, Round};
use crate::tasks::{self, Owner, Status, Store, StoreError, Task, TaskId};
use crate::topics::{Change, Changes, Topics};
use crate::wit::cofferdam::mcp::types::{Failure, InputRequired};
use crate::wit::exports::cofferdam::mcp::catalog::TaskSupport;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What a client without the extension lacks.
const TASKS_MISSING: CallError = CallError::MissingCapability(Cow::Borrowed(r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#));
/// How often expired records are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How an operation is carried out for a client.
pub(super) enum Mode {
    /// The client waits for it.
    InPlace,
    /// The client can be told to come back.
    MayBecomeTask,
}

impl Mode {
    /// Refused are operations that have to be tasks, to clients that know none.
    pub(super) fn of(support: TaskSupport, exchange: &Exchange<'_>) -> Result<Self, CallError> {
        let knows_tasks = !exchange.version.is_legacy() && exchange.abilities.tasks;
        match support {
            TaskSupport::Never => Ok(Self::InPlace),
            TaskSupport::Optional | TaskSupport::Required if knows_tasks => Ok(Self::MayBecomeTask),
            TaskSupport::Optional => Ok(Self::InPlace),
            TaskSupport::Required => Err(TASKS_MISSING),
        }
    }
}

/// What became of a call after a moment.
pub(super) enum Began {
    /// It has ended.
    Ended(Ended),
    /// It goes on: the members of the task's handle.
    Task(String),
}

type Outcome = Result<Result<Done, Failure>, GuestError>;

/// A run of a handler; it ends when this is dropped.
struct Leg(JoinHandle<Outcome>);

impl Leg {
    async fn outcome(&mut self) -> Outcome {
        (&mut self.0).await.unwrap_or_else(|error| Err(GuestError::HostPanic(error.to_string())))
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The tasks of this process.
pub(super) struct Tasks {
    store: Arc<dyn Store>,
    running: Mutex<HashMap<TaskId, Arc<Running>>>,
    changes: Arc<Changes>,
    limits: Arc<Limits>,
    clock: Clock,
}

/// A task that has not ended.
struct Running {
    owner: Owner,
    abort: Mutex<Option<tokio::task::AbortHandle>>,
    // Held while what is open changes together with the record in the store.
    open: tokio::sync::Mutex<Open>,
    answered: Notify,
}

/// What a task waits for.
#[derive(Default)]
struct Open {
    questions: Vec<Question>,
    answers: Vec<(String, String)>,
}

/// Everything that a task needs to run its handler again.
struct Work {
    admission: Arc<Admission>,
    topics: Arc<Topics>,
    tool: Tool,
    ask: Arc<Ask>,
    principal: Arc<Principal>,
    abilities: Abilities,
    meta: Option<String>,
    limits: CallLimits,
    over: Instant,
    /// Of the run that is in progress.
    reference: CallRef,
}

/// The keys that a task has asked under. Clients tell questions apart by them, so a handler that asks again under one gets another one
/// for it (SEP-2663: a key is used once in a task's life).
#[derive(Default)]
struct Keys {
    /// What clients saw, and the handler's own.
    shown: HashMap<String, String>,
}

impl Keys {
    fn shown(&mut self, mut questions: Vec<Question>) -> Vec<Question> {
        for question in &mut questions {
            let own = question.key.clone();
            let mut times = 1;
            while self.shown.contains_key(&question.key) {
                times += 1;
                question.key = format!("{own}#{times}");
            }
            self.shown.insert(question.key.clone(), own);
        }
        questions
    }

    fn own(&self, shown: String) -> String {
        self.shown.get(&shown).cloned().unwrap_or(shown)
    }
}

impl Tasks {
    pub(super) fn new(store: Arc<dyn Store>, changes: Arc<Changes>, limits: Arc<Limits>, clock: Clock) -> Arc<Self> {
        Arc::new(Self { store, running: Mutex::default(), changes, limits, clock })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<TaskId, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a record that is not final, and tells who listens. None when there is nothing to change any more.
    async fn change(&self, owner: &Owner, id: &TaskId, change: tasks::Change) -> Option<Task> {
        let open = &[Status::Working, Status::InputRequired];
        let now_ms = self.clock.since_epoch_ms();
        let changed = match self.store.update(owner, id, open, change, now_ms).await {
            Err(error @ (StoreError::TooLarge(_) | StoreError::NoRoom(_))) => {
                let failed = tasks::Change::failed(error_json(&CallError::Handler(error.to_string())));
                self.store.update(owner, id, open, failed, now_ms).await
            }
            changed => changed,
        };
        let task = changed.inspect_err(|error| tracing::error!(%error, "a task's record could not be changed")).ok().flatten()?;
        let mut members = Vec::new();
        task.write_members(&mut members);
        let members: Arc<str> = String::from_utf8_lossy(&members).into();
        self.changes.publish(&owner.tenant, &Change::Task { id: id.as_str().into(), members });
        Some(task)
    }

    /// Follows a call to its end, through every question that it asks.
    async fn follow(self: Arc<Self>, running: Arc<Running>, id: TaskId, mut work: Work, mut leg: Leg, mut round: Round) {
        let (mut rounds, mut keys) = (0, Keys::default());
        let change = loop {
            let wanted = match leg.outcome().await {
                Ok(Ok(Done::InputRequired(wanted))) => wanted,
                outcome => break work.end(outcome),
            };
            round.state.clone_from(&wanted.state);
            let questions = match work.questions(wanted, rounds, self.limits.rounds_max) {
                Ok(questions) => keys.shown(questions),
                Err(error) => break tasks::Change::failed(error_json(&error)),
            };
            rounds += 1;
            match tokio::time::timeout_at(work.over, self.ask(&running, &id, questions)).await {
                Ok(answers) => answers.into_iter().for_each(|(shown, value)| {
                    let key = keys.own(shown);
                    round.responses.retain(|(known, _)| *known != key);
                    round.responses.push((key, value));
                }),
                Err(_) => {
                    let late = CallError::Handler("the client did not answer in time".to_owned());
                    break tasks::Change::failed(error_json(&late));
                }
            }
            leg = match work.admission.admit(&work.tool.binding, &work.ask).await {
                Ok(slots) => {
                    let job = work.job(&round);
                    start(&tokio::runtime::Handle::current(), slots, work.tool.binding.guest.call(job).1)
                }
                Err(error) => break tasks::Change::failed(error_json(&error)),
            };
        };
        self.change(&running.owner, &id, change).await;
        self.running().remove(&id);
    }

    /// Puts questions to the client, and waits until all of them are answered.
    async fn ask(&self, running: &Running, id: &TaskId, questions: Vec<Question>) -> Vec<(String, String)> {
        // A handler that only wants another round has it at once.
        if questions.is_empty() {
            return Vec::new();
        }
        {
            let mut open = running.open.lock().await;
            self.change(&running.owner, id, tasks::Change::input_required(requests_json(&questions))).await;
            *open = Open { questions, answers: Vec::new() };
        }
        running.answered.notified().await;
        std::mem::take(&mut running.open.lock().await.answers)
    }

    /// Takes answers; those that nobody asked for are ignored.
    async fn take_answers(&self, running: &Running, id: &TaskId, given: Vec<(String, String)>) {
        let mut open = running.open.lock().await;
        let before = open.questions.len();
        for (key, value) in given {
            let known = open.questions.iter().position(|question| question.key == key);
            if let Some(at) = known {
                open.questions.remove(at);
                open.answers.push((key, value));
            }
        }
        if open.questions.len() == before {
            return;
        }
        if open.questions.is_empty() {
            self.change(&running.owner, id, tasks::Change::working()).await;
            running.answered.notify_one();
        } else {
            self.change(&running.owner, id, tasks::Change::input_required(requests_json(&open.questions))).await;
        }
    }
}

impl Work {
    /// The next run of the handler.
    fn job(&mut self, round: &Round) -> Job {
        self.reference = CallRef::next();
        Job {
            ask: Arc::clone(&self.ask),
            round: Some(round.clone()),
            caller: Arc::clone(&self.principal),
            abilities: self.abilities,
            client: None,
            meta: self.meta.clone(),
            tag: crate::caps::budget::CallTag {
                reference: self.reference,
                tenant: self.principal.tenant.clone(),
                plugin: self.tool.binding.plugin.clone(),
            },
            limits: self.limits.clone(),
            deadline: self.over,
        }
    }

    /// What the client is to be asked, if it can be asked that, and once more.
    fn questions(&self, wanted: InputRequired, rounds: u32, rounds_max: u32) -> Result<Vec<Question>, CallError> {
        let questions = questions(wanted).map_err(|error| self.failed(&error))?;
        check_abilities(&questions, self.abilities)?;
        if rounds < rounds_max { Ok(questions) } else { Err(CallError::Rounds(rounds_max)) }
    }

    fn failed(&self, error: &GuestError) -> CallError {
        super::failed_within(&self.tool.binding, &self.limits, error, self.reference)
    }

    /// What a task becomes at the end of its call: what a tool says of its own failure is a result, like any other.
    fn end(&self, outcome: Outcome) -> tasks::Change {
        if let Ok(Ok(done)) = &outcome {
            work_is_done(&self.topics, &self.tool, &self.ask, done, self.reference);
        }
        let reply = match outcome {
            Ok(Ok(Done::Reply(reply))) => reply,
            Ok(Err(failure)) => return tasks::Change::completed(encode::task_failure(&encode::failure_text(failure))),
            Ok(Ok(_)) => return tasks::Change::failed(error_json(&self.failed(&super::wrong_kind()))),
            Err(error) => return tasks::Change::failed(error_json(&self.failed(&error))),
        };
        let missing = || GuestError::BadReply("the operation is gone".to_owned());
        let operation = self.tool.operation().ok_or_else(missing);
        let result = operation.and_then(|operation| encode::task_result(operation, &reply, self.tool.binding.limits.output_bytes_max));
        result.map_or_else(|error| tasks::Change::failed(error_json(&self.failed(&error))), tasks::Change::completed)
    }
}

/// What the end of a run is tied to is published before anybody has the answer.
fn work_is_done(topics: &Topics, tool: &Tool, ask: &Ask, done: &Done, reference: CallRef) {
    if let Some(operation) = tool.operation() {
        tied::publish(topics, &tool.binding, operation, (ask, done), reference);
    }
}

/// Runs a handler apart from whoever asked for it.
fn start(on: &tokio::runtime::Handle, slots: super::admit::Slots, call: Call) -> Leg {
    Leg(on.spawn(async move {
        let outcome = call.await;
        drop(slots);
        outcome
    }))
}

/// A JSON-RPC error object.
fn error_json(error: &CallError) -> String {
    let mut object = serde_json::json!({ "code": error.code(), "message": error.to_string() });
    let data = error.data().and_then(|data| serde_json::from_str::<serde_json::Value>(&data).ok());
    if let (Some(object), Some(data)) = (object.as_object_mut(), data) {
        object.insert("data".to_owned(), data);
    }
    object.to_string()
}

fn owner(principal: &Principal) -> Owner {
    Owner { tenant: principal.tenant.clone(), subject: principal.subject.clone() }
}

impl Dispatch {
    /// Removes records that have expired, for as long as it is polled.
    pub async fn sweep_tasks(&self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            let _ = self.tasks.store.remove_expired(self.clock.since_epoch_ms()).await;
        }
    }

    /// Begins a call; when it goes on for longer than a moment, it becomes a task.
    pub(super) async fn run_or_become_task(&self, handling: &Handling<'_>, tool: &Tool) -> Result<Began, CallError> {
        let round = self.first_round(handling)?;
        let slots = self.admission.admit(&tool.binding, &handling.ask).await?;
        let mut job = self.job(handling, round.clone());
        // Who would hear of progress may be gone by then.
        job.client = None;
        job.limits.wall_time_max = self.limits.task_wall_time_max;
        job.deadline = Instant::now() + self.limits.task_wall_time_max;
        let (reference, over, meta, limits) = (job.tag.reference, job.deadline, job.meta.clone(), job.limits.clone());
        let mut leg = start(&self.long_calls, slots, tool.binding.guest.call(job).1);
        if let Ok(outcome) = tokio::time::timeout(self.limits.task_grace, leg.outcome()).await {
            let outcome = outcome.map_err(|error| super::failed_within(&tool.binding, &limits, &error, reference))?;
            return match outcome {
                Ok(Done::InputRequired(wanted)) => self.ask_client(handling, wanted, round, reference).map(Began::Ended),
                Ok(done) => {
                    work_is_done(self.registry.topics(), tool, &handling.ask, &done, reference);
                    Ok(Began::Ended(Ended::Done(done, reference)))
                }
                Err(failure) => Ok(Began::Ended(Ended::Failed(failure))),
            };
        }
        let work = Work {
            admission: Arc::clone(&self.admission),
            topics: Arc::clone(self.registry.topics()),
            tool: tool.clone(),
            ask: Arc::clone(&handling.ask),
            principal: Arc::clone(handling.principal),
            abilities: handling.exchange.abilities,
            meta,
            limits,
            over,
            reference,
        };
        self.become_task(handling, work, leg, round.unwrap_or_default()).await.map(Began::Task)
    }

    /// The record is kept before its client hears of it.
    async fn become_task(&self, handling: &Handling<'_>, work: Work, leg: Leg, round: Round) -> Result<String, CallError> {
        let internal = || CallError::Internal { reference: CallRef::next() };
        let owner = owner(handling.principal);
        let (now_ms, lasts) = (self.clock.since_epoch_ms(), self.limits.task_wall_time_max);
        let (plugin, name) = (work.tool.binding.plugin.clone(), handling.name.to_owned());
        let task = Task::new(owner.clone(), plugin, name, now_ms, lasts, &self.limits).map_err(|_| internal())?;
        let (id, mut handle) = (task.id.clone(), Vec::new());
        task.write_handle(&mut handle);
        // One step, which a client that leaves now does not cut in two.
        let tasks = Arc::clone(&self.tasks);
        let begun = self.long_calls.spawn(async move {
            tasks.store.create(task).await?;
            let running =
                Arc::new(Running { owner, abort: Mutex::default(), open: tokio::sync::Mutex::default(), answered: Notify::new() });
            tasks.running().insert(id.clone(), Arc::clone(&running));
            let followed = tokio::spawn(Arc::clone(&tasks).follow(Arc::clone(&running), id, work, leg, round));
            *running.abort.lock().unwrap_or_else(PoisonError::into_inner) = Some(followed.abort_handle());
            Ok(())
        });
        match begun.await {
            Ok(Ok(())) => {}
            Ok(Err(StoreError::Unavailable)) | Err(_) => return Err(internal()),
            Ok(Err(_)) => return Err(CallError::TenantBusy),
        }
        Ok(String::from_utf8_lossy(&handle).into_owned())
    }

    /// `tasks/get`, `tasks/update`, `tasks/cancel`.
    pub(super) async fn about_task(
        &self,
        principal: &Principal,
        request: &Request<'_>,
        exchange: &Exchange<'_>,
    ) -> Result<Vec<u8>, CallError> {
        if !exchange.abilities.tasks {
            return Err(TASKS_MISSING);
        }
        let name = request.params.task_id.as_deref().ok_or_else(|| CallError::Params("`taskId` is missing".to_owned()))?;
        let unknown = || CallError::unknown("task", name);
        let (owner, id) = (owner(principal), TaskId::parse(name).ok_or_else(unknown)?);
        let task = self.task(&owner, &id).await?.ok_or_else(unknown)?;
        match request.method.as_ref() {
            "tasks/get" => {
                let mut members = Vec::new();
                task.write_members(&mut members);
                return Ok(encode::with_members(request.id, "complete", &String::from_utf8_lossy(&members)));
            }
            "tasks/cancel" => {
                let running = self.tasks.running().remove(&id);
                if let Some(abort) = running.and_then(|running| running.abort.lock().unwrap_or_else(PoisonError::into_inner).take()) {
                    abort.abort();
                }
                self.tasks.change(&owner, &id, tasks::Change::cancelled()).await;
            }
            _ => {
                let running = self.tasks.running().get(&id).cloned();
                let given = answers(&request.params)?;
                if let Some(running) = running {
                    self.tasks.take_answers(&running, &id, given).await;
                }
            }
        }
        Ok(encode::empty(request.id, exchange.version))
    }

    async fn task(&self, owner: &Owner, id: &TaskId) -> Result<Option<Task>, CallError> {
        let now_ms = self.clock.since_epoch_ms();
        self.tasks.store.get(owner, id, now_ms).await.map_err(|_| CallError::Internal { reference: CallRef::next() })
    }

    /// Those of the tasks that a principal has.
    pub(super) async fn known_tasks(
        &self,
        principal: &Principal,
        request: &Request<'_>,
        ids: Vec<String>,
    ) -> Result<HashSet<String>, CallError> {
        if !ids.is_empty() && !super::abilities(request).tasks {
            return Err(TASKS_MISSING);
        }
        let (owner, mut known) = (owner(principal), HashSet::new());
        for id in ids.iter().filter_map(|id| TaskId::parse(id)) {
            if self.task(&owner, &id).await?.is_some() {
                known.insert(id.as_str().to_owned());
            }
        }
        Ok(known)
    }
}
