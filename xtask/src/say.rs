//! The one place of xtask that prints: results on stdout, everything else on stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this module is the output")]

use std::io::{IsTerminal, Write};

/// One line of the result.
pub(crate) fn result(line: &str) {
    println!("{line}");
    flush();
}

/// One line about what is going on.
pub(crate) fn progress(line: &str) {
    eprintln!("{line}");
}

/// One line about what is wrong.
pub(crate) fn problem(line: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("\u{1b}[31merror\u{1b}[0m: {line}");
    } else {
        eprintln!("error: {line}");
    }
}

fn flush() {
    // A reader that went away is no reason to stop the work.
    if let Err(_gone) = std::io::stdout().flush() {}
}
