//! The one place that prints: the report on stdout, what is going on on stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this module is the output")]

use crate::summary::{HEAD, Row, quantile};

/// A line of the report.
pub(crate) fn result(line: &str) {
    println!("{line}");
}

/// What is going on.
pub(crate) fn progress(line: &str) {
    eprintln!("{line}");
}

/// What was measured, and how fast the disk below it is, in milliseconds.
pub(crate) fn report(sync: &[f64], rows: &[Row]) {
    result(&format!(
        "4 KiB made durable on this disk: p50 {:.2} ms, p99 {:.2} ms. Processors: {}.",
        quantile(sync, 0.5),
        quantile(sync, 0.99),
        std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
    ));
    result("");
    for line in HEAD {
        result(line);
    }
    for row in rows {
        result(&row.line());
    }
}
