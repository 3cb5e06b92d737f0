//! A block's header: its hash, and what `extraData` says of its epoch and time.

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable;

use crate::limits::MAX_HEADER_BYTES;

/// The version that `extraData` carries in its first byte.
const EXTRA_DATA_VERSION: u8 = 1;

/// A header that is in its one encoding, with its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) header: Header,
    /// keccak-256 of the RLP.
    pub(crate) hash: B256,
}

/// What `extraData` of every block but block 0 says: version (1) ‖ epoch (8, big-endian) ‖
/// milliseconds (2, big-endian) ‖ zeroes (21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtraData {
    pub(crate) epoch: u64,
    /// Within the second of the header's timestamp, below 1,000.
    pub(crate) milliseconds: u16,
}

/// Why bytes are not a header of a Windlass block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// They are too many.
    #[error("the header has {found} bytes, and may have {MAX_HEADER_BYTES}")]
    TooLong {
        /// How many there are.
        found: usize,
    },
    /// They are not the RLP of a header.
    #[error("the bytes are not the RLP of a header: {reason}")]
    Rlp {
        /// Why not.
        reason: String,
    },
    /// They decode, but are not what the header encodes to.
    #[error("the header is not in its canonical encoding")]
    NotCanonical,
    /// `extraData` is not version, epoch, milliseconds and zeroes.
    #[error("extraData {found} is not version, epoch, milliseconds and zeroes")]
    ExtraData {
        /// What it is.
        found: Bytes,
    },
}

impl Sealed {
    /// Reads the canonical RLP of a header, and nothing else.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() > MAX_HEADER_BYTES {
            return Err(HeaderError::TooLong { found: bytes.len() });
        }
        let mut rest = bytes;
        let header = Header::decode(&mut rest)
            .map_err(|error| HeaderError::Rlp { reason: error.to_string() })?;
        if !rest.is_empty() || alloy_rlp::encode(&header) != bytes {
            return Err(HeaderError::NotCanonical);
        }
        Ok(Self { header, hash: keccak256(bytes) })
    }

    /// What `extraData` says; `None` for block 0, whose `extraData` is the document's hash.
    pub(crate) fn extra_data(&self) -> Result<Option<ExtraData>, HeaderError> {
        if self.header.number == 0 {
            return Ok(None);
        }
        let found = &self.header.extra_data;
        ExtraData::decode(found)
            .map(Some)
            .ok_or_else(|| HeaderError::ExtraData { found: found.clone() })
    }
}

impl ExtraData {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        let ([version], rest) = bytes.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (milliseconds, zeroes) = rest.split_first_chunk()?;
        let read = Self {
            epoch: u64::from_be_bytes(*epoch),
            milliseconds: u16::from_be_bytes(*milliseconds),
        };
        let fine = *version == EXTRA_DATA_VERSION
            && read.milliseconds < 1_000
            && zeroes.iter().all(|byte| *byte == 0);
        fine.then_some(read)
    }
}

/// Unix time of a block in milliseconds.
pub(crate) fn timestamp_ms(header: &Header, extra: Option<ExtraData>) -> u64 {
    let milliseconds = extra.map_or(0, |extra| u64::from(extra.milliseconds));
    header.timestamp.saturating_mul(1_000).saturating_add(milliseconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(number: u64, extra_data: &[u8]) -> Vec<u8> {
        let extra_data = Bytes::copy_from_slice(extra_data);
        alloy_rlp::encode(Header { number, extra_data, timestamp: 7, ..Header::default() })
    }

    fn check(extra_data: &[u8], expect: Option<(u64, u16)>) {
        let sealed = Sealed::decode(&header(1, extra_data)).unwrap();
        let read = sealed.extra_data();
        match expect {
            Some((epoch, milliseconds)) => {
                assert_eq!(read, Ok(Some(ExtraData { epoch, milliseconds })));
            }
            None => assert!(matches!(read, Err(HeaderError::ExtraData { .. })), "{read:?}"),
        }
    }

    #[test]
    fn extra_data_is_version_epoch_milliseconds_and_zeroes() {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        bytes[8] = 9;
        bytes[9..11].copy_from_slice(&[3, 0xe7]);
        check(&bytes, Some((9, 999)));
        check(&bytes[..31], None);
        check(&[&bytes[..], &[0]].concat(), None);
        for (position, byte) in [(0, 2), (10, 0xe8), (11, 1), (31, 1)] {
            let mut other = bytes;
            other[position] = byte;
            check(&other, None);
        }
        let sealed = Sealed::decode(&header(1, &bytes)).unwrap();
        assert_eq!(timestamp_ms(&sealed.header, sealed.extra_data().unwrap()), 7_999);
        let first = Sealed::decode(&header(0, &bytes)).unwrap();
        assert_eq!(first.extra_data(), Ok(None));
        assert_eq!(timestamp_ms(&first.header, None), 7_000);
    }

    proptest! {
        #[test]
        fn another_encoding_or_any_cut_is_refused(cut in 1usize..500) {
            let bytes = header(3, &[1; 32]);
            let cut = cut.min(bytes.len());
            prop_assert!(Sealed::decode(&bytes[..bytes.len() - cut]).is_err());
            let longer = [&bytes[..], &bytes[..cut]].concat();
            let error = Sealed::decode(&longer);
            if longer.len() <= MAX_HEADER_BYTES {
                prop_assert_eq!(error, Err(HeaderError::NotCanonical));
            } else {
                prop_assert_eq!(error, Err(HeaderError::TooLong { found: longer.len() }));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            prop_assert!(Sealed::decode(&bytes).is_err());
        }
    }
}
