//! Which answers a node waits for: others are not even kept until somebody looks at them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use commonware_cryptography::ed25519::PublicKey;

use super::Message;
use crate::{
    consensus::max_message_size,
    intake::{Judgement, Limits},
};

/// How long a question is at most: the hashes of 256 codes or accounts, and a few numbers.
const QUESTION_BYTES: usize = 16 << 10;
/// How many questions and answers of one peer may wait; whoever joins has two under way.
const MESSAGES: usize = 8;
/// How many bytes may wait of one peer, and in all: as many of the largest answers.
const OF_PEER: usize = 2;
const OF_ALL: usize = 4;

/// The questions that are out, and who was ever asked one. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Awaited(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    now: BTreeMap<u64, PublicKey>,
    ever: BTreeSet<PublicKey>,
}

/// What a node does about others' questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Questions {
    /// It answers them.
    Answered,
    /// It has nothing to tell yet.
    Ignored,
}

impl Awaited {
    /// A question is out.
    pub(super) fn ask(&self, number: u64, peer: &PublicKey) {
        let mut asked = self.lock();
        asked.now.insert(number, peer.clone());
        asked.ever.insert(peer.clone());
    }

    /// It is answered, or nobody waits for the answer any more.
    pub(super) fn forget(&self, number: u64) {
        self.lock().now.remove(&number);
    }

    /// Nobody waits for any answer any more.
    pub(super) fn forget_all(&self) {
        self.lock().now.clear();
    }

    /// Judges a message before it waits for its turn. An answer that comes late is no offence; one from
    /// somebody who was never asked is.
    pub(super) fn judge(&self, questions: Questions, peer: &PublicKey, bytes: &[u8]) -> Judgement {
        let Some(number) = Message::answers(bytes) else {
            return match questions {
                Questions::Ignored => Judgement::Drop,
                Questions::Answered if bytes.len() > QUESTION_BYTES => {
                    Judgement::CutOff("a question about the state that is too long")
                }
                Questions::Answered => Judgement::Take,
            };
        };
        let asked = self.lock();
        if asked.now.get(&number) == Some(peer) {
            Judgement::Take
        } else if asked.ever.contains(peer) {
            Judgement::Drop
        } else {
            Judgement::CutOff("an answer about the state that nobody asked for")
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much may wait.
pub(super) fn limits() -> Limits {
    let message = usize::try_from(max_message_size()).unwrap_or(usize::MAX);
    let times = |many: usize| message.saturating_mul(many);
    Limits { message, messages: MESSAGES, of_peer: times(OF_PEER), all: times(OF_ALL) }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use commonware_cryptography::{Signer as _, ed25519};
    use windlass_chain::sync::{Answer, Request};

    use super::*;

    #[test]
    fn only_answers_that_are_awaited_are_kept() {
        let peer = |seed| ed25519::PrivateKey::from_seed(seed).public_key();
        let (asked, other) = (peer(1), peer(2));
        let awaited = Awaited::default();
        awaited.ask(7, &asked);
        let answer = |number| Message::Tell(number, Answer::Unavailable).encode();
        let check = |peer, bytes: &[u8], expect| {
            assert_eq!(awaited.judge(Questions::Answered, peer, bytes), expect);
        };
        let unasked = Judgement::CutOff("an answer about the state that nobody asked for");
        check(&asked, &answer(7), Judgement::Take);
        check(&asked, &answer(8), Judgement::Drop);
        check(&other, &answer(7), unasked);
        awaited.forget(7);
        check(&asked, &answer(7), Judgement::Drop);
        awaited.ask(8, &asked);
        awaited.forget_all();
        check(&asked, &answer(8), Judgement::Drop);
        let question = Message::Ask(1, Request::Changed { after: 3 }).encode();
        check(&other, &question, Judgement::Take);
        let long = Message::Ask(1, Request::Codes { hashes: vec![B256::ZERO; 600] });
        let too_long = Judgement::CutOff("a question about the state that is too long");
        check(&other, &long.encode(), too_long);
        assert_eq!(awaited.judge(Questions::Ignored, &other, &question), Judgement::Drop);
    }
}
