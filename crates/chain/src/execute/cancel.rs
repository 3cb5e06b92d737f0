//! The end of an execution that takes too long or keeps too much.

use std::sync::atomic::{AtomicBool, Ordering};

use revm::Inspector;
use revm::interpreter::interpreter_types::StackTr;
use revm::interpreter::{
    CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
    InterpreterTypes,
};

/// Ends a call when a flag is set, within some thousand instructions, or when a tracer beside it keeps
/// more than it may.
#[derive(Debug)]
pub(crate) struct Cancel<'a> {
    flag: Option<&'a AtomicBool>,
    steps: u32,
    is_set: bool,
    kept: Option<Kept>,
}

/// About how many bytes a tracer keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// How many more there may be.
    pub(crate) left: usize,
    /// For each instruction, and for each word on the stack then.
    pub(crate) step: usize,
    pub(crate) word: usize,
    /// For each call.
    pub(crate) frame: usize,
}

impl Kept {
    /// Whether there is room for so much.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left;
        self.left = self.left.saturating_sub(bytes);
        fits
    }
}

impl<'a> Cancel<'a> {
    pub(crate) fn new(flag: Option<&'a AtomicBool>) -> Self {
        Self { flag, steps: 0, is_set: false, kept: None }
    }

    /// The same beside a tracer.
    pub(crate) fn beside(flag: Option<&'a AtomicBool>, kept: Kept) -> Self {
        Self { kept: Some(kept), ..Self::new(flag) }
    }

    /// Whether the tracer kept too much.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.is_some_and(|kept| kept.left == 0)
    }

    /// A call begins with so many bytes of input, or ends with so many of output.
    fn note(&mut self, bytes: usize) {
        if let Some(kept) = &mut self.kept {
            self.is_set |= !kept.take(bytes.saturating_add(kept.frame));
        }
    }

    /// Whether it has ended a call.
    pub(crate) fn has_struck(&self) -> bool {
        self.is_set
    }
}

/// How many instructions run between two looks at the flag; a power of two.
const STEPS_BETWEEN_LOOKS: u32 = 4_096;

impl<CTX, INTR: InterpreterTypes> Inspector<CTX, INTR> for Cancel<'_> {
    fn step(&mut self, interpreter: &mut Interpreter<INTR>, _: &mut CTX) {
        if let Some(kept) = &mut self.kept {
            let words = interpreter.stack.len().saturating_mul(kept.word);
            self.is_set |= !kept.take(kept.step.saturating_add(words));
        }
        self.steps = self.steps.wrapping_add(1);
        if !self.is_set && self.steps.is_multiple_of(STEPS_BETWEEN_LOOKS) {
            self.is_set = self.flag.is_some_and(|flag| flag.load(Ordering::Relaxed));
        }
        if self.is_set {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.note(inputs.input.len());
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.note(outcome.result.output.len());
    }

    fn create(&mut self, _: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.note(inputs.init_code().len());
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.note(outcome.result.output.len());
    }
}
