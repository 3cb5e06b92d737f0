//! JSON read strictly: bytes are strings of hex digits in lower case that begin with 0x, and a list is
//! refused as soon as it is too long.

use std::fmt;
use std::marker::PhantomData;

use alloy_primitives::{Bytes, hex};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// A string of hex digits.
struct Hex(Bytes);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(HexVisitor)
    }
}

struct HexVisitor;

impl Visitor<'_> for HexVisitor {
    type Value = Hex;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of hex digits that begins with 0x")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Hex, E> {
        let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with("0x"));
        let digits = digits.ok_or_else(|| E::custom("hex must begin with 0x"))?;
        // What is the same has one form.
        if digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return Err(E::custom("hex digits must be in lower case"));
        }
        hex::decode(digits).map(|bytes| Hex(bytes.into())).map_err(E::custom)
    }
}

/// For `#[serde(with)]` on bytes of any length.
pub(crate) mod bytes {
    use serde::Serializer;

    use super::{Bytes, Deserialize, Deserializer, Hex};

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        Hex::deserialize(from).map(|hex| hex.0)
    }
}

/// For `#[serde(with)]` on what has a fixed number of bytes.
pub(crate) mod fixed {
    use std::fmt::LowerHex;

    use serde::Serializer;

    use super::{Deserialize, Deserializer, Error, Hex};

    pub(crate) fn serialize<T: LowerHex, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{value:#x}"))
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: for<'a> TryFrom<&'a [u8]>,
        D: Deserializer<'de>,
    {
        let bytes = Hex::deserialize(from)?.0;
        T::try_from(&bytes[..]).map_err(|_other_length| {
            D::Error::custom(format!("{} bytes are too many or too few", bytes.len()))
        })
    }
}

/// For `#[serde(with)]` on lists of bytes; when read, each list says how long it may be.
pub(crate) mod list {
    use serde::Serializer;

    use super::{Bytes, Deserializer, Hex, bounded};

    pub(crate) fn serialize<S: Serializer>(list: &[Bytes], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, D, const MOST: usize>(from: D) -> Result<Vec<Bytes>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let list = bounded::<D, Hex, MOST>(from)?;
        Ok(list.into_iter().map(|hex| hex.0).collect())
    }
}

/// For `#[serde(deserialize_with)]` on a list of at most `MOST` entries.
pub(crate) fn bounded<'de, D, T, const MOST: usize>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_seq(Bounded::<T, MOST>(PhantomData))
}

struct Bounded<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Bounded<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::custom(format!("the list has more than {MOST} entries")));
            }
            list.push(entry);
        }
        Ok(list)
    }
}
