//! The instruction that a call came to last: Geth tells it where it was none.

use revm::Inspector;
use revm::bytecode::{OpCode, opcode};
use revm::context::result::{HaltReason, OutOfGasError};
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
    /// Whether gas lacked for keeping the code that a creation had returned: returning costs no gas but
    /// for memory, whose lack is another reason.
    pub(crate) fn is_deposit(self, reason: &HaltReason) -> bool {
        self.opcode == opcode::RETURN && *reason == HaltReason::OutOfGas(OutOfGasError::Basic)
    }

    /// Why a call that it ended did so, in Geth's words.
    pub(crate) fn text(self, reason: &HaltReason) -> String {
        let Self { opcode, words } = self;
        let needed = OpCode::new(opcode).map_or(0, |known| known.inputs());
        match reason {
            HaltReason::OpcodeNotFound | HaltReason::NotActivated => {
                format!("invalid opcode: opcode {opcode:#x} not defined")
            }
            _ if self.is_deposit(reason) => "contract creation code storage out of gas".to_owned(),
            // revm calls it an overflow, too, where there is nothing to copy.
            HaltReason::StackUnderflow | HaltReason::StackOverflow
                if words < usize::from(needed) =>
            {
                format!("stack underflow ({words} <=> {needed})")
            }
            other => halt_text(other),
        }
    }
}
