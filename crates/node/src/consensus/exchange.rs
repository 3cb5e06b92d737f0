//! The exchange of tips, outside the frozen clock.
//!
//! Votes and certificates are sent once, and what would send them again runs on a clock that stands
//! still on an idle network. So a node that was away, or lost the last message, would learn of the
//! tip with the next transaction only. Instead each node tells each peer, when they get to know
//! each other, what its newest certified block is, and asks for the same; it answers who asks or is
//! behind; and at a slow beat it tells everybody. What a peer claims is proven by the certificate;
//! then marshal is hinted to fetch what is missing from that peer.
//!
//! The same messages tell at start which peers are there: the engine of a restarted node waits
//! until a quorum was heard and their tip is reached, so that it neither votes on what is decided
//! nor asks its peers for views that they have forgotten.
//!
//! Message: height (8) ‖ block hash (32) ‖ flags (1, bit 0: an answer is wanted) ‖ certificate
//! (length, bytes; empty at the genesis).

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use alloy_primitives::B256;
use bytes::{BufMut, Bytes};
use commonware_codec::{
    Buf, Copying, Decode, DecodeExt, Encode, EncodeSize, Error as CodecError, FixedSize, RangeCfg,
    Read, ReadExt, Write,
};
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
    bell::Bell,
    block::OrderedBlock,
    committees::Committees,
    digest::Digest,
    heard::Heard,
    scheme::Scheme,
    steady::Wall,
    stores::{Archive, Finalization},
};
use crate::{
    config::MAX_VALIDATORS,
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
/// Without a block for this long although transactions are pending, the network stalls.
const STALL_AFTER: Duration = Duration::from_secs(10);

/// What one node tells another of its tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    height: u64,
    digest: Digest,
    wants_answer: bool,
    certificate: Bytes,
}

/// The largest certificate that is decoded.
fn certificate_limit() -> usize {
    let validators = u32::try_from(MAX_VALIDATORS).expect("a small number");
    Finalization::max_encode_size(validators)
}

impl Write for Announcement {
    fn write(&self, buf: &mut impl BufMut) {
        self.height.write(buf);
        self.digest.write(buf);
        u8::from(self.wants_answer).write(buf);
        self.certificate.write(buf);
    }
}

impl EncodeSize for Announcement {
    fn encode_size(&self) -> usize {
        u64::SIZE + Digest::SIZE + u8::SIZE + self.certificate.encode_size()
    }
}

impl Read for Announcement {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        let height = u64::read(buf)?;
        let digest = Digest::read(buf)?;
        let flags = u8::read(buf)?;
        if flags > 1 {
            return Err(CodecError::Invalid("windlass::Announcement", "unknown flags"));
        }
        let certificate = Bytes::read_cfg(buf, &RangeCfg::from(..=certificate_limit()))?;
        Ok(Self { height, digest, wants_answer: flags == 1, certificate })
    }
}

/// The largest announcement.
pub fn max_announcement_size() -> usize {
    u64::SIZE + Digest::SIZE + u8::SIZE + 5 + certificate_limit()
}

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
    pub async fn run(mut self, mut receiver: impl Receiver<PublicKey = PublicKey>) {
        let mut look = FIRST_LOOK;
        let mut next_look = self.context.current();
        let mut next_beat = next_look + SLOW_BEAT;
        let mut known: BTreeSet<PublicKey> = BTreeSet::new();
        let mut progress = (self.ledger.tip().number, next_look);
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
                self.hear(peer, bytes).await;
            }
            if self.boundary.rings() > boundaries {
                boundaries = self.boundary.rings();
                self.tell(Recipients::All, Answer::Unneeded).await;
            }
            if self.learned.rings() > learned {
                learned = self.learned.rings();
                self.go_on();
            }
            let now = self.context.current();
            if now >= next_look {
                let met = self.look(&mut known, &mut progress).await;
                look = if met { FIRST_LOOK } else { (look * 3 / 2).min(LAST_LOOK) };
                next_look = now + look;
            }
            if now >= next_beat {
                next_beat = now + SLOW_BEAT;
                self.tell(Recipients::All, Answer::Unneeded).await;
            }
        }
    }

    /// Looks who is connected; asks the new ones. True if there are new ones, or some that haven't
    /// answered yet.
    async fn look(
        &mut self,
        known: &mut BTreeSet<PublicKey>,
        progress: &mut (u64, SystemTime),
    ) -> bool {
        let me = self.committees.node_key().clone();
        let now: BTreeSet<PublicKey> =
            (self.connected)().into_iter().filter(|peer| *peer != me).collect();
        let new: Vec<PublicKey> = now.difference(known).cloned().collect();
        *known = now;
        let connected = known.iter().map(|peer| (key_bytes(peer), self.heard.claim(peer)));
        self.status.set_connected(&connected.collect());
        let met = !new.is_empty();
        if met {
            self.heard.connected();
            self.tell(Recipients::Some(new), Answer::Wanted).await;
        }
        self.note_stall(progress);
        met
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
        let highest = self.heard.highest(&self.committees.node_keys());
        if highest > tip {
            // Should what was asked for be lost.
            self.go_on();
        }
        let obstacle = self.ledger.obstacle();
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
                Some(format!("{seen} of {all} validators connected, {needed} needed"))
            } else if waited >= STALL_AFTER {
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

    /// Tells peers this node's newest certified block.
    async fn tell(&mut self, to: Recipients<PublicKey>, answer: Answer) {
        let wants_answer = answer == Answer::Wanted;
        let announcement = match self.archive.newest_certificate().await {
            Ok(Some((height, certificate))) => Announcement {
                height,
                digest: certificate.proposal.payload,
                wants_answer,
                certificate: certificate.encode(),
            },
            Ok(None) => Announcement {
                height: 0,
                digest: self.ledger.genesis().hash().into(),
                wants_answer,
                certificate: Bytes::new(),
            },
            Err(error) => {
                tracing::error!(%error, "cannot read the newest certificate");
                return;
            }
        };
        let _sent = self.sender.send(to, announcement.encode(), true);
    }

    /// Takes a peer's announcement.
    async fn hear(&mut self, peer: PublicKey, bytes: impl Buf) {
        let Ok(announcement) = Announcement::decode(bytes) else {
            commonware_p2p::block!(self.blocker, peer, "malformed announcement");
            return;
        };
        let mine = self.ledger.tip().number;
        let mut proven = announcement.height.min(mine);
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
                    proven = announcement.height;
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
        let first = self.heard.note(&peer, announcement.height, proven);
        if announcement.wants_answer || announcement.height < mine || first {
            self.tell(Recipients::One(peer), Answer::Unneeded).await;
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

/// A key as the status shows it.
pub fn key_bytes(key: &PublicKey) -> B256 {
    B256::from_slice(key.as_ref())
}
