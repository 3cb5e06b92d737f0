//! Evidence that a validator voted twice, as a file, and its check.
//!
//! The file has both votes and, as a [`Proof`](crate::Proof) does, the header of block 0 and the
//! changes of validators from the trust anchor on. They show who votes in the epoch of the votes.
//! No header of that epoch is needed: both votes are signed in a namespace that contains the hashes
//! of block 0 and of the committee, and an honest validator signs one of the two at most, whatever
//! becomes of the block.

use alloy_primitives::{B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use crate::anchor::{Checkpoint, TrustAnchor};
use crate::committee::Validator;
use crate::error::{ProofError, at};
use crate::file::{self, Change, FORMAT_VERSION, FileError, check_head};
use crate::header::Sealed;
use crate::hex;
use crate::limits::{MAX_CHANGES, MAX_VOTES_BYTES};
use crate::verify::{Schedule, at_most};
use crate::votes::{ConflictingVotes, Contradiction};

/// What the field `format` of evidence says.
pub const EVIDENCE_FORMAT: &str = "windlass-evidence";

/// Two votes of one validator that contradict each other, with all that is needed to check them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct EvidenceProof {
    /// The header of block 0, as RLP.
    pub genesis: Bytes,
    /// The changes of validators from the trust anchor on, in the order of their epochs.
    pub changes: Vec<Change>,
    /// Both votes, as nodes keep them ([`ConflictingVotes`]).
    pub votes: Bytes,
}

/// Who votes in which epoch of a network, as changes of validators have shown.
#[derive(Debug)]
pub struct Voters(Schedule);

/// What evidence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvidence {
    /// The hash of block 0: THE hash of the network.
    pub genesis: B256,
    /// What a proposal names it by: [`evidence_hash`].
    pub hash: B256,
    /// Who voted twice.
    pub validator: Validator,
    /// The epoch of both votes.
    pub epoch: u64,
    /// The view of both votes.
    pub view: u64,
    /// What was signed.
    pub conflicting: ConflictingVotes,
    /// The first epoch that the file shows the validator's committee for.
    pub committee_epoch: u64,
    /// The newest validators that the file shows, to trust from here on.
    pub checkpoint: Checkpoint,
}

impl EvidenceProof {
    /// Evidence of two votes, of changes from the anchor on only those before the votes' epoch.
    ///
    /// # Errors
    /// If the bytes are not two votes that contradict each other.
    pub fn new(genesis: Bytes, changes: &[Change], votes: Bytes) -> Result<Self, ProofError> {
        let [vote, _] = decode(&votes)?.votes;
        let before = |change: &&Change| match Sealed::decode(&change.header) {
            // One that can't be read is for the verifier to refuse.
            Err(_) => true,
            Ok(sealed) => {
                sealed.extra_data().ok().flatten().is_none_or(|extra| extra.epoch < vote.epoch)
            }
        };
        let changes = changes.iter().filter(before).cloned().collect();
        Ok(Self { genesis, changes, votes })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As those of [`Proof::from_json`](crate::Proof::from_json).
    pub fn from_json(bytes: &[u8]) -> Result<Self, FileError> {
        file::read(bytes, EVIDENCE_FORMAT)
    }

    /// Writes a file: indented, each field in a line of its own.
    pub fn to_json(&self) -> String {
        file::write(self)
    }
}

/// Verifies evidence against what is trusted.
///
/// Nothing else is needed and nobody is asked. The work is bounded by the limits in this crate's
/// root, and no input makes it panic.
///
/// # Errors
/// The first part of the evidence that does not hold, and why.
pub fn verify_evidence(
    evidence: &EvidenceProof,
    anchor: &TrustAnchor,
) -> Result<VerifiedEvidence, ProofError> {
    Voters::proven(&evidence.genesis, &evidence.changes, anchor)?.check(&evidence.votes)
}

impl Voters {
    /// Who votes, from the anchor on over changes; `genesis` is the header of block 0 as RLP.
    ///
    /// # Errors
    /// The first part that does not hold, and why.
    pub fn proven(
        genesis: &[u8],
        changes: &[Change],
        anchor: &TrustAnchor,
    ) -> Result<Self, ProofError> {
        Schedule::proven(anchor, genesis, changes).map(Self)
    }

    /// The hash of block 0.
    pub fn genesis(&self) -> B256 {
        self.0.genesis
    }

    /// Verifies that one of them cast both of two votes.
    ///
    /// # Errors
    /// If the votes do not contradict each other, or are not those of one validator of their epoch.
    pub fn check(&self, votes: &[u8]) -> Result<VerifiedEvidence, ProofError> {
        let Self(schedule) = self;
        let conflicting = decode(votes)?;
        let [vote, _] = &conflicting.votes;
        let round @ (epoch, view) = (vote.epoch, vote.view);
        let rule = schedule.rule(epoch, "votes")?;
        let validator = rule.committee.accuse(&conflicting).map_err(|error| at("votes", error))?;
        Ok(VerifiedEvidence {
            genesis: schedule.genesis,
            hash: evidence_hash(round, validator, conflicting.contradiction, votes),
            validator,
            epoch,
            view,
            committee_epoch: rule.from,
            checkpoint: schedule.checkpoint(),
            conflicting,
        })
    }
}

/// What a proposal names evidence by: keccak-256 over epoch and view (8 bytes each, big-endian),
/// both keys, the kind (1 byte) and the votes. When it was seen is each node's own, and not in it.
pub fn evidence_hash(
    (epoch, view): (u64, u64),
    validator: Validator,
    kind: Contradiction,
    votes: &[u8],
) -> B256 {
    let Validator { node_key, consensus_key } = validator;
    let (epoch, view, kind) = (epoch.to_be_bytes(), view.to_be_bytes(), [kind.number()]);
    let keys = [node_key.as_slice(), consensus_key.as_slice()];
    keccak256([&epoch[..], &view, keys[0], keys[1], &kind, votes].concat())
}

fn decode(votes: &[u8]) -> Result<ConflictingVotes, ProofError> {
    at_most("votes", votes.len(), MAX_VOTES_BYTES)?;
    ConflictingVotes::decode(votes).map_err(|error| at("votes", error))
}

/// Evidence as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u64,
    #[serde(with = "hex::bytes")]
    genesis: Bytes,
    #[serde(deserialize_with = "hex::bounded::<_, _, MAX_CHANGES>")]
    changes: Vec<Change>,
    #[serde(with = "hex::bytes")]
    votes: Bytes,
}

impl From<EvidenceProof> for File {
    fn from(evidence: EvidenceProof) -> Self {
        let EvidenceProof { genesis, changes, votes } = evidence;
        let format = EVIDENCE_FORMAT.to_owned();
        Self { format, version: FORMAT_VERSION, genesis, changes, votes }
    }
}

impl TryFrom<File> for EvidenceProof {
    type Error = FileError;

    fn try_from(file: File) -> Result<Self, FileError> {
        let File { format, version, genesis, changes, votes } = file;
        check_head(&format, version, EVIDENCE_FORMAT)?;
        Ok(Self { genesis, changes, votes })
    }
}
