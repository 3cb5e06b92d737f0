//! The pool: transactions that are not in a final block yet.
//!
//! A pure data structure. It has no clock, no thread and no state of its own: whoever calls brings
//! the sender's account, and the same calls give the same pool. Answers to clients are Geth's, so
//! that libraries understand them.
//!
//! A transaction is *executable* if its sender's nonces lead to it without a gap, its sender can
//! pay for it and all before it, and its price reaches the base fee. Others are *queued*: they are
//! kept and gossiped, and they wake nobody.
//!
//! Invariants:
//! - count, bytes and each sender's share are bounded. Where the pool is full, a newcomer that is
//!   executable takes the place of a queued transaction, and one of a small sender takes the place
//!   of the greatest sender's last, so that neither a gap nor a flood keeps others out;
//! - signatures are recovered before the pool is asked and never again;
//! - under free fees transactions leave in the order they came in, else by what they pay.

mod check;
mod error;
mod queue;
mod select;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use alloy_consensus::transaction::Recovered;
use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, U256};

pub use self::check::{FeeRule, PoolRules, decode, recover};
pub use self::error::PoolError;
pub use self::queue::Pooled;
use self::queue::Queue;

/// How much the pool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Transactions of one sender.
    pub sender: usize,
    /// Transactions altogether.
    pub count: usize,
    /// Bytes altogether, with what the pool itself needs for each.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sender: 16_384, count: 100_000, bytes: 256 * 1024 * 1024 }
    }
}

/// What the pool has to know of a sender: its account at the last final block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The nonce of its next transaction.
    pub nonce: u64,
    /// What it owns, in wei.
    pub balance: U256,
}

/// Whether the next block could hold a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It could.
    Executable,
    /// A nonce before it is missing, or its price is too low.
    Queued,
}

/// What admitting a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Whether it can execute now.
    pub readiness: Readiness,
    /// Its place in the order of arrival.
    pub sequence: u64,
    /// What had to leave: the transaction that it replaces, or others where the pool was full.
    pub removed: Vec<B256>,
}

/// How many of those that came last are remembered, for whoever polls for them.
pub const MOST_RECENT: usize = 8_192;

/// The pool.
#[derive(Debug)]
pub struct Pool {
    rules: PoolRules,
    limits: Limits,
    base_fee: u64,
    sequence: u64,
    bytes: usize,
    by_hash: HashMap<B256, Arc<Pooled>>,
    arrivals: BTreeMap<u64, B256>,
    /// What came last, whether it is still here or not, by the order of arrival.
    recent: VecDeque<(u64, B256)>,
    queues: HashMap<Address, Queue>,
    /// Senders with something executable, by the arrival of their first.
    heads: BTreeMap<u64, Address>,
    /// Senders with something queued behind a gap or beyond their balance.
    gapped: BTreeSet<Address>,
    /// Senders by how many transactions they have.
    by_size: BTreeSet<(usize, Address)>,
}

impl Pool {
    /// An empty pool; `base_fee` is the next block's.
    pub fn new(rules: PoolRules, limits: Limits, base_fee: u64) -> Self {
        Self {
            rules,
            limits,
            base_fee,
            sequence: 0,
            bytes: 0,
            by_hash: HashMap::new(),
            arrivals: BTreeMap::new(),
            recent: VecDeque::new(),
            queues: HashMap::new(),
            heads: BTreeMap::new(),
            gapped: BTreeSet::new(),
            by_size: BTreeSet::new(),
        }
    }

    /// What the network fixes about transactions.
    pub fn rules(&self) -> &PoolRules {
        &self.rules
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// The bytes that the limit counts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A transaction by its hash.
    pub fn get(&self, hash: &B256) -> Option<&Arc<Pooled>> {
        self.by_hash.get(hash)
    }

    /// The next nonce of a sender, its executable transactions counted; `None` if it has none here.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.queues.get(sender).map(Queue::next_nonce)
    }

    /// Takes a transaction that [`decode`] and [`recover`] accepted; `account` is its sender's now.
    pub fn admit(
        &mut self,
        transaction: Recovered<TxEnvelope>,
        bytes: Bytes,
        account: Account,
    ) -> Result<Admitted, PoolError> {
        if self.by_hash.contains_key(transaction.tx_hash()) {
            return Err(PoolError::Known);
        }
        let sender = transaction.signer();
        self.refresh(sender, account);
        let cost = self.cost(&transaction);
        let sequence = self.sequence + 1;
        let new = Arc::new(Pooled { transaction, bytes, sequence, cost });
        let empty = Queue::new(account);
        let queue = self.queues.get(&sender).unwrap_or(&empty);
        queue.check(&new, self.rules.fees)?;
        let replaces = queue.holds(new.nonce());
        if !replaces && queue.len() >= self.limits.sender {
            return Err(PoolError::SenderLimit { limit: self.limits.sender });
        }
        let mut removed = if replaces { Vec::new() } else { self.make_room(&new, account)? };

        self.sequence = sequence;
        self.unlink(&sender);
        let queue = self.queues.entry(sender).or_insert(empty);
        let replaced = queue.insert(Arc::clone(&new));
        let contiguous = new.nonce() < queue.next_nonce();
        self.link(sender);
        self.bytes += new.footprint();
        self.arrivals.insert(sequence, new.hash());
        if self.recent.len() == MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((sequence, new.hash()));
        self.by_hash.insert(new.hash(), Arc::clone(&new));
        if let Some(replaced) = replaced {
            self.forget(&replaced);
            removed.push(replaced.hash());
        }
        let priced = new.transaction.max_fee_per_gas() >= u128::from(self.required_fee());
        let readiness =
            if contiguous && priced { Readiness::Executable } else { Readiness::Queued };
        Ok(Admitted { readiness, sequence, removed })
    }

    /// Takes a sender's account after a block; answers what left because it can't execute any more.
    pub fn refresh(&mut self, sender: Address, account: Account) -> Vec<B256> {
        if self.queues.get(&sender).is_none_or(|queue| queue.account() == account) {
            return Vec::new();
        }
        self.unlink(&sender);
        let dropped = self.queues.get_mut(&sender).map(|queue| queue.refresh(account));
        self.link(sender);
        let dropped = dropped.unwrap_or_default();
        for gone in &dropped {
            self.forget(gone);
        }
        dropped.iter().map(|gone| gone.hash()).collect()
    }

    /// Goes on under other rules, with what they allow; answers what left. `account` gives what a
    /// sender has now.
    pub fn renew(
        &mut self,
        rules: PoolRules,
        mut account: impl FnMut(Address) -> Option<Account>,
    ) -> Vec<B256> {
        let mut renewed = Self::new(rules, self.limits, self.base_fee);
        // What is gossiped by sequence goes on from here.
        renewed.sequence = self.sequence;
        let recent = std::mem::take(&mut self.recent);
        let mut gone = Vec::new();
        for hash in self.arrivals.values() {
            let Some(pooled) = self.by_hash.get(hash) else { continue };
            let fits = check::gas(&pooled.transaction, &rules).is_ok();
            let account = if fits { account(pooled.sender()) } else { None };
            let admitted = account.map(|account| {
                renewed.admit(pooled.transaction.clone(), pooled.bytes.clone(), account)
            });
            match admitted {
                Some(Ok(admitted)) => gone.extend(admitted.removed),
                Some(Err(_)) | None => gone.push(*hash),
            }
        }
        // None of them is new.
        renewed.recent = recent;
        *self = renewed;
        gone
    }

    /// Takes the base fee of the block after the new tip.
    pub fn set_base_fee(&mut self, base_fee: u64) {
        self.base_fee = base_fee;
    }

    /// Takes a transaction out, whatever follows it becoming queued.
    pub fn remove(&mut self, hash: &B256) -> Option<Arc<Pooled>> {
        let pooled = Arc::clone(self.by_hash.get(hash)?);
        let sender = pooled.sender();
        self.unlink(&sender);
        if let Some(queue) = self.queues.get_mut(&sender) {
            queue.remove(pooled.nonce());
        }
        self.link(sender);
        self.forget(&pooled);
        Some(pooled)
    }

    /// The senders that have transactions here.
    pub fn senders(&self) -> impl Iterator<Item = Address> + '_ {
        self.queues.keys().copied()
    }

    /// All transactions, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pooled>> {
        self.arrivals.values().filter_map(|hash| self.by_hash.get(hash))
    }

    /// How many transactions follow their sender's nonce without a gap, and how many don't.
    pub fn counts(&self) -> (usize, usize) {
        let ready = self.queues.values().map(Queue::ready_len).sum();
        (ready, self.len() - ready)
    }

    /// The place of the newest transaction in the order of arrival.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What follows its sender's nonce without a gap, and what doesn't; of all senders or of one.
    pub fn content(&self, sender: Option<Address>) -> [Vec<Arc<Pooled>>; 2] {
        let mut queues: Vec<_> = match sender {
            Some(sender) => self.queues.get_key_value(&sender).into_iter().collect(),
            None => self.queues.iter().collect(),
        };
        queues.sort_unstable_by_key(|(sender, _)| **sender);
        let queues = queues.into_iter().map(|(_, queue)| queue);
        let ready = queues.clone().flat_map(|queue| queue.ready().cloned()).collect();
        [ready, queues.flat_map(|queue| queue.rest().cloned()).collect()]
    }

    /// What came after the sequence, whether it is still here or not, oldest first, and the sequence to
    /// ask with next. Of very many, only the last [`MOST_RECENT`].
    pub fn arrived_since(&self, sequence: u64) -> (u64, Vec<B256>) {
        let from = self.recent.partition_point(|(arrival, _)| *arrival <= sequence);
        let hashes = self.recent.range(from..).map(|(_, hash)| *hash).collect();
        (self.sequence.max(sequence), hashes)
    }

    /// What came after the sequence and is still here, oldest first and at most about `max_bytes`,
    /// and the sequence to ask with next.
    pub fn since(&self, sequence: u64, max_bytes: usize) -> (u64, Vec<(B256, Bytes)>) {
        let mut total = 0;
        let mut last = sequence;
        let mut found = Vec::new();
        for (arrival, hash) in self.arrivals.range(sequence.saturating_add(1)..) {
            let Some(pooled) = self.by_hash.get(hash) else { continue };
            total += pooled.bytes.len();
            if total > max_bytes && !found.is_empty() {
                return (last, found);
            }
            last = *arrival;
            found.push((*hash, pooled.bytes.clone()));
        }
        (self.sequence.max(sequence), found)
    }

    /// Finds room for a newcomer; answers what had to leave for it.
    fn make_room(&mut self, new: &Pooled, account: Account) -> Result<Vec<B256>, PoolError> {
        let mut removed = Vec::new();
        let full = PoolError::Full { count: self.limits.count, bytes: self.limits.bytes };
        if new.footprint() > self.limits.bytes {
            return Err(full);
        }
        while self.len() >= self.limits.count || self.bytes + new.footprint() > self.limits.bytes {
            let Some(victim) = self.victim(new, account) else {
                // What has left already was worth less than the newcomer would have been.
                return Err(full);
            };
            self.remove(&victim);
            removed.push(victim);
        }
        Ok(removed)
    }

    /// Who leaves for a newcomer: something queued if the newcomer isn't, else the last of the
    /// greatest sender if that has clearly more than the newcomer's.
    fn victim(&self, new: &Pooled, account: Account) -> Option<B256> {
        let queue = self.queues.get(&new.sender());
        let next = queue.map_or(account.nonce, Queue::next_nonce);
        if next == new.nonce() {
            let gapped = self.gapped.iter().find(|sender| **sender != new.sender());
            if let Some(last) = gapped.and_then(|sender| self.queues.get(sender)?.last()) {
                return Some(last.hash());
            }
        }
        let (greatest, sender) = self.by_size.last()?;
        let own = queue.map_or(0, Queue::len);
        if *greatest <= own + 1 {
            return None;
        }
        self.queues.get(sender)?.last().map(|last| last.hash())
    }

    /// The most that a transaction takes: nothing for gas where gas is free.
    fn cost(&self, transaction: &TxEnvelope) -> U256 {
        match self.rules.fees {
            FeeRule::Free => transaction.value(),
            FeeRule::Eip1559 { .. } => U256::from(transaction.max_fee_per_gas())
                .saturating_mul(U256::from(transaction.gas_limit()))
                .saturating_add(transaction.value()),
        }
    }

    fn required_fee(&self) -> u64 {
        match self.rules.fees {
            FeeRule::Free => 0,
            FeeRule::Eip1559 { .. } => self.base_fee,
        }
    }

    /// Takes a sender out of the indexes, before its queue changes.
    fn unlink(&mut self, sender: &Address) {
        if let Some(queue) = self.queues.get(sender) {
            if let Some(first) = queue.ready().next() {
                self.heads.remove(&first.sequence);
            }
            self.gapped.remove(sender);
            self.by_size.remove(&(queue.len(), *sender));
        }
    }

    /// Puts a sender into the indexes again; forgets it if nothing is left.
    fn link(&mut self, sender: Address) {
        let Some(queue) = self.queues.get(&sender) else { return };
        if queue.len() == 0 {
            self.queues.remove(&sender);
            return;
        }
        if let Some(first) = queue.ready().next() {
            self.heads.insert(first.sequence, sender);
        }
        if queue.len() > queue.ready_len() {
            self.gapped.insert(sender);
        }
        self.by_size.insert((queue.len(), sender));
    }

    fn forget(&mut self, gone: &Pooled) {
        self.by_hash.remove(&gone.hash());
        self.arrivals.remove(&gone.sequence);
        self.bytes = self.bytes.saturating_sub(gone.footprint());
    }
}

#[cfg(test)]
mod tests;
