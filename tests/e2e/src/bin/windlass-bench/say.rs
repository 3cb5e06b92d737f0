//! The one place that prints: the report on stdout, what is going on on stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this module is the output")]

/// A line of the report.
pub(crate) fn result(line: &str) {
    println!("{line}");
}

/// What is going on.
pub(crate) fn progress(line: &str) {
    eprintln!("{line}");
}
