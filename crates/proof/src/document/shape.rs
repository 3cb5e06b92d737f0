//! The fields of a genesis document, as data, and how each is written in the canonical form.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{U256, hex};

use super::json::Json;
use super::{DocumentError, MAX_NUMBER};

/// What a value is, and so how it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A number below 2^53, in decimal.
    Number,
    /// Any text.
    Text,
    /// 0x and so many bytes, in lower case.
    Fixed(usize),
    /// 0x and any bytes, in lower case.
    Data,
    /// 0x and a number below 2^256, in lower case and without leading zeroes.
    Amount,
    /// A public key: 32 bytes in lower case, without 0x.
    Key,
    /// Addresses, in rising order.
    Addresses,
    /// A list, in its own order.
    List(&'static Self),
    /// Fields by name, in rising order.
    Object(&'static [Field]),
    /// Values by 0x and so many bytes in lower case, in rising order.
    Map(usize, &'static Self),
}

/// A field of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    absent: Absent,
}

/// What it means that a field isn't there.
#[derive(Clone, Copy, Debug)]
enum Absent {
    /// It has to be.
    Refused,
    /// It isn't in the canonical form either.
    Left,
    /// The canonical form has this.
    Is(&'static str),
}

const fn field(name: &'static str, shape: Shape, absent: Absent) -> Field {
    Field { name, shape, absent }
}

const fn must(name: &'static str, shape: Shape) -> Field {
    field(name, shape, Absent::Refused)
}

/// A genesis document of version 2. Each list of fields is in rising order of the names.
pub(super) const DOCUMENT: Shape = Shape::Object(&[
    must("alloc", Shape::Map(20, &ACCOUNT)),
    must("chain_id", Shape::Number),
    must("contract_size_limit", Shape::Number),
    must("epoch_length", Shape::Number),
    must("fees", FEES),
    must("gas_limit", Shape::Number),
    must("governance", GOVERNANCE),
    must("members", Shape::List(&MEMBER)),
    must("min_block_interval_ms", Shape::Number),
    must("permissions", PERMISSIONS),
    field("predecessor", PREDECESSOR, Absent::Left),
    must("signature_scheme", Shape::Text),
    must("timestamp", Shape::Number),
    must("transaction_gas_cap", Shape::Number),
    must("version", Shape::Number),
]);

const ACCOUNT: Shape = Shape::Object(&[
    field("balance", Shape::Amount, Absent::Is("\"0x0\"")),
    field("code", Shape::Data, Absent::Is("\"0x\"")),
    field("nonce", Shape::Number, Absent::Is("0")),
    field("storage", Shape::Map(32, &Shape::Fixed(32)), Absent::Is("{}")),
]);

const FEES: Shape =
    Shape::Object(&[field("floor_wei", Shape::Number, Absent::Left), must("policy", Shape::Text)]);

const GOVERNANCE: Shape = Shape::Object(&[
    must("contract", Shape::Fixed(32)),
    must("membership_threshold", Shape::Number),
    must("parameters_threshold", Shape::Number),
    must("proposal_lifetime_s", Shape::Number),
]);

const PERMISSIONS: Shape = Shape::Object(&[
    field("deploy", Shape::Addresses, Absent::Left),
    field("send", Shape::Addresses, Absent::Left),
]);

/// The network whose state this one begins with, after a recovery.
const PREDECESSOR: Shape = Shape::Object(&[
    must("export", Shape::Fixed(32)),
    must("genesis", Shape::Fixed(32)),
    must("hash", Shape::Fixed(32)),
    must("number", Shape::Number),
    must("state_root", Shape::Fixed(32)),
]);

const MEMBER: Shape = Shape::Object(&[
    must("account", Shape::Fixed(20)),
    must("endpoint", Shape::Text),
    must("organization", Shape::Text),
    must("validators", Shape::List(&VALIDATOR)),
]);

const VALIDATOR: Shape = Shape::Object(&[
    must("account", Shape::Fixed(20)),
    must("consensus_key", Shape::Key),
    must("endpoint", Shape::Text),
    must("name", Shape::Text),
    must("node_key", Shape::Key),
]);

/// Writes a value in the canonical form; `path` is where it lies, for errors.
pub(super) fn write(
    shape: Shape,
    value: Json,
    path: &str,
    out: &mut String,
) -> Result<(), DocumentError> {
    match (shape, value) {
        (Shape::Number, Json::Number(number)) if number <= MAX_NUMBER => {
            out.push_str(&number.to_string());
        }
        (Shape::Number, Json::Number(_)) => return Err(wrong(path, "is 2^53 or more")),
        (Shape::Text, Json::Text(text)) => out.push_str(&quoted(&text)),
        (Shape::Fixed(length), Json::Text(text)) => {
            out.push_str(&quoted(&prefixed(&text, Some(length), path)?));
        }
        (Shape::Data, Json::Text(text)) => out.push_str(&quoted(&prefixed(&text, None, path)?)),
        (Shape::Amount, Json::Text(text)) => out.push_str(&quoted(&amount(&text, path)?)),
        (Shape::Key, Json::Text(text)) => {
            let digits = text.strip_prefix("0x").unwrap_or(&text);
            out.push_str(&quoted(&hex::encode(bytes(digits, Some(32), path)?)));
        }
        (Shape::Addresses, Json::List(list)) => addresses(list, path, out)?,
        (Shape::List(shape), Json::List(list)) => {
            let entries = list.into_iter().enumerate();
            separated('[', entries, ']', out, |(index, value), out| {
                write(*shape, value, &format!("{path}[{index}]"), out)
            })?;
        }
        (Shape::Object(fields), Json::Object(values)) => object(fields, values, path, out)?,
        (Shape::Map(length, shape), Json::Object(values)) => {
            let mut sorted = BTreeMap::new();
            for (name, value) in values {
                let path = join(path, &name);
                if sorted.insert(prefixed(&name, Some(length), &path)?, value).is_some() {
                    return Err(wrong(&path, "is there twice"));
                }
            }
            separated('{', sorted, '}', out, |(name, value), out| {
                out.push_str(&quoted(&name));
                out.push(':');
                write(*shape, value, &join(path, &name), out)
            })?;
        }
        (_, value) => return Err(wrong(path, &format!("can't be {}", value.kind()))),
    }
    Ok(())
}

fn object(
    fields: &[Field],
    mut values: BTreeMap<String, Json>,
    path: &str,
    out: &mut String,
) -> Result<(), DocumentError> {
    let present = fields.iter().filter_map(|field| {
        let path = join(path, field.name);
        match (values.remove(field.name), field.absent) {
            (Some(value), _) => Some(Ok((field, Ok(value)))),
            (None, Absent::Is(text)) => Some(Ok((field, Err(text)))),
            (None, Absent::Left) => None,
            (None, Absent::Refused) => Some(Err(wrong(&path, "is missing"))),
        }
    });
    let present = present.collect::<Result<Vec<_>, _>>()?;
    if let Some(name) = values.keys().next() {
        return Err(wrong(&join(path, name), "is unknown"));
    }
    separated('{', present, '}', out, |(field, value), out| {
        out.push_str(&quoted(field.name));
        out.push(':');
        match value {
            Ok(value) => write(field.shape, value, &join(path, field.name), out),
            Err(text) => {
                out.push_str(text);
                Ok(())
            }
        }
    })
}

fn addresses(list: Vec<Json>, path: &str, out: &mut String) -> Result<(), DocumentError> {
    let mut sorted = BTreeSet::new();
    for (index, value) in list.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let mut one = String::new();
        write(Shape::Fixed(20), value, &path, &mut one)?;
        if !sorted.insert(one) {
            return Err(wrong(&path, "is there twice"));
        }
    }
    separated('[', sorted, ']', out, |one, out| {
        out.push_str(&one);
        Ok(())
    })
}

fn separated<T>(
    open: char,
    entries: impl IntoIterator<Item = T>,
    close: char,
    out: &mut String,
    mut write: impl FnMut(T, &mut String) -> Result<(), DocumentError>,
) -> Result<(), DocumentError> {
    out.push(open);
    for (index, entry) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(entry, out)?;
    }
    out.push(close);
    Ok(())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn amount(text: &str, path: &str) -> Result<String, DocumentError> {
    let expected = || wrong(path, "must be an amount in wei as a hex string, such as \"0x10\"");
    let digits = text.strip_prefix("0x").ok_or_else(expected)?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(expected());
    }
    let amount = U256::from_str_radix(digits, 16).ok();
    amount.map(|amount| format!("{amount:#x}")).ok_or_else(|| wrong(path, "is 2^256 or more"))
}

fn prefixed(text: &str, length: Option<usize>, path: &str) -> Result<String, DocumentError> {
    let digits =
        text.strip_prefix("0x").ok_or_else(|| wrong(path, "must be hex that begins with 0x"))?;
    bytes(digits, length, path).map(hex::encode_prefixed)
}

fn bytes(digits: &str, length: Option<usize>, path: &str) -> Result<Vec<u8>, DocumentError> {
    let bytes = Some(digits).filter(|digits| !digits.starts_with("0x"));
    let bytes = bytes.and_then(|digits| hex::decode(digits).ok());
    let bytes = bytes.ok_or_else(|| wrong(path, "must be hex digits"))?;
    match length {
        Some(length) if bytes.len() != length => {
            Err(wrong(path, &format!("must have {length} bytes, not {}", bytes.len())))
        }
        Some(_) | None => Ok(bytes),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn wrong(path: &str, reason: &str) -> DocumentError {
    let field = if path.is_empty() { "(document)" } else { path }.to_owned();
    DocumentError::Field { field, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shape: Shape) {
        match shape {
            Shape::Object(fields) => {
                assert!(fields.is_sorted_by(|a, b| a.name < b.name), "{fields:?}");
                for field in fields {
                    check(field.shape);
                }
            }
            Shape::List(shape) | Shape::Map(_, shape) => check(*shape),
            Shape::Number
            | Shape::Text
            | Shape::Fixed(_)
            | Shape::Data
            | Shape::Amount
            | Shape::Key
            | Shape::Addresses => {}
        }
    }

    #[test]
    fn fields_are_in_rising_order() {
        check(DOCUMENT);
    }
}
