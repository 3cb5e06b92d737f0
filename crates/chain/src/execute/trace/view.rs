//! The state in the middle of an execution, read without touching it: what a tracer looks at must not
//! become warm by that.

use alloy_evm::eth::EthEvmContext;
use alloy_primitives::{Address, U256};
use alloy_trie::KECCAK_EMPTY;
use revm::DatabaseRef;
use revm::bytecode::Bytecode;
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, EvmState};

use super::super::state::ExecutionState;
use crate::chain::ChainError;

/// What the EVM works on.
pub(super) type Context<'a> = EthEvmContext<ExecutionState<'a>>;

/// What an execution has loaded above what was there before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'v, 'a> {
    loaded: &'v EvmState,
    before: &'v ExecutionState<'a>,
}

impl<'v, 'a> View<'v, 'a> {
    pub(super) fn new(loaded: &'v EvmState, before: &'v ExecutionState<'a>) -> Self {
        Self { loaded, before }
    }

    /// That of an execution which runs.
    pub(super) fn of(context: &'v Context<'a>) -> Self {
        let journal = &context.journaled_state;
        Self { loaded: &journal.inner.state, before: &journal.database }
    }

    /// An account; one that is empty where there is none.
    pub(super) fn account(&self, address: Address) -> Result<AccountInfo, ChainError> {
        match self.loaded.get(&address) {
            Some(account) => Ok(account.info.clone()),
            None => Ok(self.before.basic_ref(address)?.unwrap_or_default()),
        }
    }

    /// Its code, as it is stored: a delegation is not followed.
    pub(super) fn code(&self, address: Address) -> Result<Bytecode, ChainError> {
        let account = self.account(address)?;
        self.code_of(&account)
    }

    pub(super) fn code_of(&self, account: &AccountInfo) -> Result<Bytecode, ChainError> {
        match &account.code {
            Some(code) => Ok(code.clone()),
            None if account.is_empty_code_hash() => Ok(Bytecode::default()),
            None => self.before.code_by_hash_ref(account.code_hash),
        }
    }

    /// To whose code an account delegates (EIP-7702).
    pub(super) fn delegate(&self, address: Address) -> Result<Option<Address>, ChainError> {
        Ok(self.code(address)?.eip7702_address())
    }

    /// Whether nothing is there in the eyes of the rules: an empty account is, before EIP-161.
    pub(super) fn is_vacant(&self, address: Address, spec: SpecId) -> Result<bool, ChainError> {
        if let Some(account) = self.loaded.get(&address) {
            return Ok(account.state_clear_aware_is_empty(spec));
        }
        let account = self.before.basic_ref(address)?;
        let counts_empty = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        Ok(account.is_none_or(|account| counts_empty && account.is_empty()))
    }

    /// A slot: what it is, and what it was when the transaction began.
    pub(super) fn slot(&self, at: Address, slot: U256) -> Result<(U256, U256), ChainError> {
        if let Some(account) = self.loaded.get(&at) {
            if let Some(known) = account.storage.get(&slot) {
                return Ok((known.present_value, known.original_value));
            }
            if account.is_created() {
                return Ok((U256::ZERO, U256::ZERO));
            }
        }
        let value = self.before.storage_ref(at, slot)?;
        Ok((value, value))
    }
}

/// Whether an account was not touched yet in this transaction, so that touching it costs more.
pub(super) fn is_cold(context: &Context<'_>, address: Address) -> bool {
    let journal = &context.journaled_state.inner;
    let is_loaded = journal
        .state
        .get(&address)
        .is_some_and(|account| !account.is_cold_transaction_id(journal.transaction_id));
    !is_loaded && journal.warm_addresses.is_cold(&address)
}

/// The same of a slot.
pub(super) fn is_slot_cold(context: &Context<'_>, address: Address, slot: U256) -> bool {
    let journal = &context.journaled_state.inner;
    let known = journal.state.get(&address).and_then(|account| account.storage.get(&slot));
    let is_loaded = known.is_some_and(|slot| !slot.is_cold_transaction_id(journal.transaction_id));
    !is_loaded && !journal.warm_addresses.is_storage_warm(&address, &slot)
}

/// Whether nothing is worth keeping of an account (EIP-161).
pub(super) fn is_empty(account: &AccountInfo) -> bool {
    account.nonce == 0
        && account.balance.is_zero()
        && (account.code_hash.is_zero() || account.code_hash == KECCAK_EMPTY)
}
