//! `node.toml`: what one node's process has to know beside the genesis.
//!
//! The file is written by the engine (crate `engine`) and read once, at start. It names keys by id
//! and never holds one: the private halves stay in the vault. Anything that every node must agree on
//! (validators, chain id, block interval, epochs) is in the genesis document or on the chain and
//! nowhere here, so that a wrong `node.toml` can only harm its own node.
//!
//! Unknown fields are refused: a misspelt setting must not be a silent default.

use std::{
    collections::BTreeSet,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// More validators than this are refused: certificates and p2p sets are sized for it.
pub const MAX_VALIDATORS: usize = 100;

/// More addresses than this are refused: validators and observers, those that were and those that are.
pub const MAX_ADDRESSES: usize = 1_000;

/// One node's settings, as in `files/node.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The id of the p2p identity key in the vault.
    pub node_key: String,
    /// The id of the key that is to replace it. The members say on the chain which of them it goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_node_key: Option<String>,
    /// The ids of the voting keys in the vault: one, or two while one replaces the other. The members
    /// say on the chain which of them votes.
    pub consensus_keys: Vec<String>,
    /// The vault's directory.
    pub vault: PathBuf,
    /// Where peers reach this node; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The export of the predecessor, if the genesis has one: where the ledger begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<PathBuf>,
    /// Where nodes are reached, whatever the chain says. Who is let in, the chain alone says.
    #[serde(default)]
    pub addresses: Vec<Peer>,
    /// Nodes that are dialled until this one has caught up, although the chain as it has it may not
    /// name them: what a new node begins with.
    #[serde(default)]
    pub bootstrap: Vec<Peer>,
    /// How often its ledger was found damaged, and is to be put aside when it starts.
    #[serde(default)]
    pub repairs: u32,
    /// Whether the states of all blocks are kept, from when it is said.
    #[serde(default)]
    pub archive: bool,
    /// How a node that starts far behind its peers catches up.
    #[serde(default)]
    pub sync: SyncMode,
    /// The most that its directory may take on disk, in MiB; 0 is no limit.
    #[serde(default)]
    pub disk_mib: u32,
    /// How many blocks behind is far: a few thousand blocks are executed in seconds.
    #[serde(default = "default_far_behind")]
    pub far_behind: u64,
}

/// See [`NodeConfig::far_behind`].
pub const FAR_BEHIND: u64 = 1_024;

fn default_far_behind() -> u64 {
    FAR_BEHIND
}

/// How a node that is far behind catches up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// From its peers' state, each part proven; earlier blocks follow.
    #[default]
    Fast,
    /// Block by block, each executed.
    Full,
}

/// Where one node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its p2p identity.
    pub node_key: B256,
    /// Its p2p address.
    pub address: SocketAddr,
}

/// Why a `node.toml` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file isn't TOML, or not of this form; the source names line and field.
    #[error("node.toml is not valid")]
    Parse(#[source] Box<toml::de::Error>),
    /// There are too many addresses.
    #[error("{0} addresses are given, at most {MAX_ADDRESSES} are allowed")]
    Count(usize),
    /// There are no consensus keys, or too many.
    #[error("{0} consensus keys are given; a node has one, or two while one replaces the other")]
    ConsensusKeys(usize),
    /// A key is named twice.
    #[error("the node key {0} is given two addresses")]
    Duplicate(B256),
}

impl NodeConfig {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads and checks the file's text.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|error| ConfigError::Parse(Box::new(error)))?;
        if !(1..=2).contains(&config.consensus_keys.len()) {
            return Err(ConfigError::ConsensusKeys(config.consensus_keys.len()));
        }
        for list in [&config.addresses, &config.bootstrap] {
            if list.len() > MAX_ADDRESSES {
                return Err(ConfigError::Count(list.len()));
            }
            let mut named = BTreeSet::new();
            if let Some(twice) = list.iter().find(|peer| !named.insert(peer.node_key)) {
                return Err(ConfigError::Duplicate(twice.node_key));
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
node_key = "key-a"
consensus_keys = ["key-b"]
vault = "/d/keys"
listen = "127.0.0.1:41233"
addresses = [
  { node_key = "1111111111111111111111111111111111111111111111111111111111111111", address = "127.0.0.1:41232" },
  { node_key = "0x2222222222222222222222222222222222222222222222222222222222222222", address = "127.0.0.1:41233" },
]
"#;

    fn check(text: &str, expect: &str) {
        let got = match NodeConfig::parse(text) {
            Ok(config) => format!("{} and {}", config.addresses.len(), config.bootstrap.len()),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn reads_what_the_engine_writes_and_refuses_the_rest() {
        check(GOOD, "2 and 0");
        check(&GOOD.replace("addresses", "bootstrap"), "0 and 2");
        check(&GOOD.replace("addresses", "adresses"), "node.toml is not valid");
        check(
            &GOOD.replace("[\"key-b\"]", "[]"),
            "0 consensus keys are given; a node has one, or two while one replaces the other",
        );
        check(&GOOD.replace("0x2222", "0x22"), "node.toml is not valid");
        check(
            &GOOD.replace("0x", "").replace(&"2".repeat(64), &"1".repeat(64)),
            "the node key 0x1111111111111111111111111111111111111111111111111111111111111111 is given two addresses",
        );
    }
}
