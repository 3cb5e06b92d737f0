use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;

use alloy_primitives::{B256, hex, keccak256};
use alloy_trie::HashBuilder;
use nybbles::Nibbles;
use proptest::prelude::*;

use super::{Nodes, prove, update};

#[derive(Default)]
struct Records(BTreeMap<Nibbles, Vec<u8>>);

impl Nodes for Records {
    type Error = Infallible;

    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(path).cloned())
    }

    fn damaged(what: String) -> Infallible {
        panic!("{what}")
    }
}

impl Records {
    fn apply(&mut self, changes: impl IntoIterator<Item = (Nibbles, Option<Vec<u8>>)>) -> B256 {
        let updated = update(self, changes).unwrap();
        for (path, record) in updated.records {
            match record {
                Some(record) => self.0.insert(path, record),
                None => self.0.remove(&path),
            };
        }
        updated.root
    }
}

fn rebuild(values: &BTreeMap<Nibbles, Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in values {
        builder.add_leaf(*key, value);
    }
    builder.root()
}

/// Applies batches and compares root and records with a trie made at once.
fn check(batches: Vec<Vec<(Nibbles, Option<Vec<u8>>)>>) {
    let mut records = Records::default();
    let mut values = BTreeMap::new();
    for batch in batches {
        for (key, value) in &batch {
            match value {
                Some(value) => values.insert(*key, value.clone()),
                None => values.remove(key),
            };
        }
        assert_eq!(records.apply(batch), rebuild(&values));
        let mut fresh = Records::default();
        fresh.apply(values.iter().map(|(key, value)| (*key, Some(value.clone()))));
        assert_eq!(records.0, fresh.0, "stale or missing records");
        for (key, value) in &values {
            let (proof, found) = prove(&records, key).unwrap();
            assert_eq!(found.as_ref(), Some(value));
            alloy_trie::proof::verify_proof(rebuild(&values), *key, Some(value.clone()), &proof)
                .unwrap();
        }
    }
}

/// Keys of 32 bytes that share long prefixes, so that splits and collapses happen at every depth.
fn key() -> impl Strategy<Value = Nibbles> {
    (prop::collection::vec(0u8..3, 0..6), 0u8..4).prop_map(|(head, tail)| {
        let mut bytes = [0u8; 32];
        for (slot, nibble) in bytes.iter_mut().zip(&head) {
            *slot = nibble * 17;
        }
        bytes[31] = tail;
        Nibbles::unpack(bytes)
    })
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        2 => Just(None),
        3 => prop::collection::vec(1u8..255, 1..4).prop_map(Some),
        2 => prop::collection::vec(1u8..255, 30..80).prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn batches_give_what_a_rebuild_gives(
        batches in prop::collection::vec(prop::collection::vec((key(), value()), 1..12), 1..8)
    ) {
        check(batches);
    }
}

#[test]
fn many_random_keys_come_and_go() {
    let key = |n: u64| Nibbles::unpack(keccak256(n.to_be_bytes()));
    let value = |n: u64| Some(vec![u8::try_from(n % 255).unwrap() + 1; 40]);
    check(vec![
        (0..400).map(|n| (key(n), value(n))).collect(),
        (100..300).map(|n| (key(n), None)).collect(),
        (0..50).map(|n| (key(n), value(n + 7))).collect(),
        (0..400).map(|n| (key(n), None)).collect(),
    ]);
}

fn conformance(file: &str) -> serde_json::Value {
    #[expect(clippy::disallowed_methods, reason = "tests read where the public suites are")]
    let folder = std::env::var("CONFORMANCE_DIR").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let path = folder.join("ethereum-tests/TrieTests").join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    match text.strip_prefix("0x") {
        Some(digits) => hex::decode(digits).unwrap(),
        None => text.as_bytes().to_vec(),
    }
}

fn run_suite(file: &str, trie_key: fn(Vec<u8>) -> Vec<u8>) -> usize {
    let suite = conformance(file);
    let cases = suite.as_object().unwrap();
    for (name, case) in cases {
        let change = |key: &str, value: Option<&str>| {
            (Nibbles::unpack(trie_key(bytes(key))), value.map(bytes))
        };
        let changes: Vec<_> = match &case["in"] {
            serde_json::Value::Array(pairs) => pairs
                .iter()
                .map(|pair| change(pair[0].as_str().unwrap(), pair[1].as_str()))
                .collect(),
            serde_json::Value::Object(pairs) => {
                pairs.iter().map(|(key, value)| change(key, value.as_str())).collect()
            }
            _ => panic!("{name}: no input"),
        };
        let root: B256 = case["root"].as_str().unwrap().parse().unwrap();
        assert_eq!(Records::default().apply(changes.clone()), root, "{file} {name} at once");
        let mut records = Records::default();
        let mut last = B256::ZERO;
        for change in changes {
            last = records.apply([change]);
        }
        assert_eq!(last, root, "{file} {name} one by one");
    }
    cases.len()
}

#[test]
fn public_trie_suites_pass() {
    let secure: fn(Vec<u8>) -> Vec<u8> = |key| keccak256(key).to_vec();
    let plain: fn(Vec<u8>) -> Vec<u8> = |key| key;
    let suites = [
        ("hex_encoded_securetrie_test.json", secure),
        ("trieanyorder_secureTrie.json", secure),
        ("trietest_secureTrie.json", secure),
        ("trieanyorder.json", plain),
        ("trietest.json", plain),
    ];
    let passed: usize = suites.iter().map(|(file, key)| run_suite(file, *key)).sum();
    assert!(passed >= 15, "only {passed} cases found");
}
