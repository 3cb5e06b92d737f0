//! One sender's transactions, by nonce.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_consensus::transaction::Recovered;
use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, U256};

use super::{Account, FeeRule, PoolError};

/// A transaction in the pool. Its sender was recovered when it was admitted.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// The transaction and its sender.
    pub transaction: Recovered<TxEnvelope>,
    /// Its EIP-2718 encoding, as it came and as it is gossiped.
    pub bytes: Bytes,
    /// Its place in the order of arrival.
    pub sequence: u64,
    /// The most that it takes from its sender.
    pub cost: U256,
}

impl Pooled {
    /// The transaction's hash.
    pub fn hash(&self) -> B256 {
        *self.transaction.tx_hash()
    }

    /// Its sender.
    pub fn sender(&self) -> Address {
        self.transaction.signer()
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    /// What the pool counts it as: its bytes, and the decoded form and indexes beside them.
    pub fn footprint(&self) -> usize {
        2 * self.bytes.len() + OVERHEAD
    }
}

/// About what the decoded form and the pool's indexes take beside the bytes.
const OVERHEAD: usize = 1_024;

/// A replacement has to offer a tenth more, so that replacing is not a free way to make traffic.
const REPLACEMENT_PERCENT: u128 = 110;

/// One sender's transactions. None is below the account's nonce; the first `ready` of them follow
/// it without a gap and can be paid for together.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    account: Account,
    transactions: BTreeMap<u64, Arc<Pooled>>,
    ready: usize,
    cost: U256,
}

impl Queue {
    pub(super) fn new(account: Account) -> Self {
        Self { account, transactions: BTreeMap::new(), ready: 0, cost: U256::ZERO }
    }

    pub(super) fn account(&self) -> Account {
        self.account
    }

    pub(super) fn len(&self) -> usize {
        self.transactions.len()
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready
    }

    /// The nonce after the last executable transaction.
    pub(super) fn next_nonce(&self) -> u64 {
        let ready = u64::try_from(self.ready).unwrap_or(u64::MAX);
        self.account.nonce.saturating_add(ready)
    }

    pub(super) fn ready(&self) -> impl Iterator<Item = &Arc<Pooled>> {
        self.transactions.values().take(self.ready)
    }

    /// Those that are not ready.
    pub(super) fn rest(&self) -> impl Iterator<Item = &Arc<Pooled>> {
        self.transactions.values().skip(self.ready)
    }

    pub(super) fn ready_at(&self, nonce: u64) -> Option<&Arc<Pooled>> {
        (nonce < self.next_nonce()).then(|| self.transactions.get(&nonce)).flatten()
    }

    pub(super) fn holds(&self, nonce: u64) -> bool {
        self.transactions.contains_key(&nonce)
    }

    pub(super) fn last(&self) -> Option<&Arc<Pooled>> {
        self.transactions.values().next_back()
    }

    /// Checks what Geth checks against the state and against the sender's other transactions.
    pub(super) fn check(&self, new: &Pooled, fees: FeeRule) -> Result<(), PoolError> {
        let (nonce, cost, Account { nonce: next, balance }) = (new.nonce(), new.cost, self.account);
        if nonce < next {
            return Err(PoolError::NonceTooLow { next, nonce });
        }
        if cost > balance {
            return Err(PoolError::Funds { balance, cost });
        }
        let replaced = self.transactions.get(&nonce);
        let queued =
            self.cost.saturating_sub(replaced.map_or(U256::ZERO, |replaced| replaced.cost));
        if queued.saturating_add(cost) > balance {
            return Err(PoolError::QueuedFunds { balance, queued, cost });
        }
        match replaced {
            Some(old) if !outbids(new, old, fees) => Err(PoolError::ReplacementUnderpriced),
            Some(_) | None => Ok(()),
        }
    }

    /// Puts in a transaction that was checked; answers the one that it replaces.
    pub(super) fn insert(&mut self, new: Arc<Pooled>) -> Option<Arc<Pooled>> {
        let nonce = new.nonce();
        self.cost = self.cost.saturating_add(new.cost);
        let replaced = self.transactions.insert(nonce, new);
        if let Some(replaced) = &replaced {
            self.cost = self.cost.saturating_sub(replaced.cost);
            self.count_ready();
        } else if nonce == self.next_nonce() {
            self.extend_ready();
        }
        replaced
    }

    pub(super) fn remove(&mut self, nonce: u64) -> Option<Arc<Pooled>> {
        let removed = self.transactions.remove(&nonce)?;
        self.cost = self.cost.saturating_sub(removed.cost);
        self.count_ready();
        Some(removed)
    }

    /// Takes the account's new state; answers what can never execute any more.
    pub(super) fn refresh(&mut self, account: Account) -> Vec<Arc<Pooled>> {
        let kept = self.transactions.split_off(&account.nonce);
        let mut dropped: Vec<_> =
            std::mem::replace(&mut self.transactions, kept).into_values().collect();
        let unpayable: Vec<u64> = self
            .transactions
            .values()
            .filter(|pooled| pooled.cost > account.balance)
            .map(|pooled| pooled.nonce())
            .collect();
        dropped.extend(unpayable.iter().filter_map(|nonce| self.transactions.remove(nonce)));
        for gone in &dropped {
            self.cost = self.cost.saturating_sub(gone.cost);
        }
        self.account = account;
        self.count_ready();
        dropped
    }

    fn count_ready(&mut self) {
        self.ready = 0;
        self.extend_ready();
    }

    /// Counts on from what is ready, while no nonce is missing and the balance suffices.
    fn extend_ready(&mut self) {
        let mut next = self.next_nonce();
        let all_payable = self.cost <= self.account.balance;
        let mut cost = if all_payable {
            U256::ZERO
        } else {
            self.ready().fold(U256::ZERO, |sum, pooled| sum.saturating_add(pooled.cost))
        };
        while let Some(pooled) = self.transactions.get(&next) {
            cost = cost.saturating_add(pooled.cost);
            if !all_payable && cost > self.account.balance {
                break;
            }
            self.ready += 1;
            next = next.saturating_add(1);
        }
    }
}

/// Whether the price is enough higher: by a tenth where gas is paid for, by anything where it isn't.
fn outbids(new: &Pooled, old: &Pooled, fees: FeeRule) -> bool {
    let enough = |new: u128, old: u128| match fees {
        FeeRule::Free => new > old,
        FeeRule::Eip1559 { .. } => {
            new > old && new >= old.saturating_mul(REPLACEMENT_PERCENT).div_ceil(100)
        }
    };
    let tip = |pooled: &Pooled| {
        let transaction = &pooled.transaction;
        transaction.max_priority_fee_per_gas().unwrap_or_else(|| transaction.max_fee_per_gas())
    };
    let (new_cap, old_cap) = (new.transaction.max_fee_per_gas(), old.transaction.max_fee_per_gas());
    match fees {
        FeeRule::Free => enough(new_cap, old_cap),
        FeeRule::Eip1559 { .. } => enough(new_cap, old_cap) && enough(tip(new), tip(old)),
    }
}
