//! Calls in a block that is made up: what `eth_simulateV1` runs, as Geth runs it.

use std::sync::atomic::AtomicBool;

use alloy_consensus::transaction::Recovered;
use alloy_consensus::{
    Header, SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEip7702, TxEnvelope,
    TxLegacy,
};
use alloy_evm::Evm;
use alloy_evm::eth::EthEvmContext;
use alloy_primitives::{Address, B256, Bytes, Log, LogData, Signature, TxKind, U256, b256};
use revm::context::{CfgEnv, ContextTr, JournalTr, TxEnv};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{
    CallInputs, CallOutcome as Ended, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
};
use revm::{Database, Inspector};

use super::block::BlockExecutor;
use super::call::{Attend, CallError, CallRequest, CallResult, addresses, environment, outcome};
use super::cancel::Cancel;
use super::codes::CodeCache;
use super::error::{TransactError, TransactionError};
use super::overrides::{AccountOverride, Overrides, apply_to_block, apply_to_state};
use super::state::ExecutionState;
use super::trace::{Flaw, Opening, Place, Tracer, Watcher};
use crate::chain::ChainError;
use crate::governance::InForce;
use crate::state::base::Base;

/// What a call in a simulated block did.
#[derive(Clone, Debug)]
pub struct SimulatedCall {
    /// The transaction that it stands for, which nobody signed.
    pub transaction: TxEnvelope,
    /// How it ended.
    pub result: CallResult,
    /// What it logged, transfers of value among it where they were asked for, each with its place among
    /// all that was logged in the block, what was reverted included.
    pub logs: Vec<(u64, Log)>,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// The most gas that it held at a time.
    pub most_gas: u64,
}

/// Why a simulation ended.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The state could not be read, or the simulation was cancelled.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The numbers of blocks don't rise.
    #[error("block numbers must be in order: {number} <= {before}")]
    Number {
        /// A block's.
        number: U256,
        /// That of the block before.
        before: u64,
    },
    /// The times of blocks don't rise.
    #[error("block timestamps must be in order: {time} <= {before}")]
    Time {
        /// A block's, in seconds.
        time: u64,
        /// That of the block before.
        before: u64,
    },
    /// More blocks than are simulated at once.
    #[error("too many blocks")]
    TooMany,
    /// A call does not fit into its block.
    #[error("block gas limit reached: remaining: {left}, required: {asked}")]
    BlockFull {
        /// What the block has left.
        left: u64,
        /// What the call asks for.
        asked: u64,
    },
    /// A call is not valid as a transaction.
    #[error("err: {} (supplied gas {gas})", refusal(.reason, .request))]
    Transaction {
        /// Why.
        reason: TransactionError,
        /// Whose it is.
        request: Box<Priced>,
        /// The gas that it had.
        gas: u64,
    },
}

impl From<ChainError> for SimulateError {
    fn from(error: ChainError) -> Self {
        Self::Call(error.into())
    }
}

/// Who calls, and what it offers.
#[derive(Clone, Copy, Debug)]
pub struct Priced {
    from: Address,
    nonce: u64,
    fee_cap: u128,
    tip: u128,
    base_fee: u64,
}

/// Why a call is not valid, with whose it is.
fn refusal(reason: &TransactionError, priced: &Priced) -> String {
    let Priced { from, nonce, fee_cap, tip, base_fee } = priced;
    match reason {
        TransactionError::FeeBelowBaseFee => format!(
            "max fee per gas less than block base fee: address {from}, maxFeePerGas: {fee_cap}, \
             baseFee: {base_fee}"
        ),
        TransactionError::PriorityFeeAboveMaxFee => format!(
            "max priority fee per gas higher than max fee per gas: address {from}, \
             maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee_cap}"
        ),
        TransactionError::InsufficientFunds { have, want } => format!(
            "insufficient funds for gas * price + value: address {from} have {have} want {want}"
        ),
        TransactionError::NonceTooLow { transaction, state } => {
            format!("nonce too low: address {from}, tx: {transaction} state: {state}")
        }
        TransactionError::NonceTooHigh { transaction, state } => {
            format!("nonce too high: address {from}, tx: {transaction} state: {state}")
        }
        TransactionError::NonceOverflow => {
            format!("nonce has max value: address {from}, nonce: {nonce}")
        }
        other => other.to_string(),
    }
}

/// Who sees what simulated calls do.
pub(crate) type Watching<'c> = (Cancel<'c>, (Logs, Watcher));

/// Whether simulated calls must be valid as transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Nonces and prices count.
    Full,
    /// A call runs if its sender has the value that it sends.
    Lenient,
}

/// Whether transfers of value are logged as a token's would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfers {
    /// They are.
    Logged,
    /// They are not.
    Silent,
}

/// How a simulation goes.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'c> {
    /// Whether calls must be valid as transactions.
    pub validation: Validation,
    /// Whether transfers of value are logged.
    pub transfers: Transfers,
    /// Ends it soon after it is set.
    pub cancel: Option<&'c AtomicBool>,
}

impl<'a, 'c> BlockExecutor<'a, Watching<'c>> {
    /// Begins a block that is made up.
    pub(crate) fn begin_simulated(
        in_force: &'a InForce<'a>,
        header: &'a Header,
        (base, codes): (&'a Base, &'a CodeCache),
        overrides: &Overrides,
        manner: Manner<'c>,
    ) -> Result<Self, SimulateError> {
        let watcher = Watcher::new(Tracer::nothing()).with_overrides(overrides);
        let logs = Logs::new(manner.transfers);
        let watching = (Cancel::new(manner.cancel), (logs, watcher));
        let adjust = |config: &mut CfgEnv, block: &mut _| {
            config.tx_gas_limit_cap = Some(u64::MAX);
            config.disable_eip3607 = true;
            config.disable_nonce_check = manner.validation == Validation::Lenient;
            config.disable_base_fee = manner.validation == Validation::Lenient;
            apply_to_block(&overrides.block, block);
        };
        let mut executor = Self::prepare(in_force, header, (base, codes), watching, adjust);
        let (state, _, precompiles) = executor.evm.components_mut();
        let standard = addresses(precompiles);
        apply_to_state(&overrides.state, state, precompiles)?;
        state.set_block_hashes(overrides.block.block_hash.clone().unwrap_or_default());
        executor.evm.ctx_mut().journaled_state.warm_precompiles(&standard);
        executor.call_before_transactions()?;
        Ok(executor)
    }

    /// Runs a call; `pool` is the gas that the simulation has left.
    pub(crate) fn simulate(
        &mut self,
        request: &CallRequest,
        pool: &mut u64,
        manner: Manner<'_>,
    ) -> Result<SimulatedCall, SimulateError> {
        let from = request.from;
        let account = self.evm.db_mut().basic(from)?;
        let next = account.map_or(0, |account| account.nonce);
        let nonce = request.nonce.unwrap_or(next);
        let left = self.header.gas_limit.saturating_sub(self.gas_used);
        let gas = request.gas.unwrap_or(left);
        if gas > left {
            return Err(SimulateError::BlockFull { left, asked: gas });
        }
        let gas = gas.min(*pool);
        let priced = priced(request, nonce, self.header.base_fee_per_gas.unwrap_or(0));
        let refused = |reason| {
            let request = Box::new(priced);
            SimulateError::Transaction { reason, request, gas }
        };
        check(&priced, next, manner).map_err(refused)?;
        let transaction = unsigned(request, &priced, gas, self.rules.chain_id());
        // Where it does not count, the greatest nonce is followed by zero, as in Geth.
        let wraps = nonce == u64::MAX;
        let env = environment(self.rules, request, gas, if wraps { 0 } else { nonce });
        let env = env.map_err(refused)?;
        self.evm.db_mut().set_sender(from);
        self.evm.set_inspector_enabled(true);
        let ended = self.evm.transact_raw(env.clone());
        self.evm.set_inspector_enabled(false);
        let (_, (cancel, (logs, _)), _) = self.evm.components_mut();
        if cancel.has_struck() {
            return Err(CallError::Cancelled.into());
        }
        let logs = logs.take();
        let failed = |error| match error {
            TransactError::Chain(error) => error.into(),
            TransactError::Invalid(reason) => refused(reason),
        };
        let ended = ended.map_err(|error| failed(error.into()))?;
        let gas = ended.result.gas();
        let most_gas = gas.total_gas_spent().max(gas.floor_gas());
        let flaw = if ended.result.is_halt() { self.flaw(env)? } else { None };
        let told = outcome(ended.result.clone(), flaw.as_ref());
        *pool = pool.saturating_sub(told.gas_used);
        let price = priced.fee_cap.min(u128::from(priced.base_fee).saturating_add(priced.tip));
        let transaction = Recovered::new_unchecked(transaction, from);
        self.include(&transaction, price, ended).map_err(failed)?;
        if wraps {
            let zero = AccountOverride { nonce: Some(0), ..AccountOverride::default() };
            self.evm.db_mut().set_account(from, &zero)?;
        }
        let transaction = transaction.into_inner();
        Ok(SimulatedCall {
            transaction,
            result: told.result,
            logs,
            gas_used: told.gas_used,
            most_gas,
        })
    }

    /// Why a call fails, in Geth's words: it is run once more for that, before it has had any effect.
    fn flaw(&mut self, env: TxEnv) -> Result<Option<Flaw>, ChainError> {
        let (config, beneficiary) = (self.evm.ctx().cfg.clone(), self.evm.block().beneficiary);
        let (tx, place) = (&env, Place::default());
        let opening = Opening { tx, config: &config, beneficiary, place };
        let (state, (_, (logs, watcher)), _) = self.evm.components_mut();
        watcher.begin(&opening, state)?;
        let logged = logs.count;
        self.evm.set_inspector_enabled(true);
        let again = self.evm.transact_raw(env);
        self.evm.set_inspector_enabled(false);
        let (_, (_, (logs, watcher)), _) = self.evm.components_mut();
        logs.take();
        logs.count = logged;
        Ok(watcher.take_flaw().filter(|_| again.is_ok()))
    }
}

fn priced(request: &CallRequest, nonce: u64, base_fee: u64) -> Priced {
    let (fee_cap, tip) = match request.gas_price {
        Some(price) => (price, price),
        None => {
            (request.max_fee_per_gas.unwrap_or(0), request.max_priority_fee_per_gas.unwrap_or(0))
        }
    };
    Priced { from: request.from, nonce, fee_cap, tip, base_fee }
}

/// What Geth checks first: nonces where they count, and prices unless there are none and they need not
/// be.
fn check(priced: &Priced, next: u64, manner: Manner<'_>) -> Result<(), TransactionError> {
    let Priced { nonce, fee_cap, tip, base_fee, .. } = *priced;
    if manner.validation == Validation::Full {
        let (transaction, state) = (nonce, next);
        if nonce > next {
            return Err(TransactionError::NonceTooHigh { transaction, state });
        }
        if nonce < next {
            return Err(TransactionError::NonceTooLow { transaction, state });
        }
        if nonce == u64::MAX {
            return Err(TransactionError::NonceOverflow);
        }
    }
    if manner.validation == Validation::Full || fee_cap > 0 || tip > 0 {
        if fee_cap < tip {
            return Err(TransactionError::PriorityFeeAboveMaxFee);
        }
        if fee_cap < u128::from(base_fee) {
            return Err(TransactionError::FeeBelowBaseFee);
        }
    }
    Ok(())
}

/// The transaction that a call stands for, with an empty signature.
fn unsigned(request: &CallRequest, priced: &Priced, gas_limit: u64, chain_id: u64) -> TxEnvelope {
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let Priced { nonce, fee_cap, tip, .. } = *priced;
    let (to, value) = (request.to.map_or(TxKind::Create, TxKind::Call), request.value);
    let (input, access_list) = (request.input.clone(), request.access_list.clone());
    if request.gas_price.is_some() {
        let (gas_price, chain_id) = (fee_cap, None);
        let legacy = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
        return TxEnvelope::Legacy(legacy.into_signed(signature));
    }
    let (max_fee_per_gas, max_priority_fee_per_gas) = (fee_cap, tip);
    if !request.authorization_list.is_empty() {
        let delegating = TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: request.to.unwrap_or_default(),
            value,
            access_list,
            authorization_list: request.authorization_list.clone(),
            input,
        };
        return TxEnvelope::Eip7702(delegating.into_signed(signature));
    }
    if !request.blob_versioned_hashes.is_empty() {
        let blobs = TxEip4844 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: request.to.unwrap_or_default(),
            value,
            access_list,
            blob_versioned_hashes: request.blob_versioned_hashes.clone(),
            max_fee_per_blob_gas: request.max_fee_per_blob_gas.unwrap_or(0),
            input,
        };
        return TxEnvelope::Eip4844(TxEip4844Variant::from(blobs).into_signed(signature));
    }
    let plain = TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        to,
        value,
        access_list,
        input,
    };
    TxEnvelope::Eip1559(plain.into_signed(signature))
}

/// Who logs transfers of value.
const TRANSFERS: Address = Address::repeat_byte(0xee);
/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// What is logged while it may still be reverted, frame by frame; transfers of value too, where asked.
#[derive(Debug)]
pub(crate) struct Logs {
    frames: Vec<Vec<(u64, Log)>>,
    done: Vec<(u64, Log)>,
    /// How many there were in the block.
    count: u64,
    transfers: Transfers,
}

impl Logs {
    fn new(transfers: Transfers) -> Self {
        Self { frames: Vec::new(), done: Vec::new(), count: 0, transfers }
    }

    fn take(&mut self) -> Vec<(u64, Log)> {
        self.frames.clear();
        std::mem::take(&mut self.done)
    }

    fn current(&mut self) -> &mut Vec<(u64, Log)> {
        self.frames.last_mut().unwrap_or(&mut self.done)
    }

    fn add(&mut self, log: Log) {
        let place = self.count;
        self.count += 1;
        self.current().push((place, log));
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if self.transfers == Transfers::Logged && !value.is_zero() {
            let topics = vec![TRANSFER, from.into_word(), to.into_word()];
            let data = Bytes::copy_from_slice(&value.to_be_bytes::<32>());
            let log = Log { address: TRANSFERS, data: LogData::new_unchecked(topics, data) };
            self.add(log);
        }
    }

    fn leave(&mut self, ended: InstructionResult) {
        let logs = self.frames.pop().unwrap_or_default();
        if ended.is_ok() {
            self.current().extend(logs);
        }
    }
}

impl<'a> Inspector<EthEvmContext<ExecutionState<'a>>, EthInterpreter> for Logs {
    fn call(
        &mut self,
        _: &mut EthEvmContext<ExecutionState<'a>>,
        inputs: &mut CallInputs,
    ) -> Option<Ended> {
        self.frames.push(Vec::new());
        if let Some(value) = inputs.transfer_value() {
            self.transfer(inputs.transfer_from(), inputs.transfer_to(), value);
        }
        None
    }

    fn call_end(
        &mut self,
        _: &mut EthEvmContext<ExecutionState<'a>>,
        _: &CallInputs,
        outcome: &mut Ended,
    ) {
        self.leave(outcome.result.result);
    }

    fn create(
        &mut self,
        context: &mut EthEvmContext<ExecutionState<'a>>,
        inputs: &mut CreateInputs,
    ) -> Option<CreateOutcome> {
        self.frames.push(Vec::new());
        let caller = context.journal_mut().load_account(inputs.caller()).ok()?;
        let created = inputs.created_address(caller.data.info.nonce);
        self.transfer(inputs.caller(), created, inputs.value());
        None
    }

    fn create_end(
        &mut self,
        _: &mut EthEvmContext<ExecutionState<'a>>,
        _: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.leave(outcome.result.result);
    }

    fn log_full(
        &mut self,
        _: &mut Interpreter,
        _: &mut EthEvmContext<ExecutionState<'a>>,
        log: Log,
    ) {
        self.add(log);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
