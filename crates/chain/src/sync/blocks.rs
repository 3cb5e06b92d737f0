//! Blocks below the first one that a ledger has: each is the parent of the one above.

use alloy_consensus::proofs::calculate_transaction_root;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{BlockBody, Header, Transaction, TxEnvelope, Typed2718};
use alloy_primitives::{B256, Bytes, Sealed};
use windlass_proof::Committee;

use super::{BlockRecord, Refusal, SyncError, exact};
use crate::block::Block;
use crate::chain::{Chain, ChainError, put_block, put_logs, stored_header};
use crate::execute::header::receipts_root;
use crate::receipt::Receipt;
use crate::state::keys;
use crate::store::{Batch, Snapshot};

/// How many blocks an answer has at most.
pub(super) const ANSWER_BLOCKS: u64 = 256;
/// A block with receipts beyond this is in no answer; a network's message has to hold it.
const MAX_RECORD_BYTES: usize = 7 << 20;

impl Chain {
    /// Blocks from a height downwards, as many as fit. The first of them that has a certificate brings
    /// it: proofs of blocks need one a little above them.
    pub(super) fn block_records(
        &self,
        last: u64,
        count: u64,
        limit: usize,
    ) -> Result<Vec<BlockRecord>, ChainError> {
        let snapshot = self.snapshot()?;
        let (mut records, mut size) = (Vec::<BlockRecord>::new(), 0);
        let mut is_certified = false;
        for number in (1..=last).rev().take(usize::try_from(count.min(ANSWER_BLOCKS)).unwrap_or(0))
        {
            let Some(mut record) = stored_record(snapshot.as_ref(), number)? else { break };
            let bytes = record.body.len() + record.receipts.len() + record.header.len();
            if bytes > MAX_RECORD_BYTES || (size > 0 && size + bytes > limit) {
                break;
            }
            if !is_certified {
                record.certificate = self.certificate(number)?.unwrap_or_default();
                is_certified = !record.certificate.is_empty();
            }
            size += bytes;
            records.push(record);
        }
        Ok(records)
    }

    /// What is to be asked for next, so that all blocks are there; `None` if they are.
    pub fn lacking_blocks(&self) -> Result<Option<super::Request>, ChainError> {
        let last = self.first_block()?.saturating_sub(1);
        Ok((last > 0).then_some(super::Request::Blocks { last, count: ANSWER_BLOCKS }))
    }

    /// Keeps blocks below the first one that is there, with their receipts, and certificates that hold;
    /// tells how many.
    ///
    /// # Errors
    /// If one of them is not the parent of the one above, or has not what its header says; then none is
    /// kept.
    pub fn backfill(&self, records: &[BlockRecord]) -> Result<usize, SyncError> {
        let first = self.first_block()?;
        let Some(above) = self.header(first)?.filter(|_| first > 1) else { return Ok(0) };
        let mut batch = Batch::default();
        let (mut first, mut hash) = (first, above.parent_hash);
        let mut kept = 0;
        for record in records.iter().take(usize::try_from(ANSWER_BLOCKS).unwrap_or(0)) {
            let (block, receipts) = checked(record, hash)?;
            (first, hash) = (block.number(), block.parent_hash());
            if first == 0 {
                break;
            }
            put_block(&mut batch, &block, &receipts);
            put_logs(&mut batch, first, &receipts);
            if self.is_certificate_of(&block, &record.certificate)? {
                batch.put(keys::certificate(first), record.certificate.to_vec());
            }
            kept += 1;
        }
        if first > 1 {
            batch.put(keys::FIRST.to_vec(), first.to_be_bytes().to_vec());
        } else {
            batch.delete(keys::FIRST.to_vec());
        }
        self.commit_batch(batch)?;
        Ok(kept)
    }

    /// Whether a quorum of those who voted in the block's epoch signed that it is final.
    fn is_certificate_of(&self, block: &Block, certificate: &[u8]) -> Result<bool, ChainError> {
        let Some(extra) = block.extra_data().filter(|_| !certificate.is_empty()) else {
            return Ok(false);
        };
        let voting = self.validators_of(extra.epoch)?;
        let committee = Committee::new(self.genesis_hash(), &voting);
        Ok(committee.is_some_and(|voting| voting.verify(certificate, block.hash()).is_ok()))
    }
}

fn stored_record(snapshot: &dyn Snapshot, number: u64) -> Result<Option<BlockRecord>, ChainError> {
    // The header of a change of validators may be there alone.
    let (Some(header), Some(body), Some(receipts)) = (
        stored_header(snapshot, number)?,
        snapshot.get(&keys::body(number))?,
        snapshot.get(&keys::receipts(number))?,
    ) else {
        return Ok(None);
    };
    let header: Bytes = alloy_rlp::encode(header.inner()).into();
    let certificate = Bytes::new();
    Ok(Some(BlockRecord { header, body: body.into(), receipts: receipts.into(), certificate }))
}

/// The block of a number as it is stored, checked against this hash.
pub(crate) fn stored_and_checked(
    snapshot: &dyn Snapshot,
    number: u64,
    hash: B256,
) -> Result<Option<(Block, Vec<Receipt>)>, SyncError> {
    let record = stored_record(snapshot, number)?;
    record.map(|record| checked(&record, hash)).transpose()
}

/// A block with this hash and its receipts, each checked against the header; what a receipt has beyond
/// consensus is made anew.
pub(super) fn checked(
    record: &BlockRecord,
    hash: B256,
) -> Result<(Block, Vec<Receipt>), SyncError> {
    let refused = |what: &'static str| SyncError::Refused(Refusal::Block(what));
    let header: Header = exact(&record.header).ok_or_else(|| refused("its header is none"))?;
    if header.hash_slow() != hash {
        return Err(refused("it is not the parent of the one above"));
    }
    let body: BlockBody<TxEnvelope> =
        exact(&record.body).ok_or_else(|| refused("its body is none"))?;
    let told: Vec<Receipt> =
        exact(&record.receipts).ok_or_else(|| refused("its receipts are none"))?;
    let same_body = calculate_transaction_root(&body.transactions) == header.transactions_root
        && body.calculate_ommers_root() == header.ommers_hash
        && body.calculate_withdrawals_root() == header.withdrawals_root;
    if !same_body {
        return Err(refused("its body is not the header's"));
    }
    if told.len() != body.transactions.len() {
        return Err(refused("it has not one receipt for each transaction"));
    }
    // Free fees show as a base fee of zero, and then nothing is paid whatever a transaction says.
    let is_free = header.base_fee_per_gas == Some(0);
    let mut used = 0;
    let mut receipts = Vec::with_capacity(told.len());
    for (transaction, told) in body.transactions.iter().zip(told) {
        let gas_used = told.cumulative_gas_used.checked_sub(used);
        let gas_used = gas_used.ok_or_else(|| refused("the gas of its receipts falls"))?;
        used = told.cumulative_gas_used;
        let from = transaction.recover_signer().ok();
        let from = from.ok_or_else(|| refused("a transaction has no sender"))?;
        receipts.push(Receipt {
            transaction_type: transaction.ty(),
            gas_used,
            effective_gas_price: if is_free {
                0
            } else {
                transaction.effective_gas_price(header.base_fee_per_gas)
            },
            transaction_hash: *transaction.tx_hash(),
            from,
            contract_address: transaction.is_create().then(|| from.create(transaction.nonce())),
            state_root: None,
            ..told
        });
    }
    if receipts_root(&receipts) != header.receipts_root {
        return Err(refused("its receipts are not the header's"));
    }
    let block = alloy_consensus::Block { header, body };
    let block = Block::from_sealed(Sealed::new_unchecked(block, hash));
    Ok((block, receipts))
}
