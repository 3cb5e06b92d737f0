//! What must be on the machine before a suite can run, and how it gets there.
//!
//! A fresh Debian-like machine has Rust and Node.js; everything else is installed here by package
//! name with the machine's ordinary clients.

use std::{path::Path, time::Duration};

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
