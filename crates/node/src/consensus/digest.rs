//! The digest that consensus votes on: the Ethereum block hash itself, and nothing beside it.

use std::fmt;

use alloy_primitives::B256;
use bytes::BufMut;
use commonware_codec::{Buf, Error as CodecError, FixedArray, FixedSize, Read, ReadExt, Write};
use commonware_math::algebra::Random;
use commonware_utils::{Array, Span};
use rand_core::CryptoRng;

/// A block hash, as commonware knows digests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FixedArray)]
#[fixed_array(infallible)]
#[repr(transparent)]
pub struct Digest(pub [u8; 32]);

impl From<B256> for Digest {
    fn from(hash: B256) -> Self {
        Self(hash.0)
    }
}

impl From<Digest> for B256 {
    fn from(digest: Digest) -> Self {
        Self(digest.0)
    }
}

impl Write for Digest {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl Read for Digest {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self(<[u8; 32]>::read(buf)?))
    }
}

impl FixedSize for Digest {
    const SIZE: usize = 32;
}

impl Span for Digest {}
impl Array for Digest {}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", B256::from(*self))
    }
}

impl commonware_cryptography::Digest for Digest {
    const EMPTY: Self = Self([0; 32]);
}

impl Random for Digest {
    fn random(mut rng: impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}
