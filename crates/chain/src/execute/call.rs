//! A message call on the state at a block, as Geth runs `eth_call`.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy_consensus::Header;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_evm::EvmEnv;
use alloy_evm::eth::EthEvmBuilder;
use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use revm::Inspector;
use revm::context::result::{EVMError, ExecutionResult, HaltReason};
use revm::context::{ContextSetters, ContextTr, JournalTr, Transaction, TxEnv};
use revm::context_interface::cfg::gas::InitialAndFloorGas;
use revm::context_interface::either::Either;
use revm::context_interface::journaled_state::account::JournaledAccountTr;
use revm::handler::pre_execution::calculate_caller_fee;
use revm::handler::{EthFrame, EvmTr, EvmTrError, Handler};
use revm::inspector::{InspectorEvmTr, InspectorHandler};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{InstructionResult, Interpreter, InterpreterTypes};
use revm::state::EvmState;

use super::codes::CodeCache;
use super::error::{TransactError, TransactionError, halt_text};
use super::state::ExecutionState;
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

/// Runs a call with the gas it asks for, at most the limits' and the block's.
pub(crate) fn call(
    site: CallSite<'_>,
    request: &CallRequest,
    limits: CallLimits<'_>,
) -> Result<CallOutcome, CallError> {
    let most = limits.gas_cap.min(site.header.gas_limit);
    let gas = request.gas.map_or(most, |gas| gas.min(most));
    run(site, request, gas, limits.cancel).map(outcome)
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
    let mut config = site.rules.evm_config(site.header);
    config.tx_gas_limit_cap = Some(u64::MAX);
    let mut block = site.rules.evm_block(site.header);
    // What the chain asks for itself isn't bound by what a block may use.
    block.gas_limit = block.gas_limit.max(most);
    let gas = |request: &CallRequest| request.gas.map_or(most, |gas| gas.min(most));
    let env = transaction(site, first, gas(first))?;
    if env.gas_price == 0 {
        block.basefee = 0;
    }
    let state = ExecutionState::new(site.base, site.codes);
    let inspector = Cancel { flag: cancel, steps: 0, is_set: false };
    let mut evm = EthEvmBuilder::new(state, EvmEnv::new(config, block))
        .inspector(inspector)
        .build()
        .into_inner();
    let mut env = env;
    loop {
        evm.set_tx(env);
        let mut handler = CallHandler::default();
        let result =
            if cancel.is_some() { handler.inspect_run(&mut evm) } else { handler.run(&mut evm) };
        if evm.inspector.is_set {
            return Err(CallError::Cancelled);
        }
        let result =
            result.map_err(|error: EVMError<ChainError>| match TransactError::from(error) {
                TransactError::Invalid(reason) => CallError::Invalid(reason),
                TransactError::Chain(error) => CallError::Chain(error),
            })?;
        let Some(request) = next(result) else { return Ok(()) };
        env = transaction(site, &request, gas(&request))?;
    }
}

fn transaction(site: CallSite<'_>, request: &CallRequest, gas: u64) -> Result<TxEnv, CallError> {
    let nonce = match request.nonce {
        Some(nonce) => nonce,
        None => site.base.account(&request.from)?.map_or(0, |account| account.nonce),
    };
    let free = site.rules.fees_are_free();
    let price = request.gas_price.or(request.max_fee_per_gas).unwrap_or(0);
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
        chain_id: Some(site.rules.chain_id()),
        access_list: request.access_list.clone(),
        ..TxEnv::default()
    };
    env.authorization_list = request.authorization_list.iter().cloned().map(Either::Left).collect();
    env.derive_tx_type().map_err(|error| {
        CallError::Invalid(TransactionError::Other(format!("invalid transaction: {error}")))
    })?;
    Ok(env)
}

/// How a result reads to a caller.
pub(crate) fn outcome(result: ExecutionResult) -> CallOutcome {
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
                out_of_gas: matches!(reason, HaltReason::OutOfGas(_)),
                reason: halt_text(&reason),
            },
            gas_used,
            logs: Vec::new(),
        },
    }
}

/// Ends a call when a flag is set, within some thousand instructions.
#[derive(Debug)]
struct Cancel<'a> {
    flag: Option<&'a AtomicBool>,
    steps: u32,
    is_set: bool,
}

/// How many instructions run between two looks at the flag; a power of two.
const STEPS_BETWEEN_LOOKS: u32 = 4_096;

impl<CTX, INTR: InterpreterTypes> Inspector<CTX, INTR> for Cancel<'_> {
    fn step(&mut self, interpreter: &mut Interpreter<INTR>, _: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        if !self.is_set && self.steps.is_multiple_of(STEPS_BETWEEN_LOOKS) {
            self.is_set = self.flag.is_some_and(|flag| flag.load(Ordering::Relaxed));
        }
        if self.is_set {
            interpreter.halt(InstructionResult::OutOfGas);
        }
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
