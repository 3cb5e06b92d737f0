//! Calls that are over at once, as most reads of contracts are: with so little gas that whoever answers
//! requests may run them there and then.
//!
//! How little must not show. It does not as long as nothing runs out of it, nothing asks how much there is,
//! and nothing is paid for it; a call of which that is not so is not answered here.

use revm::Inspector;
use revm::bytecode::opcode;
use revm::interpreter::interpreter_types::Jumps;
use revm::interpreter::{
    CallInputs, CallOutcome as Called, CreateInputs, CreateOutcome as Created, InstructionResult,
    Interpreter, InterpreterTypes,
};

use super::call::{
    Attend, CallError, CallLimits, CallOutcome, CallRequest, CallSite, inspect, outcome,
};
use super::cancel::Cancel;

/// As much as some reads of storage take.
const GAS: u64 = 100_000;
/// How often another account or its code may be looked at: codes may be large.
const MOST_LOOKS: u32 = 8;

/// Runs a call if it is soon over; `None` where it is to be run as any other.
///
/// # Errors
/// Those of any call, but what makes it invalid may be that it had so little gas.
pub(crate) fn call_briefly(
    site: CallSite<'_>,
    request: &CallRequest,
) -> Result<Option<CallOutcome>, CallError> {
    let pays = request.gas_price.or(request.max_fee_per_gas).is_some();
    let is_plain = request.to.is_some() && request.overrides.is_nothing();
    if pays || !is_plain || site.base.is_past() || !request.authorization_list.is_empty() {
        return Ok(None);
    }
    let limits = CallLimits { gas_cap: GAS, cancel: None };
    inspect(site, request, limits, (Cancel::new(None), Brief::default()), |evm, ended| {
        let is_answered = !evm.inspector.1.fails && !ended.result.is_halt();
        Ok(is_answered.then(|| outcome(ended.result, None)))
    })
}

/// Sees whether it shows how much gas there is, or takes long.
#[derive(Debug, Default)]
struct Brief {
    looks: u32,
    fails: bool,
}

/// What looks at another account.
const LOOKS: [u8; 9] = [
    opcode::BALANCE,
    opcode::EXTCODESIZE,
    opcode::EXTCODECOPY,
    opcode::EXTCODEHASH,
    opcode::CALL,
    opcode::CALLCODE,
    opcode::DELEGATECALL,
    opcode::STATICCALL,
    opcode::SELFDESTRUCT,
];

impl Attend for Brief {}

impl<CTX, INTR: InterpreterTypes> Inspector<CTX, INTR> for Brief {
    fn step(&mut self, interpreter: &mut Interpreter<INTR>, _: &mut CTX) {
        let instruction = interpreter.bytecode.opcode();
        self.looks += u32::from(LOOKS.contains(&instruction));
        self.fails |= instruction == opcode::GAS || self.looks > MOST_LOOKS;
        if self.fails {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, called: &mut Called) {
        self.fails |= called.result.result.is_halt();
    }

    fn create(&mut self, _: &mut CTX, _: &mut CreateInputs) -> Option<Created> {
        // The oldest rules create a contract without code where there is no gas for the code.
        self.fails = true;
        None
    }
}
