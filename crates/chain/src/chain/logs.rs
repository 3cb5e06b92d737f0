//! Searching logs by the index of addresses and topics.
//!
//! The index tells the blocks in which an address or a topic (by its position) appears. Criteria
//! that must hold together are joined by leaping: each seeks the next block at or after the
//! furthest that another named, so that a sparse one decides how much is read. Only blocks that
//! satisfy all are loaded, and their logs filtered exactly.

use std::ops::RangeInclusive;

use alloy_primitives::Log;

use super::read::stored_receipts;
use super::types::{ChainError, Filter, LogEntry, LogsError};
use super::{Chain, first_number, stored_header};
use crate::state::keys;
use crate::store::Snapshot;

/// One thing that must hold: any of these values at this position.
struct Criterion {
    position: u8,
    values: Vec<Vec<u8>>,
}

impl Chain {
    /// The logs that match, in the order they were made; more than `limit` is an error.
    pub fn logs(
        &self,
        blocks: RangeInclusive<u64>,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<LogEntry>, LogsError> {
        let (entries, _) = self.next_logs(blocks, filter, limit.saturating_add(1))?;
        if entries.len() > limit { Err(LogsError::TooMany { limit }) } else { Ok(entries) }
    }

    /// The first logs of these blocks, and the block up to which they are told: the last one, or the one
    /// by which there are enough.
    pub fn next_logs(
        &self,
        blocks: RangeInclusive<u64>,
        filter: &Filter,
        enough: usize,
    ) -> Result<(Vec<LogEntry>, u64), ChainError> {
        // A part of the logs must not look like all of them.
        self.check_history((*blocks.start()).max(1))?;
        let snapshot = self.store.snapshot().map_err(ChainError::Store)?;
        let criteria = criteria(filter);
        let (tip, _) = super::stored_tip(snapshot.as_ref())?;
        let last = tip.number.min(*blocks.end());
        let mut entries = Vec::new();
        let mut number = *blocks.start();
        while let Some(block) = next_block(snapshot.as_ref(), &criteria, number, last)? {
            collect(snapshot.as_ref(), block, filter, &mut entries)?;
            if entries.len() >= enough {
                return Ok((entries, block));
            }
            number = block + 1;
        }
        Ok((entries, last))
    }
}

impl Filter {
    /// Whether a log is asked for.
    pub fn matches(&self, log: &Log) -> bool {
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= log.topics().len()
            && self
                .topics
                .iter()
                .zip(log.topics())
                .all(|(wanted, topic)| wanted.is_empty() || wanted.contains(topic))
    }
}

fn criteria(filter: &Filter) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    if !filter.addresses.is_empty() {
        let values = filter.addresses.iter().map(|address| address.to_vec()).collect();
        criteria.push(Criterion { position: 0, values });
    }
    for (position, topics) in (1u8..).zip(&filter.topics) {
        if !topics.is_empty() {
            let values = topics.iter().map(|topic| topic.to_vec()).collect();
            criteria.push(Criterion { position, values });
        }
    }
    criteria
}

/// The first block from `from` to `last` that satisfies every criterion.
fn next_block(
    snapshot: &dyn Snapshot,
    criteria: &[Criterion],
    from: u64,
    last: u64,
) -> Result<Option<u64>, ChainError> {
    let mut candidate = from;
    let mut agreed = 0;
    let mut turn = 0;
    while agreed < criteria.len() {
        let criterion = &criteria[turn % criteria.len()];
        let Some(next) = criterion.next(snapshot, candidate, last)? else { return Ok(None) };
        if next == candidate {
            agreed += 1;
        } else {
            candidate = next;
            agreed = 1;
        }
        turn += 1;
    }
    Ok((candidate <= last).then_some(candidate))
}

impl Criterion {
    fn next(
        &self,
        snapshot: &dyn Snapshot,
        from: u64,
        last: u64,
    ) -> Result<Option<u64>, ChainError> {
        let mut nearest: Option<u64> = None;
        for value in &self.values {
            let end = nearest.unwrap_or(last.saturating_add(1));
            let found = first_number(
                snapshot,
                &keys::log(self.position, value, from),
                &keys::log(self.position, value, end),
            )?;
            if let Some((number, _)) = found {
                nearest = Some(number);
            }
        }
        Ok(nearest)
    }
}

fn collect(
    snapshot: &dyn Snapshot,
    number: u64,
    filter: &Filter,
    entries: &mut Vec<LogEntry>,
) -> Result<(), ChainError> {
    let Some(receipts) = stored_receipts(snapshot, number)? else { return Ok(()) };
    if receipts.iter().all(|receipt| receipt.logs.is_empty()) {
        return Ok(());
    }
    let header = stored_header(snapshot, number)?.ok_or(ChainError::UnknownBlock)?;
    let mut log_index = 0;
    for (transaction_index, receipt) in (0u64..).zip(receipts) {
        for log in receipt.logs {
            if filter.matches(&log) {
                entries.push(LogEntry {
                    log,
                    block_number: number,
                    block_hash: header.seal(),
                    block_timestamp: header.timestamp,
                    transaction_hash: receipt.transaction_hash,
                    transaction_index,
                    log_index,
                });
            }
            log_index += 1;
        }
    }
    Ok(())
}
