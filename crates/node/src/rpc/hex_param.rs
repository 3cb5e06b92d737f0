//! Hashes, addresses, bytes and places as parameters name them, with Geth's words for what is wrong with
//! them.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types::serde_helpers::JsonStorageKey;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::block_param::quantity;
use super::error::RpcError;

/// A hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashParam(pub(super) B256);

/// An address.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressParam(pub(super) Address);

/// Bytes.
#[derive(Clone, Debug)]
pub(super) struct BytesParam(pub(super) Bytes);

/// A place in a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexParam(pub(super) u64);

impl<'de> Deserialize<'de> for HashParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = fixed(&Value::deserialize(deserializer)?, "common.Hash");
        bytes.map(|bytes| Self(B256::new(bytes))).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for AddressParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = fixed(&Value::deserialize(deserializer)?, "common.Address");
        bytes.map(|bytes| Self(Address::new(bytes))).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for BytesParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let bytes = text(&value, "hexutil.Bytes").and_then(|text| {
            let digits = digits(text).map_err(|why| into(why, "hexutil.Bytes"))?;
            alloy_primitives::hex::decode(digits)
                .map_err(|_digit| into("invalid hex string", "hexutil.Bytes"))
        });
        bytes.map(|bytes| Self(bytes.into())).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for IndexParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = text(&value, "hexutil.Uint")
            .and_then(|text| quantity(text).map_err(|why| into(why, "hexutil.Uint")));
        number.map(Self).map_err(D::Error::custom)
    }
}

/// The number of a slot: up to 32 bytes of hex, with or without `0x`.
pub(super) fn slot(text: &str) -> Result<JsonStorageKey, RpcError> {
    let wrong = |why: &str| RpcError::InvalidParams(format!("{why}: {text:?}"));
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    // An odd digit at the front is a byte of its own.
    let bytes = digits.len().div_ceil(2);
    if bytes > 32 {
        return Err(wrong("storage key too long (want at most 32 bytes)"));
    }
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong("invalid hex in storage key"));
    }
    let number = U256::from_str_radix(if digits.is_empty() { "0" } else { digits }, 16);
    let number = number.map_err(|_digits| wrong("invalid hex in storage key"))?;
    // Who gave all 32 bytes gets them back.
    Ok(if bytes == 32 { JsonStorageKey::Hash(number.into()) } else { number.into() })
}

/// So many bytes.
fn fixed<const N: usize>(value: &Value, kind: &str) -> Result<[u8; N], String> {
    let text = text(value, kind)?;
    let digits = if text.is_empty() { "" } else { digits(text).map_err(|why| into(why, kind))? };
    if digits.len() != 2 * N {
        return Err(format!("hex string has length {}, want {} for {kind}", digits.len(), 2 * N));
    }
    let mut bytes = [0; N];
    alloy_primitives::hex::decode_to_slice(digits, &mut bytes)
        .map_err(|_digit| into("invalid hex string", kind))?;
    Ok(bytes)
}

fn text<'a>(value: &'a Value, kind: &str) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| into("non-string", kind))
}

fn digits(text: &str) -> Result<&str, &'static str> {
    if text.is_empty() {
        return Ok(text);
    }
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = digits.ok_or("hex string without 0x prefix")?;
    if digits.len() % 2 == 1 {
        return Err("hex string of odd length");
    }
    Ok(digits)
}

fn into(what: &str, kind: &str) -> String {
    format!("json: cannot unmarshal {what} into Go value of type {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong<T: serde::de::DeserializeOwned>(json: &str) -> String {
        serde_json::from_str::<T>(json).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn mistakes_are_told_as_geth_tells_them() {
        let of = |what: &str, kind: &str| {
            format!("json: cannot unmarshal {what} into Go value of type {kind}")
        };
        let hash = "common.Hash";
        assert_eq!(wrong::<HashParam>("\"1000000\""), of("hex string without 0x prefix", hash));
        assert_eq!(wrong::<HashParam>("\"0x123\""), of("hex string of odd length", hash));
        assert_eq!(
            wrong::<HashParam>("\"0x12\""),
            "hex string has length 2, want 64 for common.Hash"
        );
        assert_eq!(wrong::<HashParam>("\"\""), "hex string has length 0, want 64 for common.Hash");
        let digits = format!("\"0x{}\"", "zz".repeat(32));
        assert_eq!(wrong::<HashParam>(&digits), of("invalid hex string", hash));
        assert_eq!(wrong::<HashParam>("7"), of("non-string", hash));
        assert_eq!(
            wrong::<AddressParam>("\"0x1234\""),
            "hex string has length 4, want 40 for common.Address"
        );
        assert_eq!(wrong::<BytesParam>("{}"), of("non-string", "hexutil.Bytes"));
        assert_eq!(wrong::<BytesParam>("\"0xzz\""), of("invalid hex string", "hexutil.Bytes"));
        assert_eq!(
            wrong::<IndexParam>("\"0x01\""),
            of("hex number with leading zero digits", "hexutil.Uint")
        );
        for right in ["\"\"", "\"0x\"", "\"0x00\""] {
            assert_eq!(wrong::<BytesParam>(right), "");
        }
    }

    #[test]
    fn slots_are_read_as_geth_reads_them() {
        let seven = "0x0000000000000000000000000000000000000000000000000000000000000007";
        for text in ["7", "0x7", "0x07", "0X7", seven] {
            assert_eq!(slot(text).unwrap().as_b256(), B256::with_last_byte(7), "{text}");
        }
        assert!(matches!(slot(seven).unwrap(), JsonStorageKey::Hash(_)));
        assert!(matches!(slot("0x7").unwrap(), JsonStorageKey::Number(_)));
        let why = |text: &str| slot(text).unwrap_err().to_string();
        assert_eq!(why("0xasdf"), "invalid hex in storage key: \"0xasdf\"");
        let long = format!("0x0{}", &seven[2..]);
        let expect = format!("storage key too long (want at most 32 bytes): \"{long}\"");
        assert_eq!(why(&long), expect);
    }
}
