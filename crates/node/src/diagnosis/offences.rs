//! What other nodes do that is refused: messages that break the protocol, by what they are about, and
//! handshakes that come to nothing with nodes that ought to know each other.

use super::{Diagnosis, Seen};

/// How long a handshake that failed says that two nodes don't take each other's: whoever dials tries
/// again every few seconds.
const ESTRANGED_MS: u64 = 10_000;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Votes and certificates, and requests for these.
    Votes,
    /// Blocks that are proposed, and requests for blocks.
    Blocks,
    /// Tips.
    Tips,
    /// Pending transactions.
    Transactions,
    /// The state, for those who join, and earlier blocks.
    State,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Votes, Self::Blocks, Self::Tips, Self::Transactions, Self::State];

    /// Its name among the measurements.
    pub fn name(self) -> &'static str {
        match self {
            Self::Votes => "votes",
            Self::Blocks => "blocks",
            Self::Tips => "tips",
            Self::Transactions => "transactions",
            Self::State => "state",
        }
    }
}

impl Diagnosis {
    /// A peer was cut off because of a message.
    pub fn cut_off(&self, about: Subject) {
        *self.lock().cut_off.entry(about).or_default() += 1;
    }

    /// How often that was because of messages about this, since the process started.
    pub fn times_cut_off(&self, about: Subject) -> u64 {
        self.lock().cut_off.get(&about).copied().unwrap_or(0)
    }

    /// A handshake with a node that this one knows, or may know, came to nothing.
    pub fn handshake_failed(&self, at_ms: u64) {
        self.lock().handshake_failed_ms = Some(at_ms);
    }

    /// Why nodes don't connect that reach each other, if handshakes failed a moment ago.
    pub fn estrangement(&self, at_ms: u64) -> Option<&'static str> {
        self.lock().estrangement(at_ms)
    }
}

impl Seen {
    /// Why nodes don't connect that reach each other, if handshakes failed a moment ago.
    pub(super) fn estrangement(&self, at_ms: u64) -> Option<&'static str> {
        let failed_ms = self.handshake_failed_ms?;
        (at_ms.abs_diff(failed_ms) < ESTRANGED_MS).then_some(
            "handshakes with peers fail: one of the two has another genesis, another node key than \
             the other one knows, another version, or a clock that is off",
        )
    }
}
