//! When a node that joins asks for nothing: who makes blocks is not to be slowed down by it.

use std::time::{Duration, SystemTime};

/// An answer is taken at a time, and then nothing is asked for so many times as long as that took.
const TIMES: u32 = 3;
/// A chain whose tip has moved within this time makes blocks.
const MOVING: Duration = Duration::from_secs(2);

/// What is known of the chain's pace, and until when this node rests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    /// The newest tip that was shown, and when it was seen to be beyond another one.
    tip: u64,
    moved: Option<SystemTime>,
    until: SystemTime,
}

impl Rest {
    pub(super) fn new(now: SystemTime) -> Self {
        Self { tip: 0, moved: None, until: now }
    }

    /// An answer was taken in that time, and this is the tip that its teller showed.
    pub(super) fn took(&mut self, time: Duration, tip: u64, now: SystemTime) {
        self.until = now + time * TIMES;
        if tip > self.tip {
            self.moved = (self.tip > 0).then_some(now);
            self.tip = tip;
        }
    }

    /// Whether the chain makes blocks, so that one question is out at a time.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.moved.is_some_and(|moved| now.duration_since(moved).unwrap_or_default() < MOVING)
    }

    /// How long nothing is asked yet.
    pub(super) fn left(&self, now: SystemTime) -> Option<Duration> {
        let left = self.until.duration_since(now).ok().filter(|left| !left.is_zero());
        left.filter(|_| self.is_due(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_rests_while_blocks_are_made_only() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let took = Duration::from_millis(10);
        let mut rest = Rest::new(at(0));
        rest.took(took, 7, at(1_000));
        assert_eq!((rest.is_due(at(1_000)), rest.left(at(1_000))), (false, None));
        rest.took(took, 8, at(2_000));
        assert!(rest.is_due(at(2_000)));
        assert_eq!(rest.left(at(2_010)), Some(Duration::from_millis(20)));
        assert_eq!(rest.left(at(2_030)), None);
        // The same tip for seconds: it stands still.
        rest.took(took, 8, at(4_000));
        assert_eq!((rest.is_due(at(4_000)), rest.left(at(4_000))), (false, None));
    }
}
