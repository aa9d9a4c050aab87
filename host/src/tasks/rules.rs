//! What every store holds to.

use super::{Change, Outcome, Status, StoreError, Task};
use crate::limits::Limits;

/// How much there may be, and what may become of a task.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Tasks of one tenant.
    tasks_max: usize,
    /// One outcome.
    outcome_bytes_max: usize,
    /// All outcomes of one tenant.
    outcomes_bytes_max: usize,
    /// A message for people.
    message_bytes_max: usize,
}

impl Rules {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            tasks_max: limits.tasks_max,
            outcome_bytes_max: limits.output_bytes_max,
            outcomes_bytes_max: limits.task_outcomes_bytes_max,
            message_bytes_max: limits.task_message_bytes_max,
        }
    }

    /// Whether a tenant that has this many tasks may have one more.
    pub(super) fn one_more(&self, present: usize) -> Result<(), StoreError> {
        if present < self.tasks_max { Ok(()) } else { Err(StoreError::TooMany(self.tasks_max)) }
    }

    /// What the task becomes; none when it must not.
    pub(super) fn next(&self, task: &Task, expected: &[Status], change: Change, now_ms: u64) -> Option<Task> {
        if task.status.is_terminal() || !expected.contains(&task.status) || task.is_expired(now_ms) {
            return None;
        }
        Some(Task {
            id: task.id.clone(),
            owner: task.owner.clone(),
            plugin: task.plugin.clone(),
            tool: task.tool.clone(),
            status: change.status,
            status_message: change.status_message.map(|message| self.cut(message)),
            created_ms: task.created_ms,
            // A clock that is set back does not turn the order of changes around.
            updated_ms: now_ms.max(task.updated_ms),
            ttl_ms: task.ttl_ms,
            poll_interval_ms: task.poll_interval_ms,
            outcome: change.outcome,
        })
    }

    /// Whether there is room for what the task comes with. `others` is what the tenant's other tasks have.
    pub(super) fn room(&self, task: &Task, others: usize) -> Result<(), StoreError> {
        let bytes = counted_bytes(task);
        if bytes > self.outcome_bytes_max {
            return Err(StoreError::TooLarge(self.outcome_bytes_max));
        }
        if bytes > 0 && bytes.saturating_add(others) > self.outcomes_bytes_max {
            return Err(StoreError::NoRoom(self.outcomes_bytes_max));
        }
        Ok(())
    }

    fn cut(&self, mut message: String) -> String {
        message.truncate(message.floor_char_boundary(self.message_bytes_max));
        message
    }
}

/// What a task takes of its tenant's room. Errors are short and the host's own: a task can always be ended with one.
pub(super) fn counted_bytes(task: &Task) -> usize {
    match &task.outcome {
        Some(Outcome::Result(json) | Outcome::Input(json)) => json.len(),
        Some(Outcome::Error(_)) | None => 0,
    }
}
