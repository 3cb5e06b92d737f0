//! When something that failed is tried again.

#[expect(clippy::struct_field_names, reason = "units stand in names")]
/// Doubling pauses between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub least_ms: u64,
    /// The longest pause.
    pub most_ms: u64,
    /// A process that has been running for so long begins anew with the first pause.
    pub healthy_after_ms: u64,
    /// A gateway that has not answered for so long is replaced, and after twice that no destroy
    /// waits for it any more.
    pub give_up_after_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { least_ms: 250, most_ms: 30_000, healthy_after_ms: 30_000, give_up_after_ms: 10_000 }
    }
}

impl Backoff {
    /// When something is tried again that has failed so often before.
    pub(crate) fn retry_at_ms(self, now_ms: u64, failures: u32) -> u64 {
        let factor = 1u64.checked_shl(failures).unwrap_or(u64::MAX);
        now_ms.saturating_add(self.least_ms.saturating_mul(factor).min(self.most_ms))
    }

    /// Whether it is still to be waited until that time. No pause is longer than the longest: a time that
    /// is further ahead was noted before the clock was set back.
    pub(crate) fn is_pause(self, retry_at_ms: u64, now_ms: u64) -> bool {
        let left_ms = retry_at_ms.saturating_sub(now_ms);
        (1..=self.most_ms).contains(&left_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let pauses: Vec<u64> = (0..9).map(|failures| backoff.retry_at_ms(0, failures)).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(backoff.retry_at_ms(7, 4_000_000), 30_007);
    }

    #[test]
    fn a_pause_ends_when_its_time_has_come_or_the_clock_is_set_back() {
        let backoff = Backoff::default();
        let at_ms = backoff.retry_at_ms(7_000_000, 20);
        assert!(backoff.is_pause(at_ms, 7_000_000) && backoff.is_pause(at_ms, at_ms - 1));
        assert!(!backoff.is_pause(at_ms, at_ms) && !backoff.is_pause(at_ms, at_ms + 1));
        assert!(!backoff.is_pause(at_ms, 7_000_000 - 1), "nobody waits for so long");
        assert!(!backoff.is_pause(0, 7_000_000));
    }
}
