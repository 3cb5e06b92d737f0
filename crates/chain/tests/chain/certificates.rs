//! Certificates that a ledger keeps.

use alloy_primitives::{B256, Bytes};

use crate::common::{advance, free, open};

#[test]
fn certificates_are_found_at_and_after_a_block() {
    let chain = open(&free());
    let (first, _) = advance(&chain, vec![]);
    chain.put_certificate(1, first.hash(), Bytes::from_static(b"one")).unwrap();
    assert!(chain.put_certificate(1, B256::ZERO, Bytes::new()).is_err());
    advance(&chain, vec![]);
    let (third, _) = advance(&chain, vec![]);
    chain.put_certificate(3, third.hash(), Bytes::from_static(b"three")).unwrap();
    assert_eq!(chain.certificate(1).unwrap().unwrap(), Bytes::from_static(b"one"));
    assert_eq!(chain.certificate(2).unwrap(), None);
    assert_eq!(chain.next_certificate(0).unwrap().unwrap(), (1, Bytes::from_static(b"one")));
    assert_eq!(chain.next_certificate(2).unwrap().unwrap(), (3, Bytes::from_static(b"three")));
    assert_eq!(chain.next_certificate(4).unwrap(), None);
}
