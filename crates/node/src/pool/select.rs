//! Which transactions the next block should hold, and in which order.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use alloy_consensus::Transaction as _;
use alloy_primitives::B256;

use super::{FeeRule, Pool, Pooled};

/// A sender's next executable transaction, in the order of the heap: the greatest leaves first.
#[derive(Debug)]
struct Candidate {
    tip: u128,
    pooled: Arc<Pooled>,
}

impl Pool {
    /// Whether the next block would hold something.
    pub fn has_executable(&self) -> bool {
        let required = u128::from(self.required_fee());
        self.heads.values().any(|sender| {
            let first = self.queues.get(sender).and_then(|queue| queue.ready().next());
            first.is_some_and(|first| first.transaction.max_fee_per_gas() >= required)
        })
    }

    /// At most `limit` executable transactions for a block with this base fee, each after those of
    /// its sender that come before it; those in `excluded` count as done already.
    pub fn executable(
        &self,
        limit: usize,
        base_fee: u64,
        excluded: &HashSet<B256>,
    ) -> Vec<Arc<Pooled>> {
        let mut heap: BinaryHeap<Candidate> = self
            .heads
            .values()
            .filter_map(|sender| self.queues.get(sender)?.ready().next())
            .filter_map(|first| self.candidate(first, base_fee))
            .collect();
        let mut chosen = Vec::new();
        while chosen.len() < limit {
            let Some(Candidate { pooled, .. }) = heap.pop() else { break };
            let next = self
                .queues
                .get(&pooled.sender())
                .and_then(|queue| queue.ready_at(pooled.nonce().saturating_add(1)));
            heap.extend(next.and_then(|next| self.candidate(next, base_fee)));
            if !excluded.contains(&pooled.hash()) {
                chosen.push(pooled);
            }
        }
        chosen
    }

    /// `None` if the price is below the base fee: then the sender's later ones have to wait too.
    fn candidate(&self, pooled: &Arc<Pooled>, base_fee: u64) -> Option<Candidate> {
        let tip = match self.rules.fees {
            FeeRule::Free => 0,
            FeeRule::Eip1559 { .. } => pooled.transaction.effective_tip_per_gas(base_fee)?,
        };
        Some(Candidate { tip, pooled: Arc::clone(pooled) })
    }
}

impl Candidate {
    fn rank(&self) -> (u128, Reverse<u64>) {
        (self.tip, Reverse(self.pooled.sequence))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Candidate {}
