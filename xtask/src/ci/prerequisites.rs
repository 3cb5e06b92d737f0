//! What must be on the machine before a suite can run, and how it gets there.
//!
//! A fresh Debian-like machine has Rust and Node.js; everything else is installed here by package
//! name with the machine's ordinary clients.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use crate::{
    ci::{Counts, Run},
    exec,
};

/// A program and the Debian package that has it.
#[derive(Debug)]
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
}

const BUILD: &[Tool] = &[
    Tool { program: "cc", package: "gcc" },
    Tool { program: "make", package: "make" },
    Tool { program: "git", package: "git" },
];

/// What building needs.
pub(crate) fn tools(_run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    install(BUILD, log, limit)?;
    let node = exec::output(exec::command("node").arg("--version"))
        .context("Node.js 20 or newer is needed: install it and run the command again")?;
    let major = node.trim().trim_start_matches('v').split('.').next();
    let major: u32 = major.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    anyhow::ensure!(major >= 20, "Node.js 20 or newer is needed; this is {}", node.trim());
    Ok(Counts::from(true))
}

const BROWSER: &[Tool] = &[Tool { program: "chromium", package: "chromium" }];
const GO: &[Tool] = &[Tool { program: "go", package: "golang-go" }];
const PYTHON: &[Tool] = &[Tool { program: "python3", package: "python3" }];
const VENV: &[Tool] = &[Tool { program: "", package: "python3-venv" }];

/// What the browser's suite needs.
pub(crate) fn browser(log: &Path, limit: Duration) -> Result<Counts> {
    install(BROWSER, log, limit)?;
    Ok(Counts::from(true))
}

/// A Python with web3.py, in a folder of its own.
pub(crate) fn python(log: &Path, limit: Duration) -> Result<Counts> {
    install(PYTHON, log, limit)?;
    let make = || {
        let mut command = exec::command("python3");
        command.args(["-m", "venv", ".venv"]);
        exec::run_logged(&mut command, log, limit)
    };
    if !make()?.success() {
        // Debian keeps the module in a package of its own.
        install(VENV, log, limit)?;
        anyhow::ensure!(make()?.success(), "`python3 -m venv` fails: install python3-venv");
    }
    let mut pip = exec::command(".venv/bin/pip");
    pip.args(["install", "--quiet", "-r", "tests/e2e/clients/requirements.txt"]);
    Ok(Counts::from(exec::run_logged(&mut pip, log, limit)?.success()))
}

/// The Geth that the differential test compares with; `tests/e2e/differential/geth.mjs` expects it in
/// [`TOOLS`].
const GETH: &str = "github.com/ethereum/go-ethereum/cmd/geth@v1.17.10";
/// Where programs are put that are built here, each beside a note of what it was built from.
const TOOLS: &str = "target/tools";

/// Geth, built from its Go module: minutes of compiling on a machine that has not yet done it, seconds
/// afterwards from Go's own cache.
pub(crate) fn geth(log: &Path, limit: Duration) -> Result<Counts> {
    let folder = exec::root().join(TOOLS);
    let (program, note) = (folder.join("geth"), folder.join("geth.from"));
    if program.is_file() && fs::read_to_string(&note).is_ok_and(|from| from == GETH) {
        return Ok(Counts::from(true));
    }
    install(GO, log, limit)?;
    fs::create_dir_all(&folder).context("the folder for tools cannot be made")?;
    let mut go = exec::command("go");
    // Without C, so that nothing but Go is needed and nothing depends on the machine's libraries.
    go.args(["install", "-trimpath", GETH]).env("GOBIN", &folder).env("CGO_ENABLED", "0");
    if !exec::run_logged(&mut go, log, limit)?.success() {
        return Ok(Counts::from(false));
    }
    fs::write(&note, GETH).context("what geth was built from cannot be noted")?;
    Ok(Counts::from(true))
}

/// Installs what is missing of the tools.
pub(crate) fn install(tools: &[Tool], log: &Path, limit: Duration) -> Result<()> {
    let missing: Vec<_> =
        tools.iter().filter(|tool| !exec::exists(tool.program)).map(|tool| tool.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    apt(&["update"], log, limit)?;
    apt(&[&["install", "-y", "--no-install-recommends"], missing.as_slice()].concat(), log, limit)
        .with_context(|| format!("install these by hand and try again: {names}"))
}

fn apt(arguments: &[&str], log: &Path, limit: Duration) -> Result<()> {
    let mut command = if rustix::process::getuid().is_root() {
        exec::command("apt-get")
    } else {
        let mut command = exec::command("sudo");
        command.args(["-n", "apt-get"]);
        command
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    let ended = exec::run_logged(&mut command, log, limit)?;
    anyhow::ensure!(ended.success(), "apt-get {}: {}", arguments.join(" "), ended.describe());
    Ok(())
}
