//! The test programs of the workspace: built once, told apart by suite, run one after the other.
//!
//! They are run directly and not through `cargo test`, so that one build with one set of features
//! serves all suites, and each suite has its own time and counts.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{
    ci::{Counts, Run, failures},
    exec, say,
};

/// One program with tests in it.
#[derive(Clone, Debug)]
pub(crate) struct TestBinary {
    /// The package that it belongs to.
    pub(crate) package: String,
    /// The target's name: the crate's for unit tests, the file's for those in `tests/`.
    pub(crate) target: String,
    /// The program.
    executable: PathBuf,
    /// The package's folder, where its tests expect to run.
    folder: PathBuf,
}

impl TestBinary {
    /// Whether it needs a whole platform.
    pub(crate) fn is_end_to_end(&self) -> bool {
        self.package == "windlass-e2e"
    }

    /// Whether it is this one of those that need a whole platform.
    pub(crate) fn is_end_to_end_of(&self, target: &str) -> bool {
        self.is_end_to_end() && self.target == target
    }
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds the test programs of the whole workspace and notes where they are.
pub(crate) fn build(run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    // The first call has the log and the limit; the second finds everything built and lists it.
    let arguments = ["test", "--workspace", "--no-run"];
    let ended = exec::run_logged(exec::command("cargo").args(arguments), log, limit)?;
    if !ended.success() {
        return Ok(Counts::from(false));
    }
    let listing = exec::output(
        exec::command("cargo").args(arguments).args(["--message-format=json", "--quiet"]),
    )?;
    run.binaries =
        listing.lines().filter_map(|line| test_binary(line).transpose()).collect::<Result<_>>()?;
    run.binaries.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    anyhow::ensure!(!run.binaries.is_empty(), "cargo built no test program");
    Ok(Counts::from(true))
}

fn test_binary(line: &str) -> Result<Option<TestBinary>> {
    let message: Message = serde_json::from_str(line).context("cargo said what is not JSON")?;
    if message.reason != "compiler-artifact" || !message.profile.is_some_and(|profile| profile.test)
    {
        return Ok(None);
    }
    let (Some(executable), Some(manifest), Some(target)) =
        (message.executable, message.manifest_path, message.target)
    else {
        return Ok(None);
    };
    let folder = manifest.parent().context("a manifest is in a folder")?.to_owned();
    Ok(Some(TestBinary {
        package: package_name(&manifest)?,
        target: target.name,
        executable,
        folder,
    }))
}

fn package_name(manifest: &Path) -> Result<String> {
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("{} cannot be read", manifest.display()))?;
    let table: toml::Table = text.parse().context("a manifest is not TOML")?;
    let name = table.get("package").and_then(|package| package.get("name"));
    Ok(name.and_then(toml::Value::as_str).context("a manifest has no name")?.to_owned())
}

/// Runs the chosen test programs and counts their tests.
pub(crate) fn run(
    run: &mut Run,
    chosen: impl Fn(&TestBinary) -> bool,
    arguments: &[&str],
    log: &Path,
    limit: Duration,
) -> Result<Counts> {
    anyhow::ensure!(!run.binaries.is_empty(), "the tests were not built");
    let began = exec::now();
    let mut counts = Counts::default();
    let chosen: Vec<_> = run.binaries.iter().filter(|binary| chosen(binary)).cloned().collect();
    anyhow::ensure!(!chosen.is_empty(), "there is no test program of this suite");
    for binary in chosen {
        let left = limit.saturating_sub(began.elapsed());
        counts.add(run_one(run, &binary, arguments, (log, left))?);
    }
    Ok(counts)
}

fn run_one(
    run: &mut Run,
    binary: &TestBinary,
    arguments: &[&str],
    (log, limit): (&Path, Duration),
) -> Result<Counts> {
    let own = run.artifacts.join(format!("{}-{}.test.log", binary.package, binary.target));
    fs::write(&own, "").context("a log file cannot be written")?;
    let mut command = exec::command(&binary.executable);
    command
        .current_dir(&binary.folder)
        .args(arguments)
        .env("CARGO_MANIFEST_DIR", &binary.folder)
        .env("WINDLASS_ARTIFACTS", &run.artifacts)
        .env("INSTA_UPDATE", "no");
    let began = exec::now();
    let ended = exec::run_logged(&mut command, &own, limit)?;
    let text = String::from_utf8_lossy(&fs::read(&own)?).into_owned();
    let mut counts = count(&text);
    if !ended.success() && counts.failed == 0 {
        // It crashed or was ended: what it had not yet reported is one failure.
        counts.failed += 1;
    }
    append(log, &text)?;
    let name = format!("{} {}", binary.package, binary.target);
    if counts.failed > 0 {
        say::problem(&format!("{name}: {}, see {}", ended.describe(), own.display()));
        run.failures.extend(failures::in_output(&name, &text));
    }
    say::progress(&format!(
        "   · {name:<42} {:>6.1} s  {}",
        began.elapsed().as_secs_f64(),
        counts.passed
    ));
    Ok(counts)
}

fn append(log: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(log)?;
    file.write_all(text.as_bytes()).context("the log cannot be written")
}

/// The tests that a program's output tells of: `test result: ok. 3 passed; 0 failed; …`; where the
/// closing line is missing, the lines of the single tests.
fn count(text: &str) -> Counts {
    let mut counts = Counts::default();
    let mut closed = false;
    for line in text.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        closed = true;
        counts.passed += number_before(line, " passed");
        counts.failed += number_before(line, " failed");
    }
    if !closed {
        let tests = || text.lines().filter(|line| line.starts_with("test "));
        let ended = |end: &str| tests().filter(|line| line.ends_with(end)).count();
        counts.passed = u64::try_from(ended("... ok")).unwrap_or(u64::MAX);
        counts.failed = u64::try_from(ended("... FAILED")).unwrap_or(u64::MAX);
    }
    counts
}

fn number_before(line: &str, word: &str) -> u64 {
    line.find(word)
        .and_then(|at| line.get(..at))
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_closing_line() {
        let text = "running 3 tests\ntest a ... ok\ntest b ... FAILED\n\
                    test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(count(text), Counts { passed: 12, failed: 3 });
    }

    #[test]
    fn a_crashed_program_counts_what_it_had_reported() {
        let text = "running 3 tests\ntest a ... ok\ntest b ... FAILED\n";
        assert_eq!(count(text), Counts { passed: 1, failed: 1 });
    }
}
