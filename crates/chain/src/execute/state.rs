//! The state that the EVM reads and writes while a block or a call is executed.

use std::collections::BTreeMap;

use alloy_primitives::map::{AddressMap, B256Map, HashMap, U256Map};
use alloy_primitives::{Address, B256, U256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use revm::bytecode::Bytecode;
use revm::context::DBErrorMarker;
use revm::state::{Account as TouchedAccount, AccountInfo};
use revm::{Database, DatabaseCommit, DatabaseRef};

use super::codes::CodeCache;
use super::overrides::{AccountOverride, bytecode};
use crate::chain::ChainError;
use crate::state::Account;
use crate::state::base::Base;
use crate::state::layer::{Change, Changes};

impl DBErrorMarker for ChainError {}

/// The nonce that is shown of an account where no contract can be created.
const REFUSING_NONCE: u64 = u64::MAX - 1;

/// The state above a base: what was read is kept, what is committed is recorded.
#[derive(Clone)]
pub(crate) struct ExecutionState<'a> {
    base: &'a Base,
    codes: &'a CodeCache,
    accounts: AddressMap<Entry>,
    new_codes: B256Map<Bytecode>,
    /// Whether touched empty accounts are removed (EIP-161).
    clears_empty: bool,
    /// Who sent the transaction: an account that signs is no contract to be created.
    sender: Address,
    /// Hashes of blocks that are shown instead of theirs.
    hashes: BTreeMap<u64, B256>,
}

/// An account as the EVM sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plain {
    nonce: u64,
    balance: U256,
    code_hash: B256,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    before: Option<Account>,
    after: Option<Plain>,
    slots: U256Map<Change<U256>>,
    /// The storage that the base has was removed.
    wiped: bool,
}

impl From<Account> for Plain {
    fn from(account: Account) -> Self {
        Self { nonce: account.nonce, balance: account.balance, code_hash: account.code_hash }
    }
}

impl<'a> ExecutionState<'a> {
    pub(crate) fn new(base: &'a Base, codes: &'a CodeCache) -> Self {
        Self {
            base,
            codes,
            accounts: HashMap::default(),
            new_codes: HashMap::default(),
            clears_empty: true,
            sender: Address::ZERO,
            hashes: BTreeMap::new(),
        }
    }

    /// Shows other hashes of blocks.
    pub(crate) fn set_block_hashes(&mut self, hashes: BTreeMap<u64, B256>) {
        self.hashes.extend(hashes);
    }

    /// Shows an account otherwise than the base has it.
    pub(crate) fn set_account(
        &mut self,
        address: Address,
        with: &AccountOverride,
    ) -> Result<(), ChainError> {
        let AccountOverride { balance, nonce, code, state, state_diff, .. } = with;
        let is_touched = balance.is_some() || nonce.is_some() || code.is_some();
        if !is_touched && state.is_none() && state_diff.is_none() {
            return Ok(());
        }
        let code = with.code.as_ref().map(bytecode);
        for (slot, _) in with.state_diff.iter().flatten() {
            // What it is before is known by reading it.
            self.storage(address, (*slot).into())?;
        }
        let entry = self.entry(address)?;
        let mut plain = entry.after.unwrap_or_else(Plain::empty);
        plain.nonce = with.nonce.unwrap_or(plain.nonce);
        plain.balance = with.balance.unwrap_or(plain.balance);
        plain.code_hash = code.as_ref().map_or(plain.code_hash, Bytecode::hash_slow);
        entry.after = Some(plain);
        if with.state.is_some() {
            entry.wipe();
        }
        for (slot, value) in with.state.iter().chain(&with.state_diff).flatten() {
            entry.set((*slot).into(), (*value).into(), U256::ZERO);
        }
        if let Some(code) = code {
            self.new_codes.insert(plain.code_hash, code);
        }
        Ok(())
    }

    /// The rules before EIP-161: an empty account that was touched exists.
    pub(crate) fn keep_empty_accounts(&mut self) {
        self.clears_empty = false;
    }

    /// Names the sender of the next transaction.
    pub(crate) fn set_sender(&mut self, sender: Address) {
        self.sender = sender;
    }

    fn entry(&mut self, address: Address) -> Result<&mut Entry, ChainError> {
        match self.accounts.entry(address) {
            alloy_primitives::map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            alloy_primitives::map::Entry::Vacant(entry) => {
                let before = self.base.account(&address)?;
                let after = before.map(Plain::from);
                Ok(entry.insert(Entry { before, after, ..Entry::default() }))
            }
        }
    }

    /// Adds to a balance outside any transaction: rewards and withdrawals.
    pub(crate) fn credit(&mut self, address: Address, amount: U256) -> Result<(), ChainError> {
        let clears_empty = self.clears_empty;
        let entry = self.entry(address)?;
        let mut plain = entry.after.unwrap_or_else(Plain::empty);
        plain.balance = plain.balance.saturating_add(amount);
        entry.after = Some(plain).filter(|plain| !clears_empty || !plain.is_empty());
        Ok(())
    }

    /// What changed between the base and now, and the accounts whose whole storage was removed.
    pub(crate) fn into_changes(self) -> Result<(Changes, Vec<Address>), ChainError> {
        let mut changes = Changes::default();
        let mut wiped = Vec::new();
        let sorted: BTreeMap<Address, Entry> = self.accounts.into_iter().collect();
        for (address, entry) in sorted {
            let mut slots: BTreeMap<U256, Change<U256>> = BTreeMap::new();
            let had_storage =
                entry.before.is_some_and(|account| account.storage_root != EMPTY_ROOT_HASH);
            if entry.wiped && had_storage {
                wiped.push(address);
                for (slot, before) in self.base.all_slots(&address)? {
                    slots.insert(slot, Change { before, after: U256::ZERO });
                }
            }
            for (slot, change) in entry.slots {
                let known = slots.entry(slot).or_insert(change);
                known.after = change.after;
            }
            // Where all was removed, what was set again counts, though it be what it was.
            let is_wiped = wiped.last() == Some(&address);
            slots.retain(|_, change| {
                change.before != change.after || (is_wiped && !change.after.is_zero())
            });
            let same = entry.before.map(Plain::from) == entry.after;
            if same && slots.is_empty() && !is_wiped {
                continue;
            }
            let storage_root = entry.before.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
            let after = entry.after.map(|plain| Account {
                nonce: plain.nonce,
                balance: plain.balance,
                storage_root,
                code_hash: plain.code_hash,
            });
            changes.accounts.insert(address, Change { before: entry.before, after });
            if !slots.is_empty() {
                changes.storage.insert(address, slots);
            }
        }
        for (hash, code) in self.new_codes {
            changes.codes.insert(hash, code.original_bytes());
        }
        Ok((changes, wiped))
    }
}

impl Plain {
    fn empty() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK_EMPTY }
    }

    fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK_EMPTY
    }
}

impl Database for ExecutionState<'_> {
    type Error = ChainError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, ChainError> {
        let sender = self.sender;
        let entry = self.entry(address)?;
        let refuses_code = entry.refuses_code() && address != sender;
        let Some(plain) = entry.after else { return Ok(None) };
        let mut info = AccountInfo {
            balance: plain.balance,
            nonce: plain.nonce,
            code_hash: plain.code_hash,
            code: None,
            ..AccountInfo::default()
        };
        if refuses_code && plain.balance.is_zero() {
            info.code_hash = B256::ZERO;
        } else if refuses_code {
            info.nonce = REFUSING_NONCE;
        }
        Ok(Some(info))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, ChainError> {
        if let Some(code) = self.new_codes.get(&hash) {
            return Ok(code.clone());
        }
        self.codes.get_or_load(hash, || self.base.code(&hash))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, ChainError> {
        let base = self.base;
        let entry = self.entry(address)?;
        if let Some(change) = entry.slots.get(&slot) {
            return Ok(change.after);
        }
        if entry.wiped || entry.before.is_none() {
            return Ok(U256::ZERO);
        }
        let value = base.slot(&address, &slot)?;
        entry.slots.insert(slot, Change { before: value, after: value });
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ChainError> {
        match self.hashes.get(&number) {
            Some(hash) => Ok(*hash),
            None => self.base.block_hash(number),
        }
    }
}

/// For who reads what is there without changing it: tracers.
impl DatabaseRef for ExecutionState<'_> {
    type Error = ChainError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ChainError> {
        let plain = match self.accounts.get(&address) {
            Some(entry) => entry.after,
            None => self.base.account(&address)?.map(Plain::from),
        };
        Ok(plain.map(|plain| AccountInfo {
            balance: plain.balance,
            nonce: plain.nonce,
            code_hash: plain.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ChainError> {
        match self.new_codes.get(&hash) {
            Some(code) => Ok(code.clone()),
            None => self.codes.get_or_load(hash, || self.base.code(&hash)),
        }
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        let Some(entry) = self.accounts.get(&address) else {
            return self.base.slot(&address, &slot);
        };
        match entry.slots.get(&slot) {
            Some(change) => Ok(change.after),
            None if entry.wiped || entry.before.is_none() => Ok(U256::ZERO),
            None => self.base.slot(&address, &slot),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ChainError> {
        match self.hashes.get(&number) {
            Some(hash) => Ok(*hash),
            None => self.base.block_hash(number),
        }
    }
}

impl DatabaseCommit for ExecutionState<'_> {
    fn commit(&mut self, touched: AddressMap<TouchedAccount>) {
        for (address, account) in touched {
            if !account.is_touched() {
                continue;
            }
            let entry = self.accounts.entry(address).or_default();
            if account.is_selfdestructed() {
                entry.remove();
                continue;
            }
            if account.is_created() {
                entry.wipe();
            }
            for (slot, value) in account.storage {
                entry.set(slot, value.present_value, value.original_value());
            }
            if let Some(code) = account.info.code.filter(|code| !code.is_empty())
                && entry.after.map(|plain| plain.code_hash) != Some(account.info.code_hash)
            {
                self.new_codes.insert(account.info.code_hash, code);
            }
            let code_hash = account.info.code_hash;
            let refused = entry.refuses_code() && account.info.nonce == REFUSING_NONCE;
            let plain = Plain {
                nonce: if refused { 0 } else { account.info.nonce },
                balance: account.info.balance,
                code_hash: if code_hash.is_zero() { KECCAK_EMPTY } else { code_hash },
            };
            entry.after = Some(plain);
            if self.clears_empty && plain.is_empty() {
                entry.remove();
            }
        }
    }
}

impl Entry {
    /// Whether a contract can't be created here because there is storage already (EIP-7610).
    ///
    /// revm looks at nonce and code only, so such an account is shown to it with one of them
    /// changed: with a code hash of zero where the account is empty (no instruction tells that
    /// from no code), else with a nonce, which no instruction reads. No transaction makes such an
    /// account, and the genesis of a Windlass network may not: it takes one of Ethereum's suites.
    fn refuses_code(&self) -> bool {
        !self.wiped
            && self.before.is_some_and(|before| before.storage_root != EMPTY_ROOT_HASH)
            && self.after.is_some_and(|plain| plain.nonce == 0 && plain.code_hash == KECCAK_EMPTY)
    }

    fn remove(&mut self) {
        self.after = None;
        self.wipe();
    }

    fn wipe(&mut self) {
        self.wiped = true;
        for change in self.slots.values_mut() {
            change.after = U256::ZERO;
        }
    }

    /// Sets a slot; `original` is its value before the transaction, for a slot not seen before.
    fn set(&mut self, slot: U256, value: U256, original: U256) {
        let before = if self.wiped { U256::ZERO } else { original };
        self.slots.entry(slot).or_insert(Change { before, after: before }).after = value;
    }
}

impl std::fmt::Debug for ExecutionState<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecutionState")
            .field("accounts", &self.accounts.len())
            .finish_non_exhaustive()
    }
}
