//! Mutations that were refused stand in the audit log too: who tried what on which object, with
//! which request, and the code of the refusal.
//!
//! Whoever has a credential can fill a disk by what is accepted as well, so that their refusals are
//! written one by one. Without a credential anybody who reaches the port could: of those refusals
//! [`BURST`] are written at once and then one in [`REFILL_MS`], and the next line that is written is
//! preceded by one that counts what was left out. That bounds the log to some 1,500 such lines a
//! day, and an attack is still seen with its size.

use std::sync::{Mutex, PoisonError};

use windlass_model::{ErrorCode, OrganizationId};

use crate::{
    service::Control,
    store::{AuditEntry, StoreError, error::causes},
};

/// So many refusals without a credential are written at once.
const BURST: u64 = 20;
/// After them one in so many milliseconds.
const REFILL_MS: u64 = 60_000;
/// The actor of a request without a valid credential.
const ANONYMOUS: &str = "anonymous";
/// A caller chooses the object's name: so much of it is kept.
const OBJECT_CHARS: usize = 120;

/// A mutation that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The organization that the caller may act for and named.
    pub organization: Option<OrganizationId>,
    /// Whose credential it was; `None` if there was none that is valid.
    pub actor: Option<String>,
    /// What was tried, such as `network.destroy`.
    pub action: &'static str,
    /// On what, as the caller named it.
    pub object: String,
    /// SHA-256 of method, path and as much of the body as was read.
    pub request_hash: [u8; 32],
    /// Why it was refused.
    pub code: ErrorCode,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

impl Control {
    /// Writes a refusal to the audit log. The answer to the caller does not depend on it: nothing
    /// was changed, and a log that takes no line refuses every mutation by itself.
    pub async fn note_refusal(&self, refusal: Refusal) {
        let left_out = if refusal.actor.is_some() {
            0
        } else {
            let allowance = &self.inner.allowance;
            let taken =
                allowance.lock().unwrap_or_else(PoisonError::into_inner).take(refusal.at_ms);
            let Some(left_out) = taken else { return };
            left_out
        };
        if let Err(error) = self.write_refusal(&refusal, left_out).await {
            tracing::error!(?refusal, "a refusal was not audited: {error}{}", causes(&error));
        }
    }

    async fn write_refusal(&self, refusal: &Refusal, left_out: u64) -> Result<(), StoreError> {
        let mut change = self.inner.store.begin().await?;
        let count = format!("{left_out} refusals");
        let object: String = refusal.object.chars().take(OBJECT_CHARS).collect();
        let entry = |action, object, outcome| AuditEntry {
            organization: refusal.organization.as_ref(),
            at_ms: refusal.at_ms,
            actor: refusal.actor.as_deref().unwrap_or(ANONYMOUS),
            action,
            object,
            request_hash: &refusal.request_hash,
            outcome,
        };
        if left_out > 0 {
            change.audit(&entry("audit.left_out", &count, "counted")).await?;
        }
        change.audit(&entry(refusal.action, &object, refusal.code.as_str())).await?;
        change.commit("refusal").await
    }
}

/// How many refusals without a credential may still be written.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u64,
    refilled_at_ms: u64,
    left_out: u64,
}

impl Allowance {
    pub(super) fn new(now_ms: u64) -> Mutex<Self> {
        Mutex::new(Self { left: BURST, refilled_at_ms: now_ms, left_out: 0 })
    }

    /// Takes one, and answers how many were left out since the last; `None` if there is none.
    fn take(&mut self, now_ms: u64) -> Option<u64> {
        let refills = now_ms.saturating_sub(self.refilled_at_ms) / REFILL_MS;
        self.refilled_at_ms += refills * REFILL_MS;
        self.left = self.left.saturating_add(refills).min(BURST);
        if self.left == 0 {
            self.left_out += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let mut allowance = Allowance::new(5).into_inner().unwrap();
        let taken = (0..1_000).filter(|_| allowance.take(6).is_some()).count();
        assert_eq!(taken, 20);
        assert_eq!(allowance.take(5 + REFILL_MS), Some(980));
        assert_eq!(allowance.take(5 + REFILL_MS), None);
        assert_eq!(allowance.take(5 + 3 * REFILL_MS), Some(1));
        let later = 5 + 1_000 * REFILL_MS;
        let taken = (0..1_000).filter(|_| allowance.take(later).is_some()).count();
        assert_eq!(taken, 20, "what was not used does not add up");
    }
}
