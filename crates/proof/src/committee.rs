//! Who votes in an epoch, and whether enough of them signed.

use std::collections::BTreeSet;

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, CertificateError};
use crate::ed25519::PublicKey;
use crate::hex;
use crate::votes::{ConflictingVotes, Vote, VotesError};

/// A validator's two Ed25519 public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// Its identity: the order of the seats goes by it.
    #[serde(with = "hex::fixed")]
    pub node_key: B256,
    /// The key of its votes.
    #[serde(with = "hex::fixed")]
    pub consensus_key: B256,
}

/// The hash of a set of validators, as slot 0 of the governance contract has it: keccak-256 over
/// the pairs of node key and consensus key in rising order of the node keys.
pub fn set_hash(validators: &[Validator]) -> B256 {
    let mut sorted = validators.to_vec();
    sorted.sort_unstable();
    let keys = sorted.iter().flat_map(|one| [one.node_key, one.consensus_key]);
    keccak256(keys.flatten().collect::<Vec<u8>>())
}

/// The validators of an epoch on one network: each has a seat and one vote.
#[derive(Clone, Debug)]
pub struct Committee {
    genesis: B256,
    seats: Vec<Seat>,
}

#[derive(Clone, Debug)]
struct Seat {
    validator: Validator,
    consensus_key: PublicKey,
}

/// A certificate that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The epoch that was signed. Whether this committee rules it is for the caller to check.
    pub epoch: u64,
    /// The round of the epoch in which the block was proposed.
    pub view: u64,
    /// The hash of the block.
    pub block: B256,
    /// Who signed, in the order of the seats.
    pub signers: Vec<Validator>,
    /// How many seats the committee has.
    pub seats: usize,
}

impl Committee {
    /// Seats a set of validators on the network with this hash of block 0; `None` where none of
    /// them can have a seat.
    ///
    /// As on the nodes, a validator has a seat if both its keys are points of the curve, and
    /// neither its node key nor its consensus key is that of a validator before it in rising order
    /// of the node keys.
    pub fn new(genesis: B256, validators: &[Validator]) -> Option<Self> {
        let mut sorted = validators.to_vec();
        sorted.sort_unstable();
        let (mut nodes, mut votes) = (BTreeSet::new(), BTreeSet::new());
        let seat = |validator: Validator| {
            PublicKey::decode(validator.node_key)?;
            let consensus_key = PublicKey::decode(validator.consensus_key)?;
            let fresh = !nodes.contains(&validator.node_key)
                && !votes.contains(&validator.consensus_key)
                && nodes.insert(validator.node_key)
                && votes.insert(validator.consensus_key);
            fresh.then_some(Seat { validator, consensus_key })
        };
        let seats: Vec<_> = sorted.into_iter().filter_map(seat).collect();
        (!seats.is_empty()).then_some(Self { genesis, seats })
    }

    /// Who has a seat, in the order of the seats.
    pub fn validators(&self) -> Vec<Validator> {
        self.seats.iter().map(|seat| seat.validator).collect()
    }

    /// How many have to sign: n − ⌊(n − 1) / 3⌋ of n.
    pub fn quorum(&self) -> usize {
        let seats = self.seats.len();
        seats - (seats - 1) / 3
    }

    /// Verifies that a quorum of this committee signed the block's finality.
    ///
    /// `certificate` is in the encoding in which nodes store it ([`Certificate`]). Every signature
    /// in it has to hold, also beyond the quorum.
    ///
    /// # Errors
    /// If the certificate is malformed, of a committee of another size, for another block, or too
    /// few or wrong signatures are in it.
    pub fn verify(&self, certificate: &[u8], block: B256) -> Result<Certified, CertificateError> {
        let certificate = Certificate::decode(certificate)?;
        if certificate.block != block {
            return Err(CertificateError::Block { found: certificate.block, expected: block });
        }
        let (seats, quorum, found) =
            (self.seats.len(), self.quorum(), certificate.signatures.len());
        if certificate.seats != seats {
            let found = u64::try_from(certificate.seats).unwrap_or(u64::MAX);
            return Err(CertificateError::Seats { found, expected: seats });
        }
        if found < quorum {
            return Err(CertificateError::Quorum { found, seats, quorum });
        }
        let message = certificate.message(self.genesis, set_hash(&self.validators()));
        let mut signers = Vec::with_capacity(found);
        for (seat, signature) in &certificate.signatures {
            let Some(Seat { validator, consensus_key }) = self.seats.get(*seat) else {
                return Err(CertificateError::UnknownSigner { seats });
            };
            if !consensus_key.verifies(&message, signature) {
                let consensus_key = validator.consensus_key;
                return Err(CertificateError::Signature { seat: *seat, consensus_key });
            }
            signers.push(*validator);
        }
        Ok(Certified { epoch: certificate.epoch, view: certificate.view, block, signers, seats })
    }

    /// Verifies that one of this committee signed both of two votes; tells who.
    ///
    /// # Errors
    /// If there is no such seat, or a signature is not its validator's.
    pub fn accuse(&self, conflicting: &ConflictingVotes) -> Result<Validator, VotesError> {
        let [Vote { seat, .. }, _] = &conflicting.votes;
        let found = usize::try_from(*seat).ok().and_then(|index| self.seats.get(index));
        let Some(Seat { validator, consensus_key }) = found else {
            return Err(VotesError::NoSeat { seat: *seat, seats: self.seats.len() });
        };
        let committee = set_hash(&self.validators());
        for (vote, one) in conflicting.votes.iter().enumerate() {
            if !consensus_key.verifies(&one.message(self.genesis, committee), &one.signature) {
                let consensus_key = validator.consensus_key;
                return Err(VotesError::Signature { vote, consensus_key });
            }
        }
        Ok(*validator)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;

    use super::*;

    fn validator(node: u8, consensus: u8) -> Validator {
        Validator { node_key: B256::repeat_byte(node), consensus_key: B256::repeat_byte(consensus) }
    }

    #[test]
    fn the_hash_of_a_set_is_the_contract_s() {
        let expected = b256!("0x3fdc9032c16d440f6c96be209c36d3d0e1aed61a2531490fe0ca475eb615c40a");
        assert_eq!(set_hash(&[validator(1, 2), validator(3, 4)]), expected);
        assert_eq!(set_hash(&[validator(3, 4), validator(1, 2)]), expected, "in any order");
    }

    #[test]
    fn who_has_no_usable_key_or_another_s_has_no_seat() {
        let points: Vec<u8> = (0..=u8::MAX)
            .filter(|byte| PublicKey::decode(B256::repeat_byte(*byte)).is_some())
            .collect();
        let none = (0..=u8::MAX).find(|byte| PublicKey::decode(B256::repeat_byte(*byte)).is_none());
        let (a, b, c, none) = (points[1], points[2], points[3], none.unwrap());
        let seats = |validators: &[Validator]| {
            Committee::new(B256::ZERO, validators).map(|committee| committee.validators())
        };
        let (first, second) = (validator(a, b), validator(b, c));
        assert_eq!(seats(&[second, first]), Some(vec![first, second]), "in order of node keys");
        assert_eq!(seats(&[first, validator(none, c)]), Some(vec![first]));
        assert_eq!(seats(&[first, validator(c, none)]), Some(vec![first]));
        assert_eq!(seats(&[first, validator(a, c)]), Some(vec![first]), "a node key twice");
        assert_eq!(seats(&[first, validator(c, b)]), Some(vec![first]), "a consensus key twice");
        assert_eq!(seats(&[validator(none, a)]), None);
        assert_eq!(seats(&[]), None);
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds() {
        let points = (0..=u8::MAX)
            .filter(|byte| PublicKey::decode(B256::repeat_byte(*byte)).is_some())
            .map(|byte| validator(byte, byte))
            .collect::<Vec<_>>();
        for (seats, quorum) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (7, 5), (10, 7), (21, 15)] {
            let committee = Committee::new(B256::ZERO, &points[..seats]).unwrap();
            assert_eq!(committee.quorum(), quorum, "of {seats}");
        }
    }
}
