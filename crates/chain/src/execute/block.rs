//! Executes one block: system calls, transactions, and what comes after them.

use std::sync::atomic::AtomicBool;

use alloy_consensus::transaction::{Recovered, TxHashRef};
use alloy_consensus::{Header, Transaction, TxEnvelope, Typed2718};
use alloy_eips::eip4895::Withdrawals;
use alloy_eips::eip7685::Requests;
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_evm::eth::{EthEvm, EthEvmBuilder, EthEvmContext};
use alloy_evm::precompiles::PrecompilesMap;
use alloy_evm::{Evm, EvmEnv, FromRecoveredTx};
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::context::result::{ExecutionResult, ResultAndState};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::inspector::NoOpInspector;
use revm::{DatabaseCommit, Inspector};

use super::call::Attend;
use super::cancel::Cancel;
use super::codes::CodeCache;
use super::error::{TransactError, TransactionError};
use super::rewards::block_rewards;
use super::state::ExecutionState;
use super::trace::{Opening, Place, Trace, TraceError, Tracer, Watcher, check_whole, unexpected};
use crate::chain::ChainError;
use crate::genesis::BEACON_REQUEST_CONTRACTS;
use crate::governance::InForce;
use crate::receipt::Receipt;
use crate::rules::{Fork, Kind, RuleSet};
use crate::state::base::Base;
use crate::state::layer::Changes;
use crate::state::root;

/// What executing a block gave.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) gas_used: u64,
    pub(crate) blob_gas_used: u64,
    /// `None` before EIP-7685.
    pub(crate) requests: Option<Requests>,
    pub(crate) state_root: B256,
    pub(crate) changes: Changes,
}

/// A block on its way.
pub(crate) struct BlockExecutor<'a, I = NoOpInspector> {
    in_force: &'a InForce<'a>,
    pub(super) rules: &'a RuleSet,
    pub(super) header: &'a Header,
    fork: Fork,
    base: &'a Base,
    pub(super) evm: EthEvm<ExecutionState<'a>, I, PrecompilesMap>,
    receipts: Vec<Receipt>,
    pub(super) gas_used: u64,
    blob_gas_used: u64,
}

/// Who traces a block's transactions, until it is told to end.
type Tracing<'a> = (Cancel<'a>, Watcher);

impl<'a> BlockExecutor<'a> {
    /// Begins a block; of the header it reads what is known before execution.
    pub(crate) fn begin(
        in_force: &'a InForce<'a>,
        header: &'a Header,
        base: &'a Base,
        codes: &'a CodeCache,
    ) -> Result<Self, ChainError> {
        Self::begin_with(in_force, header, base, codes, NoOpInspector)
    }
}

impl<'a, 'c> BlockExecutor<'a, Tracing<'c>> {
    /// Begins a block whose transactions are traced.
    pub(crate) fn begin_traced(
        in_force: &'a InForce<'a>,
        header: &'a Header,
        base: &'a Base,
        codes: &'a CodeCache,
        (cancel, tracer): (Option<&'c AtomicBool>, Tracer),
    ) -> Result<Self, ChainError> {
        let watching = (Cancel::new(cancel), Watcher::new(tracer));
        Self::begin_with(in_force, header, base, codes, watching)
    }

    /// Executes the next transaction; what it did, if its place is told.
    pub(crate) fn trace(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
        place: Option<Place>,
    ) -> Result<Option<Trace>, TraceError> {
        let failed = |error| match error {
            TransactError::Chain(error) => error,
            TransactError::Invalid(reason) => unexpected(&reason),
        };
        let env = self.transaction_env(transaction).map_err(failed)?;
        let price = effective_gas_price(&env, self.header.base_fee_per_gas);
        self.evm.db_mut().set_sender(transaction.signer());
        if let Some(place) = place {
            self.begin_trace(&env, place)?;
        }
        self.evm.set_inspector_enabled(place.is_some());
        let ended = self.evm.transact_raw(env);
        self.evm.set_inspector_enabled(false);
        let (state, (cancel, watcher), _) = self.evm.components_mut();
        check_whole(cancel, watcher)?;
        let ended = ended.map_err(|error| failed(error.into()))?;
        let trace = place.map(|_| watcher.end(&ended, state)).transpose()?;
        self.include(transaction, price, ended).map_err(failed)?;
        Ok(trace)
    }

    fn begin_trace(&mut self, tx: &TxEnv, place: Place) -> Result<(), ChainError> {
        let logged: usize = self.receipts.iter().map(|receipt| receipt.logs.len()).sum();
        let logs = u64::try_from(logged).unwrap_or(u64::MAX);
        let config = self.evm.ctx().cfg.clone();
        let beneficiary = self.evm.block().beneficiary;
        let place = Place { logs, ..place };
        let (state, (_, watcher), _) = self.evm.components_mut();
        watcher.begin(&Opening { tx, config: &config, beneficiary, place }, state)
    }
}

impl<'a, I: Inspector<EthEvmContext<ExecutionState<'a>>>> BlockExecutor<'a, I> {
    fn begin_with(
        in_force: &'a InForce<'a>,
        header: &'a Header,
        base: &'a Base,
        codes: &'a CodeCache,
        inspector: I,
    ) -> Result<Self, ChainError> {
        let mut executor = Self::prepare(in_force, header, (base, codes), inspector, |_, _| {});
        executor.call_before_transactions()?;
        Ok(executor)
    }

    /// A block for which nothing was executed yet.
    pub(super) fn prepare(
        in_force: &'a InForce<'a>,
        header: &'a Header,
        (base, codes): (&'a Base, &'a CodeCache),
        inspector: I,
        adjust: impl FnOnce(&mut CfgEnv, &mut BlockEnv),
    ) -> Self {
        let rules = in_force.rules.as_ref();
        let fork = rules.fork(header.number, header.timestamp);
        let mut state = ExecutionState::new(base, codes);
        if fork < Fork::SpuriousDragon {
            state.keep_empty_accounts();
        }
        let (mut config, mut block) = (rules.evm_config(header), rules.evm_block(header));
        adjust(&mut config, &mut block);
        let env = EvmEnv::new(config, block);
        let evm = EthEvmBuilder::new(state, env).inspector(inspector).build();
        Self {
            in_force,
            rules,
            header,
            fork,
            base,
            evm,
            receipts: Vec::new(),
            gas_used: 0,
            blob_gas_used: 0,
        }
    }

    /// Gas that transactions may still ask for.
    pub(crate) fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.gas_used)
    }

    /// Executes the next transaction; one that is refused leaves no trace.
    pub(crate) fn transact(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
    ) -> Result<(), TransactError> {
        let env = self.transaction_env(transaction)?;
        let effective_gas_price = effective_gas_price(&env, self.header.base_fee_per_gas);
        self.evm.db_mut().set_sender(transaction.signer());
        let ended = self.evm.transact_raw(env)?;
        self.include(transaction, effective_gas_price, ended)
    }

    /// Takes what a transaction did into the block.
    pub(super) fn include(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
        effective_gas_price: u128,
        ResultAndState { result, state }: ResultAndState,
    ) -> Result<(), TransactError> {
        if self.is_windlass()
            && BEACON_REQUEST_CONTRACTS.iter().any(|contract| {
                state
                    .get(contract)
                    .is_some_and(|account| account.changed_storage_slots().next().is_some())
            })
        {
            return Err(TransactError::Invalid(TransactionError::BeaconRequest));
        }
        self.evm.db_mut().commit(state);
        let gas_used = result.tx_gas_used();
        self.gas_used += gas_used;
        self.blob_gas_used += transaction.blob_gas_used().unwrap_or(0);
        let success = result.is_success();
        let from = transaction.signer();
        let contract_address =
            transaction.kind().is_create().then(|| from.create(transaction.nonce()));
        self.receipts.push(Receipt {
            transaction_type: transaction.ty(),
            success,
            cumulative_gas_used: self.gas_used,
            gas_used,
            effective_gas_price,
            transaction_hash: *transaction.tx_hash(),
            from,
            logs: if success { result.into_logs() } else { Vec::new() },
            contract_address,
            state_root: self.intermediate_root()?,
        });
        Ok(())
    }

    /// Ends the block: requests, rewards and withdrawals, and the state root.
    pub(crate) fn finish(
        mut self,
        ommers: &[Header],
        withdrawals: Option<&Withdrawals>,
    ) -> Result<Executed, TransactError> {
        let requests =
            if self.fork >= Fork::Prague { Some(self.collect_requests()?) } else { None };
        let mut credits = Vec::new();
        if self.fork < Fork::Merge {
            credits.extend(block_rewards(self.fork, self.header, ommers));
        }
        for withdrawal in withdrawals.into_iter().flat_map(|withdrawals| withdrawals.iter()) {
            credits.push((withdrawal.address, withdrawal.amount_wei()));
        }
        for (address, amount) in credits {
            self.evm.db_mut().credit(address, amount).map_err(TransactError::Chain)?;
        }
        let (state, _) = self.evm.finish();
        let (mut changes, wiped) = state.into_changes().map_err(TransactError::Chain)?;
        let state_root =
            root::seal(self.base, &mut changes, &wiped).map_err(TransactError::Chain)?;
        Ok(Executed {
            receipts: self.receipts,
            gas_used: self.gas_used,
            blob_gas_used: self.blob_gas_used,
            requests,
            state_root,
            changes,
        })
    }

    /// The state's root between two transactions, which receipts hold before EIP-658.
    fn intermediate_root(&self) -> Result<Option<B256>, TransactError> {
        if self.fork >= Fork::Byzantium {
            return Ok(None);
        }
        let changes = self.evm.db().clone().into_changes();
        let (mut changes, wiped) = changes.map_err(TransactError::Chain)?;
        root::seal(self.base, &mut changes, &wiped).map(Some).map_err(TransactError::Chain)
    }

    fn is_windlass(&self) -> bool {
        matches!(self.rules.kind, Kind::Windlass(_))
    }

    fn transaction_env(&self, transaction: &Recovered<TxEnvelope>) -> Result<TxEnv, TransactError> {
        let invalid = |reason| Err(TransactError::Invalid(reason));
        if transaction.gas_limit() > self.header.gas_limit {
            return invalid(TransactionError::GasAboveBlock);
        }
        if transaction.gas_limit() > self.gas_left() {
            return invalid(TransactionError::BlockFull);
        }
        if let Some(params) = self.rules.blob_params(self.header.timestamp) {
            let blob_gas = self.blob_gas_used + transaction.blob_gas_used().unwrap_or(0);
            if blob_gas > params.max_blob_gas_per_block() {
                return invalid(TransactionError::BlockFull);
            }
        }
        if self.is_windlass() && transaction.is_eip4844() {
            return invalid(TransactionError::UnsupportedType);
        }
        // As the members had it before the block, whatever the block itself changes.
        let sender = transaction.signer();
        let lacks = self.in_force.lacks(self.base, sender, transaction.to());
        if let Some(lacks) = lacks.map_err(TransactError::Chain)? {
            return invalid(TransactionError::NotPermitted { sender, lacks });
        }
        let mut env = TxEnv::from_recovered_tx(transaction.inner(), transaction.signer());
        if self.rules.fees_are_free() {
            env.gas_price = 0;
            env.gas_priority_fee = env.gas_priority_fee.map(|_| 0);
        }
        Ok(env)
    }

    pub(super) fn call_before_transactions(&mut self) -> Result<(), ChainError> {
        if self.header.number == 0 {
            return Ok(());
        }
        if self.fork >= Fork::Prague {
            let parent = Bytes::copy_from_slice(self.header.parent_hash.as_slice());
            self.system_call(eip2935::HISTORY_STORAGE_ADDRESS, parent)?;
        }
        if self.fork >= Fork::Cancun {
            let root = self.header.parent_beacon_block_root.unwrap_or_default();
            let root = Bytes::copy_from_slice(root.as_slice());
            self.system_call(eip4788::BEACON_ROOTS_ADDRESS, root)?;
        }
        Ok(())
    }

    fn collect_requests(&mut self) -> Result<Requests, TransactError> {
        let mut requests = Requests::default();
        if let Kind::Ethereum(schedule) = &self.rules.kind {
            let mut deposits = Vec::new();
            let logs = self.receipts.iter().flat_map(|receipt| &receipt.logs);
            alloy_evm::eth::eip6110::accumulate_deposits_from_logs(
                schedule.deposit_contract,
                logs,
                &mut deposits,
            )
            .map_err(|error| TransactError::Invalid(TransactionError::Other(error.to_string())))?;
            if !deposits.is_empty() {
                requests.push_request_with_type(0, deposits);
            }
        }
        for (kind, contract) in [
            (eip7002::WITHDRAWAL_REQUEST_TYPE, eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS),
            (eip7251::CONSOLIDATION_REQUEST_TYPE, eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS),
        ] {
            let result = self.system_call(contract, Bytes::new()).map_err(TransactError::Chain)?;
            let has_code = self.has_code(contract).map_err(TransactError::Chain)?;
            let output = match result {
                ExecutionResult::Success { output, .. } if has_code => output.into_data(),
                ExecutionResult::Success { .. }
                | ExecutionResult::Revert { .. }
                | ExecutionResult::Halt { .. } => {
                    let reason = format!("the system call to {contract} failed");
                    return Err(TransactError::Invalid(TransactionError::Other(reason)));
                }
            };
            if !output.is_empty() {
                requests.push_request_with_type(kind, output);
            }
        }
        Ok(requests)
    }

    fn has_code(&mut self, contract: Address) -> Result<bool, ChainError> {
        let account = revm::Database::basic(self.evm.db_mut(), contract)?;
        Ok(account.is_some_and(|account| !account.is_empty_code_hash()))
    }

    fn system_call(
        &mut self,
        contract: Address,
        data: Bytes,
    ) -> Result<ExecutionResult, ChainError> {
        let called = self.evm.transact_system_call(eip4788::SYSTEM_ADDRESS, contract, data);
        let ResultAndState { result, mut state } =
            called.map_err(|error| match TransactError::from(error) {
                TransactError::Chain(error) => error,
                TransactError::Invalid(reason) => ChainError::Execution(reason.to_string()),
            })?;
        state.retain(|address, _| *address == contract);
        self.evm.db_mut().commit(state);
        Ok(result)
    }
}

/// What a unit of gas costs the sender.
fn effective_gas_price(env: &TxEnv, base_fee: Option<u64>) -> u128 {
    match env.gas_priority_fee {
        Some(tip) => env.gas_price.min(u128::from(base_fee.unwrap_or(0)).saturating_add(tip)),
        None => env.gas_price,
    }
}

/// The balances that a proof-of-work block adds are wei of this type.
pub(crate) type Credit = (Address, U256);

impl<I> std::fmt::Debug for BlockExecutor<'_, I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockExecutor")
            .field("header", &self.header)
            .field("gas_used", &self.gas_used)
            .finish_non_exhaustive()
    }
}
