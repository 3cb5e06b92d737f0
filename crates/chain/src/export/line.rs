//! The lines of an export.
//!
//! Nothing of a line takes much more memory than its text: a document stays text until it is known to
//! be the network's, and a list of slots ends at its limit.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use windlass_proof::Proof;

/// What the head says to be.
pub const EXPORT_FORMAT: &str = "windlass-export";
/// The version of the format that this program knows.
pub const EXPORT_VERSION: u64 = 1;
/// The most slots of a line, so that a reader needs little memory for one.
pub const MAX_SLOTS_A_LINE: usize = 256;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`EXPORT_FORMAT`].
    pub format: String,
    /// [`EXPORT_VERSION`].
    pub version: u64,
    /// The genesis document of the network, in its canonical form.
    pub document: Box<RawValue>,
    /// That the block after which the state is exported is final: a proof about the governance
    /// contract's account in it, with every change of validators since genesis.
    pub proof: Proof,
}

/// An account without its storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountLine {
    /// Its address.
    pub address: Address,
    /// Its balance in wei.
    pub balance: U256,
    /// Its nonce.
    pub nonce: u64,
    /// Its code.
    #[serde(skip_serializing_if = "is_empty")]
    pub code: Bytes,
}

/// Slots of the account before: number and value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SlotLine {
    pub(crate) slots: Vec<(U256, U256)>,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// How many accounts there are.
    pub accounts: u64,
    /// How many slots they have together.
    pub slots: u64,
    /// SHA-256 of all lines before, their ends included.
    pub sha256: B256,
}

impl Head {
    pub(crate) fn new(document: Box<RawValue>, proof: Proof) -> Self {
        Self { format: EXPORT_FORMAT.to_owned(), version: EXPORT_VERSION, document, proof }
    }
}

/// A line after the head.
#[derive(Deserialize)]
#[serde(try_from = "Fields")]
pub(super) enum Line {
    Account(AccountLine),
    Slots(SlotLine),
    End(End),
}

/// The fields of all kinds of lines.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    #[serde(deserialize_with = "given")]
    address: Option<Address>,
    #[serde(deserialize_with = "given")]
    balance: Option<U256>,
    #[serde(deserialize_with = "given")]
    nonce: Option<u64>,
    #[serde(deserialize_with = "given")]
    code: Option<Bytes>,
    #[serde(deserialize_with = "given")]
    slots: Option<Slots>,
    #[serde(deserialize_with = "given")]
    accounts: Option<u64>,
    #[serde(deserialize_with = "given")]
    sha256: Option<B256>,
}

/// The one name that two kinds of lines have a field of.
enum Slots {
    Pairs(Vec<(U256, U256)>),
    Count(u64),
}

impl TryFrom<Fields> for Line {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { address, balance, nonce, code, slots, accounts, sha256 } = fields;
        match (address, balance, nonce, code, slots, accounts, sha256) {
            (Some(address), Some(balance), Some(nonce), code, None, None, None) => {
                let code = code.unwrap_or_default();
                Ok(Self::Account(AccountLine { address, balance, nonce, code }))
            }
            (None, None, None, None, Some(Slots::Pairs(slots)), None, None) => {
                Ok(Self::Slots(SlotLine { slots }))
            }
            (None, None, None, None, Some(Slots::Count(slots)), Some(accounts), Some(sha256)) => {
                Ok(Self::End(End { accounts, slots, sha256 }))
            }
            _ => Err("it is no account, no slots and no end"),
        }
    }
}

/// A field that is there, and not null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SlotsVisitor)
    }
}

struct SlotsVisitor;

impl<'de> Visitor<'de> for SlotsVisitor {
    type Value = Slots;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_SLOTS_A_LINE} slots, or how many there are")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Slots, E> {
        Ok(Slots::Count(count))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Slots, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = values.next_element()? {
            if pairs.len() == MAX_SLOTS_A_LINE {
                return Err(A::Error::custom(format!("it has more than {MAX_SLOTS_A_LINE} slots")));
            }
            pairs.push(pair);
        }
        Ok(Slots::Pairs(pairs))
    }
}

fn is_empty(code: &Bytes) -> bool {
    code.is_empty()
}

/// A line without its end.
pub(crate) fn write(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("strings, numbers and lists are written without failing")
}
