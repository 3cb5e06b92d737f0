//! The check itself: from the anchor over the changes of validators to the certified block, down to
//! the proven one, and to what is claimed of it.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, address};

use crate::anchor::{Checkpoint, TrustAnchor};
use crate::claim::{self, Fact};
use crate::committee::{Certified, Committee, Validator, set_hash};
use crate::error::{ProofError, Reason, at};
use crate::file::{Change, Proof};
use crate::header::{Sealed, timestamp_ms};
use crate::limits::{MAX_CHANGES, MAX_HEADERS, MAX_VALIDATORS};

/// Where the governance contract lies: "Windlass" in ASCII, and 1.
pub const GOVERNANCE_ADDRESS: Address = address!("0x57696e646c617373000000000000000000000001");
/// The contract's slot with the hash of the validators of the next epoch.
pub const VALIDATOR_SET_HASH_SLOT: B256 = B256::ZERO;

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The hash of block 0: THE hash of the network.
    pub genesis: B256,
    /// The block that the claim is about.
    pub block: ProvenBlock,
    /// Why that block is final.
    pub finality: Finality,
    /// What is proven about it.
    pub fact: Fact,
    /// The newest validators that the proof shows, to trust from here on.
    pub checkpoint: Checkpoint,
}

/// A block that is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenBlock {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// When it was made: Unix time in milliseconds.
    pub timestamp_ms: u64,
    /// The epoch of its height.
    pub epoch: u64,
    /// Its whole header.
    pub header: Header,
}

/// The certificate that makes a block final: its own or a descendant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finality {
    /// The height of the certified block.
    pub number: u64,
    /// The first epoch that the proof shows the certificate's committee for. From it to the
    /// certificate's epoch the file names no change; that there was none, it does not show.
    pub committee_epoch: u64,
    /// What was certified, and who signed.
    pub certified: Certified,
}

/// Verifies a proof against what is trusted.
///
/// Nothing else is needed and nobody is asked. The work is bounded by the limits in this crate's
/// root, and no input makes it panic.
///
/// # Errors
/// The first part of the proof that does not hold, and why.
pub fn verify(proof: &Proof, anchor: &TrustAnchor) -> Result<Verified, ProofError> {
    at_most("headers", proof.headers.len(), MAX_HEADERS)?;
    let schedule = Schedule::proven(anchor, &proof.genesis, &proof.changes)?;
    let headers = schedule.headers(&proof.headers)?;
    let (Some(first), Some(last)) = (headers.first(), headers.last()) else {
        return Err(at("headers", Reason::Empty));
    };
    let (committee_epoch, certified) =
        schedule.certified(last, &proof.certificate, "certificate")?;
    let fact = claim::check(&proof.claim, &first.header)?;
    Ok(Verified {
        genesis: schedule.genesis,
        block: schedule.block(first, "headers[0]")?,
        finality: Finality { number: last.header.number, committee_epoch, certified },
        fact,
        checkpoint: schedule.checkpoint(),
    })
}

impl Checkpoint {
    /// Goes on over changes of validators, each proven by those before it.
    ///
    /// # Errors
    /// The first change that does not hold, and why; there may be as many as in a [`Proof`].
    pub fn advance(&self, changes: &[Change]) -> Result<Self, ProofError> {
        Ok(Schedule::since(self)?.over(changes)?.checkpoint())
    }

    /// Checks that these validators made a block final: `header` is its RLP, `certificate` in the
    /// encoding in which nodes store it.
    ///
    /// # Errors
    /// If it is no header, is before the checkpoint, or the certificate is not these validators'.
    pub fn certified(&self, header: &[u8], certificate: &[u8]) -> Result<ProvenBlock, ProofError> {
        let schedule = Schedule::since(self)?;
        let mut headers = schedule.headers(&[Bytes::copy_from_slice(header)])?;
        let sealed = headers.pop().expect("one header was given");
        schedule.certified(&sealed, certificate, "certificate")?;
        schedule.block(&sealed, "headers[0]")
    }
}

/// Which committee rules which epoch, as far as the proof has shown.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// The hash of block 0.
    pub(crate) genesis: B256,
    epoch_length: u64,
    /// The epoch that the last change ended.
    ended: Option<u64>,
    /// Committees by the first epoch that each rules, in rising order; never empty.
    rules: Vec<Rule>,
}

/// Who rules from an epoch on.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) from: u64,
    pub(crate) committee: Committee,
}

impl Schedule {
    fn new(genesis: B256, anchor: &TrustAnchor) -> Self {
        let first = Rule { from: anchor.epoch(), committee: anchor.committee(genesis) };
        let epoch_length = anchor.epoch_length();
        Self { genesis, epoch_length, ended: None, rules: vec![first] }
    }

    fn since(checkpoint: &Checkpoint) -> Result<Self, ProofError> {
        let anchor = TrustAnchor::from_checkpoint(checkpoint.clone())
            .map_err(|error| at("checkpoint", Reason::Checkpoint(error.to_string())))?;
        Ok(Self::new(checkpoint.genesis, &anchor))
    }

    /// What rules by the changes of a file, given its header of block 0.
    pub(crate) fn proven(
        anchor: &TrustAnchor,
        genesis: &[u8],
        changes: &[Change],
    ) -> Result<Self, ProofError> {
        Self::new(anchor.block_zero(genesis)?, anchor).over(changes)
    }

    /// Goes on over changes.
    fn over(mut self, changes: &[Change]) -> Result<Self, ProofError> {
        at_most("changes", changes.len(), MAX_CHANGES)?;
        for (index, change) in changes.iter().enumerate() {
            self.take(change, &format!("changes[{index}]"))?;
        }
        Ok(self)
    }

    fn block(&self, sealed: &Sealed, part: &str) -> Result<ProvenBlock, ProofError> {
        let extra = sealed.extra_data().map_err(|error| at(part, error))?;
        Ok(ProvenBlock {
            number: sealed.header.number,
            hash: sealed.hash,
            timestamp_ms: timestamp_ms(&sealed.header, extra),
            epoch: self.epoch_of(&sealed.header),
            header: sealed.header.clone(),
        })
    }

    /// The epoch of a block's height; block 0 counts to epoch 0.
    fn epoch_of(&self, header: &Header) -> u64 {
        header.number / self.epoch_length
    }

    /// The newest rule.
    fn newest(&self) -> &Rule {
        self.rules.last().expect("the anchor's rule is never removed")
    }

    /// The rule of an epoch, which a part of the proof is of.
    pub(crate) fn rule(&self, epoch: u64, part: &str) -> Result<&Rule, ProofError> {
        self.rules.iter().rev().find(|rule| rule.from <= epoch).ok_or_else(|| {
            let checkpoint = self.rules.first().map_or(0, |rule| rule.from);
            at(part, Reason::BeforeCheckpoint { epoch, checkpoint })
        })
    }

    /// Takes a change: from the epoch after the one that it ends, its validators rule.
    fn take(&mut self, change: &Change, part: &str) -> Result<(), ProofError> {
        let header_part = format!("{part}.header");
        let sealed = Sealed::decode(&change.header).map_err(|error| at(&header_part, error))?;
        let (number, epoch_length) = (sealed.header.number, self.epoch_length);
        if number % epoch_length != epoch_length - 1 {
            return Err(at(header_part, Reason::NotLastOfEpoch { number, epoch_length }));
        }
        let epoch = self.epoch_of(&sealed.header);
        if let Some(before) = self.ended.filter(|before| *before >= epoch) {
            return Err(at(header_part, Reason::Order { epoch, before }));
        }
        self.ended = Some(epoch);
        // A checkpoint stands for all changes before it.
        if epoch < self.newest().from {
            return Ok(());
        }
        self.check_epoch(&sealed, &header_part)?;
        self.certified(&sealed, &change.certificate, &format!("{part}.certificate"))?;
        check_set(change, &sealed.header, part)?;
        // As on the nodes: where nobody can have a seat, those of before keep theirs.
        let committee = Committee::new(self.genesis, &change.validators)
            .unwrap_or_else(|| self.newest().committee.clone());
        // An epoch number is a height divided by two or more.
        self.rules.push(Rule { from: epoch + 1, committee });
        Ok(())
    }

    /// Decodes headers, each the parent of the next.
    fn headers(&self, headers: &[Bytes]) -> Result<Vec<Sealed>, ProofError> {
        let mut chain: Vec<Sealed> = Vec::with_capacity(headers.len());
        for (index, bytes) in headers.iter().enumerate() {
            let part = format!("headers[{index}]");
            let sealed = Sealed::decode(bytes).map_err(|error| at(&part, error))?;
            if let Some(parent) = chain.last() {
                let (found, expected) = (sealed.header.parent_hash, parent.hash);
                if found != expected {
                    return Err(at(part, Reason::Parent { found, expected }));
                }
                let (found, expected) =
                    (sealed.header.number, parent.header.number.saturating_add(1));
                if found != expected {
                    return Err(at(part, Reason::Number { found, expected }));
                }
            }
            if sealed.header.number == 0 && sealed.hash != self.genesis {
                let (found, expected) = (sealed.hash, self.genesis);
                return Err(at(part, Reason::OtherNetwork { found, expected }));
            }
            self.check_epoch(&sealed, &part)?;
            chain.push(sealed);
        }
        Ok(chain)
    }

    /// Checks that a block says to be of the epoch of its height.
    fn check_epoch(&self, sealed: &Sealed, part: &str) -> Result<(), ProofError> {
        let extra = sealed.extra_data().map_err(|error| at(part, error))?;
        let expected = self.epoch_of(&sealed.header);
        match extra {
            Some(extra) if extra.epoch != expected => {
                Err(at(part, Reason::Epoch { found: extra.epoch, expected }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Verifies a block's certificate with the committee that rules the block's epoch; tells from
    /// which epoch on that committee rules.
    fn certified(
        &self,
        sealed: &Sealed,
        certificate: &[u8],
        part: &str,
    ) -> Result<(u64, Certified), ProofError> {
        if sealed.header.number == 0 {
            return Err(at(part, Reason::BlockZero));
        }
        let epoch = self.epoch_of(&sealed.header);
        let rule = self.rule(epoch, part)?;
        let certified =
            rule.committee.verify(certificate, sealed.hash).map_err(|error| at(part, error))?;
        if certified.epoch != epoch {
            let (found, expected) = (certified.epoch, epoch);
            return Err(at(part, Reason::Epoch { found, expected }));
        }
        Ok((rule.from, certified))
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let Rule { from, committee } = self.newest();
        Checkpoint {
            genesis: self.genesis,
            epoch: *from,
            epoch_length: self.epoch_length,
            validators: committee.validators(),
        }
    }
}

/// Checks that the state after a block names this set of validators.
fn check_set(change: &Change, header: &Header, part: &str) -> Result<(), ProofError> {
    let validators = &change.validators;
    let validators_part = format!("{part}.validators");
    at_most(&validators_part, validators.len(), MAX_VALIDATORS)?;
    let rises = |pair: &[Validator]| pair.first().map(node_key) < pair.last().map(node_key);
    if let Some(position) = validators.windows(2).position(|pair| !rises(pair)) {
        return Err(at(validators_part, Reason::Unordered { position: position + 1 }));
    }
    let account_part = format!("{part}.account_proof");
    let account = claim::account(
        header.state_root,
        GOVERNANCE_ADDRESS,
        &change.account_proof,
        &account_part,
    )?;
    let account = account.ok_or_else(|| at(account_part, Reason::Absent))?;
    let expected = claim::slot(
        account.storage_root,
        VALIDATOR_SET_HASH_SLOT,
        &change.storage_proof,
        &format!("{part}.storage_proof"),
    )?;
    let found = set_hash(validators);
    if U256::from_be_bytes(found.0) != expected {
        return Err(at(validators_part, Reason::SetHash { found, expected }));
    }
    Ok(())
}

fn node_key(validator: &Validator) -> B256 {
    validator.node_key
}

pub(crate) fn at_most(part: &str, found: usize, most: usize) -> Result<(), ProofError> {
    if found <= most { Ok(()) } else { Err(at(part, Reason::TooMany { found, most })) }
}
