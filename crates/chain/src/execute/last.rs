//! The instruction that a call came to last: Geth tells it where it was none.

use revm::Inspector;
use revm::bytecode::OpCode;
use revm::context::result::HaltReason;
use revm::interpreter::interpreter_types::{Jumps, StackTr};
use revm::interpreter::{Interpreter, InterpreterTypes};

use super::error::halt_text;

/// The last instruction, and how many words were on the stack then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Last {
    opcode: u8,
    words: usize,
}

impl<CTX, INTR: InterpreterTypes> Inspector<CTX, INTR> for Last {
    fn step(&mut self, interpreter: &mut Interpreter<INTR>, _: &mut CTX) {
        *self = Self { opcode: interpreter.bytecode.opcode(), words: interpreter.stack.len() };
    }
}

impl Last {
    /// Why a call that it ended did so, in Geth's words.
    pub(crate) fn text(self, reason: &HaltReason) -> String {
        let Self { opcode, words } = self;
        let needed = OpCode::new(opcode).map_or(0, |known| known.inputs());
        match reason {
            HaltReason::OpcodeNotFound | HaltReason::NotActivated => {
                format!("invalid opcode: opcode {opcode:#x} not defined")
            }
            HaltReason::StackUnderflow => format!("stack underflow ({words} <=> {needed})"),
            other => halt_text(other),
        }
    }
}
