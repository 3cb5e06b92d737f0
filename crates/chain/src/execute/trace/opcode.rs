//! The names of instructions, as Geth tells them, and since when each is there.

use revm::bytecode::{OpCode, opcode};
use revm::primitives::hardfork::SpecId;

/// Names that Geth has for what no rules here run: instructions of a format that was given up.
const UNUSED: [(u8, &str); 16] = [
    (0xd0, "DATALOAD"),
    (0xd1, "DATALOADN"),
    (0xd2, "DATASIZE"),
    (0xd3, "DATACOPY"),
    (0xe0, "RJUMP"),
    (0xe1, "RJUMPI"),
    (0xe2, "RJUMPV"),
    (0xe3, "CALLF"),
    (0xe4, "RETF"),
    (0xe5, "JUMPF"),
    (0xec, "EOFCREATE"),
    (0xee, "RETURNCONTRACT"),
    (0xf7, "RETURNDATALOAD"),
    (0xf8, "EXTCALL"),
    (0xf9, "EXTDELEGATECALL"),
    (0xfb, "EXTSTATICCALL"),
];

/// The name of an instruction, or that its byte is none.
pub(super) fn name(byte: u8) -> String {
    if let Some(known) = OpCode::new(byte) {
        return known.as_str().to_owned();
    }
    let unused = UNUSED.iter().find(|(code, _)| *code == byte);
    unused.map_or_else(|| format!("opcode {byte:#x} not defined"), |(_, name)| (*name).to_owned())
}

/// How many words an instruction takes and how many it leaves, if the rules have it.
pub(super) fn stack(byte: u8, spec: SpecId) -> Option<(usize, usize)> {
    let known = OpCode::new(byte).filter(|_| spec.is_enabled_in(since(byte)))?;
    (byte != opcode::INVALID).then(|| (usize::from(known.inputs()), usize::from(known.outputs())))
}

/// Whether an instruction creates a contract.
pub(super) fn is_create(byte: u8) -> bool {
    matches!(byte, opcode::CREATE | opcode::CREATE2)
}

/// The rules with which an instruction came.
fn since(byte: u8) -> SpecId {
    use opcode as op;
    match byte {
        op::DELEGATECALL => SpecId::HOMESTEAD,
        op::STATICCALL | op::RETURNDATASIZE | op::RETURNDATACOPY | op::REVERT => SpecId::BYZANTIUM,
        op::CREATE2 | op::SHL | op::SHR | op::SAR | op::EXTCODEHASH => SpecId::PETERSBURG,
        op::CHAINID | op::SELFBALANCE => SpecId::ISTANBUL,
        op::BASEFEE => SpecId::LONDON,
        op::PUSH0 => SpecId::SHANGHAI,
        op::MCOPY | op::TLOAD | op::TSTORE | op::BLOBHASH | op::BLOBBASEFEE => SpecId::CANCUN,
        op::CLZ => SpecId::OSAKA,
        op::SLOTNUM | op::DUPN | op::SWAPN | op::EXCHANGE => SpecId::AMSTERDAM,
        _ => SpecId::FRONTIER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_names_that_geth_gives_them() {
        for (byte, expect) in [
            (0x00, "STOP"),
            (0x20, "KECCAK256"),
            (0x44, "DIFFICULTY"),
            (0x4b, "SLOTNUM"),
            (0x0c, "opcode 0xc not defined"),
            (0xfe, "INVALID"),
            (0xd0, "DATALOAD"),
            (0xff, "SELFDESTRUCT"),
        ] {
            assert_eq!(name(byte), expect);
        }
        assert_eq!(stack(opcode::CLZ, SpecId::PRAGUE), None);
        assert_eq!(stack(opcode::CLZ, SpecId::OSAKA), Some((1, 1)));
        assert_eq!(stack(opcode::INVALID, SpecId::OSAKA), None);
    }
}
