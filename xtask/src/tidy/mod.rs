//! `cargo xtask tidy`: what must hold of the tree and no compiler checks.
//!
//! Each check is a function from the tree to its findings; a finding is one line that says where
//! and what. The same checks run as a test of this crate.

mod licences;
mod packages;
mod pages;
mod sources;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use crate::{ci::Counts, exec, say};

/// The tree under version control.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Every tracked file, relative to the root.
    pub(crate) files: Vec<PathBuf>,
    /// What cargo says of the packages.
    pub(crate) metadata: packages::Metadata,
}

impl Tree {
    fn read() -> Result<Self> {
        let listing = exec::output(exec::command("git").args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let root = exec::root();
        let files =
            listing.lines().map(PathBuf::from).filter(|file| root.join(file).is_file()).collect();
        Ok(Self { files, metadata: packages::Metadata::read()?, root })
    }

    /// The content of a tracked file, if it is text.
    pub(crate) fn text(&self, file: &Path) -> Option<String> {
        fs::read_to_string(self.root.join(file)).ok()
    }

    /// The tracked files with this extension.
    pub(crate) fn with_extension(&self, extension: &str) -> impl Iterator<Item = &Path> {
        self.files
            .iter()
            .map(PathBuf::as_path)
            .filter(move |file| file.extension().is_some_and(|found| found == extension))
    }
}

type Check = fn(&Tree) -> Vec<String>;

const CHECKS: &[(&str, Check)] = &[
    ("files are at most 500 lines before their tests", sources::lengths),
    ("lints are expected with a reason, never allowed", sources::allowed_lints),
    ("SQL is only in the store", sources::sql),
    ("no registry is named", sources::registries),
    ("the arrows between crates", packages::arrows),
    ("who may know a foreign crate", packages::owners),
    ("every crate inherits the lints", packages::lints),
    ("one version of each workspace dependency", packages::versions),
    ("no crate that harms us", packages::banned),
    ("licences", licences::check),
    ("ARCHITECTURE's paths exist", pages::architecture),
    ("every error code has its page", pages::errors),
];

/// Runs every check and prints the findings.
pub(crate) fn run() -> Result<ExitCode> {
    let tree = Tree::read()?;
    let mut clean = true;
    for (name, check) in CHECKS {
        let findings = check(&tree);
        say::result(&format!("{:<52} {}", name, if findings.is_empty() { "ok" } else { "FAILED" }));
        for finding in &findings {
            say::result(&format!("    {finding}"));
        }
        clean &= findings.is_empty();
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs every check with the findings to a log file.
pub(crate) fn logged(log: &Path) -> Result<Counts> {
    let tree = Tree::read()?;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(log)?;
    let mut counts = Counts::default();
    for (name, check) in CHECKS {
        let findings = check(&tree);
        let one = Counts::from(findings.is_empty());
        counts.passed += one.passed;
        counts.failed += one.failed;
        for finding in findings {
            writeln!(file, "tidy: {name}: {finding}").context("the log cannot be written")?;
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let tree = Tree::read().expect("the tree can be read");
        let findings: Vec<_> = CHECKS
            .iter()
            .flat_map(|(name, check)| {
                let findings = check(&tree);
                findings.into_iter().map(move |finding| format!("{name}: {finding}"))
            })
            .collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
