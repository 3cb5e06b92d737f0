//! Why a call failed, in Geth's words (`core/vm/errors.go` of go-ethereum).

use revm::interpreter::InstructionResult;

use super::opcode::name;

/// Why a call, or an instruction of it, failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("out of gas")]
    OutOfGas,
    /// Found while it was worked out what an instruction costs, which counts as a lack of gas.
    #[error("out of gas: {0}")]
    Metering(Metering),
    #[error("gas uint64 overflow")]
    Overflow,
    #[error("stack underflow ({have} <=> {need})")]
    Underflow { have: usize, need: usize },
    #[error("stack limit reached {have} ({limit})")]
    StackLimit { have: usize, limit: usize },
    #[error("invalid opcode: {}", name(*.0))]
    Opcode(u8),
    #[error("invalid jump destination")]
    Jump,
    #[error("return data out of bounds")]
    ReturnData,
    #[error("write protection")]
    Static,
    #[error("max call depth exceeded")]
    Depth,
    #[error("insufficient balance for transfer")]
    Balance,
    #[error("contract address collision")]
    Collision,
    #[error("nonce uint64 overflow")]
    Nonce,
    #[error("invalid code: must not begin with 0xef")]
    Code,
    #[error("max code size exceeded: code size {size} limit {limit}")]
    CodeSize { size: usize, limit: usize },
    /// The code that a creation returned costs more than it has left.
    #[error("contract creation code storage out of gas")]
    Deposit,
    #[error("execution reverted")]
    Reverted,
    /// What a precompiled contract says of its input.
    #[error("{0}")]
    Precompile(String),
    /// What has no words of Geth.
    #[error("{0:?}")]
    Other(InstructionResult),
}

/// What can be wrong while a cost is worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Metering {
    #[error("out of gas")]
    OutOfGas,
    #[error("gas uint64 overflow")]
    Overflow,
    #[error("write protection")]
    Static,
    #[error("not enough gas for reentrancy sentry")]
    Sentry,
    #[error("max initcode size exceeded: code size {size} limit {limit}")]
    InitCodeSize { size: usize, limit: usize },
}

impl Flaw {
    /// Whether it counts as a lack of gas, so that more might have helped.
    pub(crate) fn is_out_of_gas(&self) -> bool {
        matches!(self, Self::OutOfGas | Self::Metering(_))
    }

    /// Whether the call gave back the gas that it had not used.
    pub(super) fn keeps_gas(&self) -> bool {
        matches!(self, Self::Reverted | Self::Depth | Self::Balance | Self::Nonce)
    }

    /// How an instruction that had begun ended a call, or what kept one from beginning.
    pub(super) fn late(result: InstructionResult, byte: u8) -> Self {
        use InstructionResult as Ended;
        match result {
            Ended::Revert => Self::Reverted,
            Ended::CallTooDeep => Self::Depth,
            Ended::OutOfFunds | Ended::OverflowPayment => Self::Balance,
            Ended::OpcodeNotFound | Ended::NotActivated | Ended::InvalidFEOpcode => {
                Self::Opcode(byte)
            }
            Ended::InvalidJump => Self::Jump,
            Ended::OutOfOffset => Self::ReturnData,
            Ended::StateChangeDuringStaticCall | Ended::CallNotAllowedInsideStatic => Self::Static,
            Ended::CreateCollision => Self::Collision,
            Ended::NonceOverflow => Self::Nonce,
            Ended::OutOfGas
            | Ended::MemoryOOG
            | Ended::MemoryLimitOOG
            | Ended::PrecompileOOG
            | Ended::InvalidOperandOOG
            | Ended::ReentrancySentryOOG => Self::OutOfGas,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_have_the_words_of_geth() {
        for (flaw, expect) in [
            (Flaw::Metering(Metering::OutOfGas), "out of gas: out of gas"),
            (Flaw::Metering(Metering::Static), "out of gas: write protection"),
            (Flaw::Underflow { have: 0, need: 1 }, "stack underflow (0 <=> 1)"),
            (Flaw::StackLimit { have: 1024, limit: 1023 }, "stack limit reached 1024 (1023)"),
            (Flaw::Opcode(0xfe), "invalid opcode: INVALID"),
            (Flaw::Opcode(0x0c), "invalid opcode: opcode 0xc not defined"),
            (
                Flaw::CodeSize { size: 24_577, limit: 24_576 },
                "max code size exceeded: code size 24577 limit 24576",
            ),
            (
                Flaw::Metering(Metering::InitCodeSize { size: 49_153, limit: 49_152 }),
                "out of gas: max initcode size exceeded: code size 49153 limit 49152",
            ),
        ] {
            assert_eq!(flaw.to_string(), expect);
        }
        assert!(Flaw::Metering(Metering::Static).is_out_of_gas());
        assert!(!Flaw::Deposit.is_out_of_gas());
    }
}
