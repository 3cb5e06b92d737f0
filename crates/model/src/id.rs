//! Typed ids: the kind of a thing is in its id's type and in its text, so that neither the compiler
//! nor a reader of a log confuses two of them.
//!
//! The text form is `<kind>-<16 characters of 0-9a-z without i l o u>`: 80 bits, safe in a DNS label,
//! a file name and a URL. Entropy is an argument; this crate draws none.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TAIL: usize = 16;

/// Why a text is not an id of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {kind}-xxxxxxxxxxxxxxxx")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

fn tail(entropy: [u8; 10]) -> String {
    let mut bits = 0u16;
    let mut held = 0u32;
    let mut out = String::with_capacity(TAIL);
    for byte in entropy {
        bits = (bits << 8) | u16::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            let index = usize::from((bits >> held) & 0b1_1111);
            out.push(char::from(ALPHABET[index]));
        }
        bits &= (1 << held) - 1;
    }
    out
}

fn parse(kind: &'static str, text: &str) -> Result<String, InvalidId> {
    let valid = text
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|rest| rest.len() == TAIL && rest.bytes().all(|b| ALPHABET.contains(&b)));
    if valid {
        Ok(text.to_owned())
    } else {
        Err(InvalidId { kind, text: text.chars().take(80).collect() })
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// What the id's text begins with.
            pub const KIND: &'static str = $kind;

            /// Makes an id of 80 random bits.
            pub fn from_entropy(entropy: [u8; 10]) -> Self {
                Self(format!("{}-{}", $kind, tail(entropy)))
            }

            /// The text form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse($kind, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                String::schema()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// A tenant.
    OrganizationId = "org";
    /// A network.
    NetworkId = "net";
    /// One process of a network.
    NodeId = "node";
    /// An asynchronous action.
    OperationId = "op";
    /// A key version in a key provider.
    KeyId = "key";
    /// What keeps a network alive on somebody's behalf.
    LeaseId = "lease";
}

/// The position of an event in the platform's one ordered stream; rises by at least one.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct EventId(pub i64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of a workload on a substrate: a node's id, or the name of one of the platform's own
/// processes such as `gateway`. Lowercase letters, digits and `-`; 1 to 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct WorkloadId(String);

/// Why a text is not a workload's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a workload's id has 1 to 63 of the characters a-z, 0-9 and `-`, and begins with a letter")]
pub struct InvalidWorkloadId;

impl WorkloadId {
    /// The workload that runs a node.
    pub fn of_node(node: &NodeId) -> Self {
        Self(node.as_str().to_owned())
    }

    /// The text form, safe as a file name and a DNS label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WorkloadId {
    type Err = InvalidWorkloadId;

    fn from_str(text: &str) -> Result<Self, InvalidWorkloadId> {
        let characters = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if characters && begins && text.len() <= 63 {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidWorkloadId)
        }
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WorkloadId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_its_own_text_and_no_other_kind() {
        let id = NetworkId::from_entropy([0xab; 10]);
        assert_eq!(id.as_str().parse::<NetworkId>(), Ok(id.clone()));
        assert!(id.as_str().parse::<NodeId>().is_err());
        for text in
            ["", "net", "net-", "net-short", "net-ABCDEFGHJKMNPQRS", "net-0123456789abcdef0"]
        {
            assert!(text.parse::<NetworkId>().is_err(), "{text}");
        }
    }

    #[test]
    fn entropy_maps_to_sixteen_characters_without_loss() {
        assert_eq!(KeyId::from_entropy([0; 10]).as_str(), "key-0000000000000000");
        assert_eq!(KeyId::from_entropy([0xff; 10]).as_str(), "key-zzzzzzzzzzzzzzzz");
        assert_ne!(
            KeyId::from_entropy([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            KeyId::from_entropy([0, 0, 0, 0, 0, 0, 0, 0, 0, 2]),
        );
    }

    #[test]
    fn a_workload_id_is_safe_as_a_file_name() {
        for text in ["gateway", "node-0123456789abcdef"] {
            assert!(text.parse::<WorkloadId>().is_ok(), "{text}");
        }
        for text in ["", ".", "..", "a/b", "A", "-a", "a b", &"a".repeat(64)] {
            assert!(text.parse::<WorkloadId>().is_err(), "{text}");
        }
    }
}
