//! Checks over cargo's metadata: the arrows between crates and who may know what.
//!
//! The arrows are those of ARCHITECTURE.md. Cargo refuses cycles; that `control` never sees a
//! concrete substrate, or that only `chain` knows the EVM, it cannot know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{exec, tidy::Tree};

/// Which rooms a room may see. `*` is every room.
const ARROWS: &[(&str, &[&str])] = &[
    ("windlass-model", &[]),
    ("windlass-proof", &[]),
    ("windlass-chain", &["windlass-model", "windlass-proof"]),
    ("windlass-keys", &["windlass-model"]),
    ("windlass-node", &["windlass-model", "windlass-chain", "windlass-keys", "windlass-proof"]),
    ("windlass-substrate", &["windlass-model"]),
    ("windlass-substrate-process", &["windlass-substrate", "windlass-model"]),
    ("windlass-engine", &["windlass-model", "windlass-chain"]),
    (
        "windlass-control",
        &["windlass-model", "windlass-engine", "windlass-substrate", "windlass-keys"],
    ),
    ("windlass-gateway", &["windlass-model"]),
    ("windlass-cli", &["*"]),
    ("windlass-e2e", &["windlass-model", "windlass-proof"]),
    ("xtask", &["windlass-model"]),
];

/// What only one room may know: the beginning of a foreign crate's name, and the room.
const OWNERS: &[(&str, &str)] = &[
    ("revm", "windlass-chain"),
    ("alloy-evm", "windlass-chain"),
    ("redb", "windlass-chain"),
    ("commonware-", "windlass-node"),
    ("sqlx", "windlass-control"),
    ("axum", "windlass-control"),
    ("bollard", "windlass-substrate-docker"),
    ("kube", "windlass-substrate-kubernetes"),
    ("cryptoki", "windlass-keys"),
];

/// Workspace dependencies that the tree holds in more than one version, and why that is no choice
/// of ours.
const SEVERAL_VERSIONS: &[(&str, &str)] = &[
    ("secp256k1", "alloy-consensus asks for 0.30, alloy-primitives for 0.31"),
    ("rand_core", "commonware asks for 0.10, the curves for 0.6 and 0.9"),
    ("tower-http", "reqwest asks for 0.6"),
    ("getrandom", "each generation of rand asks for its own"),
    ("sha2", "newer curves ask for 0.11"),
];

/// Crates that we are not built with, and why.
const BANNED: &[(&str, &str)] = &[(
    "c-kzg",
    "revm has it compute tables of 100 MB at the first point evaluation, and a validator stands \
     still for seconds; with `blst` alone a proof takes milliseconds and one constant",
)];

/// What cargo says of the packages.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    /// What we are built with: name, version and licence.
    #[serde(skip)]
    pub(crate) used: Vec<Used>,
}

/// One package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    /// The manifest as it is written; read for our own packages only.
    #[serde(skip)]
    pub(crate) manifest: toml::Table,
}

/// One entry of a manifest's dependencies.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
}

/// One package that something of ours is built with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Used {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: String,
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn read() -> Result<Self> {
        let arguments = ["metadata", "--format-version=1", "--no-deps"];
        let text = exec::output(exec::command("cargo").args(arguments))?;
        let mut metadata: Self =
            serde_json::from_str(&text).context("cargo's metadata is not as expected")?;
        for package in &mut metadata.packages {
            if metadata.workspace_members.contains(&package.id) {
                let path = &package.manifest_path;
                let text = fs::read_to_string(path)
                    .with_context(|| format!("{} cannot be read", path.display()))?;
                package.manifest =
                    text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
            }
        }
        metadata.used = read_used()?;
        Ok(metadata)
    }

    /// Our own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}

/// What the features in force come to. `cargo metadata` counts optional dependencies that only a
/// feature of a feature would bring; `cargo tree` does not.
fn read_used() -> Result<Vec<Used>> {
    let arguments = ["tree", "--workspace", "--edges=all", "--prefix=none", "--format={p}|{l}"];
    let text = exec::output(exec::command("cargo").args(arguments))?;
    let mut used: Vec<Used> = text.lines().filter_map(read_line).collect();
    used.sort();
    used.dedup();
    anyhow::ensure!(!used.is_empty(), "cargo lists no package");
    Ok(used)
}

/// No crate that harms us comes back with a feature of another.
pub(crate) fn banned(tree: &Tree) -> Vec<String> {
    let found = |name: &str| tree.metadata.used.iter().any(|package| package.name == name);
    let banned = BANNED.iter().filter(|(name, _)| found(name));
    banned.map(|(name, why)| format!("`{name}`: {why}")).collect()
}

/// Reads `name v1.2.3 (path)|licence (*)`.
fn read_line(line: &str) -> Option<Used> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split(' ');
    Some(Used {
        name: words.next()?.to_owned(),
        version: words.next()?.trim_start_matches('v').to_owned(),
        licence: licence.trim_end_matches("(*)").trim().to_owned(),
    })
}

/// A room sees the rooms that it may see, in tests too.
pub(crate) fn arrows(tree: &Tree) -> Vec<String> {
    let rooms: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut findings = Vec::new();
    for package in tree.metadata.members() {
        let Some(allowed) = rooms.get(package.name.as_str()) else {
            findings.push(format!("{} has no line in the arrows of tidy", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let ours = rooms.contains_key(dependency.name.as_str());
            let fine = allowed.contains(&"*") || allowed.contains(&dependency.name.as_str());
            if ours && !fine && dependency.name != package.name {
                findings.push(format!("{} must not see {}", package.name, dependency.name));
            }
        }
    }
    findings
}

/// A foreign crate behind a seam stays there.
pub(crate) fn owners(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in tree.metadata.members() {
        for dependency in &package.dependencies {
            let owner = OWNERS.iter().find(|(start, _)| dependency.name.starts_with(start));
            if let Some((_, room)) = owner
                && *room != package.name
            {
                let kind = dependency.kind.as_deref().unwrap_or("normal");
                findings.push(format!(
                    "{} knows {} ({kind}); only {room} may",
                    package.name, dependency.name
                ));
            }
        }
    }
    findings
}

fn inherits(value: Option<&toml::Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
}

/// The lints of the workspace hold in every crate.
pub(crate) fn lints(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in tree.metadata.members() {
        if !inherits(package.manifest.get("lints")) {
            findings.push(format!("{}: `[lints] workspace = true` is missing", package.name));
        }
    }
    findings
}

/// Versions are chosen in one place, and there is one of each.
pub(crate) fn versions(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in tree.metadata.members() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = package.manifest.get(section).and_then(toml::Value::as_table);
            for (name, value) in entries.into_iter().flatten() {
                if !inherits(Some(value)) {
                    let package = &package.name;
                    findings.push(format!("{package}: `{name}` does not come from the workspace"));
                }
            }
        }
    }
    let direct: BTreeSet<&str> = tree
        .metadata
        .members()
        .flat_map(|package| package.dependencies.iter().map(|entry| entry.name.as_str()))
        .collect();
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &tree.metadata.used {
        found.entry(&package.name).or_default().insert(&package.version);
    }
    for name in direct {
        let versions = found.get(name).map_or(0, BTreeSet::len);
        if versions > 1 && !SEVERAL_VERSIONS.iter().any(|(known, _)| *known == name) {
            findings.push(format!("`{name}` is there in {versions} versions"));
        }
    }
    findings
}
