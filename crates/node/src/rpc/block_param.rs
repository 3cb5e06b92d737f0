//! Blocks as parameters name them, with Geth's words for what is wrong with them.

use std::fmt;

use alloy_primitives::B256;
use alloy_rpc_types::{BlockId, BlockNumberOrTag};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A number or a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberParam(pub(super) BlockNumberOrTag);

/// A number, a tag, or a hash; also in the form of EIP-1898.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockParam(pub(super) BlockId);

/// What Geth calls a block that it has not got.
impl fmt::Display for BlockParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            BlockId::Hash(hash) => write!(f, "{}", hash.block_hash),
            BlockId::Number(BlockNumberOrTag::Number(number)) => write!(f, "#{number}"),
            BlockId::Number(tag) => write!(f, "{tag}"),
        }
    }
}

impl<'de> Deserialize<'de> for NumberParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        number(&text).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for BlockParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => text_id(&text).map(Self).map_err(D::Error::custom),
            Value::Object(fields) => {
                let part = |name| fields.get(name).filter(|value| !value.is_null());
                match (part("blockHash"), part("blockNumber")) {
                    (Some(_), Some(_)) => Err(D::Error::custom(
                        "cannot specify both BlockHash and BlockNumber, choose one or the other",
                    )),
                    (Some(hash), None) => {
                        let hash = B256::deserialize(hash).map_err(D::Error::custom)?;
                        Ok(Self(BlockId::from(hash)))
                    }
                    (None, Some(at)) => {
                        let NumberParam(at) =
                            NumberParam::deserialize(at).map_err(D::Error::custom)?;
                        Ok(Self(BlockId::Number(at)))
                    }
                    (None, None) => {
                        Err(D::Error::custom("must specify either BlockHash or BlockNumber"))
                    }
                }
            }
            other => {
                let kind = match other {
                    Value::Number(_) => "number",
                    Value::Bool(_) => "bool",
                    Value::Array(_) => "array",
                    Value::Null | Value::String(_) | Value::Object(_) => "null",
                };
                let text = format!("json: cannot unmarshal {kind} into Go value of type string");
                Err(D::Error::custom(text))
            }
        }
    }
}

/// A hash has 66 characters, whatever they are.
fn text_id(text: &str) -> Result<BlockId, String> {
    if text.len() == 66 {
        let hash: Result<B256, _> = text.parse();
        return hash.map(BlockId::from).map_err(|error| error.to_string());
    }
    number(text).map(BlockId::Number)
}

fn number(text: &str) -> Result<BlockNumberOrTag, String> {
    Ok(match text.trim() {
        "earliest" => BlockNumberOrTag::Earliest,
        "latest" => BlockNumberOrTag::Latest,
        "pending" => BlockNumberOrTag::Pending,
        "finalized" => BlockNumberOrTag::Finalized,
        "safe" => BlockNumberOrTag::Safe,
        digits => {
            let number = quantity(digits)?;
            if number > i64::MAX.unsigned_abs() {
                return Err("block number larger than int64".to_owned());
            }
            BlockNumberOrTag::Number(number)
        }
    })
}

/// A number of at most 64 bits in the one form that Ethereum's JSON-RPC has for it.
pub(super) fn quantity(text: &str) -> Result<u64, &'static str> {
    if text.is_empty() {
        return Err("empty hex string");
    }
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = digits.ok_or("hex string without 0x prefix")?;
    if digits.is_empty() {
        return Err("hex string \"0x\"");
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("hex number with leading zero digits");
    }
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("invalid hex string");
    }
    u64::from_str_radix(digits, 16).map_err(|_long| "hex number > 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<BlockId, String> {
        serde_json::from_str::<BlockParam>(json)
            .map(|param| param.0)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn blocks_are_read_as_geth_reads_them() {
        let hash = format!("0x{}", "ab".repeat(32));
        let id = BlockId::from(B256::repeat_byte(0xab));
        for (json, expect) in [
            ("\"0x10\"".to_owned(), BlockId::number(16)),
            ("\"latest\"".to_owned(), BlockId::latest()),
            (format!("\"{hash}\""), id),
            (format!("{{\"blockHash\":\"{hash}\",\"requireCanonical\":true}}"), id),
            ("{\"blockNumber\":\"0x10\"}".to_owned(), BlockId::number(16)),
        ] {
            assert_eq!(read(&json), Ok(expect), "{json}");
        }
        for (json, expect) in [
            ("\"2\"", "hex string without 0x prefix"),
            ("\"\"", "empty hex string"),
            ("\"0x\"", "hex string \"0x\""),
            ("\"0x01\"", "hex number with leading zero digits"),
            ("\"0xzz\"", "invalid hex string"),
            ("\"0x10000000000000000\"", "hex number > 64 bits"),
            ("\"0x8000000000000000\"", "block number larger than int64"),
            ("2", "json: cannot unmarshal number into Go value of type string"),
            ("{}", "must specify either BlockHash or BlockNumber"),
        ] {
            assert_eq!(read(json), Err(expect.to_owned()), "{json}");
        }
        let number: Result<NumberParam, _> = serde_json::from_str("2");
        assert_eq!(number.unwrap_err().to_string(), "hex string without 0x prefix");
    }
}
