//! Opening a ledger: in a node's file, in any store, or over an Ethereum chain.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use windlass_chain::genesis::Genesis;
use windlass_chain::store::{RedbStore, Store, StoreError};
use windlass_chain::{Chain, ChainError};

use super::Watch;
use super::failure::Failure;
use super::journal::Journal;
use super::{Inner, NodeLedger, OnDisk, Pending, fee_rule, gas_limit, next_base_fee};
use crate::pool::{Limits, Pool, PoolRules};
use crate::seam::{Ledger as _, Origin};

/// Ethereum's limits of a contract's code (EIP-170) and of a transaction's gas (EIP-7825).
const MAX_CODE_BYTES: u64 = 24_576;
const MAX_TRANSACTION_GAS: u64 = 1 << 24;

/// Why a ledger can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store can't be opened.
    #[error("the ledger's file {} can't be opened", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The chain can't be opened.
    #[error("the ledger can't be opened")]
    Chain(#[source] ChainError),
    /// The journal of pending transactions can't be opened.
    #[error("the journal of pending transactions {} can't be opened", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The ledger's file in a node's data, and that of pending transactions.
pub(crate) const FILE: &str = "ledger.redb";
pub(crate) const PENDING_FILE: &str = "ledger.pending";

/// Which states a ledger keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum States {
    /// Those of the last blocks.
    Recent,
    /// All of them.
    All,
}

/// Opens a node's ledger in this file, with the journal of pending transactions beside it.
pub fn open(path: &Path, genesis: &Genesis, states: States) -> Result<NodeLedger, OpenError> {
    let store = RedbStore::open(path)
        .map_err(|source| OpenError::Store { path: path.to_owned(), source })?;
    let (journal, failure) = (path.with_extension("pending"), Failure::default());
    let file = OnDisk { path: path.to_owned(), failure: failure.clone() };
    store.on_failure(move |error| failure.tell(error));
    open_with(store, (genesis, states), Some(&journal), Some(file))
}

/// Opens a ledger in any store; without a journal, pending transactions end with the process.
pub fn open_store(
    store: impl Store,
    genesis: &Genesis,
    journal: Option<&Path>,
) -> Result<NodeLedger, OpenError> {
    open_with(store, (genesis, States::Recent), journal, None)
}

fn open_with(
    store: impl Store,
    (genesis, states): (&Genesis, States),
    journal: Option<&Path>,
    file: Option<OnDisk>,
) -> Result<NodeLedger, OpenError> {
    let chain = Chain::open(store, genesis).map_err(OpenError::Chain)?;
    let chain = match states {
        States::Recent => chain,
        States::All => chain.with_archive(),
    };
    let terms = Terms {
        document: genesis.canonical_json(),
        epoch_length: genesis.epoch_length,
        contract_size_limit: genesis.contract_size_limit,
        transaction_gas_cap: genesis.transaction_gas_cap,
    };
    over(chain, terms, journal, file)
}

/// A ledger over an Ethereum chain as it stands, to read it and to call on it; nobody makes blocks.
pub fn over_ethereum(chain: Chain) -> Result<NodeLedger, OpenError> {
    let terms = Terms {
        document: b"{}".to_vec(),
        epoch_length: u64::MAX,
        contract_size_limit: MAX_CODE_BYTES,
        transaction_gas_cap: MAX_TRANSACTION_GAS,
    };
    over(chain, terms, None, None)
}

/// What the genesis fixes.
struct Terms {
    document: Vec<u8>,
    epoch_length: u64,
    contract_size_limit: u64,
    transaction_gas_cap: u64,
}

fn over(
    chain: Chain,
    terms: Terms,
    journal: Option<&Path>,
    file: Option<OnDisk>,
) -> Result<NodeLedger, OpenError> {
    let first = chain.block(0).map_err(OpenError::Chain)?;
    let first = first.ok_or(OpenError::Chain(ChainError::UnknownBlock))?;
    let decided = chain.decided().map_err(OpenError::Chain)?;
    let base_fee = next_base_fee(&chain, &decided.rules).map_err(OpenError::Chain)?;
    let rules = PoolRules {
        chain_id: decided.rules.chain_id(),
        fees: fee_rule(&decided.rules),
        block_gas_limit: gas_limit(&chain, &decided.rules).map_err(OpenError::Chain)?,
        transaction_gas_cap: terms.transaction_gas_cap,
        contract_size_limit: terms.contract_size_limit,
    };
    let pool = Pool::new(rules, Limits::default(), base_fee);
    let (journal, pending) = match journal {
        None => (None, Vec::new()),
        Some(path) => {
            let (journal, pending) = Journal::open(path)
                .map_err(|source| OpenError::Journal { path: path.to_owned(), source })?;
            (Some(journal), pending)
        }
    };
    let ledger = NodeLedger {
        inner: Arc::new(Inner {
            chain,
            genesis: first,
            document: terms.document,
            epoch_length: terms.epoch_length,
            file,
            decided: Mutex::new(decided),
            pending: Mutex::new(Pending { pool, journal: None, own: HashMap::new() }),
            on_the_way: Mutex::default(),
            known_senders: Mutex::default(),
            changes: Watch::default(),
            pool_changes: Watch::default(),
        }),
    };
    for transaction in pending {
        if let Err(error) = ledger.admit(transaction, Origin::Client) {
            tracing::debug!(%error, "a transaction of the journal is not pending any more");
        }
    }
    let mut guard = ledger.lock();
    guard.journal = journal;
    guard.compact();
    drop(guard);
    Ok(ledger)
}
