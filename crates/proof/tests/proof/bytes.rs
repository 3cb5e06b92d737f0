//! Every single byte of a proof matters: whatever is changed, the proof is refused, or it says the
//! same, or it asks something else and says so.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256};
use proptest::prelude::*;
use windlass_proof::{Fact, GOVERNANCE_ADDRESS, Proof, TrustAnchor, Verified, verify};

use crate::chain::{Chain, example};
use crate::keys::validators;

/// What the text of a proof says.
fn read(text: &[u8], anchor: &TrustAnchor) -> Option<Verified> {
    verify(&Proof::from_json(text).ok()?, anchor).ok()
}

/// The positions of all hex digits after an 0x: one of each byte's two, in turn.
pub(crate) fn digits(text: &str) -> Vec<usize> {
    let mut positions = Vec::new();
    for (start, _) in text.match_indices("\"0x") {
        let length = text[start + 3..].find('"').unwrap();
        let bytes = (0..length / 2).map(|byte| start + 3 + 2 * byte);
        positions.extend(bytes.enumerate().map(|(byte, at)| at + byte % 2));
    }
    positions
}

/// The text with another digit at a position.
pub(crate) fn other_digit(text: &str, position: usize) -> Vec<u8> {
    let mut other = text.to_owned().into_bytes();
    let digit = u8::from_str_radix(&text[position..=position], 16).unwrap();
    other[position] = b"0123456789abcdef"[usize::from(digit ^ (1 << (position % 4)))];
    other
}

/// Whether the field at a position is what is asked, and no evidence.
fn asks(text: &str, position: usize) -> bool {
    let line = text[..position].rsplit('\n').next().unwrap().trim_start();
    line.starts_with("\"address\"") || line.starts_with("\"slot\"")
}

/// Changes each byte of a proof, one at a time.
fn check(chain: &Chain, proof: &Proof) {
    let anchor = chain.anchor();
    let text = proof.to_json();
    let expected = read(text.as_bytes(), &anchor).unwrap();
    let digits = digits(&text);
    let mut asked = 0;
    for position in &digits {
        let found = read(&other_digit(&text, *position), &anchor);
        if asks(&text, *position) {
            assert_ne!(found.as_ref(), Some(&expected), "at {position}");
            asked += 1;
        } else {
            assert_eq!(found, None, "at {position}");
        }
    }
    assert!(digits.len() > 1_000 + asked, "{} bytes", digits.len());
}

/// A small network with one change, so that each byte can be tried.
static SMALL: LazyLock<Chain> = LazyLock::new(|| {
    let mut chain = Chain::new("small", validators(&["a"]), 4);
    chain.elect(validators(&["a", "b"]));
    chain.run_to(4);
    chain.push(&crate::chain::transactions(5, 2));
    chain.run_to(6);
    chain
});

#[test]
fn of_a_transaction_after_a_change() {
    let chain = &*SMALL;
    check(chain, &chain.proof(&[0], 5, 6, chain.transaction(5, 1)));
}

#[test]
fn of_a_log() {
    let chain = &*SMALL;
    check(chain, &chain.proof(&[0], 5, 5, chain.log(5, 1, 0)));
}

#[test]
fn of_an_account_with_slots() {
    let chain = &*SMALL;
    let slots = [B256::with_last_byte(3), B256::repeat_byte(3)];
    check(chain, &chain.proof(&[], 2, 2, chain.account(2, GOVERNANCE_ADDRESS, &slots)));
}

#[test]
fn of_an_account_that_is_not_there() {
    let chain = &*SMALL;
    check(chain, &chain.proof(&[], 2, 3, chain.account(2, Address::repeat_byte(0x11), &[])));
}

#[test]
fn of_the_numbers_that_ask() {
    let chain = example();
    let text = chain.proof(&[1, 3], 34, 34, chain.log(34, 3, 1)).to_json();
    for position in 0..5 {
        let other = text.replacen("\"position\": 1", &format!("\"position\": {position}"), 1);
        let fact = read(other.as_bytes(), &chain.anchor()).map(|verified| verified.fact);
        match fact {
            Some(Fact::Log(fact)) => assert_eq!(fact.position, position),
            other => assert!(other.is_none() && position > 2, "{other:?}"),
        }
        if position != 3 {
            let other = text.replacen("\"index\": 3", &format!("\"index\": {position}"), 1);
            assert_eq!(read(other.as_bytes(), &chain.anchor()), None);
        }
    }
}

#[test]
fn of_the_case_of_hex() {
    let chain = example();
    let text = chain.proof(&[1, 3], 34, 36, chain.transaction(34, 3)).to_json();
    let upper = text
        .split('"')
        .map(|word| match word.strip_prefix("0x") {
            Some(digits) => format!("0x{}", digits.to_uppercase()),
            None => word.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\"");
    assert_ne!(upper, text);
    assert!(read(text.as_bytes(), &chain.anchor()).is_some());
    assert_eq!(read(upper.as_bytes(), &chain.anchor()), None, "what is the same has one form");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Any byte of the text, not only hex: it is refused or says the same.
    #[test]
    fn of_the_text(position: prop::sample::Index, byte: u8) {
        let chain = &*SMALL;
        let text = chain.proof(&[0], 5, 6, chain.transaction(5, 1)).to_json();
        let mut other = text.clone().into_bytes();
        let position = position.index(other.len());
        prop_assume!(other[position] != byte);
        other[position] = byte;
        if let Some(found) = read(&other, &chain.anchor()) {
            prop_assert_eq!(Some(found), read(text.as_bytes(), &chain.anchor()));
        }
    }

    #[test]
    fn of_a_file_that_is_cut(end: prop::sample::Index) {
        let chain = &*SMALL;
        let text = chain.proof(&[0], 5, 6, chain.transaction(5, 1)).to_json();
        // The last two bytes are the brace and the line's end.
        let end = end.index(text.len() - 1);
        prop_assert!(Proof::from_json(&text.as_bytes()[..end]).is_err());
    }
}
