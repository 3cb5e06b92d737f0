//! Consensus' codec, as far as votes and certificates need it: fields of a fixed length, and varints.

/// Why bytes are not in the codec's one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end within a field.
    #[error("the bytes end before the {field} does")]
    Truncated {
        /// The field.
        field: &'static str,
    },
    /// A number is not in its one encoding, or too large.
    #[error("the {field} is no varint of 64 bits in its shortest form")]
    Varint {
        /// The field.
        field: &'static str,
    },
}

/// Takes a field of a fixed length.
pub(crate) fn take<const N: usize>(
    rest: &mut &[u8],
    field: &'static str,
) -> Result<[u8; N], Malformed> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(Malformed::Truncated { field })?;
    *rest = after;
    Ok(*taken)
}

/// Takes a number: seven bits a byte, the lowest first, in the shortest form.
pub(crate) fn varint(rest: &mut &[u8], field: &'static str) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = take::<1>(rest, field)?;
        let bits = u64::from(byte & 0x7f);
        let fits = (bits << shift) >> shift == bits;
        if !fits || (byte == 0 && shift > 0) {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed::Varint { field })
}

/// Puts a number as [`varint`] takes it.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [byte, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(byte & 0x7f);
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bytes: &[u8], expect: Option<u64>) {
        let mut rest = bytes;
        assert_eq!(varint(&mut rest, "number").ok(), expect, "{bytes:x?}");
        if let Some(number) = expect {
            let mut written = Vec::new();
            put_varint(&mut written, number);
            assert_eq!(written, bytes);
        }
    }

    #[test]
    fn a_number_has_one_encoding() {
        check(&[0x00], Some(0));
        check(&[0x7f], Some(127));
        check(&[0x80, 0x01], Some(128));
        check(&[0xac, 0x02], Some(300));
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Some(u64::MAX));
        check(&[0x80, 0x00], None);
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], None);
        check(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0x00], None);
        check(&[0x80], None);
        check(&[], None);
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_are_written(number: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            let mut rest = &bytes[..];
            prop_assert_eq!(varint(&mut rest, "number"), Ok(number));
            prop_assert!(rest.is_empty());
        }
    }
}
