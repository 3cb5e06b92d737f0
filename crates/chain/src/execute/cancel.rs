//! The end of an execution that takes too long.

use std::sync::atomic::{AtomicBool, Ordering};

use revm::Inspector;
use revm::interpreter::{InstructionResult, Interpreter, InterpreterTypes};

/// Ends a call when a flag is set, within some thousand instructions.
#[derive(Debug)]
pub(crate) struct Cancel<'a> {
    flag: Option<&'a AtomicBool>,
    steps: u32,
    is_set: bool,
}

impl<'a> Cancel<'a> {
    pub(crate) fn new(flag: Option<&'a AtomicBool>) -> Self {
        Self { flag, steps: 0, is_set: false }
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
        self.steps = self.steps.wrapping_add(1);
        if !self.is_set && self.steps.is_multiple_of(STEPS_BETWEEN_LOOKS) {
            self.is_set = self.flag.is_some_and(|flag| flag.load(Ordering::Relaxed));
        }
        if self.is_set {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }
}
