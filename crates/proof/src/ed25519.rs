//! Ed25519 signatures by the rules of ZIP-215, as the validators verify them.
//!
//! Consensus verifies with commonware-cryptography, whose Ed25519 is ed25519-consensus over
//! curve25519-dalek. RFC 8032 leaves open which encodings of points are valid and whether the
//! equation is multiplied by the cofactor; [ZIP-215] does not, so that a batch of signatures holds
//! exactly when each one does. With the same rules over the same curve library, a certificate that
//! nodes accept is accepted here, and no other.
//!
//! [ZIP-215]: https://zips.z.cash/zip-0215

use alloy_primitives::B256;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};

/// The bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// Whether the bytes are a public key: those that encode no point of the curve verify nothing.
pub fn is_public_key(bytes: &B256) -> bool {
    PublicKey::decode(*bytes).is_some()
}

/// A public key: 32 bytes that encode a point of the curve, in whatever encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicKey {
    bytes: B256,
    negated: EdwardsPoint,
}

impl PublicKey {
    /// Decodes a key; `None` where the bytes encode no point of the curve.
    pub(crate) fn decode(bytes: B256) -> Option<Self> {
        let point = CompressedEdwardsY(bytes.0).decompress()?;
        Some(Self { bytes, negated: -point })
    }

    /// Whether this key made the signature (R ‖ s) of the message.
    ///
    /// It did when R is a point, s is below the group's order, and 8·(s·B − k·A − R) is zero, with
    /// k = SHA-512(R ‖ A ‖ message) modulo the order.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        let mut halves = [[0; 32]; 2];
        halves.as_flattened_mut().copy_from_slice(signature);
        let [commitment, response] = halves;
        let response = Scalar::from_canonical_bytes(response).into_option();
        let (Some(point), Some(response)) = (CompressedEdwardsY(commitment).decompress(), response)
        else {
            return false;
        };
        let hash = Sha512::new()
            .chain_update(commitment)
            .chain_update(self.bytes)
            .chain_update(message)
            .finalize();
        let challenge = Scalar::from_bytes_mod_order_wide(&hash.into());
        let expected =
            EdwardsPoint::vartime_double_scalar_mul_basepoint(&challenge, &self.negated, &response);
        (point - expected).mul_by_cofactor().is_identity()
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{b256, hex};

    use super::*;

    fn holds(key: B256, message: &[u8], signature: &[u8; 64]) -> bool {
        PublicKey::decode(key).unwrap().verifies(message, signature)
    }

    #[test]
    fn the_examples_of_rfc_8032_hold() {
        let first = hex!(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
        let key = b256!("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert!(holds(key, b"", &first));
        assert!(!holds(key, b"x", &first));
        let third = hex!(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        );
        let key = b256!("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        assert!(holds(key, &hex!("af82"), &third));
        assert!(!holds(key, &hex!("af83"), &third));
    }

    /// What ZIP-215 accepts and stricter libraries refuse: a key and a commitment of small order.
    #[test]
    fn points_of_small_order_are_taken_as_consensus_takes_them() {
        // The identity, and a point of order 8, both in canonical encoding.
        let identity = b256!("0100000000000000000000000000000000000000000000000000000000000000");
        let order_8 = b256!("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
        // The identity with y = p + 1, which is no canonical encoding.
        let odd = b256!("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        for key in [identity, order_8, odd] {
            for commitment in [identity, order_8, odd] {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(commitment.as_slice());
                assert!(holds(key, b"any message", &signature));
                signature[32] = 1;
                assert!(!holds(key, b"any message", &signature));
            }
        }
    }

    #[test]
    fn a_response_of_the_order_or_more_is_refused() {
        // The same signature with the group's order added to s.
        let signature = hex!(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "4c8c7872aa064e049dbb3013fbf29380d25bf5f0595bbe24655141438e7a101b"
        );
        let key = b256!("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert!(!holds(key, b"", &signature));
    }

    #[test]
    fn bytes_that_are_no_point_are_no_key() {
        let mut nones = 0;
        for byte in 0..=u8::MAX {
            nones += u32::from(PublicKey::decode(B256::repeat_byte(byte)).is_none());
        }
        assert!((64..192).contains(&nones), "about half of all bytes, not {nones} of 256");
    }
}
