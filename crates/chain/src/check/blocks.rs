//! The blocks, from the first to the last.

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_primitives::B256;

use super::{Faults, Progress, Tell};
use crate::block::Block;
use crate::chain::{ChainError, Tip, stored_header, stored_receipts, stored_u64};
use crate::receipt::Receipt;
use crate::state::keys;
use crate::store::Snapshot;
use crate::sync::{Refusal, SyncError, stored_and_checked};

const TELL_EVERY: u64 = 1_024;

/// How many were looked at.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) blocks: u64,
    pub(super) transactions: u64,
}

pub(super) fn follow(
    snapshot: &dyn Snapshot,
    (first, tip): (u64, Tip),
    faults: &mut Faults,
    tell: Tell<'_>,
) -> Result<Counted, ChainError> {
    let mut counted = Counted::default();
    let mut parent: Option<B256> = None;
    for number in first..=tip.number {
        if number % TELL_EVERY == 0 {
            tell(Progress::Block(number));
        }
        let looked = look(snapshot, number, parent);
        let looked = faults.keep(&format!("block {number}"), looked)?;
        parent = match looked {
            Some(Ok((hash, transactions))) => {
                counted.blocks += 1;
                counted.transactions += transactions;
                Some(hash)
            }
            Some(Err(what)) => {
                faults.add(format!("block {number}: {what}"));
                None
            }
            None => None,
        };
    }
    if parent.is_some_and(|hash| hash != tip.hash) {
        faults.add(format!("block {}: it is not the tip {}", tip.number, tip.hash));
    }
    Ok(counted)
}

/// A block's hash, and how many transactions it has; or what is wrong with it.
fn look(
    snapshot: &dyn Snapshot,
    number: u64,
    parent: Option<B256>,
) -> Result<Result<(B256, u64), String>, ChainError> {
    let Some(header) = stored_header(snapshot, number)? else {
        return Ok(Err("it is not there".to_owned()));
    };
    if parent.is_some_and(|parent| parent != header.parent_hash) {
        return Ok(Err("its parent is not the block before it".to_owned()));
    }
    let checked = match stored_and_checked(snapshot, number, header.seal()) {
        Ok(Some(checked)) => checked,
        Ok(None) => return Ok(Err("its body or its receipts are not there".to_owned())),
        Err(SyncError::Chain(error)) => return Err(error),
        Err(SyncError::Refused(Refusal::Block(what))) => return Ok(Err(what.to_owned())),
        Err(other) => return Ok(Err(other.to_string())),
    };
    let wrong = match beyond_consensus(snapshot, &checked)? {
        Some(wrong) => Some(wrong),
        None => indexes(snapshot, &checked)?,
    };
    let count = u64::try_from(checked.0.transactions().len()).unwrap_or(u64::MAX);
    Ok(wrong.map_or(Ok((header.seal(), count)), Err))
}

/// What is wrong with the parts of receipts that the header says nothing of.
fn beyond_consensus(
    snapshot: &dyn Snapshot,
    (block, anew): &(Block, Vec<Receipt>),
) -> Result<Option<String>, ChainError> {
    let stored = stored_receipts(snapshot, block.number())?.unwrap_or_default();
    let base_fee = block.header().base_fee_per_gas;
    let same = |((transaction, stored), anew): ((&TxEnvelope, &Receipt), &Receipt)| {
        // Whether fees are free is not known here.
        let paid = transaction.effective_gas_price(base_fee);
        let effective_gas_price =
            if stored.effective_gas_price == paid { paid } else { anew.effective_gas_price };
        *stored == Receipt { effective_gas_price, ..anew.clone() }
    };
    let mut each = block.transactions().iter().zip(&stored).zip(anew);
    let all_same = each.all(same);
    Ok((!all_same).then(|| "its receipts are others".to_owned()))
}

/// What is wrong with how a block is found.
fn indexes(
    snapshot: &dyn Snapshot,
    (block, receipts): &(Block, Vec<Receipt>),
) -> Result<Option<String>, ChainError> {
    let number = block.number();
    if stored_u64(snapshot, &keys::block_number(&block.hash()))? != Some(number) {
        return Ok(Some("it is not found by its hash".to_owned()));
    }
    for (index, transaction) in (0u32..).zip(block.transactions()) {
        let place = [&number.to_be_bytes()[..], &index.to_be_bytes()].concat();
        if snapshot.get(&keys::transaction(transaction.tx_hash()))? != Some(place) {
            let hash = transaction.tx_hash();
            return Ok(Some(format!("its transaction {hash} is not found by its hash")));
        }
    }
    for log in receipts.iter().flat_map(|receipt| &receipt.logs) {
        let mut found = snapshot.get(&keys::log(0, log.address.as_slice(), number))?.is_some();
        for (position, topic) in (1u8..).zip(log.topics()) {
            found &= snapshot.get(&keys::log(position, topic.as_slice(), number))?.is_some();
        }
        if !found {
            return Ok(Some(format!("a log of {} is not found by its topics", log.address)));
        }
    }
    Ok(None)
}
