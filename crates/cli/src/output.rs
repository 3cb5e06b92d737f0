//! The one place that writes to the terminal.
//!
//! stdout carries the result and nothing else, for people or as JSON; stderr carries progress,
//! warnings and errors. A reader that has gone away (`windlass … | head`) is no error.

use std::{
    io::{self, IsTerminal, Write},
    sync::OnceLock,
};

use serde::Serialize;
use windlass_model::{ErrorCode, Problem};

use crate::environment::{Outcome, problem};

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A person.
    Text,
    /// A program.
    Json,
}

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Whether a person watches stderr.
    pub(crate) fn is_watched(self) -> bool {
        self.format == Format::Text && io::stderr().is_terminal()
    }

    /// Writes the result: the value as JSON, or its text.
    pub(crate) fn result<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) {
        match self.format {
            Format::Json => {
                let json = serde_json::to_string_pretty(value)
                    .expect("results are plain data with string keys");
                line(&json);
            }
            Format::Text => line(text().trim_end()),
        }
    }

    /// Says something beside the result. Programs are not told.
    pub(crate) fn note(self, line: &str) {
        match self.format {
            // Nothing can be told to a reader that has gone away.
            Format::Text => drop(write(&mut io::stderr().lock(), line)),
            Format::Json => {}
        }
    }

    /// Tells something beside the result that programs are told too.
    pub(crate) fn aside<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) {
        let line = match self.format {
            Format::Json => {
                serde_json::to_string(value).expect("it is plain data with string keys")
            }
            Format::Text => text(),
        };
        // Nothing can be told to a reader that has gone away.
        drop(write(&mut io::stderr().lock(), line.trim_end()));
    }

    /// Warns. Programs find warnings in the result.
    pub(crate) fn warning(self, text: &str) {
        self.note(&format!("warning: {text}"));
    }

    /// Says why a command failed.
    pub(crate) fn problem(self, problem: &Problem) {
        let text = match self.format {
            Format::Json => {
                serde_json::to_string(problem).expect("a problem is plain data with string keys")
            }
            Format::Text => describe(problem),
        };
        drop(write(&mut io::stderr().lock(), &text));
    }
}

/// What kept a result from being written.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes one line of a result that is text whoever reads it, such as a log.
pub(crate) fn line(line: &str) {
    if let Err(error) = write(&mut io::stdout().lock(), line)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        drop(LOST.set(error));
    }
}

/// Whether every line of the result was written, or its reader had gone away.
pub(crate) fn written() -> Outcome<()> {
    let Some(error) = LOST.get() else { return Ok(()) };
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        _ => ErrorCode::Internal,
    };
    Err(problem(
        code,
        format!("it was done, and its result could not be written: {error}"),
        "ask for the object with `windlass network show` or `windlass operation show`",
    ))
}

/// Asks a yes-or-no question on a terminal; `None` if there is none to ask on.
fn confirm(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let mut stderr = io::stderr().lock();
    if write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).is_err() {
        return None;
    }
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Asks whether something is meant. An error where it is not, or where nobody can be asked: each with its
/// detail and hint.
pub(crate) fn consent(question: &str, refused: (&str, &str), unasked: (&str, &str)) -> Outcome<()> {
    let (detail, hint) = match confirm(question) {
        Some(true) => return Ok(()),
        Some(false) => refused,
        None => unasked,
    };
    Err(problem(ErrorCode::InvalidRequest, detail, hint))
}

/// A problem in lines: code and what was wrong, where, and what to do.
fn describe(problem: &Problem) -> String {
    let mut text = format!("error[{}]: {}", problem.code, problem.detail);
    if let Some(location) = &problem.location {
        let mut place = location.file.clone().unwrap_or_default();
        for number in [location.line, location.column].into_iter().flatten() {
            if !place.is_empty() {
                place.push(':');
            }
            place.push_str(&number.to_string());
        }
        let field = location.field.as_ref().map(|field| format!("field `{field}`"));
        let parts: Vec<_> =
            [Some(place).filter(|place| !place.is_empty()), field].into_iter().flatten().collect();
        if !parts.is_empty() {
            text.push_str("\n  at: ");
            text.push_str(&parts.join(", "));
        }
    }
    text.push_str("\nhint: ");
    text.push_str(&problem.hint);
    text
}

fn write(stream: &mut impl Write, line: &str) -> io::Result<()> {
    writeln!(stream, "{line}").and_then(|()| stream.flush())
}

#[cfg(test)]
mod tests {
    use windlass_model::{ErrorCode, error::Location};

    use super::*;

    fn check(location: Option<Location>, expect: &str) {
        let problem = Problem::new(ErrorCode::InvalidSpec, "unknown field `x`", "remove it");
        let problem = Problem { location, ..problem };
        assert_eq!(describe(&problem), expect);
    }

    #[test]
    fn a_problem_is_three_lines() {
        check(None, "error[invalid_spec]: unknown field `x`\nhint: remove it");
        let location = Location {
            file: Some("trade.toml".to_owned()),
            line: Some(3),
            column: Some(1),
            field: Some("x".to_owned()),
        };
        check(
            Some(location),
            "error[invalid_spec]: unknown field `x`\n  at: trade.toml:3:1, field `x`\nhint: remove it",
        );
    }
}
