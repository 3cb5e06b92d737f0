//! A finality certificate: the bytes that nodes store, and what its signers signed.
//!
//! Consensus is commonware's simplex; a certificate is its `Finalization`, in its codec:
//!
//! | bytes | content |
//! |---|---|
//! | varint | epoch |
//! | varint | view: the round of the epoch in which the block was proposed |
//! | varint | view of the block's parent, zero for an epoch's first block |
//! | 32 | hash of the block |
//! | 8 | how many seats the committee has, big-endian |
//! | ⌈seats / 8⌉ | who signed: seat i is bit i mod 8 (bit 0 the lowest) of byte ⌊i / 8⌋; bits beyond the seats are zero |
//! | varint | how many signatures follow: as many as bits are set |
//! | 64 each | the signatures, in the order of the seats |
//!
//! A varint has seven bits a byte, the lowest first; all bytes but the last have the highest bit
//! set, and the last is not zero unless it is the only one. Each signer signed, with its consensus
//! key,
//!
//! ```text
//! 0x54 ‖ "windlass/1/" ‖ hash of block 0 ‖ hash of the committee ‖ "_FINALIZE"
//!      ‖ epoch ‖ view ‖ parent's view ‖ hash
//! ```
//!
//! where 0x54 is the length (84) of the namespace that follows it, and the last line is the
//! certificate's own beginning. The whole is in docs/protocol/proofs.md.

use alloy_primitives::B256;

use crate::codec::{Malformed, put_varint, take, varint};
use crate::ed25519::SIGNATURE_BYTES;
use crate::limits::MAX_VALIDATORS;
use crate::votes::{VoteKind, signed_bytes};

/// A certificate as it decodes: nothing is verified but its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The epoch whose committee signed.
    pub epoch: u64,
    /// The round of the epoch in which the block was proposed.
    pub view: u64,
    /// The round in which the block's parent was proposed; zero for the block before the epoch.
    pub parent_view: u64,
    /// The hash of the block.
    pub block: B256,
    /// How many seats the committee is said to have.
    pub seats: usize,
    /// The seats that signed, in rising order, each with its signature (R ‖ s).
    pub signatures: Vec<(usize, [u8; SIGNATURE_BYTES])>,
}

/// Why a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes end within a field.
    #[error("the certificate ends before its {field} does")]
    Truncated {
        /// The field.
        field: &'static str,
    },
    /// A number is not in its one encoding, or too large.
    #[error("the {field} of the certificate is no varint of 64 bits in its shortest form")]
    Varint {
        /// The field.
        field: &'static str,
    },
    /// There are bytes after the last signature.
    #[error("{bytes} bytes follow the certificate")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The committee has another size.
    #[error("the certificate is of a committee of {found} seats, not of {expected}")]
    Seats {
        /// What the certificate says.
        found: u64,
        /// What the committee has, or the most that one can have.
        expected: usize,
    },
    /// A bit is set that stands for no seat.
    #[error("the certificate names a signer beyond the committee's {seats} seats")]
    UnknownSigner {
        /// How many seats there are.
        seats: usize,
    },
    /// There is not one signature for each signer.
    #[error("the certificate has {signatures} signatures of {signers} signers")]
    Signatures {
        /// How many signatures there are.
        signatures: u64,
        /// How many seats signed.
        signers: usize,
    },
    /// The certificate is about another block.
    #[error("the certificate is for block {found}, not for {expected}")]
    Block {
        /// The block that it is for.
        found: B256,
        /// The block that it was to be for.
        expected: B256,
    },
    /// Too few signed.
    #[error("{found} of {seats} seats signed, and a quorum is {quorum}")]
    Quorum {
        /// How many signed.
        found: usize,
        /// How many seats there are.
        seats: usize,
        /// How many are needed.
        quorum: usize,
    },
    /// A signature is not its signer's over this block on this network.
    #[error(
        "the signature of seat {seat} is not that of consensus key {consensus_key} over this \
         block, epoch and view on this network"
    )]
    Signature {
        /// The seat, in the order of the node keys, from zero.
        seat: usize,
        /// The key that would have to have signed.
        consensus_key: B256,
    },
}

impl Certificate {
    /// Decodes the bytes of a certificate, and no byte more.
    ///
    /// # Errors
    /// If the bytes are not in the one encoding that a certificate has, or name more than
    /// [`MAX_VALIDATORS`] seats.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut rest = bytes;
        let epoch = varint(&mut rest, "epoch")?;
        let view = varint(&mut rest, "view")?;
        let parent_view = varint(&mut rest, "parent's view")?;
        let block = B256::from(take::<32>(&mut rest, "block hash")?);
        let seats = u64::from_be_bytes(take::<8>(&mut rest, "number of seats")?);
        let seats = usize::try_from(seats)
            .ok()
            .filter(|seats| *seats <= MAX_VALIDATORS)
            .ok_or(CertificateError::Seats { found: seats, expected: MAX_VALIDATORS })?;
        let signers = signers(&mut rest, seats)?;
        let count = varint(&mut rest, "number of signatures")?;
        if u64::try_from(signers.len()) != Ok(count) {
            return Err(CertificateError::Signatures { signatures: count, signers: signers.len() });
        }
        let signatures = signers
            .into_iter()
            .map(|seat| Ok((seat, take(&mut rest, "signatures")?)))
            .collect::<Result<_, Malformed>>()?;
        if !rest.is_empty() {
            return Err(CertificateError::Trailing { bytes: rest.len() });
        }
        Ok(Self { epoch, view, parent_view, block, seats, signatures })
    }

    /// The bytes that each signer signed, on the network with this hash of block 0, as a member of
    /// the committee with this hash ([`set_hash`](crate::set_hash) of those who have a seat).
    pub fn message(&self, genesis: B256, committee: B256) -> Vec<u8> {
        let mut content = Vec::with_capacity(64);
        for number in [self.epoch, self.view, self.parent_view] {
            put_varint(&mut content, number);
        }
        content.extend(self.block);
        signed_bytes(VoteKind::Finalize, genesis, committee, &content)
    }
}

/// The seats whose bit is set.
fn signers(rest: &mut &[u8], seats: usize) -> Result<Vec<usize>, CertificateError> {
    let mut signers = Vec::new();
    for first in (0..seats).step_by(8) {
        let [byte] = take::<1>(rest, "bitmap of signers")?;
        signers.extend((0..8).filter(|bit| byte >> bit & 1 == 1).map(|bit| first + bit));
    }
    match signers.last() {
        Some(last) if *last >= seats => Err(CertificateError::UnknownSigner { seats }),
        Some(_) | None => Ok(signers),
    }
}

impl From<Malformed> for CertificateError {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated { field } => Self::Truncated { field },
            Malformed::Varint { field } => Self::Varint { field },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_of_the_form_is_named() {
        let seats = |seats: u8, rest: &[u8]| {
            let head = [&[0, 1, 0][..], &[7; 32], &[0, 0, 0, 0, 0, 0, 0, seats]].concat();
            Certificate::decode(&[&head, rest].concat())
        };
        let one = [&[0b0010, 1][..], &[9; 64]].concat();
        let decoded = seats(4, &one).unwrap();
        assert_eq!((decoded.epoch, decoded.view, decoded.parent_view), (0, 1, 0));
        assert_eq!(decoded.signatures, [(1, [9; 64])]);
        assert_eq!(
            seats(4, &[&one[..], &[0]].concat()),
            Err(CertificateError::Trailing { bytes: 1 })
        );
        assert_eq!(seats(4, &one[..65]), Err(CertificateError::Truncated { field: "signatures" }));
        assert_eq!(seats(4, &[0b10_0010, 2]), Err(CertificateError::UnknownSigner { seats: 4 }));
        assert_eq!(
            seats(4, &[0b0010, 2]),
            Err(CertificateError::Signatures { signatures: 2, signers: 1 })
        );
        assert_eq!(
            seats(101, &[]),
            Err(CertificateError::Seats { found: 101, expected: MAX_VALIDATORS })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(certificate) = Certificate::decode(&bytes) {
                prop_assert!(certificate.signatures.len() <= certificate.seats);
            }
        }
    }
}
