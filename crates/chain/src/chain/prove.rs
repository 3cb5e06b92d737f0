//! Proofs that outsiders check without asking anybody: docs/protocol/proofs.md.

use std::ops::ControlFlow;

use alloy_consensus::Header;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use windlass_proof::prove::index_path;
use windlass_proof::{
    AccountClaim, Change, Claim, Inclusion, LogClaim, MAX_CHANGES, MAX_HEADERS, Proof, SlotClaim,
    Validator,
};

use super::{At, Chain, ChainError, first_number};
use crate::block::ExtraData;
use crate::governance;
use crate::receipt::Receipt;
use crate::state::keys;
use crate::sync::Anchor;

/// How the state before an epoch shows who its validators are, as it is kept.
#[derive(RlpEncodable, RlpDecodable)]
pub(crate) struct Shown {
    /// The number of the block before the epoch's first.
    pub(crate) block: u64,
    pub(crate) account_proof: Vec<Bytes>,
    pub(crate) storage_proof: Vec<Bytes>,
    /// Node key, consensus key, node key, …
    pub(crate) keys: Vec<B256>,
}

impl Shown {
    /// Who they are; `None` where the keys are no pairs.
    fn validators(&self) -> Option<Vec<Validator>> {
        let (pairs, []) = self.keys.as_chunks::<2>() else { return None };
        let validator = |[node_key, consensus_key]: &[B256; 2]| Validator {
            node_key: *node_key,
            consensus_key: *consensus_key,
        };
        Some(pairs.iter().map(validator).collect())
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// No final block has it.
    #[error("the transaction is not in a final block")]
    UnknownTransaction,
    /// The transaction logged less.
    #[error("the transaction has {logs} logs; there is none at position {position}")]
    NoLog {
        /// Asked for, from zero.
        position: u64,
        /// How many there are.
        logs: usize,
    },
    /// This node has not got the certificate; others may.
    #[error("this node has no certificate at block {0} or above yet; ask again, or another node")]
    NoCertificate(u64),
    /// A proof would be longer than verifiers take.
    #[error(
        "this node has no certificate within {MAX_HEADERS} blocks above block {block} (the next is at \
         {certified}): ask a node that was there then, or one that has fetched all blocks since"
    )]
    TooFar {
        /// The block.
        block: u64,
        /// The next one with a certificate.
        certified: u64,
    },
    /// Whoever trusts that epoch's validators knows nothing of those before.
    #[error(
        "it became final in epoch {epoch}, and the checkpoint is of epoch {since}: name an older one, or \
         none, and verify with the genesis"
    )]
    BeforeCheckpoint {
        /// The epoch of the certificate.
        epoch: u64,
        /// That of the checkpoint.
        since: u64,
    },
    /// The chain can't be read.
    #[error("the chain cannot be read")]
    Chain(#[from] ChainError),
}

impl Chain {
    /// Proves a transaction and its receipt, to whoever knows the validators of epoch `since`.
    pub fn prove_transaction(&self, hash: B256, since: u64) -> Result<Proof, ProveError> {
        let (block, inclusion, _) = self.inclusion(hash)?;
        self.prove(block, Claim::Transaction(inclusion), since)
    }

    /// Proves a log by its position among those of its transaction.
    pub fn prove_log(&self, hash: B256, position: u64, since: u64) -> Result<Proof, ProveError> {
        let (block, inclusion, logs) = self.inclusion(hash)?;
        if usize::try_from(position).is_ok_and(|position| position >= logs) {
            return Err(ProveError::NoLog { position, logs });
        }
        self.prove(block, Claim::Log(LogClaim { position, inclusion }), since)
    }

    /// Proves how an account and slots of it are after the newest block.
    pub fn prove_account(
        &self,
        address: Address,
        slots: &[U256],
        since: u64,
    ) -> Result<Proof, ProveError> {
        let shown = self.proof(At::Latest, address, slots, None)?;
        let slots = shown
            .storage
            .into_iter()
            .map(|one| SlotClaim { slot: B256::from(one.slot), proof: one.proof });
        let claim = Claim::Account(AccountClaim {
            address,
            account_proof: shown.account_proof,
            slots: slots.collect(),
        });
        self.prove(shown.block_number, claim, since)
    }

    /// The header of block 0, and all changes of validators after epoch `since` that can be proven.
    pub fn prove_validators(&self, since: u64) -> Result<(Bytes, Vec<Change>), ChainError> {
        let genesis = alloy_rlp::encode(self.final_header(0)?).into();
        Ok((genesis, self.provable_changes(since, MAX_CHANGES)?))
    }

    /// What a claim about a block needs beside itself.
    fn prove(&self, block: u64, claim: Claim, since: u64) -> Result<Proof, ProveError> {
        let tip = self.tip().number;
        // Those at changes of validators are kept apart.
        let nearest = [self.next_certificate(block)?, self.next_change_block(block)?];
        let nearest = nearest.into_iter().flatten().filter(|(certified, _)| *certified <= tip);
        let nearest = nearest.min_by_key(|(certified, _)| *certified);
        let (certified, certificate) = nearest.ok_or(ProveError::NoCertificate(block))?;
        if certified - block >= u64::try_from(MAX_HEADERS).unwrap_or(u64::MAX) {
            return Err(ProveError::TooFar { block, certified });
        }
        let headers: Vec<Header> = (block..=certified)
            .map(|number| self.final_header(number))
            .collect::<Result<_, ChainError>>()?;
        let epoch = headers.last().and_then(|last| ExtraData::decode(&last.extra_data));
        let epoch = epoch.map_or(0, |extra| extra.epoch);
        if epoch < since {
            return Err(ProveError::BeforeCheckpoint { epoch, since });
        }
        Ok(Proof {
            genesis: alloy_rlp::encode(self.final_header(0)?).into(),
            changes: self.changes(since, epoch, usize::MAX)?,
            headers: headers.iter().map(|header| alloy_rlp::encode(header).into()).collect(),
            certificate,
            claim,
        })
    }

    fn final_header(&self, number: u64) -> Result<Header, ChainError> {
        Ok(self.header(number)?.ok_or(ChainError::UnknownBlock)?.into_inner())
    }

    /// A transaction's block, its paths there, and how many logs it has.
    fn inclusion(&self, hash: B256) -> Result<(u64, Inclusion, usize), ProveError> {
        let location = self.transaction(hash)?.ok_or(ProveError::UnknownTransaction)?;
        let block = self.block(location.block)?.ok_or(ChainError::UnknownBlock)?;
        let receipts = self.receipts(location.block)?.ok_or(ChainError::UnknownBlock)?;
        let transactions: Vec<Bytes> =
            block.transactions().iter().map(|one| one.encoded_2718().into()).collect();
        let index = usize::try_from(location.index).unwrap_or(usize::MAX);
        if block.transactions().get(index).is_none_or(|found| *found.tx_hash() != hash) {
            return Err(ProveError::UnknownTransaction);
        }
        let logs = receipts.get(index).map_or(0, |receipt| receipt.logs.len());
        let receipts: Vec<Bytes> = receipts.iter().map(Receipt::consensus_bytes).collect();
        let path = |items: &[Bytes]| {
            let path = index_path(items, index).map(|found| found.path);
            path.zip(items.get(index).cloned())
                .ok_or_else(|| ChainError::Damaged(format!("transactions of {}", location.block)))
        };
        let (transaction_path, transaction) = path(&transactions)?;
        let (receipt_path, receipt) = path(&receipts)?;
        let index = location.index.into();
        let inclusion = Inclusion { index, transaction, transaction_path, receipt, receipt_path };
        Ok((location.block, inclusion, logs))
    }

    /// How the state at the tip shows who votes next, as it is kept.
    pub(super) fn show_validators(&self) -> Result<Vec<u8>, ChainError> {
        let view = self.state(At::Latest)?;
        let block = view.number();
        let hash = view.base.block_hash(block)?;
        let mut proof =
            view.prove(hash, governance::ADDRESS, &[governance::VALIDATOR_SET_HASH_SLOT])?;
        let keys = self.next_validators()?;
        let keys = keys.into_iter().flat_map(|one| [one.node_key, one.consensus_key]).collect();
        let storage_proof = proof.storage.pop().map(|slot| slot.proof).unwrap_or_default();
        Ok(alloy_rlp::encode(Shown {
            block,
            account_proof: proof.account_proof,
            storage_proof,
            keys,
        }))
    }

    /// The first changes of validators after epoch `since`, up to and with epoch `to`.
    pub(crate) fn changes(
        &self,
        since: u64,
        to: u64,
        most: usize,
    ) -> Result<Vec<Change>, ProveError> {
        let kept = self.kept_changes(since, to, most)?;
        kept.iter().map(|record| self.change(record)).collect()
    }

    /// The first changes of validators after epoch `since`, as far as certificates are there.
    pub(crate) fn provable_changes(
        &self,
        since: u64,
        most: usize,
    ) -> Result<Vec<Change>, ChainError> {
        let mut changes = Vec::new();
        for record in self.kept_changes(since, u64::MAX - 1, most)? {
            match self.change(&record) {
                Ok(change) => changes.push(change),
                Err(ProveError::Chain(error)) => return Err(error),
                // The certificate of the newest one is still to come.
                Err(_unproven) => break,
            }
        }
        Ok(changes)
    }

    fn kept_changes(&self, since: u64, to: u64, most: usize) -> Result<Vec<Vec<u8>>, ChainError> {
        let snapshot = self.store.snapshot()?;
        let mut kept = Vec::new();
        let start = keys::validator_change(since.saturating_add(1));
        let end = keys::validator_change(to.saturating_add(1));
        snapshot.scan(&start, &end, &mut |_, record| {
            kept.push(record.to_vec());
            if kept.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(kept)
    }

    /// Who votes in an epoch, by the changes that are kept.
    pub(crate) fn validators_of(&self, epoch: u64) -> Result<Vec<Validator>, ChainError> {
        let Some(record) = self.kept_changes(0, epoch, usize::MAX)?.pop() else {
            return Ok(self.founders.clone());
        };
        let damaged = || ChainError::Damaged("a change of validators".to_owned());
        let shown = Shown::decode(&mut record.as_slice()).map_err(|_malformed| damaged())?;
        shown.validators().ok_or_else(damaged)
    }

    /// The next block before a change of validators, and its certificate.
    fn next_change_block(&self, from: u64) -> Result<Option<(u64, Bytes)>, ChainError> {
        let snapshot = self.snapshot()?;
        let (start, end) = (keys::change_block(from), keys::change_block(u64::MAX));
        let Some((number, record)) = first_number(snapshot.as_ref(), &start, &end)? else {
            return Ok(None);
        };
        let Anchor { certificate, .. } = alloy_rlp::decode_exact(record)
            .map_err(|_malformed| ChainError::Damaged(format!("block {number}")))?;
        Ok(Some((number, certificate)))
    }

    fn change(&self, record: &[u8]) -> Result<Change, ProveError> {
        let damaged = || ChainError::Damaged("a change of validators".to_owned());
        let shown = Shown::decode(&mut &*record).map_err(|_malformed| damaged())?;
        let validators = shown.validators().ok_or_else(damaged)?;
        let Anchor { header, certificate } = self.change_block(shown.block)?;
        Ok(Change {
            header,
            certificate,
            account_proof: shown.account_proof,
            storage_proof: shown.storage_proof,
            validators,
        })
    }

    /// The block before a change of validators, with its certificate.
    fn change_block(&self, number: u64) -> Result<Anchor, ProveError> {
        let kept = self.snapshot()?.get(&keys::change_block(number)).map_err(ChainError::from)?;
        if let Some(record) = kept {
            return alloy_rlp::decode_exact(record)
                .map_err(|_malformed| ChainError::Damaged(format!("block {number}")).into());
        }
        let certificate = self.certificate(number)?.ok_or(ProveError::NoCertificate(number))?;
        Ok(Anchor { header: alloy_rlp::encode(self.final_header(number)?).into(), certificate })
    }
}
