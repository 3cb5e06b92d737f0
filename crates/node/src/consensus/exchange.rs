//! The exchange of tips, outside the frozen clock.
//!
//! Votes and certificates are sent once, and what would send them again runs on a clock that stands
//! still on an idle network. So a node that was away, or lost the last message, would learn of the
//! tip with the next transaction only. Instead each node tells each peer, when they get to know
//! each other, what its newest certified block is, and asks for the same; it answers who asks or is
//! behind; and at a slow beat it tells everybody. Whoever does not answer is asked again each second: the
//! question or the answer may be lost. What a peer claims is proven by the certificate; then marshal is
//! hinted to fetch what is missing from that peer.
//!
//! The same messages tell at start which peers are there: the engine of a restarted node waits
//! until a quorum was heard and their tip is reached, so that it neither votes on what is decided
//! nor asks its peers for views that they have forgotten.
//!
//! They also measure: a question is stamped when it is sent, and the answer says when the question
//! came and when the answer went, so the asker learns the round-trip time and how far the clocks are
//! apart ([`crate::diagnosis`]). Questions are what is sent on meeting a peer and at the slow beat, and
//! one more where a decision was made without a validator's vote.
//!
//! [`super::announcement`] has the message's form.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::B256;
use bytes::Bytes;
use commonware_codec::{Buf, Copying, Decode, DecodeExt, Encode};
use commonware_consensus::{
    Epochable,
    marshal::{core::Mailbox, standard::Standard},
    types::{Epocher, FixedEpocher, Height},
};
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::Clock;
use commonware_utils::vec::NonEmptyVec;
use rand_core::CryptoRng;

use super::{
    announcement::{Announcement, Question, max_announcement_size},
    bell::Bell,
    block::OrderedBlock,
    committees::Committees,
    heard::Heard,
    pace::Pace,
    scheme::Scheme,
    steady::Wall,
    stores::{Archive, Finalization},
};
use crate::{
    config::MAX_VALIDATORS,
    diagnosis::Stamps,
    intake::{self, Intake, Limits},
    seam::Ledger,
    status::{Stalled, StatusBoard},
};

/// Who is connected now. Cheap; called about once a second.
pub type Connected = Box<dyn FnMut() -> Vec<PublicKey> + Send>;

/// How often everybody is told, whatever happens.
const SLOW_BEAT: Duration = Duration::from_secs(30);
/// The first and the longest pause between looks at the connections.
const FIRST_LOOK: Duration = Duration::from_millis(4);
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How many messages of one peer wait, and how many bytes of all.
const WAITING: usize = 64;
const WAITING_BYTES: usize = 4 << 20;
/// How long an answer is waited for before the peer is asked again.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// Without a block for this long and the pause between two blocks, although transactions are pending, the
/// network stalls.
const STALL_AFTER: Duration = Duration::from_secs(10);
/// And for this long, it is looked who lets the others wait.
const WAITS_AFTER: Duration = Duration::from_secs(3);

/// The exchange's state.
pub struct Exchange<E, L, S, B> {
    pub(super) context: E,
    pub(super) ledger: L,
    pub(super) archive: Archive<L>,
    pub(super) committees: Committees,
    pub(super) epocher: FixedEpocher,
    pub(super) marshal: Mailbox<Scheme, Standard<OrderedBlock>>,
    pub(super) sender: S,
    pub(super) blocker: B,
    pub(super) connected: Connected,
    pub(super) heard: Heard,
    pub(super) status: StatusBoard,
    pub(super) wall: Wall,
    /// Rung when an epoch was entered: everybody is told the boundary.
    pub(super) boundary: Bell,
    /// Rung when an epoch became known: more can be fetched.
    pub(super) learned: Bell,
}

impl<E, L, S, B> std::fmt::Debug for Exchange<E, L, S, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl<E, L, S, B> Exchange<E, L, S, B>
where
    E: Clock + CryptoRng,
    L: Ledger,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Runs until the network closes.
    pub async fn run(self, receiver: impl Receiver<PublicKey = PublicKey>)
    where
        B: Clone,
    {
        let blocker = self.blocker.clone();
        let message = max_announcement_size();
        let limits = Limits { message, messages: WAITING, of_peer: usize::MAX, all: WAITING_BYTES };
        intake::serve(receiver, blocker, (limits, intake::take_all), |intake| {
            self.tell_and_hear(intake)
        })
        .await;
    }

    async fn tell_and_hear(mut self, mut receiver: Intake) {
        let mut look = FIRST_LOOK;
        let mut next_look = self.context.current();
        let mut next_beat = next_look + SLOW_BEAT;
        let mut peers = Peers::default();
        let mut progress = (self.ledger.tip().number, next_look);
        let mut pace = None;
        let mut boundaries = self.boundary.rings();
        let mut learned = self.learned.rings();
        loop {
            // Every branch only waits; the work is done below.
            let message = select! {
                message = receiver.recv() => match message {
                    Ok(message) => Some(message),
                    Err(_) => return,
                },
                () = self.context.sleep_until(next_look) => None,
                () = self.boundary.after(boundaries) => None,
                () = self.learned.after(learned) => None,
            };
            if let Some((peer, bytes)) = message {
                peers.owing.remove(&peer);
                self.hear(peer, bytes).await;
            }
            if self.boundary.rings() > boundaries {
                boundaries = self.boundary.rings();
                self.tell(Recipients::All, Answer::Unneeded, None).await;
            }
            if self.learned.rings() > learned {
                learned = self.learned.rings();
                self.go_on();
            }
            let now = self.context.current();
            if now >= next_look {
                let met = self.look(&mut peers, &mut progress, &mut pace).await;
                look = if met { FIRST_LOOK } else { (look * 3 / 2).min(LAST_LOOK) };
                next_look = now + look;
            }
            if now >= next_beat {
                next_beat = now + SLOW_BEAT;
                self.ask(peers.known.iter().cloned().collect()).await;
            }
        }
    }

    /// Looks who is connected; asks the new ones, and those again that haven't answered in time. True
    /// if there are new ones.
    async fn look(
        &mut self,
        peers: &mut Peers,
        progress: &mut (u64, SystemTime),
        pace: &mut Option<Pace>,
    ) -> bool {
        let me = self.committees.node_key().clone();
        let now: BTreeSet<PublicKey> =
            (self.connected)().into_iter().filter(|peer| *peer != me).collect();
        let new: Vec<PublicKey> = now.difference(&peers.known).cloned().collect();
        let late = peers.meet(now, self.context.current());
        let known = &peers.known;
        let connected = known.iter().map(|peer| (key_bytes(peer), self.heard.claim(peer)));
        self.status.set_connected(&connected.collect());
        let at_ms = self.wall.now_ms();
        self.status.diagnosis().connected(&known.iter().map(key_bytes).collect(), at_ms);
        let met = !new.is_empty();
        if met {
            self.heard.connected();
            self.ask(new).await;
        }
        if !late.is_empty() {
            self.ask(late).await;
        }
        let absent = self.status.diagnosis().to_ask(at_ms);
        if !absent.is_empty() {
            let absent = known.iter().filter(|peer| absent.contains(&key_bytes(peer)));
            self.ask(absent.cloned().collect()).await;
        }
        self.check_height();
        self.note_stall(progress);
        self.note_pace(pace);
        met
    }

    /// A certificate is of a block and says nothing of its height: that shows when the block is here.
    fn check_height(&mut self) {
        let Some(hash) = self.heard.awaited() else { return };
        let Ok(Some(block)) = self.ledger.block_by_hash(hash) else { return };
        if let Some(peer) = self.heard.arrived(block.number()) {
            commonware_p2p::block!(self.blocker, peer, "announced height was not the block's");
        }
    }

    /// Says on the status board how long catching up takes, if this node is behind.
    fn note_pace(&self, pace: &mut Option<Pace>) {
        let (now, tip) = (self.context.current(), self.ledger.tip().number);
        let highest = self.heard.highest(&self.committees.node_keys());
        let left = if highest > tip {
            let pace = pace.get_or_insert(Pace { from: tip, since: now });
            pace.left(tip, highest, now)
        } else {
            *pace = None;
            None
        };
        self.status.update(|status| status.left_s = left);
    }

    /// Says on the status board why nothing moves, if nothing does.
    fn note_stall(&self, progress: &mut (u64, SystemTime)) {
        let now = self.context.current();
        let tip = self.ledger.tip().number;
        if tip != progress.0 || !self.ledger.has_work() {
            *progress = (tip, now);
        }
        let waited = now.duration_since(progress.1).unwrap_or_default();
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        // No block is due any earlier.
        let interval = Duration::from_millis(self.ledger.min_block_interval_ms());
        let highest = self.heard.highest(&self.committees.node_keys());
        if highest > tip {
            // Should what was asked for be lost.
            self.go_on();
        } else if waited >= WAITS_AFTER + interval {
            let now_ms = self.wall.now_ms();
            self.status.diagnosis().waits(now_ms.saturating_sub(waited_ms), now_ms);
        }
        let obstacle = self.ledger.obstacle();
        let estrangement = self.status.diagnosis().estrangement(self.wall.now_ms());
        self.status.update(|status| {
            let (seen, all, needed) =
                (status.connected_validators, status.validators, status.quorum);
            let reason = if obstacle.is_some() {
                obstacle
            } else if seen < needed && !status.named {
                Some(format!(
                    "not connected: as far as this node has the chain, no member has named its \
                     node key {}",
                    status.node_key
                ))
            } else if seen < needed {
                let reason = format!("{seen} of {all} validators connected, {needed} needed");
                Some(match estrangement {
                    Some(why) => format!("{reason}; {why}"),
                    None => reason,
                })
            } else if waited >= STALL_AFTER + interval {
                Some("transactions are pending, but no block becomes final".to_owned())
            } else {
                None
            };
            status.syncing = highest > tip;
            status.highest = highest.max(tip);
            status.stalled = reason.map(|reason| {
                let since_ms = match &status.stalled {
                    Some(stalled) => stalled.since_ms,
                    None => self.wall.now_ms().saturating_sub(waited_ms),
                };
                Stalled { since_ms, reason }
            });
        });
    }

    /// Tells connected peers this node's newest certified block, and asks for theirs.
    async fn ask(&mut self, peers: Vec<PublicKey>) {
        let keys: Vec<B256> = peers.iter().map(key_bytes).collect();
        let Some(sent_us) = self.tell(Recipients::Some(peers), Answer::Wanted, None).await else {
            return;
        };
        for key in keys {
            self.status.diagnosis().asked(&key, sent_us);
        }
    }

    /// Tells peers this node's newest certified block; with which stamp.
    async fn tell(
        &mut self,
        to: Recipients<PublicKey>,
        answer: Answer,
        question: Option<Question>,
    ) -> Option<u64> {
        let wants_answer = answer == Answer::Wanted;
        let (height, digest, certificate) = match self.archive.newest_certificate().await {
            Ok(Some((height, certificate))) => {
                (height, certificate.proposal.payload, certificate.encode())
            }
            Ok(None) => (0, self.ledger.genesis().hash().into(), Bytes::new()),
            Err(error) => {
                tracing::error!(%error, "cannot read the newest certificate");
                return None;
            }
        };
        let now_us = unix_us(self.wall.now());
        // A clock that was set back meanwhile is no lie of this node.
        let sent_us = question.map_or(now_us, |question| question.received_us.max(now_us));
        let announcement =
            Announcement { height, digest, wants_answer, sent_us, question, certificate };
        let _sent = self.sender.send(to, announcement.encode(), true);
        Some(sent_us)
    }

    /// Takes a peer's announcement.
    async fn hear(&mut self, peer: PublicKey, bytes: impl Buf) {
        let heard_us = unix_us(self.wall.now());
        let Ok(announcement) = Announcement::decode(bytes) else {
            commonware_p2p::block!(self.blocker, peer, "malformed announcement");
            return;
        };
        let mine = self.ledger.tip().number;
        let mut proven = (announcement.height.min(mine), None);
        if announcement.height > mine {
            let known = self.ledger.block_by_hash(announcement.digest.into());
            // It may have become final just now.
            if known
                .is_ok_and(|block| block.is_some_and(|block| block.number() != announcement.height))
            {
                commonware_p2p::block!(self.blocker, peer, "announced height is not the block's");
                return;
            }
            match self.check(&announcement) {
                Proof::Holds => {
                    proven = (announcement.height, Some(announcement.digest.into()));
                    self.hint(announcement.height, &peer);
                }
                Proof::Unknown => {
                    let known = self.last_known();
                    self.hint(known.min(announcement.height), &peer);
                }
                Proof::Fails => {
                    commonware_p2p::block!(self.blocker, peer, "announced tip is not certified");
                    return;
                }
            }
        }
        let stamps = announcement.question.map(|question| Stamps {
            asked: question.asked_us,
            received: question.received_us,
            answered: announcement.sent_us,
            heard: heard_us,
        });
        self.status.diagnosis().heard(&key_bytes(&peer), stamps, heard_us / 1_000);
        let first = self.heard.note(&peer, announcement.height, proven);
        if announcement.wants_answer || announcement.height < mine || first {
            let asked_us = announcement.sent_us;
            let question =
                announcement.wants_answer.then_some(Question { asked_us, received_us: heard_us });
            self.tell(Recipients::One(peer), Answer::Unneeded, question).await;
        }
    }

    /// The last height whose committee is known.
    fn last_known(&self) -> u64 {
        self.epocher.last(self.committees.newest()).map_or(0, Height::get)
    }

    /// Has more fetched from all who say that they have it, now that its epoch is known.
    fn go_on(&self) {
        let known = self.last_known();
        for (peer, claim) in self.heard.above(self.ledger.tip().number) {
            self.hint(known.min(claim), &peer);
        }
    }

    /// Asks marshal to fetch up to a height from a peer.
    fn hint(&self, height: u64, peer: &PublicKey) {
        if height > self.ledger.tip().number {
            self.marshal.hint_finalized(Height::new(height), NonEmptyVec::new(peer.clone()));
        }
    }

    /// Whether the announcement's certificate proves its block. The height it claims is proven only
    /// by the block, when it comes.
    fn check(&mut self, announcement: &Announcement) -> Proof {
        let limit = MAX_VALIDATORS;
        let Ok(certificate) = Finalization::decode_cfg(Copying(&announcement.certificate), &limit)
        else {
            return Proof::Fails;
        };
        let of = self.epocher.containing(Height::new(announcement.height));
        if certificate.proposal.payload != announcement.digest
            || of.is_none_or(|of| of.epoch() != certificate.epoch())
        {
            return Proof::Fails;
        }
        let Some(scheme) = self.committees.of(certificate.epoch()) else {
            return Proof::Unknown;
        };
        if certificate.verify(&mut self.context, scheme.as_ref(), &Sequential) {
            Proof::Holds
        } else {
            Proof::Fails
        }
    }
}

/// Who is connected.
#[derive(Default)]
struct Peers {
    known: BTreeSet<PublicKey>,
    /// Those that have not said anything since they connected, and when each was asked last.
    owing: BTreeMap<PublicKey, SystemTime>,
}

impl Peers {
    /// Takes who is connected now; tells who is to be asked again.
    fn meet(&mut self, connected: BTreeSet<PublicKey>, now: SystemTime) -> Vec<PublicKey> {
        self.owing.retain(|peer, _| connected.contains(peer));
        let mut late = Vec::new();
        for (peer, asked) in &mut self.owing {
            if now.duration_since(*asked).unwrap_or_default() >= ANSWER_PATIENCE {
                *asked = now;
                late.push(peer.clone());
            }
        }
        self.owing.extend(connected.difference(&self.known).map(|peer| (peer.clone(), now)));
        self.known = connected;
        late
    }
}

/// Whether whoever is told shall tell in turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Wanted,
    Unneeded,
}

/// What a certificate is worth.
enum Proof {
    Holds,
    Fails,
    /// It is of an epoch whose committee isn't known yet.
    Unknown,
}

/// Unix microseconds of a clock.
fn unix_us(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A key as the status shows it.
pub fn key_bytes(key: &PublicKey) -> B256 {
    B256::from_slice(key.as_ref())
}
