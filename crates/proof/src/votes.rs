//! Two votes of one validator that contradict each other: the bytes that nodes keep, and what was
//! signed.
//!
//! Consensus is commonware's simplex; the bytes are its `Activity`, in its codec:
//!
//! | bytes | content |
//! |---|---|
//! | 1 | 7: two votes to notarize; 8: two to finalize; 9: one to nullify, then one to finalize |
//! | … | the one vote |
//! | … | the other vote |
//!
//! A vote to notarize or to finalize begins with epoch, view, parent's view (varints) and the hash
//! of the block (32); one to nullify with epoch and view. The seat of the signer (varint) and its
//! signature (64) follow. What is signed is the vote's beginning, in the namespace of its kind:
//! [`signed_bytes`].

use alloy_primitives::B256;

use crate::codec::{Malformed, put_varint, take, varint};
use crate::ed25519::SIGNATURE_BYTES;

/// What the namespace of votes begins with; the hashes of block 0 and of the committee follow.
const NAMESPACE: &[u8] = b"windlass/1/";

/// What a vote is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteKind {
    /// That a block may follow its parent.
    Notarize,
    /// That no block becomes final in the view.
    Nullify,
    /// That a block is final.
    Finalize,
}

/// How two votes contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Votes to notarize two proposals in one view.
    NotarizedTwice,
    /// Votes to finalize two proposals in one view.
    FinalizedTwice,
    /// A vote to nullify a view, and one to finalize a block in it.
    FinalizedAndNullified,
}

/// A vote as it decodes: nothing is verified but its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What it is for.
    pub kind: VoteKind,
    /// The epoch.
    pub epoch: u64,
    /// The round of the epoch.
    pub view: u64,
    /// The proposal that it is for; none where it is to nullify the view.
    pub proposal: Option<Proposal>,
    /// The seat that cast it.
    pub seat: u64,
    /// Its signature (R ‖ s).
    pub signature: [u8; SIGNATURE_BYTES],
    /// What was signed, without the namespace.
    content: Vec<u8>,
}

/// What a vote is for, beside its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The round in which the block's parent was proposed.
    pub parent_view: u64,
    /// The hash of the block.
    pub block: B256,
}

/// Two votes of one seat in one view that contradict each other, if their signatures hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictingVotes {
    /// How they contradict each other.
    pub contradiction: Contradiction,
    /// The votes, in the order in which they are kept.
    pub votes: [Vote; 2],
}

/// Why bytes are not two votes that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VotesError {
    /// The bytes are not in consensus' codec.
    #[error("they are not two votes in consensus' encoding")]
    Malformed(#[from] Malformed),
    /// They are something else than votes that contradict each other.
    #[error("their first byte is {found}, which does not stand for two votes that contradict")]
    Kind {
        /// The byte.
        found: u8,
    },
    /// There are bytes after the second vote.
    #[error("{bytes} bytes follow the votes")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The votes are of two rounds, or of two signers.
    #[error("the one is of seat {}, epoch {} and view {}, the other of seat {}, epoch {} and view {}",
        .one.0, .one.1, .one.2, .other.0, .other.1, .other.2)]
    Apart {
        /// Seat, epoch and view of the one.
        one: (u64, u64, u64),
        /// Those of the other.
        other: (u64, u64, u64),
    },
    /// Both are for the same.
    #[error("both votes are for the same proposal, and contradict nothing")]
    Same,
    /// The committee has no such seat.
    #[error("they are of seat {seat}, and the epoch's committee has {seats} seats")]
    NoSeat {
        /// The seat, from zero.
        seat: u64,
        /// How many there are.
        seats: usize,
    },
    /// A signature is not that of the seat's validator.
    #[error(
        "the signature of vote {vote} is not that of consensus key {consensus_key}, a validator of \
         the epoch on this network"
    )]
    Signature {
        /// Which vote, from zero.
        vote: usize,
        /// The key that would have to have signed.
        consensus_key: B256,
    },
}

impl VoteKind {
    /// What the namespace of such votes ends with.
    fn suffix(self) -> &'static [u8] {
        match self {
            Self::Notarize => b"_NOTARIZE",
            Self::Nullify => b"_NULLIFY",
            Self::Finalize => b"_FINALIZE",
        }
    }
}

impl Contradiction {
    /// Each of them, in the order of their numbers.
    pub const ALL: [Self; 3] =
        [Self::NotarizedTwice, Self::FinalizedTwice, Self::FinalizedAndNullified];

    /// The word that nodes serve and proposals use.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotarizedTwice => "notarized_twice",
            Self::FinalizedTwice => "finalized_twice",
            Self::FinalizedAndNullified => "finalized_and_nullified",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Its number in the hash of evidence.
    pub fn number(self) -> u8 {
        match self {
            Self::NotarizedTwice => 0,
            Self::FinalizedTwice => 1,
            Self::FinalizedAndNullified => 2,
        }
    }

    fn votes(self) -> [VoteKind; 2] {
        match self {
            Self::NotarizedTwice => [VoteKind::Notarize; 2],
            Self::FinalizedTwice => [VoteKind::Finalize; 2],
            Self::FinalizedAndNullified => [VoteKind::Nullify, VoteKind::Finalize],
        }
    }
}

impl Vote {
    fn read(rest: &mut &[u8], kind: VoteKind) -> Result<Self, Malformed> {
        let start = *rest;
        let epoch = varint(rest, "epoch")?;
        let view = varint(rest, "view")?;
        let proposal = match kind {
            VoteKind::Nullify => None,
            VoteKind::Notarize | VoteKind::Finalize => Some(Proposal {
                parent_view: varint(rest, "parent's view")?,
                block: B256::from(take::<32>(rest, "block hash")?),
            }),
        };
        let content = start.get(..start.len() - rest.len()).unwrap_or_default().to_vec();
        let seat = varint(rest, "seat")?;
        let signature = take(rest, "signature")?;
        Ok(Self { kind, epoch, view, proposal, seat, signature, content })
    }

    fn place(&self) -> (u64, u64, u64) {
        (self.seat, self.epoch, self.view)
    }

    /// The bytes that its signer signed, on the network with this hash of block 0, as a member of
    /// the committee with this hash.
    pub fn message(&self, genesis: B256, committee: B256) -> Vec<u8> {
        signed_bytes(self.kind, genesis, committee, &self.content)
    }
}

impl ConflictingVotes {
    /// Decodes the bytes of two votes, and no byte more.
    ///
    /// # Errors
    /// If the bytes are not in the one encoding of two votes of one seat in one view that contradict
    /// each other. Whether their signatures hold is not looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, VotesError> {
        let mut rest = bytes;
        let [first] = take::<1>(&mut rest, "kind")?;
        let contradiction = match first {
            7 => Contradiction::NotarizedTwice,
            8 => Contradiction::FinalizedTwice,
            9 => Contradiction::FinalizedAndNullified,
            found => return Err(VotesError::Kind { found }),
        };
        let [one, other] = contradiction.votes();
        let votes = [Vote::read(&mut rest, one)?, Vote::read(&mut rest, other)?];
        if !rest.is_empty() {
            return Err(VotesError::Trailing { bytes: rest.len() });
        }
        let [one, other] = &votes;
        if one.place() != other.place() {
            return Err(VotesError::Apart { one: one.place(), other: other.place() });
        }
        if one.kind == other.kind && one.content == other.content {
            return Err(VotesError::Same);
        }
        Ok(Self { contradiction, votes })
    }
}

/// What a validator signs: the namespace of its network, committee and kind of vote with its length
/// before it, and what the vote is for.
pub(crate) fn signed_bytes(
    kind: VoteKind,
    genesis: B256,
    committee: B256,
    content: &[u8],
) -> Vec<u8> {
    let namespace = [NAMESPACE, genesis.as_slice(), committee.as_slice(), kind.suffix()].concat();
    let mut message = Vec::with_capacity(160);
    put_varint(&mut message, u64::try_from(namespace.len()).unwrap_or(u64::MAX));
    message.extend(namespace);
    message.extend(content);
    message
}
