//! The ledger that consensus drives and JSON-RPC reads: the chain, the pool in front of it, and the
//! news of both.
//!
//! A transaction comes in by [`crate::seam::Ledger::admit`] and is checked against the last final state; the
//! sender recovered there is the one that building and judging blocks use. [`crate::seam::Ledger::propose`] takes
//! what is executable, leaves out what a block on the way to finality holds already, and drops what
//! turned out invalid. [`crate::seam::Ledger::finalize`] makes a block durable first, then brings the pool up to
//! date, then tells everybody.
//!
//! Locks are taken one at a time and never while a block executes; the pool's may be held while the
//! state is read. Time comes in as an argument.

mod drive;
mod failure;
mod journal;
mod open;
mod senders;
mod watch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_consensus::transaction::Recovered;
use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes};
use windlass_chain::governance::Decided;
use windlass_chain::state::StateView;
use windlass_chain::store::StoreError;
use windlass_chain::{At, Block, Chain, ChainError, FeePolicy, NextState, RuleSet, Senders};

pub use self::drive::DRIFT_MS;
use self::failure::Failure;
use self::journal::Journal;
pub(crate) use self::journal::keep_pending;
pub(crate) use self::open::{FILE, PENDING_FILE};
pub use self::open::{OpenError, States, open, open_store, over_ethereum};
use self::senders::KnownSenders;
pub use self::watch::Watch;
use crate::pool::{Account, FeeRule, Pool, PoolError, Pooled, Readiness, decode, recover};
use crate::seam::Origin;

/// An account whose code begins so is a delegation (EIP-7702), which may still send.
const DELEGATION_PREFIX: [u8; 3] = [0xef, 0x01, 0x00];
const DELEGATION_BYTES: usize = 23;

/// The ledger of a node. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct NodeLedger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    chain: Chain,
    genesis: Block,
    /// The genesis document, in its canonical form.
    document: Vec<u8>,
    epoch_length: u64,
    file: Option<OnDisk>,
    /// What is asked often of the state after the tip.
    decided: Mutex<Decided>,
    pending: Mutex<Pending>,
    /// Blocks above the tip that were proposed or judged here: what they hold is not proposed again.
    on_the_way: Mutex<HashMap<B256, Block>>,
    known_senders: Mutex<KnownSenders>,
    /// Raised when the tip moves or something executable comes.
    changes: Watch,
    /// Raised when the pool holds more or less than before.
    pool_changes: Watch,
}

/// The file that a chain is in, if it is in one.
#[derive(Debug)]
struct OnDisk {
    path: PathBuf,
    failure: Failure,
}

#[derive(Debug)]
struct Pending {
    pool: Pool,
    journal: Option<Journal>,
    /// What clients of this node sent and is still pending, with its size.
    own: HashMap<B256, usize>,
}

impl NodeLedger {
    /// The chain, to read.
    pub fn chain(&self) -> &Chain {
        &self.inner.chain
    }

    /// The genesis document, in its canonical form.
    pub fn document(&self) -> &[u8] {
        &self.inner.document
    }

    /// How large the file is that the chain is in, if it is in one.
    pub fn file_bytes(&self) -> Option<u64> {
        let metadata = std::fs::metadata(&self.inner.file.as_ref()?.path).ok()?;
        Some(metadata.len())
    }

    /// Waits until the store has failed beside the blocks: nothing can be read or written then.
    pub async fn failure(&self) -> StoreError {
        match &self.inner.file {
            Some(file) => file.failure.happens().await,
            None => std::future::pending().await,
        }
    }

    /// How many blocks an epoch has.
    pub fn epoch_length(&self) -> u64 {
        self.inner.epoch_length
    }

    /// Raised when the tip moves or something executable comes.
    pub fn changes(&self) -> &Watch {
        &self.inner.changes
    }

    /// Raised when the pool holds more or less than before.
    pub fn pool_changes(&self) -> &Watch {
        &self.inner.pool_changes
    }

    /// How many transactions are pending.
    pub fn pending_len(&self) -> usize {
        self.lock().pool.len()
    }

    /// How many are executable, and how many queued.
    pub fn pending_counts(&self) -> (usize, usize) {
        self.lock().pool.counts()
    }

    /// What is executable and what is queued, of all senders or of one; each by sender and nonce.
    pub fn pool_content(&self, sender: Option<Address>) -> [Vec<Arc<Pooled>>; 2] {
        self.lock().pool.content(sender)
    }

    /// The place of the newest transaction in the order in which they came into the pool.
    pub fn pool_sequence(&self) -> u64 {
        self.lock().pool.sequence()
    }

    /// The transactions that came into the pool after one, and the last of them.
    pub fn arrived_since(&self, sequence: u64) -> (u64, Vec<B256>) {
        self.lock().pool.arrived_since(sequence)
    }

    /// A pending transaction.
    pub fn pending(&self, hash: &B256) -> Option<Arc<Pooled>> {
        self.lock().pool.get(hash).cloned()
    }

    /// Reads a transaction that the pool might take.
    pub fn decode(&self, bytes: &[u8]) -> Result<TxEnvelope, PoolError> {
        let rules = *self.lock().pool.rules();
        decode(bytes, &rules)
    }

    /// The nonce of a sender's next transaction, executable pending ones counted.
    pub fn pending_nonce(&self, sender: Address) -> Result<u64, ChainError> {
        let account = self.account(sender)?;
        let pending = self.lock().pool.next_nonce(&sender);
        Ok(pending.map_or(account.nonce, |pending| pending.max(account.nonce)))
    }

    /// The base fee of the block after the tip.
    pub fn next_base_fee(&self) -> Result<u64, ChainError> {
        next_base_fee(&self.inner.chain, &self.next_rules())
    }

    /// The rules of the block after the tip.
    pub fn next_rules(&self) -> RuleSet {
        self.decided().rules.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.inner.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decided(&self) -> MutexGuard<'_, Decided> {
        self.inner.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_senders(&self) -> MutexGuard<'_, KnownSenders> {
        self.inner.known_senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_the_way(&self) -> MutexGuard<'_, HashMap<B256, Block>> {
        self.inner.on_the_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self, address: Address) -> Result<Account, ChainError> {
        let account = self.inner.chain.state(At::Latest)?.account(address)?.unwrap_or_default();
        Ok(Account { nonce: account.nonce, balance: account.balance })
    }

    /// An outcome for each of several transactions, in their order.
    fn try_admit(&self, transactions: &[Bytes], from: Origin) -> Vec<Result<B256, PoolError>> {
        let recovered: Vec<_> = transactions.iter().map(|bytes| self.recover(bytes)).collect();
        if recovered.iter().all(Result::is_err) {
            return recovered.into_iter().map(|one| one.map(|one| *one.tx_hash())).collect();
        }
        let mut pending = self.lock();
        // Read under the lock: whoever finalises a block refreshes the pool only after the block's
        // state can be read, so that the pool never goes back to an older account.
        let next = self.inner.chain.next_state().map_err(unavailable);
        let mut executable = false;
        let mut admit = |transaction: Recovered<TxEnvelope>, bytes: &Bytes| {
            let hash = *transaction.tx_hash();
            let next = next.as_ref().map_err(Clone::clone)?;
            let readiness = pending.admit(next, transaction, (bytes, from))?;
            executable |= readiness == Readiness::Executable;
            Ok(hash)
        };
        let outcomes = recovered.into_iter().zip(transactions);
        let outcomes: Vec<_> = outcomes.map(|(one, bytes)| admit(one?, bytes)).collect();
        drop(pending);
        if outcomes.iter().any(Result::is_ok) {
            self.inner.pool_changes.raise();
        }
        if executable {
            self.inner.changes.raise();
        }
        outcomes
    }

    /// Reads a transaction that isn't pending, and who signed it.
    fn recover(&self, bytes: &Bytes) -> Result<Recovered<TxEnvelope>, PoolError> {
        let transaction = self.decode(bytes)?;
        let hash = *transaction.tx_hash();
        if self.lock().pool.get(&hash).is_some() {
            return Err(PoolError::Known);
        }
        let known = self.known_senders().get(&hash);
        if let Some(sender) = known {
            return Ok(Recovered::new_unchecked(transaction, sender));
        }
        let recovered = recover(transaction)?;
        self.note(hash, recovered.signer());
        Ok(recovered)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
fn unavailable(error: ChainError) -> PoolError {
    tracing::error!(%error, "the state could not be read");
    PoolError::Unavailable
}

/// A contract can't send (EIP-3607); an account with a delegation can.
fn check_code(state: &StateView, address: Address, hash: B256) -> Result<(), PoolError> {
    if hash == alloy_primitives::KECCAK256_EMPTY {
        return Ok(());
    }
    let code = state.code(address).map_err(unavailable)?;
    let delegates = code.len() == DELEGATION_BYTES && code.starts_with(&DELEGATION_PREFIX);
    if code.is_empty() || delegates {
        return Ok(());
    }
    Err(PoolError::SenderHasCode { address, length: code.len() })
}

impl Pending {
    /// Takes a transaction that the next block's state lets in.
    fn admit(
        &mut self,
        next: &NextState<'_>,
        transaction: Recovered<TxEnvelope>,
        (bytes, from): (&Bytes, Origin),
    ) -> Result<Readiness, PoolError> {
        let (hash, sender) = (*transaction.tx_hash(), transaction.signer());
        let account = next.state().account(sender).map_err(unavailable)?.unwrap_or_default();
        check_code(next.state(), sender, account.code_hash)?;
        // The members may have decided who sends and who deploys.
        let lacks = next.lacks_permission(sender, transaction.to()).map_err(unavailable)?;
        if let Some(lacks) = lacks {
            return Err(PoolError::NotPermitted { sender, lacks });
        }
        let account = Account { nonce: account.nonce, balance: account.balance };
        let admitted = self.pool.admit(transaction, bytes.clone(), account)?;
        match from {
            Origin::Client => self.own(hash, bytes)?,
            Origin::Peer => {}
        }
        self.disown(&admitted.removed);
        Ok(admitted.readiness)
    }

    /// Notes a client's transaction on disk. One that can't be noted is not acknowledged, since it
    /// could be lost, and so it is not in the pool either.
    fn own(&mut self, hash: B256, bytes: &Bytes) -> Result<(), PoolError> {
        let noted = self.journal.as_mut().map_or(Ok(()), |journal| journal.append(bytes));
        if let Err(error) = noted {
            tracing::warn!(%error, "a pending transaction could not be noted on disk");
            self.pool.remove(&hash);
            return Err(PoolError::NotNoted);
        }
        self.own.insert(hash, bytes.len());
        Ok(())
    }

    fn disown(&mut self, gone: &[B256]) {
        for hash in gone {
            self.own.remove(hash);
        }
    }

    fn compact(&mut self) {
        let live = self.own.values().sum();
        let Some(journal) = self.journal.as_mut().filter(|journal| journal.is_wasteful(live))
        else {
            return;
        };
        let mut own: Vec<&Arc<Pooled>> =
            self.own.keys().filter_map(|hash| self.pool.get(hash)).collect();
        own.sort_by_key(|pooled| pooled.sequence);
        let own: Vec<Bytes> = own.into_iter().map(|pooled| pooled.bytes.clone()).collect();
        if let Err(error) = journal.rewrite(&own) {
            tracing::warn!(%error, "the journal of pending transactions could not be written anew");
        }
    }
}

/// For whoever executes a block.
impl Senders for NodeLedger {
    fn sender(&self, transaction: &B256) -> Option<Address> {
        let known = self.known_senders().get(transaction);
        known.or_else(|| self.pending(transaction).map(|pooled| pooled.sender()))
    }

    fn note(&self, transaction: B256, sender: Address) {
        self.known_senders().note(transaction, sender);
    }
}

fn next_base_fee(chain: &Chain, rules: &RuleSet) -> Result<u64, ChainError> {
    let header = chain.header(chain.tip().hash)?.ok_or(ChainError::UnknownBlock)?;
    Ok(rules.next_base_fee(&header).unwrap_or_default())
}

/// Of the block after the tip.
fn gas_limit(chain: &Chain, rules: &RuleSet) -> Result<u64, ChainError> {
    if let Some(limit) = rules.gas_limit() {
        return Ok(limit);
    }
    let header = chain.header(chain.tip().hash)?.ok_or(ChainError::UnknownBlock)?;
    Ok(header.gas_limit)
}

fn fee_rule(rules: &RuleSet) -> FeeRule {
    match rules.fees() {
        Some(FeePolicy::Eip1559 { floor_wei }) => FeeRule::Eip1559 { floor_wei },
        Some(FeePolicy::Free) => FeeRule::Free,
        None => FeeRule::Eip1559 { floor_wei: 0 },
    }
}
