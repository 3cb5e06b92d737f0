//! What precompiled contracts cost (`core/vm/contracts.go` of go-ethereum). Geth asks for it before it
//! looks at the input, so an input that is wrong as well as dear fails for lack of gas.

use alloy_primitives::U256;
use revm::precompile::bls12_381_const as bls;
use revm::precompile::bls12_381_utils::msm_required_gas;

const WORD: usize = 32;
/// What is added, multiplied and paired on the curve of EIP-196 and 197 (EIP-1108).
const BN_ADD: u64 = 150;
const BN_MULTIPLY: u64 = 6_000;
const BN_PAIRING: u64 = 45_000;
const BN_PAIR: u64 = 34_000;
const KZG: u64 = 50_000;
/// The least that raising to a power costs, and what each bit of a long exponent counts (EIP-7883).
const LEAST_POWER: u64 = 500;
const EXPONENT_FACTOR: u64 = 16;

/// What the precompiled contract of this number costs; nothing where no input is wrong.
pub(super) fn price(number: u8, input: &[u8]) -> u64 {
    let count = |item: usize| u64::try_from(input.len() / item).unwrap_or(u64::MAX);
    let sum = |item: usize, table: &[u16], each: u64| match input.len() / item {
        0 => 0,
        points => msm_required_gas(points, table, each),
    };
    match number {
        0x05 => power(input),
        0x06 => BN_ADD,
        0x07 => BN_MULTIPLY,
        0x08 => BN_PAIRING + BN_PAIR * count(192),
        0x09 => match input.split_first_chunk::<4>() {
            Some((rounds, rest)) if rest.len() == 209 => u64::from(u32::from_be_bytes(*rounds)),
            _ => 0,
        },
        0x0a => KZG,
        0x0b => bls::G1_ADD_BASE_GAS_FEE,
        0x0c => sum(160, &bls::DISCOUNT_TABLE_G1_MSM, bls::G1_MSM_BASE_GAS_FEE),
        0x0d => bls::G2_ADD_BASE_GAS_FEE,
        0x0e => sum(288, &bls::DISCOUNT_TABLE_G2_MSM, bls::G2_MSM_BASE_GAS_FEE),
        0x0f => bls::PAIRING_OFFSET_BASE + bls::PAIRING_MULTIPLIER_BASE * count(384),
        0x10 => bls::MAP_FP_TO_G1_BASE_GAS_FEE,
        0x11 => bls::MAP_FP2_TO_G2_BASE_GAS_FEE,
        _ => 0,
    }
}

/// A number of an input that is as if zeros came behind it.
fn number(input: &[u8], from: usize, length: usize) -> U256 {
    let mut bytes = input.get(from..).unwrap_or_default().to_vec();
    bytes.resize(length, 0);
    U256::try_from_be_slice(&bytes).unwrap_or_default()
}

/// A power of one number modulo another, by how long all three are.
fn power(input: &[u8]) -> u64 {
    let length = |place: usize| -> u64 { number(input, place * WORD, WORD).saturating_to() };
    let (base, exponent, modulus) = (length(0), length(1), length(2));
    let numbers = input.get(3 * WORD..).unwrap_or_default();
    let head = match usize::try_from(base) {
        Ok(at) if at < numbers.len() => {
            number(numbers, at, usize::try_from(exponent).unwrap_or(WORD).min(WORD))
        }
        Ok(_) | Err(_) => U256::ZERO,
    };
    let longest = base.max(modulus);
    let product = if longest <= 32 {
        16
    } else {
        let words = longest.div_ceil(8);
        words.saturating_mul(words).saturating_mul(2)
    };
    let bits = u64::try_from(head.bit_len().saturating_sub(1)).unwrap_or(u64::MAX);
    let behind = exponent.saturating_sub(32).saturating_mul(EXPONENT_FACTOR);
    let rounds = behind.saturating_add(bits).max(1);
    rounds.saturating_mul(product).max(LEAST_POWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_cost_what_geth_asks_for() {
        let lengths = |lengths: [u64; 3]| -> Vec<u8> {
            lengths.iter().flat_map(|one| U256::from(*one).to_be_bytes::<32>()).collect()
        };
        for (number, input, expect) in [
            (0x05, Vec::new(), 500),
            (0x05, lengths([2_048, 1, 1]), 131_072),
            (0x05, lengths([u64::MAX, u64::MAX, 0]), u64::MAX),
            (0x05, [lengths([1, 1, 1]), vec![2, 3, 5]].concat(), 500),
            (0x05, lengths([1, 2_048, 1]), 516_096),
            (0x08, vec![0; 400], 113_000),
            (0x09, vec![0xff; 213], u64::from(u32::MAX)),
            (0x09, vec![0xff; 212], 0),
            (0x0c, vec![0; 159], 0),
            (0x0c, vec![0; 161], 12_000),
            (0x0f, vec![0; 384], 70_300),
        ] {
            assert_eq!(price(number, &input), expect, "of {number:#x}");
        }
    }
}
