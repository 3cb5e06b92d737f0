//! `prestateTracer`: the accounts that an execution looks at, as they were before it, or what it
//! changes in them.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::KECCAK_EMPTY;
use revm::bytecode::opcode as op;
use revm::interpreter::interpreter_types::{InputsTr, MemoryTr};
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, EvmState};
use serde::{Deserialize, Serialize};

use super::view::{Context, View, is_empty};
use super::watch::{Opening, Step};
use crate::chain::ChainError;

/// What `prestateTracer` is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are Geth's four options")]
pub(crate) struct PrestateConfig {
    pub(super) diff_mode: bool,
    disable_code: bool,
    disable_storage: bool,
    pub(super) include_empty: bool,
}

/// Accounts by their addresses.
pub type Accounts = BTreeMap<Address, TracedAccount>;

/// What is told of an account. Absent is what was not asked for, what is empty, and in a difference
/// what is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TracedAccount {
    /// Its balance in wei.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<U256>,
    /// Its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Bytes>,
    /// The hash of its code; zero for one that is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_hash: Option<B256>,
    /// Its nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<u64>,
    /// The slots that were looked at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<B256, B256>,
}

/// What an execution changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it made of it.
    pub post: Accounts,
    /// What was there before.
    pub pre: Accounts,
}

/// An account as it was found first.
#[derive(Clone, Debug)]
struct Found {
    info: AccountInfo,
    code: Bytes,
    storage: BTreeMap<B256, B256>,
}

impl Found {
    fn code_hash(&self) -> B256 {
        if self.info.code_hash.is_zero() { KECCAK_EMPTY } else { self.info.code_hash }
    }
}

/// Collects accounts.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrestateTracer {
    config: PrestateConfig,
    pre: BTreeMap<Address, Found>,
    created: BTreeSet<Address>,
    destroyed: BTreeSet<Address>,
}

/// About what an account and a slot take that are kept, in bytes.
const ACCOUNT_BYTES: usize = 320;
const SLOT_BYTES: usize = 96;
/// How far behind the memory's end init code is read that is not in memory yet, in bytes.
const MOST_PADDING: usize = 1 << 20;

impl PrestateTracer {
    pub(super) fn new(config: PrestateConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// What every transaction looks at, before it has done anything.
    pub(super) fn begin(
        &mut self,
        opening: &Opening<'_>,
        view: View<'_, '_>,
    ) -> Result<(), ChainError> {
        let tx = opening.tx;
        let to = if let Some(to) = tx.kind.to() {
            if let Some(delegate) = delegate(*to, opening.spec(), view)? {
                self.look_at(delegate, view)?;
            }
            *to
        } else {
            let created = tx.caller.create(view.account(tx.caller)?.nonce);
            self.created.insert(created);
            created
        };
        for address in [tx.caller, to, opening.beneficiary] {
            self.look_at(address, view)?;
        }
        for authority in opening.authorities() {
            self.look_at(authority, view)?;
        }
        Ok(())
    }

    /// Notes an account as it is, unless it was noted before; the bytes that this takes.
    fn look_at(&mut self, address: Address, view: View<'_, '_>) -> Result<usize, ChainError> {
        if self.pre.contains_key(&address) {
            return Ok(0);
        }
        let found = find(address, view)?;
        let kept = ACCOUNT_BYTES + if self.config.disable_code { 0 } else { found.code.len() };
        self.pre.insert(address, found);
        Ok(kept)
    }

    pub(super) fn step(
        &mut self,
        step: &Step<'_>,
        context: &Context<'_>,
    ) -> Result<usize, ChainError> {
        if step.flaw.is_some() {
            return Ok(0);
        }
        let stack = step.interpreter.stack.data().as_slice();
        let own = step.interpreter.input.target_address();
        match (step.byte, stack) {
            (op::SLOAD | op::SSTORE, [.., slot]) => self.look_at_slot(own, *slot, context),
            (
                op::EXTCODECOPY
                | op::EXTCODEHASH
                | op::EXTCODESIZE
                | op::BALANCE
                | op::SELFDESTRUCT,
                [.., word],
            ) => {
                let is_end = step.byte == op::SELFDESTRUCT;
                let is_removed = step.spec < SpecId::CANCUN || self.created.contains(&own);
                if is_end && is_removed {
                    self.destroyed.insert(own);
                }
                self.look_at(address(*word), View::of(context))
            }
            (
                op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL,
                [.., _, _, _, callee, _],
            ) => {
                let view = View::of(context);
                let callee = address(*callee);
                let kept = self.look_at(callee, view)?;
                match delegate(callee, step.spec, view)? {
                    Some(delegate) => Ok(kept + self.look_at(delegate, view)?),
                    None => Ok(kept),
                }
            }
            (op::CREATE, _) => {
                let view = View::of(context);
                let created = own.create(view.account(own)?.nonce);
                self.created.insert(created);
                self.look_at(created, view)
            }
            (op::CREATE2, [.., salt, length, offset, _]) => {
                let memory = step.interpreter.memory.slice(0..step.interpreter.memory.size());
                let Some(code) = padded(&memory, *offset, *length) else { return Ok(0) };
                let created = own.create2(B256::from(*salt), keccak256(code));
                self.created.insert(created);
                self.look_at(created, View::of(context))
            }
            _ => Ok(0),
        }
    }

    fn look_at_slot(
        &mut self,
        contract: Address,
        slot: U256,
        context: &Context<'_>,
    ) -> Result<usize, ChainError> {
        if self.config.disable_storage {
            return Ok(0);
        }
        let Some(found) = self.pre.get_mut(&contract) else { return Ok(0) };
        let key = B256::from(slot);
        if found.storage.contains_key(&key) {
            return Ok(0);
        }
        let (value, _) = View::of(context).slot(contract, slot)?;
        found.storage.insert(key, value.into());
        Ok(SLOT_BYTES)
    }

    /// The accounts that were there.
    pub(super) fn accounts(&mut self) -> Accounts {
        let config = self.config;
        let found = std::mem::take(&mut self.pre).into_iter();
        let told = found.filter(|(_, found)| config.include_empty || !is_empty(&found.info));
        told.map(|(address, found)| (address, before(found, config))).collect()
    }

    /// What has become of them.
    pub(super) fn difference(
        &mut self,
        state: &EvmState,
        spec: SpecId,
        view: View<'_, '_>,
    ) -> Result<Difference, ChainError> {
        let mut difference = Difference::default();
        let has_empty = !spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        for (address, mut found) in std::mem::take(&mut self.pre) {
            let mut is_told = !is_empty(&found.info);
            if !self.destroyed.contains(&address) {
                let loaded = state.get(&address);
                let is_gone = loaded.is_some_and(revm::state::Account::is_selfdestructed);
                let mut after = if is_gone { Found::nothing() } else { find(address, view)? };
                for slot in found.storage.keys().filter(|_| !is_gone) {
                    let (value, _) = view.slot(address, (*slot).into())?;
                    after.storage.insert(*slot, value.into());
                }
                if is_empty(&after.info) && !(has_empty && loaded.is_some()) {
                    after.info.code_hash = B256::ZERO;
                }
                let changed = self.change(&mut found, &after);
                is_told &= changed.is_some();
                difference.post.extend(changed.map(|changed| (address, changed)));
            }
            if is_told {
                difference.pre.insert(address, before(found, self.config));
            }
        }
        Ok(difference)
    }

    /// What is otherwise afterwards, if anything is; what is the same is forgotten of before, too.
    fn change(&self, found: &mut Found, after: &Found) -> Option<TracedAccount> {
        let (was, is) = (&found.info, &after.info);
        let has_hash = is.code_hash != found.code_hash();
        let has_code = !self.config.disable_code && after.code != found.code;
        let mut changed = TracedAccount {
            balance: (is.balance != was.balance).then_some(is.balance),
            code: has_code.then(|| after.code.clone()),
            code_hash: has_hash.then_some(is.code_hash),
            nonce: (is.nonce != was.nonce && is.nonce > 0).then_some(is.nonce),
            storage: BTreeMap::new(),
        };
        let mut is_changed = is.balance != was.balance || is.nonce != was.nonce;
        is_changed |= has_hash || has_code;
        found.storage.retain(|slot, value| {
            let now = after.storage.get(slot).copied().unwrap_or_default();
            if now != *value {
                is_changed = true;
                if !now.is_zero() {
                    changed.storage.insert(*slot, now);
                }
            }
            now != *value && !value.is_zero()
        });
        is_changed.then_some(changed)
    }
}

impl Found {
    fn nothing() -> Self {
        Self { info: AccountInfo::default(), code: Bytes::new(), storage: BTreeMap::new() }
    }
}

fn find(address: Address, view: View<'_, '_>) -> Result<Found, ChainError> {
    let info = view.account(address)?;
    let code = view.code_of(&info)?.original_bytes();
    Ok(Found { info, code, storage: BTreeMap::new() })
}

fn delegate(
    address: Address,
    spec: SpecId,
    view: View<'_, '_>,
) -> Result<Option<Address>, ChainError> {
    if spec.is_enabled_in(SpecId::PRAGUE) { view.delegate(address) } else { Ok(None) }
}

/// An account as it was, as far as it is asked for.
fn before(found: Found, config: PrestateConfig) -> TracedAccount {
    let code_hash = found.code_hash();
    TracedAccount {
        balance: Some(found.info.balance),
        code: (!config.disable_code && !found.code.is_empty()).then_some(found.code),
        code_hash: (code_hash != KECCAK_EMPTY).then_some(code_hash),
        nonce: (found.info.nonce > 0).then_some(found.info.nonce),
        storage: found.storage,
    }
}

fn address(word: U256) -> Address {
    Address::from_word(word.into())
}

/// A part of the memory, with zeros behind its end; `None` if that is far away.
fn padded(memory: &[u8], offset: U256, length: U256) -> Option<Vec<u8>> {
    let (offset, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
    let end = offset.checked_add(length)?;
    if end.saturating_sub(memory.len()) > MOST_PADDING {
        return None;
    }
    let held = memory.get(offset..end.min(memory.len())).unwrap_or_default();
    let mut part = held.to_vec();
    part.resize(length, 0);
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(balance: u64, slots: &[(u8, u8)]) -> Found {
        let info = AccountInfo { balance: U256::from(balance), ..AccountInfo::default() };
        let word = |byte: u8| B256::with_last_byte(byte);
        let storage = slots.iter().map(|(slot, value)| (word(*slot), word(*value))).collect();
        Found { info, code: Bytes::new(), storage }
    }

    #[test]
    fn a_difference_tells_what_has_changed_and_no_more() {
        let tracer = PrestateTracer::default();
        let mut was = found(5, &[(1, 1), (2, 2), (3, 0), (4, 4)]);
        let is = found(5, &[(1, 1), (2, 3), (3, 3), (4, 0)]);
        let changed = tracer.change(&mut was, &is).unwrap();
        assert_eq!(changed.balance, None);
        assert_eq!(changed.storage, found(0, &[(2, 3), (3, 3)]).storage);
        assert_eq!(was.storage, found(0, &[(2, 2), (4, 4)]).storage);
        let mut same = found(5, &[(1, 1)]);
        assert_eq!(tracer.change(&mut same, &found(5, &[(1, 1)])), None);
    }

    #[test]
    fn init_code_is_read_as_if_memory_went_on() {
        let part = |offset: usize, length: usize| {
            padded(&[1, 2, 3], U256::from(offset), U256::from(length))
        };
        assert_eq!(part(1, 2), Some(vec![2, 3]));
        assert_eq!(part(2, 3), Some(vec![3, 0, 0]));
        assert_eq!(part(9, 2), Some(vec![0, 0]));
        assert_eq!(part(0, 0), Some(Vec::new()));
        assert_eq!(part(0, MOST_PADDING + 4), None);
    }
}
