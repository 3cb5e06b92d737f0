//! What people see of objects: tables, evidence, receipts. Pure text from data.

use std::fmt::{self, Write as _};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

mod consensus;
mod diagnosis;
mod governance;
mod key;
mod network;
mod table;

pub(crate) use consensus::consensus;
pub(crate) use diagnosis::diagnosis;
pub(crate) use governance::{
    ballot, members, observers, parameters, permissions, proposal, proposals, validators,
};
pub(crate) use key::{keys, new_key};
pub(crate) use network::{
    added, evidence, network, networks, nodes_of, operation, operations, receipt, replaced,
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

/// The day and the minute of Unix milliseconds, UTC.
pub(crate) fn date_time(at_ms: u64) -> String {
    let seconds = i64::try_from(at_ms / 1_000).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", time.hour(), time.minute())
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
    fn dates() {
        for (seconds, expect) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date_time(seconds * 1_000), expect);
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration(7), "7 ms");
        assert_eq!(duration(1_034), "1.03 s");
        assert_eq!(duration(61_500), "1 min 1 s");
    }
}
