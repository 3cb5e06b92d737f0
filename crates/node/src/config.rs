//! `node.toml`: what one validator's process has to know beside the genesis.
//!
//! The file is written by the engine (crate `engine`) and read once, at start. It names keys by id
//! and never holds one: the private halves stay in the vault. Anything that every validator must
//! agree on (validators, chain id, block interval, epochs) is in the genesis document and nowhere
//! here, so that a wrong `node.toml` can only harm its own node.
//!
//! Unknown fields are refused: a misspelt setting must not be a silent default.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// More validators than this are refused: certificates and p2p sets are sized for it.
pub const MAX_VALIDATORS: usize = 100;

/// One validator's settings, as in `files/node.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// This node's position in the genesis' list of validators.
    pub index: usize,
    /// The id of the p2p identity key in the vault.
    pub node_key: String,
    /// The id of the voting key in the vault.
    pub consensus_key: String,
    /// The vault's directory.
    pub vault: PathBuf,
    /// Where peers reach this node; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Every validator in genesis order, this one included.
    pub peers: Vec<Peer>,
}

/// Where one validator is reached.
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
    /// `index` names none of the peers.
    #[error("index {index} is not one of the {peers} peers")]
    Index {
        /// The index given.
        index: usize,
        /// How many peers there are.
        peers: usize,
    },
    /// There are too few or too many peers.
    #[error("{0} peers are given, 1 to {MAX_VALIDATORS} are allowed")]
    Count(usize),
    /// A key is named twice.
    #[error("the node key {0} is given to two peers")]
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
        let peers = config.peers.len();
        if peers == 0 || peers > MAX_VALIDATORS {
            return Err(ConfigError::Count(peers));
        }
        if config.index >= peers {
            return Err(ConfigError::Index { index: config.index, peers });
        }
        for (position, peer) in config.peers.iter().enumerate() {
            if config.peers[..position].iter().any(|other| other.node_key == peer.node_key) {
                return Err(ConfigError::Duplicate(peer.node_key));
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
index = 1
node_key = "key-a"
consensus_key = "key-b"
vault = "/d/keys"
listen = "127.0.0.1:41233"
peers = [
  { node_key = "1111111111111111111111111111111111111111111111111111111111111111", address = "127.0.0.1:41232" },
  { node_key = "0x2222222222222222222222222222222222222222222222222222222222222222", address = "127.0.0.1:41233" },
]
"#;

    fn check(text: &str, expect: &str) {
        let got = match NodeConfig::parse(text) {
            Ok(config) => format!("{} of {}", config.index, config.peers.len()),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn reads_what_the_engine_writes_and_refuses_the_rest() {
        check(GOOD, "1 of 2");
        check(&GOOD.replace("index = 1", "index = 2"), "index 2 is not one of the 2 peers");
        check(&GOOD.replace("index = 1", "index = 1\nindx = 2"), "node.toml is not valid");
        check(&GOOD.replace("0x2222", "0x22"), "node.toml is not valid");
        check(
            &GOOD.replace("0x", "").replace(&"2".repeat(64), &"1".repeat(64)),
            "the node key 0x1111111111111111111111111111111111111111111111111111111111111111 is given to two peers",
        );
    }
}
