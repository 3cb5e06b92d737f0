//! What a contract says with what it reverts with, as Geth reads it (`accounts/abi` of go-ethereum).

use alloy_primitives::U256;

/// What Solidity's `revert` says, `Error(string)`, or a panic, `Panic(uint256)`; `None` if the output is
/// neither.
pub fn revert_reason(output: &[u8]) -> Option<String> {
    const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
    const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
    let (selector, data) = output.split_first_chunk::<4>()?;
    match *selector {
        ERROR => {
            let start = word(data, 0)?;
            let length = word(data, start)?;
            let from = start.checked_add(32)?;
            let text = data.get(from..from.checked_add(length)?)?;
            String::from_utf8(text.to_vec()).ok()
        }
        PANIC => Some(panic_reason(U256::try_from_be_slice(data.get(..32)?)?)),
        _ => None,
    }
}

fn word(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..at.checked_add(32)?)?;
    U256::try_from_be_slice(bytes)?.try_into().ok()
}

fn panic_reason(code: U256) -> String {
    let known = match u8::try_from(code) {
        Ok(0x00) => "generic panic",
        Ok(0x01) => "assert(false)",
        Ok(0x11) => "arithmetic underflow or overflow",
        Ok(0x12) => "division or modulo by zero",
        Ok(0x21) => "enum overflow",
        Ok(0x22) => "invalid encoded storage byte array accessed",
        Ok(0x31) => "out-of-bounds array access; popping on an empty array",
        Ok(0x32) => "out-of-bounds access of an array or bytesN",
        Ok(0x41) => "out of memory",
        Ok(0x51) => "uninitialized function",
        Ok(_) | Err(_) => return format!("unknown panic code: {code:#x}"),
    };
    known.to_owned()
}
