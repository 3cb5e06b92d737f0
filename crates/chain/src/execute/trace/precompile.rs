//! What precompiled contracts say of an input that they do not take, in Geth's words
//! (`core/vm/contracts.go` of go-ethereum, and the libraries for curves that it calls).
//!
//! The EVM here says only that they failed, so what is wrong with an input is looked for once more, in
//! the order in which Geth looks.

use alloy_primitives::{Address, Uint, uint};
use revm::precompile::Precompiles;
use revm::precompile::u64_to_address;
use sha2::{Digest, Sha256};

use super::flaw::Flaw;
use super::price::price;

type Word = Uint<256, 4>;
type Wide = Uint<384, 6>;
/// An element of a field extended by a root of -1; of the field itself where its second part is 0.
type Pair<T> = [T; 2];

uint! {
    const BN_FIELD: Word = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47_U256;
    const BN_G1: Pair<Word> = [3_U256, 0_U256];
    const BN_G2: Pair<Word> = [
        0x2b149d40ceb8aaae81be18991be06ac3b5b4c5e559dbefa33267e6dc24a138e5_U256,
        0x009713b03af0fed4cd2cafadeed8fdf4a74fa084e52d1852e4a2bd0685c315d2_U256,
    ];
    const BLS_FIELD: Wide = 0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab_U384;
    const BLS_G1: Pair<Wide> = [4_U384, 0_U384];
    const BLS_G2: Pair<Wide> = [4_U384, 4_U384];
    const BLS_SCALARS: Word = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001_U256;
}

const LENGTH: &str = "invalid input length";
const ENCODING: &str = "invalid fp.Element encoding";
const BN_CURVE: &str = "point is not on curve";
const BLS_CURVE: &str = "invalid point: not on curve";
const BLS_TOP: &str = "invalid field element top bytes";
const G1_SUBGROUP: &str = "g1 point is not on correct subgroup";
const G2_SUBGROUP: &str = "g2 point is not on correct subgroup";

/// What is wrong, or nothing.
type Checked = Result<(), &'static str>;

/// Why the precompiled contract at an address does not take an input, with so much gas.
pub(super) fn flaw(address: Address, input: &[u8], gas: u64) -> Flaw {
    let [.., high, low] = address.into_array();
    let number = if high == 0 { low } else { 0 };
    if price(number, input) > gas {
        return Flaw::OutOfGas;
    }
    Flaw::Precompile(words(address, input))
}

fn words(address: Address, input: &[u8]) -> String {
    let number = address.into_word();
    let Some(number) = number.strip_prefix(&[0; 30]) else { return other() };
    let checked = match number {
        [0, 0x05] => Err("one or more of base/exponent/modulus length exceeded 1024 bytes"),
        [0, 0x06] => bn_g1(&padded(input, 0)).and_then(|()| bn_g1(&padded(input, 64))),
        [0, 0x07] => bn_g1(&padded(input, 0)),
        [0, 0x08] => bn_pairing(input),
        [0, 0x09] if input.len() == 213 => Err("invalid final flag"),
        [0, 0x09] => Err(LENGTH),
        [0, 0x0a] => return kzg(input),
        [0, 0x0b..=0x11] => bls(number[1], input),
        _ => Ok(()),
    };
    checked.err().map_or_else(other, str::to_owned)
}

fn other() -> String {
    "precompiled failed".to_owned()
}

/// A point of an input that is as if zeros came behind it.
fn padded(input: &[u8], from: usize) -> Vec<u8> {
    let mut part = input.get(from..).unwrap_or_default().to_vec();
    part.resize(64, 0);
    part
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The elements of a field that bytes are.
fn elements<const BITS: usize, const LIMBS: usize>(
    bytes: &[u8],
    size: usize,
    field: Uint<BITS, LIMBS>,
) -> Result<Vec<Uint<BITS, LIMBS>>, &'static str> {
    let element =
        |chunk| Uint::try_from_be_slice(chunk).filter(|element| *element < field).ok_or(ENCODING);
    bytes.chunks(size).map(element).collect()
}

fn bn_g1(bytes: &[u8]) -> Checked {
    let parts = elements(bytes, 32, BN_FIELD)?;
    let [x, y] = parts[..] else { return Ok(()) };
    let is_on = is_zero(bytes) || is_on_curve([x, Word::ZERO], [y, Word::ZERO], BN_G1, BN_FIELD);
    if is_on { Ok(()) } else { Err(BN_CURVE) }
}

fn bn_g2(bytes: &[u8]) -> Checked {
    let parts = elements(bytes, 32, BN_FIELD)?;
    let [x1, x0, y1, y0] = parts[..] else { return Ok(()) };
    let is_on = is_zero(bytes) || is_on_curve([x0, x1], [y0, y1], BN_G2, BN_FIELD);
    if is_on { Ok(()) } else { Err(BN_CURVE) }
}

fn bn_pairing(input: &[u8]) -> Checked {
    if !input.len().is_multiple_of(192) {
        return Err("bad elliptic curve pairing size");
    }
    for pair in input.chunks(192) {
        let (g1, g2) = pair.split_at(64);
        bn_g1(g1)?;
        bn_g2(g2)?;
        // Each point of the first group is in its subgroup.
        if runs(0x08, &[&[0; 64], g2]) {
            continue;
        }
        return Err("point is not in correct subgroup");
    }
    Ok(())
}

fn bls(number: u8, input: &[u8]) -> Checked {
    // How long an item is, and how many there are of it at most.
    let (item, is_list) = match number {
        0x0b => (256, false),
        0x0c => (160, true),
        0x0d => (512, false),
        0x0e => (288, true),
        0x0f => (384, true),
        0x10 => (64, false),
        _ => (128, false),
    };
    let is_whole = !input.is_empty() && input.len().is_multiple_of(item);
    if !is_whole || (!is_list && input.len() != item) {
        return Err(LENGTH);
    }
    input.chunks(item).try_for_each(|item| match number {
        0x0b => item.chunks(128).try_for_each(bls_g1),
        0x0c => bls_g1(&item[..128]).and_then(|()| in_g1(&item[..128])),
        0x0d => item.chunks(256).try_for_each(bls_g2),
        0x0e => bls_g2(&item[..256]).and_then(|()| in_g2(&item[..256])),
        0x0f => {
            let (g1, g2) = item.split_at(128);
            bls_g1(g1)?;
            bls_g2(g2)?;
            in_g1(g1)?;
            in_g2(g2)
        }
        _ => item.chunks(64).try_for_each(|element| bls_elements(element).map(|_| ())),
    })
}

fn bls_elements(bytes: &[u8]) -> Result<Vec<Wide>, &'static str> {
    let mut found = Vec::new();
    for chunk in bytes.chunks(64) {
        let (top, element) = chunk.split_at(16);
        if !is_zero(top) {
            return Err(BLS_TOP);
        }
        found.extend(elements(element, 48, BLS_FIELD)?);
    }
    Ok(found)
}

fn bls_g1(bytes: &[u8]) -> Checked {
    let parts = bls_elements(bytes)?;
    let [x, y] = parts[..] else { return Ok(()) };
    let is_on = is_zero(bytes) || is_on_curve([x, Wide::ZERO], [y, Wide::ZERO], BLS_G1, BLS_FIELD);
    if is_on { Ok(()) } else { Err(BLS_CURVE) }
}

fn bls_g2(bytes: &[u8]) -> Checked {
    let parts = bls_elements(bytes)?;
    let [x0, x1, y0, y1] = parts[..] else { return Ok(()) };
    let is_on = is_zero(bytes) || is_on_curve([x0, x1], [y0, y1], BLS_G2, BLS_FIELD);
    if is_on { Ok(()) } else { Err(BLS_CURVE) }
}

/// Whether a point of a curve is in its subgroup: the sum of it alone is refused otherwise.
fn in_g1(point: &[u8]) -> Checked {
    if runs(0x0c, &[point, &[0; 32]]) { Ok(()) } else { Err(G1_SUBGROUP) }
}

fn in_g2(point: &[u8]) -> Checked {
    if runs(0x0e, &[point, &[0; 32]]) { Ok(()) } else { Err(G2_SUBGROUP) }
}

/// Whether a precompiled contract takes an input.
fn runs(number: u64, input: &[&[u8]]) -> bool {
    let Some(contract) = Precompiles::osaka().get(&u64_to_address(number)) else { return false };
    contract.execute(&input.concat(), u64::MAX, 0).is_ok_and(|output| output.is_success())
}

/// Whether y² = x³ + b.
fn is_on_curve<const BITS: usize, const LIMBS: usize>(
    x: Pair<Uint<BITS, LIMBS>>,
    y: Pair<Uint<BITS, LIMBS>>,
    b: Pair<Uint<BITS, LIMBS>>,
    field: Uint<BITS, LIMBS>,
) -> bool {
    let cube = product(product(x, x, field), x, field);
    let right = [cube[0].add_mod(b[0], field), cube[1].add_mod(b[1], field)];
    product(y, y, field) == right
}

fn product<const BITS: usize, const LIMBS: usize>(
    a: Pair<Uint<BITS, LIMBS>>,
    b: Pair<Uint<BITS, LIMBS>>,
    field: Uint<BITS, LIMBS>,
) -> Pair<Uint<BITS, LIMBS>> {
    let less = field - a[1].mul_mod(b[1], field);
    let more = a[0].mul_mod(b[1], field).add_mod(a[1].mul_mod(b[0], field), field);
    [a[0].mul_mod(b[0], field).add_mod(less, field), more]
}

/// The proof of a point of a polynomial (EIP-4844).
fn kzg(input: &[u8]) -> String {
    if input.len() != 192 {
        return LENGTH.to_owned();
    }
    let (hash, rest) = input.split_at(32);
    let (scalars, points) = rest.split_at(64);
    let of_commitment = Sha256::digest(&points[..48]);
    if hash[0] != 1 || hash[1..] != of_commitment[1..] {
        return "mismatched versioned hash".to_owned();
    }
    let checked = elements(scalars, 32, BLS_SCALARS)
        .or(Err("scalar is not canonical when interpreted as a big integer in big-endian"))
        .and_then(|_| points.chunks(48).try_for_each(compressed));
    let why = checked.err().unwrap_or("can't verify opening proof");
    format!("error verifying kzg proof: {why}")
}

/// A point of which only one coordinate is given, below three flags.
fn compressed(bytes: &[u8]) -> Checked {
    let (flags, mut plain) = (bytes[0] >> 5, bytes.to_vec());
    plain[0] &= 0x1f;
    match flags {
        0b001 | 0b011 | 0b111 => return Err("invalid point encoding"),
        0b000 | 0b010 => return Err("short buffer"),
        0b110 if is_zero(&plain) => return Ok(()),
        0b110 => return Err("invalid infinity point encoding"),
        _ => {}
    }
    let parts = elements(&plain, 48, BLS_FIELD)?;
    let [x] = parts[..] else { return Ok(()) };
    let square = x.mul_mod(x, BLS_FIELD).mul_mod(x, BLS_FIELD).add_mod(BLS_G1[0], BLS_FIELD);
    let root = square.pow_mod((BLS_FIELD + Wide::ONE) >> 2, BLS_FIELD);
    if root.mul_mod(root, BLS_FIELD) != square {
        return Err("invalid compressed coordinate: square root doesn't exist");
    }
    let wide = |element: Wide| [[0; 16].as_slice(), &element.to_be_bytes::<48>()].concat();
    // A point and its negative are in the subgroup or are not.
    in_g1(&[wide(x), wide(root)].concat()).or(Err("invalid point: subgroup check failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: u64, input: &[u8], expect: &str) {
        assert_eq!(words(u64_to_address(number), input), expect, "of {number:#x}");
        assert!(expect == "precompiled failed" || !runs(number, &[input]), "{number:#x} runs");
    }

    fn with(length: usize, bytes: &[(usize, u8)]) -> Vec<u8> {
        let mut input = vec![0; length];
        for (at, byte) in bytes {
            input[*at] = *byte;
        }
        input
    }

    #[test]
    fn flaws_of_inputs_have_the_words_of_geth() {
        let long = with(96, &[(30, 0x10)]);
        check(0x05, &long, "one or more of base/exponent/modulus length exceeded 1024 bytes");
        check(0x06, &[0xff; 64], "invalid fp.Element encoding");
        check(0x06, &with(128, &[(127, 1)]), "point is not on curve");
        check(0x07, &with(64, &[(63, 1)]), "point is not on curve");
        check(0x08, &[0; 191], "bad elliptic curve pairing size");
        check(0x08, &with(192, &[(191, 1)]), "point is not on curve");
        check(0x09, &[0; 212], "invalid input length");
        check(0x09, &with(213, &[(212, 2)]), "invalid final flag");
        check(0x0a, &[0; 191], "invalid input length");
        check(0x0a, &[0; 192], "mismatched versioned hash");
        check(0x0b, &[0; 255], "invalid input length");
        check(0x0b, &with(256, &[(0, 1)]), "invalid field element top bytes");
        check(0x0b, &with(256, &[(16, 0xff)]), "invalid fp.Element encoding");
        check(0x0b, &with(256, &[(127, 1)]), "invalid point: not on curve");
        check(0x0e, &with(288, &[(255, 1)]), "invalid point: not on curve");
        check(0x0f, &[], "invalid input length");
        check(0x10, &with(64, &[(0, 1)]), "invalid field element top bytes");
        check(0x11, &with(128, &[(80, 0xff)]), "invalid fp.Element encoding");
    }

    #[test]
    fn points_outside_of_their_subgroups_are_told() {
        // x = 4: a point of the curve alone.
        let y = Wide::from(68).pow_mod((BLS_FIELD + Wide::ONE) >> 2, BLS_FIELD);
        assert_eq!(y.mul_mod(y, BLS_FIELD), Wide::from(68));
        let point = [[0; 63].as_slice(), &[4], &[0; 16], &y.to_be_bytes::<48>()].concat();
        check(0x0c, &[point.as_slice(), &[0; 32]].concat(), G1_SUBGROUP);
        check(0x0f, &[point.as_slice(), &[0; 256]].concat(), G1_SUBGROUP);
    }

    #[test]
    fn a_proof_is_checked_as_far_as_it_is_one() {
        let mut infinity = [0; 48];
        infinity[0] = 0xc0;
        let mut hash = Sha256::digest(infinity).to_vec();
        hash[0] = 1;
        let input = |z: u8, claim: u8, proof: [u8; 48]| {
            [hash.as_slice(), &[z; 32], &[claim; 32], &infinity, &proof].concat()
        };
        let said = |why: &str| format!("error verifying kzg proof: {why}");
        let proof = |first: u8, last: u8| {
            let mut proof = [0; 48];
            (proof[0], proof[47]) = (first, last);
            proof
        };
        let scalar =
            said("scalar is not canonical when interpreted as a big integer in big-endian");
        check(0x0a, &input(0xff, 0, infinity), &scalar);
        check(0x0a, &input(0, 1, infinity), &said("can't verify opening proof"));
        check(0x0a, &input(0, 0, proof(0, 0)), &said("short buffer"));
        check(0x0a, &input(0, 0, proof(0xe0, 0)), &said("invalid point encoding"));
        check(0x0a, &input(0, 0, proof(0xc0, 1)), &said("invalid infinity point encoding"));
        let rootless = "invalid compressed coordinate: square root doesn't exist";
        check(0x0a, &input(0, 0, proof(0x80, 1)), &said(rootless));
        let outside = "invalid point: subgroup check failed";
        check(0x0a, &input(0, 0, proof(0x80, 4)), &said(outside));
        let large = "invalid fp.Element encoding";
        check(0x0a, &input(0, 0, proof(0x9f, 0)), &said(large));
    }
}
