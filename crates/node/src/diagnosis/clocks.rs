//! Round-trip times and clocks, as [NTP] measures them: by the four time stamps of a question and
//! its answer.
//!
//! [NTP]: https://www.rfc-editor.org/rfc/rfc5905#section-8

use std::collections::VecDeque;

/// How many measurements the median is of.
const KEPT: usize = 8;
/// The longest round trip that is believed: what takes longer was not answered at once.
const LONGEST_US: i64 = 60_000_000;

/// When a question was sent and received, and its answer sent and received; each by the clock of the
/// one who did it, in Unix microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// Sent, by the asker's clock.
    pub asked: u64,
    /// Received, by the answerer's clock.
    pub received: u64,
    /// The answer sent, by the answerer's clock.
    pub answered: u64,
    /// The answer received, by the asker's clock.
    pub heard: u64,
}

impl Stamps {
    /// The round-trip time, and how far the answerer's clock is ahead of the asker's; `None` where
    /// the stamps are none of an exchange.
    fn measure(&self) -> Option<(u64, i64)> {
        let signed = |us: u64| i64::try_from(us).ok();
        let (asked, received) = (signed(self.asked)?, signed(self.received)?);
        let (answered, heard) = (signed(self.answered)?, signed(self.heard)?);
        let round_trip = (heard - asked).checked_sub(answered.checked_sub(received)?)?;
        let offset = (received - asked).checked_add(answered - heard)? / 2;
        if answered < received || heard < asked || round_trip > LONGEST_US {
            return None;
        }
        // Where clocks tick coarsely an answer may seem to take longer than the whole exchange.
        Some((u64::try_from(round_trip).unwrap_or(0), offset))
    }
}

/// The last few measurements of one peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    last: VecDeque<(u64, i64)>,
}

impl Samples {
    pub(super) fn add(&mut self, stamps: Stamps) {
        let Some(sample) = stamps.measure() else { return };
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(sample);
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.last.len()
    }

    /// The median round-trip time, in microseconds.
    pub(super) fn round_trip_us(&self) -> Option<u64> {
        median(self.last.iter().map(|(round_trip, _)| *round_trip).collect())
    }

    /// The median of how far the peer's clock is ahead, in microseconds.
    pub(super) fn offset_us(&self) -> Option<i64> {
        median(self.last.iter().map(|(_, offset)| *offset).collect())
    }
}

/// The lower of the two in the middle, where there are two.
pub(super) fn median<T: Copy + Ord>(mut values: Vec<T>) -> Option<T> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stamps: [u64; 4], expect: Option<(u64, i64)>) {
        let [asked, received, answered, heard] = stamps;
        let stamps = Stamps { asked, received, answered, heard };
        assert_eq!(stamps.measure(), expect, "{stamps:?}");
    }

    #[test]
    fn four_stamps_are_a_round_trip_and_an_offset() {
        check([1_000, 1_010, 1_015, 1_025], Some((20, 0)));
        // The peer's clock is 3 s ahead, or behind.
        check([5_000_000, 8_000_010, 8_000_015, 5_000_025], Some((20, 3_000_000)));
        check([5_000_000, 2_000_010, 2_000_015, 5_000_025], Some((20, -3_000_000)));
        check([1_000, 1_000, 1_030, 1_025], Some((0, 2)));
    }

    #[test]
    fn stamps_that_make_no_sense_are_no_sample() {
        check([1_000, 1_010, 1_005, 1_025], None);
        check([1_000, 1_010, 1_015, 999], None);
        check([0, 0, 0, 60_000_001], None);
        check([u64::MAX, 0, 0, 0], None);
        check([0, 0, u64::MAX, 1], None);
        let longest = u64::try_from(i64::MAX).expect("it is positive");
        check([0, longest, longest, 0], None);
    }

    #[test]
    fn one_odd_measurement_changes_nothing() {
        let mut samples = Samples::default();
        assert_eq!((samples.round_trip_us(), samples.offset_us()), (None, None));
        for round in 0..20_u64 {
            let late = if round == 17 { 5_000_000 } else { 0 };
            samples.add(Stamps { asked: 100, received: 110, answered: 110, heard: 120 + late });
        }
        assert_eq!(samples.count(), KEPT);
        assert_eq!((samples.round_trip_us(), samples.offset_us()), (Some(20), Some(0)));
    }
}
