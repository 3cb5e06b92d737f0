//! Reading final blocks, and calls on their states.

use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use alloy_consensus::{BlockBody, Header, TxEnvelope};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, B256, Bytes, Sealed, U256};
use alloy_rlp::Decodable;

use super::types::{At, BlockRef, ChainError, TransactionLocation};
use super::{Chain, first_number, stored_header, stored_number};
use crate::block::Block;
use crate::execute::call::CallSite;
use crate::execute::{
    CallError, CallLimits, CallOutcome, CallRequest, EstimateError, access, brief, call, estimate,
};
use crate::governance::InForce;
use crate::receipt::Receipt;
use crate::state::{Proof, keys};
use crate::store::Snapshot;

impl Chain {
    /// A final block's header.
    pub fn header(&self, block: impl Into<BlockRef>) -> Result<Option<Sealed<Header>>, ChainError> {
        let snapshot = self.store.snapshot()?;
        match number_of(snapshot.as_ref(), block.into())? {
            Some(number) => stored_header(snapshot.as_ref(), number),
            None => Ok(None),
        }
    }

    /// A final block.
    pub fn block(&self, block: impl Into<BlockRef>) -> Result<Option<Block>, ChainError> {
        let snapshot = self.store.snapshot()?;
        let Some(number) = number_of(snapshot.as_ref(), block.into())? else { return Ok(None) };
        stored_block(snapshot.as_ref(), number)
    }

    /// A final block's receipts.
    pub fn receipts(&self, block: impl Into<BlockRef>) -> Result<Option<Vec<Receipt>>, ChainError> {
        let snapshot = self.store.snapshot()?;
        match number_of(snapshot.as_ref(), block.into())? {
            Some(number) => stored_receipts(snapshot.as_ref(), number),
            None => Ok(None),
        }
    }

    /// Where a final transaction is. Who asks with what may be no transaction's hash compares it with the one
    /// that is there: half of it finds it.
    pub fn transaction(&self, hash: B256) -> Result<Option<TransactionLocation>, ChainError> {
        let snapshot = self.store.snapshot()?;
        let Some(record) = snapshot.get(&keys::transaction(&hash))? else { return Ok(None) };
        let damaged = || ChainError::Damaged("transaction index".to_owned());
        let (block, index) = record.split_at_checked(8).ok_or_else(damaged)?;
        Ok(Some(TransactionLocation {
            block: u64::from_be_bytes(block.try_into().ok().ok_or_else(&damaged)?),
            index: u32::from_be_bytes(index.try_into().ok().ok_or_else(damaged)?),
        }))
    }

    /// The certificate that formed at exactly this block.
    pub fn certificate(&self, number: u64) -> Result<Option<Bytes>, ChainError> {
        let pending = {
            let pending = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
            pending.get(&number).cloned()
        };
        match pending {
            Some(certificate) => Ok(Some(certificate)),
            None => Ok(self.store.snapshot()?.get(&keys::certificate(number))?.map(Bytes::from)),
        }
    }

    /// The nearest certificate at or after this block.
    pub fn next_certificate(&self, number: u64) -> Result<Option<(u64, Bytes)>, ChainError> {
        let pending = {
            let pending = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
            pending.range(number..).next().map(|(number, bytes)| (*number, bytes.clone()))
        };
        let snapshot = self.store.snapshot()?;
        let stored = first_number(
            snapshot.as_ref(),
            &keys::certificate(number),
            &keys::certificate(u64::MAX),
        )?
        .map(|(number, bytes)| (number, Bytes::from(bytes)));
        Ok(match (pending, stored) {
            (Some(pending), Some(stored)) if stored.0 < pending.0 => Some(stored),
            (Some(pending), _) => Some(pending),
            (None, stored) => stored,
        })
    }

    /// Executes a message call without changing anything.
    pub fn call(
        &self,
        at: At,
        request: &CallRequest,
        limits: CallLimits<'_>,
    ) -> Result<CallOutcome, CallError> {
        self.on_site(at, |site| call::call(site, request, limits))
    }

    /// Executes a message call on the tip's state that little gas suffices for; `None` for any other, which
    /// [`Chain::call`] answers.
    pub fn call_briefly(
        &self,
        at: At,
        request: &CallRequest,
    ) -> Result<Option<CallOutcome>, CallError> {
        self.on_site(at, |site| brief::call_briefly(site, request))
    }

    /// The least gas with which a call succeeds, within Geth's tolerance.
    pub fn estimate_gas(
        &self,
        at: At,
        request: &CallRequest,
        limits: CallLimits<'_>,
    ) -> Result<u64, EstimateError> {
        self.on_site(at, |site| estimate::estimate_gas(site, request, limits))
    }

    /// What a call touches, as an access list, and what it does with that.
    pub fn access_list(
        &self,
        at: At,
        request: &CallRequest,
        limits: CallLimits<'_>,
    ) -> Result<(AccessList, CallOutcome), CallError> {
        self.on_site(at, |site| access::access_list(site, request, limits))
    }

    /// A Merkle proof at a block of the proof window; it ends soon after the flag is set.
    pub fn proof(
        &self,
        at: At,
        address: Address,
        slots: &[U256],
        cancel: Option<&AtomicBool>,
    ) -> Result<Proof, ChainError> {
        let view = self.state_with_tries(at, cancel)?;
        let hash = view.base.block_hash(view.number)?;
        view.prove(hash, address, slots)
    }

    pub(super) fn on_site<T, E: From<CallError>>(
        &self,
        at: At,
        work: impl FnOnce(CallSite<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let chain_error = |error| E::from(CallError::Chain(error));
        let view = self.state(at).map_err(chain_error)?;
        let header = stored_header(view.base.snapshot(), view.number)
            .map_err(chain_error)?
            .ok_or_else(|| chain_error(ChainError::UnknownBlock))?;
        // Those of the block that could come next: who asks wants to know what it would do.
        let in_force = InForce::read(self.rules(), &view.base, view.number.saturating_add(1))
            .map_err(chain_error)?;
        work(CallSite {
            rules: &in_force.rules,
            header: &header,
            base: &view.base,
            codes: &self.codes,
        })
    }
}

pub(crate) fn stored_block(
    snapshot: &dyn Snapshot,
    number: u64,
) -> Result<Option<Block>, ChainError> {
    let Some(header) = stored_header(snapshot, number)? else { return Ok(None) };
    let damaged = || ChainError::Damaged(format!("body {number}"));
    let record = snapshot.get(&keys::body(number))?.ok_or_else(damaged)?;
    let body = BlockBody::<TxEnvelope>::decode(&mut record.as_slice()).ok().ok_or_else(damaged)?;
    let (header, hash) = header.into_parts();
    let block = alloy_consensus::Block { header, body };
    Ok(Some(Block::from_sealed(Sealed::new_unchecked(block, hash))))
}

pub(crate) fn stored_receipts(
    snapshot: &dyn Snapshot,
    number: u64,
) -> Result<Option<Vec<Receipt>>, ChainError> {
    let Some(record) = snapshot.get(&keys::receipts(number))? else { return Ok(None) };
    Vec::<Receipt>::decode(&mut record.as_slice())
        .map(Some)
        .ok()
        .ok_or_else(|| ChainError::Damaged(format!("receipts {number}")))
}

fn number_of(snapshot: &dyn Snapshot, block: BlockRef) -> Result<Option<u64>, ChainError> {
    match block {
        BlockRef::Number(number) => Ok(Some(number)),
        BlockRef::Hash(hash) => stored_number(snapshot, hash),
    }
}
