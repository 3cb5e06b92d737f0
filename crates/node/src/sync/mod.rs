//! Joining from the state of peers instead of from their blocks: what `windlass_chain::sync` asks and
//! answers, over p2p.
//!
//! A node that starts and finds itself far behind the others makes a new ledger beside its own
//! ([`join`]), and goes on with that one when it is whole. A node that runs answers those who
//! join, and fetches the blocks from before its own ledger's beginning, one request at a time
//! ([`Desk`]).
//!
//! Message: number of the question (8) ‖ 0 and a request, or 1 and an answer.

mod awaited;
mod desk;
mod join;
mod rest;

use bytes::Bytes;
use windlass_chain::sync::{Answer, Request};

pub(crate) use self::desk::Desk;
pub use self::join::JoinError;
#[cfg(test)]
pub(crate) use self::join::Open;
pub(crate) use self::join::{Begin, Joiner};

/// A question to a peer, or the answer to one, with the question's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// What is asked.
    Ask(u64, Request),
    /// What is answered.
    Tell(u64, Answer),
}

impl Message {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let (number, kind, content) = match self {
            Self::Ask(number, request) => (number, 0, request.encode()),
            Self::Tell(number, answer) => (number, 1, answer.encode()),
        };
        [number.to_be_bytes().as_slice(), &[kind], &content].concat().into()
    }

    /// The number of the question that these bytes answer, if they begin as an answer does: whoever
    /// has not asked it need not read an answer that may become much larger in memory.
    pub(crate) fn answers(bytes: &[u8]) -> Option<u64> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        (rest.first() == Some(&1)).then(|| u64::from_be_bytes(*number))
    }

    /// Reads its bytes; `None` where they are no message.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        let number = u64::from_be_bytes(*number);
        let (kind, content) = rest.split_first()?;
        match kind {
            0 => Some(Self::Ask(number, Request::decode(content)?)),
            1 => Some(Self::Tell(number, Answer::decode(content)?)),
            _ => None,
        }
    }
}
