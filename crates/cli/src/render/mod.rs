//! What people see of objects: tables, evidence, receipts. Pure text from data.

use std::fmt::{self, Write as _};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

mod consensus;
mod governance;
mod network;
mod table;

pub(crate) use consensus::consensus;
pub(crate) use governance::{
    ballot, members, observers, parameters, permissions, proposal, proposals, validators,
};
pub(crate) use network::{
    added, evidence, network, networks, nodes_of, operation, operations, receipt,
};
pub(crate) use table::Table;

/// How wide the longest name of a step is: `test transaction`.
pub(crate) const STEP_WIDTH: usize = 16;

/// Milliseconds, in the unit that reads well.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => {
            format!("{}.{:02} s", milliseconds / 1_000, milliseconds % 1_000 / 10)
        }
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

/// The time of day of Unix milliseconds, UTC.
pub(crate) fn clock_time(at_ms: u64) -> String {
    let seconds = at_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Unix milliseconds as RFC 3339 has them, UTC, to the second.
pub(crate) fn moment(at_ms: u64) -> String {
    let seconds = i64::try_from(at_ms / 1_000).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    let text = time.and_then(|time| time.format(&Rfc3339).ok());
    text.unwrap_or_else(|| format!("Unix time {seconds}"))
}

/// The word that JSON has for a value of one of our enums.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Appends formatted text.
pub(crate) fn append(text: &mut String, arguments: fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes whatever is written to it");
}

/// Bytes, in MiB.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration(7), "7 ms");
        assert_eq!(duration(1_034), "1.03 s");
        assert_eq!(duration(61_500), "1 min 1 s");
    }
}
