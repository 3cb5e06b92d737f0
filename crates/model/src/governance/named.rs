//! Who is meant: by id or by name; and what they are called.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        OneOfBuilder, RefOr,
        schema::{ObjectBuilder, Schema, Type},
    },
};

/// A member or a validator, by its id in the governance contract or by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// The id; ids count from 1 and are never given twice.
    Id(u32),
    /// The organization's name, or the validator's.
    Name(String),
}

impl FromStr for Named {
    type Err = std::convert::Infallible;

    /// A number is an id, everything else a name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse().ok().filter(|_| digits);
        Ok(id.map_or_else(|| Self::Name(text.to_owned()), Self::Id))
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => serializer.serialize_u32(*id),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamedVisitor)
    }
}

struct NamedVisitor;

impl de::Visitor<'_> for NamedVisitor {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id or a name")
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<Named, E> {
        let wrong = |_too_large| E::custom(format_args!("{id} is no id"));
        u32::try_from(id).map(Named::Id).map_err(wrong)
    }

    fn visit_i64<E: de::Error>(self, id: i64) -> Result<Named, E> {
        let wrong = |_out_of_range| E::custom(format_args!("{id} is no id"));
        u32::try_from(id).map(Named::Id).map_err(wrong)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Named, E> {
        Ok(name.parse().unwrap_or_else(|never| match never {}))
    }
}

impl PartialSchema for Named {
    fn schema() -> RefOr<Schema> {
        let one = |kind| ObjectBuilder::new().schema_type(kind).build();
        OneOfBuilder::new()
            .item(one(Type::Integer))
            .item(one(Type::String))
            .description(Some("A member or a validator, by its id or by its name"))
            .into()
    }
}

impl ToSchema for Named {}

/// What members and validators are called, those that were removed too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The organizations of members, by id.
    pub members: BTreeMap<u32, String>,
    /// The names of validators, by id.
    pub validators: BTreeMap<u32, String>,
}

impl Names {
    /// A member as sentences name it.
    pub fn member(&self, named: &Named) -> String {
        called("the member", &self.members, named)
    }

    /// A validator as sentences name it.
    pub fn validator(&self, named: &Named) -> String {
        called("the validator", &self.validators, named)
    }
}

fn called(what: &str, names: &BTreeMap<u32, String>, named: &Named) -> String {
    match named {
        Named::Name(name) => format!("{what} `{name}`"),
        Named::Id(id) => match names.get(id) {
            Some(name) => format!("{what} `{name}` (id {id})"),
            None => format!("{what} with the id {id}"),
        },
    }
}

/// An Ed25519 public key: 64 hex digits, kept in lower case; `0x` may stand before them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Ed25519Key(String);

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 64 hex digits")]
pub struct InvalidKey;

impl Ed25519Key {
    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("four bits");
        Self(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Ed25519Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(digits.to_ascii_lowercase()));
        }
        Err(InvalidKey)
    }
}

impl fmt::Display for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Ed25519Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for Ed25519Key {
    fn schema() -> RefOr<Schema> {
        String::schema()
    }
}

impl ToSchema for Ed25519Key {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_id_and_everything_else_a_name() {
        let check = |text: &str, expect: Named| {
            assert_eq!(text.parse(), Ok(expect.clone()));
            assert_eq!(serde_json::from_value::<Named>(text.into()).unwrap(), expect);
        };
        check("7", Named::Id(7));
        check("validator-3", Named::Name("validator-3".to_owned()));
        check("", Named::Name(String::new()));
        check("+7", Named::Name("+7".to_owned()));
        check("99999999999", Named::Name("99999999999".to_owned()));
        assert_eq!(serde_json::from_str::<Named>("7").unwrap(), Named::Id(7));
        for odd in ["-1", "4294967296", "1.5", "null", "[]"] {
            assert!(serde_json::from_str::<Named>(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_key_has_64_digits() {
        let digits = "Ab".repeat(32);
        let key: Ed25519Key = format!("0x{digits}").parse().unwrap();
        assert_eq!(key.as_str(), "ab".repeat(32));
        assert_eq!(Ed25519Key::from_bytes([0xab; 32]), key);
        for odd in ["", "0x", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert_eq!(odd.parse::<Ed25519Key>(), Err(InvalidKey), "{odd}");
        }
    }
}
