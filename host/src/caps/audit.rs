//! Denials in the log: one line each, with what the guest asked for, and not without end.

use super::budget::{AuditAllowance, Budget};

/// The guest's words in a line.
const ASKED_CHARS_MAX: usize = 64;

/// Writes that a call asked for something of `capability` that it was not granted.
pub fn denied(budget: &mut Budget, capability: &'static str, asked: &str) {
    let allowance = budget.charge_audit();
    let tag = &budget.tag;
    match allowance {
        AuditAllowance::Write => {
            let asked = budget.without_secrets(asked.as_bytes());
            let asked = super::host::escape(&String::from_utf8_lossy(&asked).chars().take(ASKED_CHARS_MAX).collect::<String>());
            tracing::warn!(target: "cofferdam::audit", tenant = %tag.tenant, plugin = %tag.plugin, call = %tag.reference, asked, "denied: {capability}");
        }
        AuditAllowance::SayCut => {
            tracing::warn!(
                target: "cofferdam::audit", tenant = %tag.tenant, plugin = %tag.plugin, call = %tag.reference,
                "the call is denied more than its limit lets into the log (audit_records_max); the rest is not written"
            );
        }
        AuditAllowance::Drop => {}
    }
}
