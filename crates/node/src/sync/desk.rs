//! A running node's side: it answers those who join, and fetches the blocks that it lacks itself.

use std::time::{Duration, SystemTime};

use bytes::Buf;
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::Clock;
use windlass_chain::sync::{ANSWER_BYTES, Answer, SyncError};

use super::{
    Message,
    awaited::{self, Awaited, Questions},
};
use crate::{
    consensus::{heard::Heard, max_message_size, pace::Pace, work::Work},
    intake::{self, Intake},
    seam::Ledger,
    status::{EarlierBlocks, StatusBoard},
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after a peer had nothing, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_mins(10);

/// Answers, and asks for the blocks that are lacking.
pub(crate) struct Desk<E, L, S, B> {
    pub(crate) context: E,
    pub(crate) ledger: L,
    /// Of its own: consensus doesn't wait behind those who join.
    pub(crate) work: Work,
    pub(crate) sender: S,
    pub(crate) blocker: B,
    pub(crate) heard: Heard,
    pub(crate) status: StatusBoard,
}

/// A question that is out, or when the next one is due.
struct Search {
    number: u64,
    asked: Option<PublicKey>,
    due: SystemTime,
    pause: Duration,
    /// How many peers were asked.
    turns: usize,
    /// When it began, and how many blocks were lacking then.
    began: (SystemTime, u64),
}

impl<E, L, S, B> Desk<E, L, S, B>
where
    E: Clock,
    L: Ledger,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Runs until the network closes.
    pub(crate) async fn run(self, receiver: impl Receiver<PublicKey = PublicKey>)
    where
        B: Clone,
    {
        let (blocker, awaited) = (self.blocker.clone(), Awaited::default());
        let judging = awaited.clone();
        let judge =
            move |peer: &PublicKey, bytes: &[u8]| judging.judge(Questions::Answered, peer, bytes);
        let serving = |intake| self.serve(intake, awaited);
        intake::serve(receiver, blocker, (awaited::limits(), judge), serving).await;
    }

    async fn serve(mut self, mut receiver: Intake, awaited: Awaited) {
        let now = self.context.current();
        let lacking = self.lacking();
        let mut search = (lacking > 0).then_some(Search {
            number: 0,
            asked: None,
            due: now + FIRST_PAUSE,
            pause: FIRST_PAUSE,
            turns: 0,
            began: (now, lacking),
        });
        self.show(search.as_ref());
        loop {
            let due = search.as_ref().map(|search| search.due);
            let clock = &self.context;
            let timer = async move {
                match due {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            // Both branches only wait.
            let message = select! {
                message = receiver.recv() => match message {
                    Ok(message) => Some(message),
                    Err(_) => return,
                },
                () = timer => None,
            };
            match message {
                Some((peer, bytes)) => self.hear(peer, bytes, &mut search).await,
                None => self.ask(&mut search, &awaited),
            }
        }
    }

    /// How many blocks are lacking.
    fn lacking(&self) -> u64 {
        let first = self.ledger.chain().and_then(|chain| chain.first_block().ok());
        first.unwrap_or(0).saturating_sub(1)
    }

    /// Says on the status board what is lacking, and how long fetching it takes.
    fn show(&self, search: Option<&Search>) {
        let earlier = search.map(|search| {
            let ((since, all), blocks) = (search.began, self.lacking());
            let pace = Pace { from: 0, since };
            let left_s = pace.left(all.saturating_sub(blocks), all, self.context.current());
            EarlierBlocks { blocks, left_s }
        });
        self.status.update(|status| status.earlier = earlier);
    }

    async fn hear(&mut self, peer: PublicKey, bytes: impl Buf, search: &mut Option<Search>) {
        let mut content = vec![0; bytes.remaining()];
        let mut bytes = bytes;
        bytes.copy_to_slice(&mut content);
        if let Some(number) = Message::answers(&content) {
            let expected = search.as_ref().is_some_and(|search| {
                search.number == number && search.asked.as_ref() == Some(&peer)
            });
            if !expected {
                return;
            }
        }
        let Some(message) = self.work.run(move || Message::decode(&content)).await else { return };
        match message {
            Some(Message::Ask(number, request)) => {
                let ledger = self.ledger.clone();
                let answered = self.work.run(move || {
                    let answer = match ledger.chain().map(|one| one.answer(&request, ANSWER_BYTES))
                    {
                        Some(Ok(answer)) => answer,
                        Some(Err(error)) => {
                            tracing::error!(%error, "what a joining node asks cannot be read");
                            Answer::Unavailable
                        }
                        None => Answer::Unavailable,
                    };
                    let told = Message::Tell(number, answer).encode();
                    if u32::try_from(told.len()).is_ok_and(|bytes| bytes <= max_message_size()) {
                        return told;
                    }
                    tracing::warn!(
                        bytes = told.len(),
                        ?request,
                        "an answer is too large to be sent"
                    );
                    Message::Tell(number, Answer::Unavailable).encode()
                });
                let Some(told) = answered.await else { return };
                let _sent = self.sender.send(Recipients::One(peer), told, false);
            }
            Some(Message::Tell(_, answer)) => self.take(peer, answer, search).await,
            None => {
                commonware_p2p::block!(self.blocker, peer, "malformed question about the state");
            }
        }
    }

    /// Asks the next peer for the next blocks.
    fn ask(&mut self, search: &mut Option<Search>, awaited: &Awaited) {
        awaited.forget_all();
        let Some(going) = search else { return };
        let request = self.ledger.chain().map(windlass_chain::Chain::lacking_blocks);
        let Some(Ok(Some(request))) = request else {
            tracing::info!("all blocks from the genesis on are here");
            *search = None;
            self.show(None);
            return;
        };
        let now = self.context.current();
        if going.asked.take().is_some() {
            going.pause = (going.pause * 2).min(LAST_PAUSE);
        }
        let peers = self.heard.above(0);
        let Some((peer, _)) = peers.get(going.turns % peers.len().max(1)) else {
            going.due = now + going.pause;
            return;
        };
        going.turns += 1;
        going.number += 1;
        going.asked = Some(peer.clone());
        awaited.ask(going.number, peer);
        going.due = now + PATIENCE.max(going.pause);
        let asked = Message::Ask(going.number, request).encode();
        let _sent = self.sender.send(Recipients::One(peer.clone()), asked, false);
    }

    async fn take(&mut self, peer: PublicKey, answer: Answer, search: &mut Option<Search>) {
        let Some(going) = search else { return };
        let now = self.context.current();
        let records = match answer {
            Answer::Blocks(records) if !records.is_empty() => records,
            _ => {
                // It has them no more than this node does.
                going.due = now + going.pause;
                return;
            }
        };
        let ledger = self.ledger.clone();
        let kept = self.work.run(move || ledger.chain().map(|chain| chain.backfill(&records)));
        match kept.await.flatten() {
            Some(Ok(_)) => {
                going.asked = None;
                going.pause = FIRST_PAUSE;
                // The next ones from the same peer.
                going.turns = going.turns.saturating_sub(1);
                going.due = now;
                let search: &Option<Search> = search;
                self.show(search.as_ref());
            }
            Some(Err(SyncError::Refused(reason))) => {
                tracing::warn!(%reason, "a peer's blocks are not the chain's");
                commonware_p2p::block!(self.blocker, peer, "blocks that are not the chain's");
                going.due = now;
            }
            Some(Err(error)) => {
                tracing::error!(%error, "earlier blocks cannot be kept");
                going.due = now + LAST_PAUSE;
            }
            None => *search = None,
        }
    }
}
