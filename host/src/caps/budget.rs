//! What one call may still take from the host, all interfaces together.

use super::log::LogRate;
use crate::ids::{CallRef, PluginName, TenantId};
use crate::limits::Limits;
use crate::secret::Secret;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::time::Instant;

/// Whose call it is; stands in every log record.
#[derive(Debug, Clone)]
pub struct CallTag {
    /// The call's reference.
    pub reference: CallRef,
    /// Whose data it works on.
    pub tenant: TenantId,
    /// Whose code runs.
    pub plugin: PluginName,
}

/// Spent by host functions. Running out of host calls ends the call; running out of log only cuts the log.
#[derive(Debug)]
pub struct Budget {
    /// Whose call it is.
    pub tag: CallTag,
    /// When the call has to be over.
    pub deadline: Instant,
    host_calls: u32,
    random_bytes: u32,
    client_messages: u32,
    audit_records: u32,
    audit_cut: bool,
    log_rate: Option<Arc<LogRate>>,
    revealed: Vec<Secret>,
    log_bytes: usize,
    log_line_bytes_max: usize,
    log_cut: bool,
}

/// Shorter secrets are words that stand in texts anyway.
const REDACTED_BYTES_MIN: usize = 6;

/// A budget is spent: protocol abuse, so the guest traps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// Too many host calls.
    #[error("the call made more host calls than its limit allows (host_calls_max)")]
    HostCalls,
    /// Too many random bytes.
    #[error("the call drew more random bytes than its limit allows (random_bytes_max)")]
    RandomBytes,
}

impl Budget {
    /// A whole budget.
    #[must_use]
    pub fn new(tag: CallTag, deadline: Instant, limits: &Limits) -> Self {
        Self {
            tag,
            deadline,
            host_calls: limits.host_calls_max,
            random_bytes: limits.random_bytes_max,
            client_messages: limits.client_messages_max,
            audit_records: limits.audit_records_max,
            audit_cut: false,
            log_rate: None,
            revealed: Vec::new(),
            log_bytes: limits.log_bytes_max,
            log_line_bytes_max: limits.log_line_bytes_max,
            log_cut: false,
        }
    }

    /// Writes to the log at the rate of its tenant.
    #[must_use]
    pub fn with_log_rate(self, rate: Arc<LogRate>) -> Self {
        Self { log_rate: Some(rate), ..self }
    }

    /// A whole budget for another call into the same instance, which may still know the secrets that it has read.
    #[must_use]
    pub fn renewed(&self, deadline: Instant, limits: &Limits) -> Self {
        let (log_rate, revealed) = (self.log_rate.clone(), self.revealed.clone());
        Self { log_rate, revealed, ..Self::new(self.tag.clone(), deadline, limits) }
    }

    /// Every host function charges itself first.
    pub fn charge_host_call(&mut self) -> Result<(), BudgetError> {
        self.host_calls = self.host_calls.checked_sub(1).ok_or(BudgetError::HostCalls)?;
        Ok(())
    }

    /// Charges random bytes.
    pub fn charge_random(&mut self, count: u32) -> Result<(), BudgetError> {
        self.random_bytes = self.random_bytes.checked_sub(count).ok_or(BudgetError::RandomBytes)?;
        Ok(())
    }

    /// Whether one more message may go to clients; the rest is dropped, since nobody asked for a flood.
    pub fn charge_client_message(&mut self) -> bool {
        let left = self.client_messages.checked_sub(1);
        self.client_messages = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether a denial may still be written to the log.
    pub fn charge_audit(&mut self) -> AuditAllowance {
        match self.audit_records.checked_sub(1) {
            Some(left) => {
                self.audit_records = left;
                AuditAllowance::Write
            }
            None if std::mem::replace(&mut self.audit_cut, true) => AuditAllowance::Drop,
            None => AuditAllowance::SayCut,
        }
    }

    /// The guest has read a secret: whatever it writes to the log from now on goes there without it.
    pub fn note_revealed(&mut self, secret: &Secret) {
        if !self.revealed.iter().any(|known| known.expose() == secret.expose()) {
            self.revealed.push(secret.clone());
        }
    }

    /// Guest text without the secrets that the guest has read. It can write them in other ways, in base64 for instance: this is against
    /// slips, such as a panic's message.
    #[must_use]
    pub fn without_secrets<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut text = Cow::Borrowed(text);
        for secret in self.revealed.iter().map(Secret::expose).filter(|secret| secret.len() >= REDACTED_BYTES_MIN) {
            let readable = String::from_utf8_lossy(&text);
            if readable.contains(secret) {
                text = Cow::Owned(readable.replace(secret, "***").into_bytes());
            }
        }
        text
    }

    /// The rate of the call's tenant, if it has one.
    #[must_use]
    pub fn log_rate(&self) -> Option<&LogRate> {
        self.log_rate.as_deref()
    }

    /// One record in the log, escapes included.
    #[must_use]
    pub fn log_line_bytes_max(&self) -> usize {
        self.log_line_bytes_max
    }

    /// How much of a record may be written, and whether this is the record at which the log is cut off.
    pub fn charge_log(&mut self, bytes: usize) -> LogAllowance {
        let allowed = bytes.min(self.log_line_bytes_max).min(self.log_bytes);
        self.log_bytes -= allowed;
        if allowed > 0 {
            LogAllowance::Write(allowed)
        } else if bytes == 0 || std::mem::replace(&mut self.log_cut, true) {
            LogAllowance::Drop
        } else {
            LogAllowance::SayCut
        }
    }
}

/// What becomes of a denial's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAllowance {
    /// It is written.
    Write,
    /// It is not, and the log says so, once.
    SayCut,
    /// It is not written.
    Drop,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAllowance {
    /// So many bytes of it are written.
    Write(usize),
    /// It is dropped, and the log says so, once.
    SayCut,
    /// It is dropped.
    Drop,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        let plugin = PluginName::parse("tickets").unwrap();
        let tag = CallTag { reference: CallRef::next(), tenant: TenantId::local(), plugin };
        Budget::new(tag, Instant::now(), &Limits { audit_records_max: 2, ..Limits::default() })
    }

    #[test]
    fn denials_are_written_so_often_and_then_it_is_said_once() {
        let mut budget = budget();
        let allowed: Vec<_> = (0..5).map(|_| budget.charge_audit()).collect();
        let (write, drop) = (AuditAllowance::Write, AuditAllowance::Drop);
        assert_eq!(allowed, [write, write, AuditAllowance::SayCut, drop, drop]);
    }

    #[test]
    fn a_renewed_budget_is_whole_and_still_knows_what_the_guest_has_read() {
        let limits = Limits { host_calls_max: 1, log_bytes_max: 3, ..Limits::default() };
        let first = budget();
        let mut spent = Budget::new(first.tag.clone(), first.deadline, &limits);
        spent.note_revealed(&Secret::new("secret-1".to_owned()));
        assert_eq!((spent.charge_host_call(), spent.charge_host_call()), (Ok(()), Err(BudgetError::HostCalls)));
        assert_eq!((spent.charge_log(9), spent.charge_log(9)), (LogAllowance::Write(3), LogAllowance::SayCut));
        let mut renewed = spent.renewed(first.deadline, &limits);
        assert_eq!((renewed.charge_host_call(), renewed.charge_log(9)), (Ok(()), LogAllowance::Write(3)));
        assert_eq!(*renewed.without_secrets(b"a secret-1"), *b"a ***");
    }

    #[test]
    fn what_a_guest_has_read_is_taken_out_of_what_it_writes() {
        let mut budget = budget();
        let text = b"key secret-1 \xff secret-1.secret-2 key";
        assert_eq!(*budget.without_secrets(text), *text);
        for secret in ["secret-1", "secret-2", "key"] {
            budget.note_revealed(&Secret::new(secret.to_owned()));
        }
        // One that is as short as a word is not searched for.
        assert_eq!(String::from_utf8_lossy(&budget.without_secrets(text)), "key *** \u{fffd} ***.*** key");
    }
}
