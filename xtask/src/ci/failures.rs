//! What failed, said again at the end of a run: whoever sees only the last lines of a log, as in a
//! record of CI, sees which tests they were and what they said.

use std::{fs, path::Path};

/// Lines of a failure that are repeated.
const LINES: usize = 16;
/// Of a line, what is repeated, in characters.
const COLUMNS: usize = 400;

/// One test or step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The test with its program, or the step with its suite.
    pub(crate) name: String,
    /// What it said, at most [`LINES`] lines.
    pub(crate) said: Vec<String>,
}

impl Failure {
    /// A step that is no test program: the end of its log tells why.
    pub(crate) fn of_step(name: String, log: &Path) -> Self {
        let bytes = fs::read(log).unwrap_or_default();
        Self { name, said: last(&String::from_utf8_lossy(&bytes), LINES) }
    }
}

/// The failures in what a test program printed: `---- NAME stdout ----` begins what a test said.
/// A program that ended before its report is one failure, with its last lines.
pub(crate) fn in_output(program: &str, text: &str) -> Vec<Failure> {
    let mut found: Vec<Failure> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if let Some(name) = headed(line) {
            found.push(Failure { name: format!("{program}: {name}"), said: Vec::new() });
            within = true;
        } else if line == "failures:" {
            within = false;
        } else if within && let Some(failure) = found.last_mut() {
            failure.said.push(line.to_owned());
        }
    }
    for failure in &mut found {
        failure.said = from_panic(&failure.said);
    }
    if found.is_empty() {
        found.push(Failure { name: program.to_owned(), said: last(text, LINES) });
    }
    found
}

fn headed(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// The first and last lines of what a test said from its panic on, which is why it failed; of all of
/// it where there is no panic. What passed in a script that the test ran, `ok   NAME`, is left out.
fn from_panic(said: &[String]) -> Vec<String> {
    let from = said.iter().position(|line| line.contains(" panicked at ")).unwrap_or(0);
    let told = said.iter().skip(from).take_while(|line| *line != "stack backtrace:");
    let told = told.filter(|line| !line.trim().is_empty() && !line.starts_with("ok   "));
    let told: Vec<&String> = told.collect();
    // A script says at its end what went wrong, behind what it had to tell before.
    let left_out = told.len().saturating_sub(LINES);
    let told = told.iter().enumerate();
    let kept = told.filter(|(at, _)| *at < LINES / 2 || *at >= LINES / 2 + left_out);
    kept.map(|(_, line)| line.chars().take(COLUMNS).collect()).collect()
}

/// The last so many lines that are not empty.
pub(super) fn last(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(count);
    lines.iter().skip(from).map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_is_named_with_what_it_said_from_its_panic_on() {
        let text = "test b ... FAILED\n\nfailures:\n\n---- b stdout ----\nsome talk\n\n\
                    thread 'b' (7) panicked at src/x.rs:1:2:\nit broke\n\n\nfailures:\n    b\n\n\
                    test result: FAILED. 1 passed; 1 failed\n";
        let said =
            vec!["thread 'b' (7) panicked at src/x.rs:1:2:".to_owned(), "it broke".to_owned()];
        assert_eq!(in_output("node", text), [Failure { name: "node: b".to_owned(), said }]);
    }

    #[test]
    fn of_a_script_that_failed_what_passed_is_left_out() {
        let text = "---- b stdout ----\nthread 'b' (7) panicked at src/x.rs:1:2:\nok   one\n\
                    ok   two\nFAIL three\n     found 1\n";
        let said = ["thread 'b' (7) panicked at src/x.rs:1:2:", "FAIL three", "     found 1"];
        let said = said.map(str::to_owned).to_vec();
        assert_eq!(in_output("e2e", text), [Failure { name: "e2e: b".to_owned(), said }]);
    }

    #[test]
    fn of_a_long_report_the_beginning_and_the_end_are_kept() {
        let mut said: Vec<String> = (0..LINES * 3).map(|line| format!("line {line}")).collect();
        said[0] = "thread 'b' (7) panicked at src/x.rs:1:2:".to_owned();
        let kept = [&said[..LINES / 2], &said[LINES * 3 - LINES / 2..]].concat();
        said.extend(["stack backtrace:", "0: main"].map(str::to_owned));
        assert_eq!(from_panic(&said), kept);
    }

    #[test]
    fn a_crashed_program_is_one_failure_with_its_last_lines() {
        let said = vec!["test a ... ok".to_owned(), "memory allocation failed".to_owned()];
        let text = "test a ... ok\n\nmemory allocation failed\n";
        assert_eq!(in_output("node", text), [Failure { name: "node".to_owned(), said }]);
    }
}
