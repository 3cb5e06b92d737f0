//! Why a node didn't start, or didn't go on.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use windlass_chain::{genesis::GenesisError, store::StoreError};
use windlass_keys::KeyError;

use crate::{
    config::ConfigError,
    consensus::{StartError, epochs::EpochError},
    ledger,
    p2p::P2pError,
    rpc,
    seam::LedgerError,
    succession::SuccessionError,
    sync::JoinError,
};

/// Why the node didn't start, or didn't go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// `node.toml` can't be used.
    #[error("the node's configuration cannot be used")]
    Config(#[source] ConfigError),
    /// A file can't be read, or a directory made.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The genesis document isn't one.
    #[error("the genesis document cannot be used")]
    Genesis(#[source] GenesisError),
    /// Keys in the genesis are no keys, or not different ones.
    #[error("the genesis' validator keys are not different Ed25519 public keys")]
    ValidatorKeys,
    /// A key's id isn't one.
    #[error("{0:?} is not a key id")]
    KeyId(String),
    /// The vault doesn't give a key.
    #[error("the key {id} cannot be used")]
    Key {
        /// Which.
        id: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A key of the vault is no public key, which can't be.
    #[error("the key {0} is not an Ed25519 key")]
    NoKey(String),
    /// The state of the predecessor can't be taken over.
    #[error("the state of the network before cannot be taken over")]
    Succession(#[source] SuccessionError),
    /// The ledger doesn't open.
    #[error("the ledger cannot be opened")]
    Ledger(#[source] ledger::OpenError),
    /// The ledger can't be written any more.
    #[error("the ledger cannot be written")]
    Table(#[source] StoreError),
    /// What consensus has to remember can't be read or written.
    #[error("consensus' journals cannot be used")]
    Journals(#[source] Arc<StoreError>),
    /// The chain doesn't tell the members' nodes.
    #[error("the members' nodes cannot be read from the ledger")]
    Roster(#[source] LedgerError),
    /// The RPC socket can't be served.
    #[error("the RPC socket cannot be served")]
    Rpc(#[source] rpc::ServeError),
    /// The p2p network can't be opened.
    #[error("the p2p network cannot be opened")]
    P2p(#[source] P2pError),
    /// The listening address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Consensus doesn't start.
    #[error("consensus cannot start")]
    Start(#[source] StartError),
    /// Consensus ended by itself.
    #[error("consensus has ended")]
    Epochs(#[source] EpochError),
    /// The ledger can't be made from the peers' state.
    #[error("the peers' state cannot be taken")]
    Join(#[source] JoinError),
    /// A task of the node ended by itself.
    #[error("{0} has ended by itself")]
    Ended(&'static str),
}

impl NodeError {
    /// Whether the node ended because its ledger is not what was written.
    pub fn is_damage(&self) -> bool {
        StoreError::is_damage(self)
    }
}
