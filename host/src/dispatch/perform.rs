//! Carrying out an operation, whoever asks for it and whatever becomes of its answer: every caller comes through here.

use super::answers::Performed;
use super::rounds::{Ended, Handling};
use super::{CallError, Dispatch, tied};
use crate::registry::Tool;
use crate::registry::catalog::Operation;

impl Dispatch {
    /// Runs the handler of an operation until it is done, or until its client has to send another request. What its success is tied to
    /// is published before anybody has the answer.
    pub(super) async fn perform(&self, handling: &Handling<'_>, tool: &Tool, operation: &Operation) -> Result<Performed, CallError> {
        let performed = self.answered(handling, tool, operation).await?;
        if let Performed::Ended(Ended::Done(done, reference)) = &performed {
            tied::publish(self.registry.topics(), &tool.binding, operation, (&handling.ask, done), *reference);
        }
        Ok(performed)
    }
}
