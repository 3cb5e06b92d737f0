//! A message call on the state at a block, as Geth runs `eth_call`.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use alloy_consensus::Header;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_evm::EvmEnv;
use alloy_evm::eth::{EthEvmBuilder, EthEvmContext};
use alloy_evm::precompiles::PrecompilesMap;
use alloy_primitives::map::AddressSet;
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256};
use revm::context::result::{EVMError, ExecutionResult, HaltReason, OutOfGasError, ResultAndState};
use revm::context::{ContextSetters, ContextTr, Evm as RevmEvm, JournalTr, Transaction, TxEnv};
use revm::context_interface::cfg::gas::InitialAndFloorGas;
use revm::context_interface::either::Either;
use revm::context_interface::journaled_state::account::JournaledAccountTr;
use revm::handler::instructions::EthInstructions;
use revm::handler::pre_execution::calculate_caller_fee;
use revm::handler::{EthFrame, EvmTr, EvmTrError, Handler};
use revm::inspector::{InspectorEvmTr, InspectorHandler};
use revm::interpreter::interpreter::EthInterpreter;
use revm::precompile::{PrecompileSpecId, Precompiles};
use revm::state::EvmState;
use revm::{Database, ExecuteEvm, Inspector};

use super::cancel::Cancel;
use super::codes::CodeCache;
use super::error::{TransactError, TransactionError, halt_text};
use super::overrides::{Overrides, apply_to_block, apply_to_state};
use super::state::ExecutionState;
use super::trace::{Flaw, Opening, Place, flaw_of_call};
use crate::chain::ChainError;
use crate::rules::RuleSet;
use crate::state::base::Base;

/// A message call, as `eth_call` has it.
#[derive(Clone, Debug, Default)]
pub struct CallRequest {
    /// The sender; the zero address by default.
    pub from: Address,
    /// The callee; `None` creates a contract.
    pub to: Option<Address>,
    /// The gas limit; all that is allowed by default.
    pub gas: Option<u64>,
    /// The legacy gas price.
    pub gas_price: Option<u128>,
    /// EIP-1559's most for a unit of gas.
    pub max_fee_per_gas: Option<u128>,
    /// EIP-1559's tip.
    pub max_priority_fee_per_gas: Option<u128>,
    /// The value sent.
    pub value: U256,
    /// The input data.
    pub input: Bytes,
    /// The nonce; the account's by default.
    pub nonce: Option<u64>,
    /// What is warm from the start (EIP-2930).
    pub access_list: AccessList,
    /// EIP-7702's delegations.
    pub authorization_list: Vec<SignedAuthorization>,
    /// EIP-4844's most for a unit of blob gas.
    pub max_fee_per_blob_gas: Option<u128>,
    /// The hashes of EIP-4844's blobs, of which there may be none.
    pub blob_versioned_hashes: Vec<B256>,
    /// What it finds otherwise than the chain has it.
    pub overrides: Arc<Overrides>,
}

/// The bounds of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits<'a> {
    /// The most gas a call may use, whatever it asks for.
    pub gas_cap: u64,
    /// Ends the call soon after it is set.
    pub cancel: Option<&'a AtomicBool>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It returned.
    Success {
        /// What it returned; a created contract's code for a creation.
        output: Bytes,
    },
    /// It reverted.
    Revert {
        /// What it reverted with.
        output: Bytes,
    },
    /// It ended exceptionally.
    Halt {
        /// Why, in Geth's words.
        reason: String,
        /// Whether all gas was used up.
        out_of_gas: bool,
    },
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub result: CallResult,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// What it logged.
    pub logs: Vec<Log>,
}

/// Why a call could not run.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The state could not be read.
    #[error("the state for the call could not be read")]
    Chain(#[from] ChainError),
    /// The call is not valid as a transaction.
    #[error("{0}")]
    Invalid(TransactionError),
    /// What it should find otherwise contradicts itself.
    #[error("{0}")]
    Overrides(String),
    /// It was cancelled.
    #[error("execution aborted (timeout)")]
    Cancelled,
}

/// What a call runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) header: &'a Header,
    pub(crate) base: &'a Base,
    pub(crate) codes: &'a CodeCache,
}

/// Runs a call with the gas it asks for, at most the limits'.
pub(crate) fn call(
    site: CallSite<'_>,
    request: &CallRequest,
    limits: CallLimits<'_>,
) -> Result<CallOutcome, CallError> {
    let gas = request.gas.map_or(limits.gas_cap, |gas| gas.min(limits.gas_cap));
    let ended = run(site, request, gas, limits.cancel)?;
    // Only a call that fails is looked at more closely: that costs its running once more.
    let flaw = if ended.is_halt() { flaw_of_call(site, request, limits)? } else { None };
    Ok(outcome(ended, flaw.as_ref()))
}

/// Runs a call with exactly this gas.
pub(crate) fn run(
    site: CallSite<'_>,
    request: &CallRequest,
    gas: u64,
    cancel: Option<&AtomicBool>,
) -> Result<ExecutionResult, CallError> {
    let mut result = None;
    let request = CallRequest { gas: Some(gas), ..request.clone() };
    run_each(site, gas, cancel, &request, |ended| {
        result = Some(ended);
        None
    })?;
    result.ok_or_else(|| ChainError::Execution("the call did not run".to_owned()).into())
}

/// Runs a call, and then whatever `next` wants to be called on the state that the calls before have
/// left; each with the gas that it asks for, or with `most`.
pub(crate) fn run_each(
    site: CallSite<'_>,
    most: u64,
    cancel: Option<&AtomicBool>,
    first: &CallRequest,
    mut next: impl FnMut(ExecutionResult) -> Option<CallRequest>,
) -> Result<(), CallError> {
    let gas = |request: &CallRequest| request.gas.map_or(most, |gas| gas.min(most));
    let mut evm = open(site, first, Cancel::new(cancel))?;
    let mut env = transaction(site, &mut evm.ctx.journaled_state.database, first, gas(first))?;
    loop {
        evm.set_tx(env);
        let mut handler = CallHandler::default();
        let result =
            if cancel.is_some() { handler.inspect_run(&mut evm) } else { handler.run(&mut evm) };
        if evm.inspector.has_struck() {
            return Err(CallError::Cancelled);
        }
        let Some(request) = next(result.map_err(failed)?) else { return Ok(()) };
        env = transaction(site, &mut evm.ctx.journaled_state.database, &request, gas(&request))?;
    }
}

/// Runs a call with an inspector; what it changed, and whatever `read` makes of it.
pub(crate) fn inspect<'a, I, T>(
    site: CallSite<'a>,
    request: &CallRequest,
    limits: CallLimits<'_>,
    (cancel, inspector): (Cancel<'_>, I),
    read: impl FnOnce(&mut CallEvm<'a, (Cancel<'_>, I)>, ResultAndState) -> Result<T, CallError>,
) -> Result<T, CallError>
where
    I: Attend + Inspector<EthEvmContext<ExecutionState<'a>>>,
{
    let mut evm = open(site, request, (cancel, inspector))?;
    let gas = request.gas.map_or(limits.gas_cap, |gas| gas.min(limits.gas_cap));
    let env = transaction(site, &mut evm.ctx.journaled_state.database, request, gas)?;
    let opening = Opening {
        tx: &env,
        config: &evm.ctx.cfg,
        beneficiary: evm.ctx.block.beneficiary,
        place: Place::default(),
    };
    evm.inspector.1.begin(&opening, &evm.ctx.journaled_state.database)?;
    evm.set_tx(env);
    let result = CallHandler::default().inspect_run(&mut evm);
    if evm.inspector.0.has_struck() {
        return Err(CallError::Cancelled);
    }
    let result = result.map_err(failed)?;
    let state = evm.finalize();
    read(&mut evm, ResultAndState { result, state })
}

/// Who wants to know what a call finds before it begins.
pub(crate) trait Attend {
    /// A call is about to begin, on this state.
    fn begin(&mut self, _: &Opening<'_>, _: &ExecutionState<'_>) -> Result<(), ChainError> {
        Ok(())
    }
}

/// An EVM that calls.
pub(crate) type CallEvm<'a, I> = RevmEvm<
    EthEvmContext<ExecutionState<'a>>,
    I,
    EthInstructions<EthInterpreter, EthEvmContext<ExecutionState<'a>>>,
    PrecompilesMap,
    EthFrame,
>;

/// An EVM on a site, as the request finds it.
fn open<'a, I>(
    site: CallSite<'a>,
    request: &CallRequest,
    inspector: I,
) -> Result<CallEvm<'a, I>, CallError>
where
    I: Inspector<EthEvmContext<ExecutionState<'a>>>,
{
    let mut config = site.rules.evm_config(site.header);
    // A call is no transaction: what one and a block may use does not bound it.
    config.tx_gas_limit_cap = Some(u64::MAX);
    config.disable_block_gas_limit = true;
    let mut block = site.rules.evm_block(site.header);
    apply_to_block(&request.overrides.block, &mut block);
    if site.rules.fees_are_free() || price(request) == 0 {
        block.basefee = 0;
    }
    let standard = addresses(&precompiled(site));
    let (state, precompiles) = site.state(&request.overrides)?;
    let env = EvmEnv::new(config, block);
    let builder = EthEvmBuilder::new(state, env).precompiles(precompiles).inspector(inspector);
    let mut evm = builder.build().into_inner();
    evm.ctx.journaled_state.warm_precompiles(&standard);
    Ok(evm)
}

/// The precompiled contracts of the block's rules.
fn precompiled(site: CallSite<'_>) -> PrecompilesMap {
    let spec = site.rules.evm_config(site.header).spec;
    PrecompilesMap::from_static(Precompiles::new(PrecompileSpecId::from_spec_id(spec)))
}

/// What is warm from the start: where the rules have precompiled contracts, wherever a call finds them.
pub(super) fn addresses(precompiles: &PrecompilesMap) -> AddressSet {
    precompiles.addresses().copied().collect()
}

impl<'a> CallSite<'a> {
    /// The state and the precompiled contracts as a call finds them.
    pub(crate) fn state(
        self,
        overrides: &Overrides,
    ) -> Result<(ExecutionState<'a>, PrecompilesMap), CallError> {
        let mut precompiles = precompiled(self);
        let mut state = ExecutionState::new(self.base, self.codes);
        apply_to_state(&overrides.state, &mut state, &mut precompiles)?;
        state.set_block_hashes(overrides.block.block_hash.clone().unwrap_or_default());
        Ok((state, precompiles))
    }
}

fn failed(error: EVMError<ChainError>) -> CallError {
    match TransactError::from(error) {
        TransactError::Invalid(reason) => CallError::Invalid(reason),
        TransactError::Chain(error) => CallError::Chain(error),
    }
}

/// The most that a request pays for a unit of gas.
fn price(request: &CallRequest) -> u128 {
    request.gas_price.or(request.max_fee_per_gas).unwrap_or(0)
}

fn transaction(
    site: CallSite<'_>,
    state: &mut ExecutionState<'_>,
    request: &CallRequest,
    gas: u64,
) -> Result<TxEnv, CallError> {
    let nonce = match request.nonce {
        Some(nonce) => nonce,
        None => state.basic(request.from)?.map_or(0, |account| account.nonce),
    };
    environment(site.rules, request, gas, nonce).map_err(CallError::Invalid)
}

/// What the EVM is to run for a request.
pub(super) fn environment(
    rules: &RuleSet,
    request: &CallRequest,
    gas: u64,
    nonce: u64,
) -> Result<TxEnv, TransactionError> {
    let free = rules.fees_are_free();
    let price = price(request);
    let tip = request.max_priority_fee_per_gas.or(request.max_fee_per_gas.map(|_| 0));
    let mut env = TxEnv {
        caller: request.from,
        gas_limit: gas,
        gas_price: if free { 0 } else { price },
        gas_priority_fee: if free { tip.map(|_| 0) } else { tip },
        kind: request.to.map_or(TxKind::Create, TxKind::Call),
        value: request.value,
        data: request.input.clone(),
        nonce,
        chain_id: Some(rules.chain_id()),
        access_list: request.access_list.clone(),
        ..TxEnv::default()
    };
    env.blob_hashes.clone_from(&request.blob_versioned_hashes);
    env.max_fee_per_blob_gas = request.max_fee_per_blob_gas.filter(|_| !free).unwrap_or(0);
    env.authorization_list = request.authorization_list.iter().cloned().map(Either::Left).collect();
    env.derive_tx_type()
        .map_err(|error| TransactionError::Other(format!("invalid transaction: {error}")))?;
    Ok(env)
}

/// How a result reads to a caller; why it failed is told as far as it is known.
pub(crate) fn outcome(result: ExecutionResult, flaw: Option<&Flaw>) -> CallOutcome {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { output, logs, .. } => CallOutcome {
            result: CallResult::Success { output: output.into_data() },
            gas_used,
            logs,
        },
        ExecutionResult::Revert { output, .. } => {
            CallOutcome { result: CallResult::Revert { output }, gas_used, logs: Vec::new() }
        }
        ExecutionResult::Halt { reason, .. } => CallOutcome {
            result: CallResult::Halt {
                out_of_gas: flaw.map_or_else(|| is_out_of_gas(&reason), Flaw::is_out_of_gas),
                reason: flaw.map_or_else(|| halt_text(&reason), Flaw::to_string),
            },
            gas_used,
            logs: Vec::new(),
        },
    }
}

/// Whether more gas could have helped: not where no number of gas holds what was asked for.
fn is_out_of_gas(reason: &HaltReason) -> bool {
    match reason {
        HaltReason::OutOfGas(kind) => !matches!(kind, OutOfGasError::InvalidOperand),
        _ => false,
    }
}

/// Ethereum's handler without the checks that only a signed transaction must pass: any account,
/// a contract too, may call with any nonce.
struct CallHandler<EVM, ERROR> {
    types: PhantomData<(EVM, ERROR)>,
}

impl<EVM, ERROR> Default for CallHandler<EVM, ERROR> {
    fn default() -> Self {
        Self { types: PhantomData }
    }
}

impl<EVM, ERROR> Handler for CallHandler<EVM, ERROR>
where
    EVM: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame = EthFrame<EthInterpreter>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type Evm = EVM;
    type Error = ERROR;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut EVM,
        _: &mut InitialAndFloorGas,
    ) -> Result<(), ERROR> {
        let (block, tx, config, journal, _, _) = evm.ctx().all_mut();
        let mut caller = journal.load_account_with_code_mut(tx.caller())?.data;
        let balance = calculate_caller_fee(*caller.balance(), tx, block, config)?;
        caller.set_balance(balance);
        if tx.kind().is_call() {
            caller.bump_nonce();
        }
        Ok(())
    }
}

impl<EVM, ERROR> InspectorHandler for CallHandler<EVM, ERROR>
where
    EVM: InspectorEvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<EVM as EvmTr>::Context, EthInterpreter>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type IT = EthInterpreter;
}
