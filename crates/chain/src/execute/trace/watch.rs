//! Tells tracers what happens in the EVM at the moments and in the words of Geth (`core/tracing` of
//! go-ethereum), whatever the EVM here calls it.

use alloy_primitives::{Address, B256, Bytes, Log, U256};
use revm::Inspector;
use revm::bytecode::opcode as op;
use revm::context::result::ResultAndState;
use revm::context::{CfgEnv, TxEnv};
use revm::context_interface::Cfg;
use revm::context_interface::transaction::AuthorizationTr;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps, LegacyBytecode, LoopControl};
use revm::interpreter::{
    CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, CreateScheme,
    InstructionResult, Interpreter, InterpreterAction, InterpreterResult,
};
use revm::precompile::{PrecompileSpecId, Precompiles};
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;

use super::cost::{Tariff, meter};
use super::flaw::Flaw;
use super::tracer::{Trace, Tracer};
use super::view::{Context, View, is_empty};
use super::{opcode, precompile};
use crate::chain::ChainError;
use crate::execute::call::Attend;
use crate::execute::overrides::Overrides;
use crate::execute::state::ExecutionState;

/// About the most bytes that tracers keep.
pub(super) const MOST_KEPT_BYTES: usize = 256 << 20;
/// What is given back for an authorization of an account that is there (EIP-7702).
const AUTHORITY_REFUND: i64 = 12_500;

/// Where a transaction is that is traced; nowhere for a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) block_hash: Option<B256>,
    pub(crate) block_number: u64,
    pub(crate) transaction_hash: Option<B256>,
    pub(crate) index: u64,
    /// How much was logged before in its block.
    pub(crate) logs: u64,
}

/// A transaction that is about to begin.
#[derive(Debug)]
pub(crate) struct Opening<'o> {
    pub(crate) tx: &'o TxEnv,
    pub(crate) config: &'o CfgEnv,
    pub(crate) beneficiary: Address,
    pub(crate) place: Place,
}

impl Opening<'_> {
    /// Who signed its authorizations, whether these hold or not.
    pub(super) fn authorities(&self) -> impl Iterator<Item = Address> + '_ {
        self.tx.authorization_list.iter().filter_map(AuthorizationTr::authority)
    }

    pub(super) fn spec(&self) -> SpecId {
        self.config.spec
    }

    fn precompiles(&self) -> Vec<Address> {
        let known = Precompiles::new(PrecompileSpecId::from_spec_id(self.spec()));
        known.addresses().copied().collect()
    }

    /// What its authorizations give back: so much for each that holds of an account that is there.
    fn refund(&self, view: View<'_, '_>) -> Result<i64, ChainError> {
        let mut nonces = vec![(self.tx.caller, view.account(self.tx.caller)?.nonce + 1)];
        let mut refund = 0;
        for authorization in &self.tx.authorization_list {
            let chain = authorization.chain_id();
            let Some(authority) = authorization.authority() else { continue };
            if !chain.is_zero() && chain != U256::from(self.config.chain_id) {
                continue;
            }
            let account = view.account(authority)?;
            let code = view.code_of(&account)?;
            let later = nonces.iter().rev().find(|(address, _)| *address == authority);
            let nonce = later.map_or(account.nonce, |(_, nonce)| *nonce);
            let has_code = !code.is_empty() && !code.is_eip7702();
            if has_code || authorization.nonce() != nonce || nonce == u64::MAX {
                continue;
            }
            if later.is_some() || !is_empty(&account) {
                refund += AUTHORITY_REFUND;
            }
            nonces.push((authority, nonce + 1));
        }
        Ok(refund)
    }
}

/// A call that begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entered<'e> {
    /// How many calls it is in.
    pub(super) depth: usize,
    /// The instruction that makes it.
    pub(super) kind: u8,
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) input: &'e Bytes,
    pub(super) gas: u64,
    pub(super) value: Option<U256>,
}

/// A call that ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exited<'e> {
    pub(super) depth: usize,
    pub(super) kind: u8,
    pub(super) to: Address,
    pub(super) output: &'e Bytes,
    pub(super) gas_used: u64,
    pub(super) flaw: Option<&'e Flaw>,
}

/// An instruction that is about to run, or to fail.
#[derive(Debug)]
pub(super) struct Step<'s> {
    pub(super) interpreter: &'s Interpreter<EthInterpreter>,
    pub(super) spec: SpecId,
    pub(super) pc: usize,
    pub(super) byte: u8,
    pub(super) gas: u64,
    pub(super) cost: u64,
    pub(super) refund: u64,
    /// How many calls it is in, its own among them.
    pub(super) depth: usize,
    pub(super) flaw: Option<&'s Flaw>,
}

/// A transaction that is over.
#[derive(Debug)]
pub(super) struct Ended<'e> {
    pub(super) gas_used: u64,
    pub(super) state: &'e EvmState,
    pub(super) spec: SpecId,
}

/// A call that is open.
#[derive(Debug)]
struct Frame {
    kind: u8,
    to: Address,
    input: Bytes,
    gas: u64,
    /// What was so before it, and is again if it fails.
    refund: i64,
    logs: u64,
    /// Its last instruction so far, and the gas left behind that.
    byte: u8,
    left: u64,
    /// What that fails for before it begins.
    flaw: Option<Flaw>,
    /// Who inherits if that destroys the contract, and how much.
    legacy: Option<(Address, Address, U256)>,
}

/// Watches executions for a tracer, each from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Watcher {
    blank: Tracer,
    tracer: Tracer,
    tariff: Tariff,
    frames: Vec<Frame>,
    refund: i64,
    logs: u64,
    /// How many more bytes may be kept.
    room: usize,
    failure: Option<ChainError>,
    /// Where precompiled contracts are that are found elsewhere, each with where it is otherwise.
    moved: Vec<(Address, Address)>,
    /// How long a contract's code may be, in bytes.
    most_code: usize,
    /// Why the outermost call failed.
    outer: Option<Flaw>,
    /// Whether a transaction has begun that has not ended.
    is_awake: bool,
}

impl Attend for Watcher {
    fn begin(
        &mut self,
        opening: &Opening<'_>,
        state: &ExecutionState<'_>,
    ) -> Result<(), ChainError> {
        let nothing = EvmState::default();
        let view = View::new(&nothing, state);
        self.tracer = self.blank.clone();
        if self.tariff.spec != opening.spec() {
            self.tariff = Tariff::new(opening.spec());
        }
        self.frames.clear();
        self.refund = opening.refund(view)?;
        self.logs = opening.place.logs;
        self.outer = None;
        self.most_code = opening.config.max_code_size();
        self.is_awake = true;
        self.tracer.begin(opening, &opening.precompiles(), view)
    }
}

impl Watcher {
    pub(crate) fn new(tracer: Tracer) -> Self {
        Self {
            blank: tracer.clone(),
            tracer,
            tariff: Tariff::new(SpecId::default()),
            frames: Vec::new(),
            refund: 0,
            logs: 0,
            room: MOST_KEPT_BYTES,
            failure: None,
            moved: Vec::new(),
            most_code: 0,
            outer: None,
            is_awake: false,
        }
    }

    /// The same where some precompiled contracts are elsewhere.
    pub(crate) fn with_overrides(self, overrides: &Overrides) -> Self {
        Self { moved: overrides.moved(), ..self }
    }

    /// Whether what the tracer keeps had to be cut off.
    pub(crate) fn is_full(&self) -> bool {
        self.room == 0
    }

    /// Why the outermost call failed; whoever asks has no other questions.
    pub(crate) fn take_flaw(&mut self) -> Option<Flaw> {
        self.is_awake = false;
        self.outer.take()
    }

    /// It is over; what the tracer tells of it.
    pub(crate) fn end(
        &mut self,
        ended: &ResultAndState,
        state: &ExecutionState<'_>,
    ) -> Result<Trace, ChainError> {
        self.is_awake = false;
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let gas_used = ended.result.tx_gas_used();
        let told = Ended { gas_used, state: &ended.state, spec: self.tariff.spec };
        self.tracer.end(&told, View::new(&ended.state, state))
    }

    fn keep(&mut self, bytes: usize) {
        self.room = self.room.saturating_sub(bytes);
    }

    fn enter(&mut self, entered: &Entered<'_>) {
        if !self.is_awake {
            return;
        }
        let kept = self.tracer.enter(entered);
        self.keep(kept);
        self.frames.push(Frame {
            kind: entered.kind,
            to: entered.to,
            input: entered.input.clone(),
            gas: entered.gas,
            refund: self.refund,
            logs: self.logs,
            byte: op::STOP,
            left: entered.gas,
            flaw: None,
            legacy: None,
        });
    }

    fn exit(&mut self, result: &InterpreterResult, refused: Option<Flaw>) {
        let Some(mut frame) = self.frames.pop() else { return };
        let flaw = refused.or_else(|| self.failed(&mut frame, result));
        if flaw.is_some() {
            (self.refund, self.logs) = (frame.refund, frame.logs);
        }
        let keeps_gas = flaw.as_ref().is_none_or(Flaw::keeps_gas);
        let left = if keeps_gas { result.gas.remaining() } else { 0 };
        let exited = Exited {
            depth: self.frames.len(),
            kind: frame.kind,
            to: frame.to,
            output: &result.output,
            gas_used: frame.gas.saturating_sub(left),
            flaw: flaw.as_ref(),
        };
        let kept = self.tracer.exit(&exited);
        self.keep(kept);
        if self.frames.is_empty() {
            self.outer = flaw;
        }
    }

    /// Why a call failed, if it did.
    fn failed(&self, frame: &mut Frame, result: &InterpreterResult) -> Option<Flaw> {
        if result.result.is_ok() {
            return None;
        }
        if let Some(flaw) = frame.flaw.take() {
            return Some(flaw);
        }
        let (output, byte) = (&result.output, frame.byte);
        let has_code = byte == op::RETURN && opcode::is_create(frame.kind);
        Some(match result.result {
            InstructionResult::PrecompileError => {
                let moved = self.moved.iter().find(|(to, _)| *to == frame.to);
                let contract = moved.map_or(frame.to, |(_, from)| *from);
                precompile::flaw(contract, &frame.input, frame.gas)
            }
            InstructionResult::CreateContractStartingWithEF => Flaw::Code,
            // What is seen first where a code has several flaws: its beginning, its price, its length.
            InstructionResult::CreateContractSizeLimit => match output.first() {
                Some(&0xef) => Flaw::Code,
                _ if self.tariff.deposit(output.len()) > frame.left => Flaw::Deposit,
                _ => Flaw::CodeSize { size: output.len(), limit: self.most_code },
            },
            InstructionResult::OutOfGas if has_code => Flaw::Deposit,
            other => Flaw::late(other, byte),
        })
    }

    fn note(
        &mut self,
        interpreter: &Interpreter<EthInterpreter>,
        context: &Context<'_>,
    ) -> Result<(), ChainError> {
        let metered = meter(&self.tariff, interpreter, context)?;
        let (byte, gas) = (interpreter.bytecode.opcode(), interpreter.gas.remaining());
        self.refund = self.refund.saturating_add(metered.refund);
        let depth = self.frames.len();
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        frame.byte = byte;
        frame.left = gas.saturating_sub(metered.cost);
        frame.legacy = None;
        if byte == op::SELFDESTRUCT
            && metered.flaw.is_none()
            && let [.., heir] = interpreter.stack.data().as_slice()
        {
            let own = interpreter.input.target_address();
            let balance = View::of(context).account(own)?.balance;
            frame.legacy = Some((own, Address::from_word((*heir).into()), balance));
        }
        let step = Step {
            interpreter,
            spec: self.tariff.spec,
            pc: interpreter.bytecode.pc(),
            byte,
            gas,
            cost: metered.cost,
            refund: u64::try_from(self.refund).unwrap_or(0),
            depth,
            flaw: metered.flaw.as_ref(),
        };
        let kept = self.tracer.step(&step, context)?;
        frame.flaw = metered.flaw;
        self.keep(kept);
        Ok(())
    }

    /// A contract has destroyed itself: that is told like a call that ends at once.
    fn note_destruction(&mut self) {
        let legacy = self.frames.last_mut().and_then(|frame| frame.legacy.take());
        let Some((from, to, balance)) = legacy else { return };
        let (depth, kind, nothing) = (self.frames.len(), op::SELFDESTRUCT, Bytes::new());
        let (gas, value) = (0, Some(balance));
        let entered = Entered { depth, kind, from, to, input: &nothing, gas, value };
        let exited = Exited { depth, kind, to, output: &nothing, gas_used: 0, flaw: None };
        let kept = self.tracer.enter(&entered) + self.tracer.exit(&exited);
        self.keep(kept);
    }
}

impl<'a> Inspector<Context<'a>, EthInterpreter> for Watcher {
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut Context<'a>) {
        // Nothing runs where there is no code, or who watches before has ended it.
        if !self.is_awake
            || interpreter.bytecode.bytecode_len() == 0
            || interpreter.bytecode.is_end()
        {
            return;
        }
        if let Err(error) = self.note(interpreter, context) {
            self.failure = Some(error);
            interpreter.halt(InstructionResult::FatalExternalError);
        } else if self.is_full() {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn step_end(&mut self, interpreter: &mut Interpreter<EthInterpreter>, _: &mut Context<'a>) {
        if let Some(InterpreterAction::Return(ended)) = interpreter.bytecode.action()
            && ended.result == InstructionResult::SelfDestruct
        {
            self.note_destruction();
        }
    }

    fn log_full(&mut self, _: &mut Interpreter<EthInterpreter>, _: &mut Context<'a>, log: Log) {
        let kept = self.tracer.log(&log, self.logs);
        self.keep(kept);
        self.logs += 1;
    }

    fn call(&mut self, context: &mut Context<'a>, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let (kind, from, value) = match inputs.scheme {
            CallScheme::Call => (op::CALL, inputs.caller, Some(inputs.call_value())),
            CallScheme::CallCode => (op::CALLCODE, inputs.caller, Some(inputs.call_value())),
            CallScheme::DelegateCall => {
                (op::DELEGATECALL, inputs.target_address, Some(inputs.call_value()))
            }
            CallScheme::StaticCall => (op::STATICCALL, inputs.caller, None),
        };
        let input = inputs.input.bytes(context);
        self.enter(&Entered {
            depth: self.frames.len(),
            kind,
            from,
            to: inputs.bytecode_address,
            input: &input,
            gas: inputs.gas_limit,
            value,
        });
        None
    }

    fn call_end(&mut self, _: &mut Context<'a>, _: &CallInputs, outcome: &mut CallOutcome) {
        self.exit(&outcome.result, None);
    }

    fn create(
        &mut self,
        context: &mut Context<'a>,
        inputs: &mut CreateInputs,
    ) -> Option<CreateOutcome> {
        let kind = match inputs.scheme() {
            CreateScheme::Create2 { .. } => op::CREATE2,
            CreateScheme::Create | CreateScheme::Custom { .. } => op::CREATE,
        };
        let nonce = match View::of(context).account(inputs.caller()) {
            Ok(account) => account.nonce,
            Err(error) => {
                self.failure = Some(error);
                0
            }
        };
        self.enter(&Entered {
            depth: self.frames.len(),
            kind,
            from: inputs.caller(),
            to: inputs.created_address(nonce),
            input: inputs.init_code(),
            gas: inputs.gas_limit(),
            value: Some(inputs.value()),
        });
        None
    }

    fn create_end(&mut self, _: &mut Context<'a>, _: &CreateInputs, outcome: &mut CreateOutcome) {
        // Where the creator has no nonce left, that is no failure here, but there is no contract.
        let is_refused = outcome.result.result.is_ok() && outcome.address.is_none();
        self.exit(&outcome.result, is_refused.then_some(Flaw::Nonce));
    }
}
