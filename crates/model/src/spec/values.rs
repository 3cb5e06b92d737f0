//! The values of a spec that have a text form of their own: addresses, amounts, bytes.

use std::{collections::BTreeMap, fmt, marker::PhantomData, str::FromStr};

use alloy_primitives::Address;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use utoipa::ToSchema;

/// An Ethereum address: `0x` and 40 hex digits, kept in lower case. Where its letters are of both cases
/// they have to be its checksum, [EIP-55].
///
/// [EIP-55]: https://eips.ethereum.org/EIPS/eip-55
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AccountAddress(String);

/// A number below 2^256, written in decimal or as `0x` hex, kept as minimal `0x` hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(String);

impl Quantity {
    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.0 == "0x0"
    }
}

/// Bytes: `0x` and an even number of hex digits, kept in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct HexBytes(String);

/// Why a text is not a value of a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not an address.
    #[error("an address is 0x and 40 hex digits")]
    Address,
    /// Not as its letters say.
    #[error(
        "the case of the address's letters is its checksum (EIP-55), and is wrong: a digit is mistyped"
    )]
    Checksum,
    /// Not a number below 2^256.
    #[error("an amount is a whole number below 2^256, in decimal or as 0x hex")]
    Quantity,
    /// Not bytes.
    #[error("bytes are 0x and an even number of hex digits")]
    Bytes,
}

fn hex_digits(text: &str) -> Option<String> {
    let digits = text.strip_prefix("0x")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| digits.to_ascii_lowercase())
}

impl FromStr for AccountAddress {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let digits = hex_digits(text).filter(|digits| digits.len() == 40);
        let digits = digits.ok_or(InvalidValue::Address)?;
        let has = |case: fn(&u8) -> bool| text.bytes().skip(2).any(|byte| case(&byte));
        let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
        if mixed && Address::parse_checksummed(text, None).is_err() {
            return Err(InvalidValue::Checksum);
        }
        Ok(Self(format!("0x{digits}")))
    }
}

impl FromStr for HexBytes {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match hex_digits(text) {
            Some(digits) if digits.len().is_multiple_of(2) => Ok(Self(format!("0x{digits}"))),
            Some(_) | None => Err(InvalidValue::Bytes),
        }
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self("0x0".to_owned())
    }
}

impl FromStr for Quantity {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let digits = match hex_digits(text) {
            Some(digits) if !digits.is_empty() => digits,
            Some(_) => return Err(InvalidValue::Quantity),
            None => decimal_to_hex(text).ok_or(InvalidValue::Quantity)?,
        };
        let minimal = digits.trim_start_matches('0');
        if minimal.len() > 64 {
            return Err(InvalidValue::Quantity);
        }
        Ok(Self(if minimal.is_empty() { "0x0".to_owned() } else { format!("0x{minimal}") }))
    }
}

/// Schoolbook conversion of at most 78 decimal digits, the length of 2^256.
fn decimal_to_hex(text: &str) -> Option<String> {
    let text = text.replace('_', "");
    if text.is_empty() || text.len() > 78 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut nibbles: Vec<u8> = Vec::new();
    for digit in text.bytes().map(|byte| byte - b'0') {
        let mut carry = u16::from(digit);
        for nibble in &mut nibbles {
            let value = u16::from(*nibble) * 10 + carry;
            *nibble = u8::try_from(value & 0xf).expect("masked to four bits");
            carry = value >> 4;
        }
        while carry > 0 {
            nibbles.push(u8::try_from(carry & 0xf).expect("masked to four bits"));
            carry >>= 4;
        }
    }
    let digits = nibbles.iter().rev().map(|nibble| char::from_digit(u32::from(*nibble), 16));
    digits.collect()
}

/// Reads a map in which no key stands twice, however it is written.
pub(super) fn each_once<'de, D, K, V>(deserializer: D) -> Result<Option<BTreeMap<K, V>>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    Ok(Option::<Entries<K, V>>::deserialize(deserializer)?.map(|Entries(entries)| entries))
}

struct Entries<K, V>(BTreeMap<K, V>);

impl<'de, K, V> Deserialize<'de> for Entries<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for EntriesVisitor<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    type Value = Entries<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<K, V>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<K>()? {
            if entries.contains_key(&key) {
                return Err(de::Error::custom(format_args!("`{key}` stands here twice")));
            }
            entries.insert(key, map.next_value()?);
        }
        Ok(Entries(entries))
    }
}

impl AccountAddress {
    /// Whether it is the zero address, which nobody has the key of.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().skip(2).all(|digit| digit == b'0')
    }
}

macro_rules! texts {
    ($($name:ident),*) => {$(
        impl $name {
            /// The text, in its kept form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                String::schema()
            }
        }

        impl ToSchema for $name {}
    )*};
}

texts!(AccountAddress, Quantity, HexBytes);
