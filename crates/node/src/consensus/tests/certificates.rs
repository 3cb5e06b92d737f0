//! Certificates that this program makes, as the light verifier's vectors have them: what is signed
//! and how it is encoded must not drift.

use alloy_primitives::{B256, hex, keccak256};
use commonware_codec::Encode;
use commonware_consensus::{
    simplex::types::{Finalization, Finalize, Proposal},
    types::{Epoch, Round, View},
};
use commonware_cryptography::Signer as _;
use commonware_parallel::Sequential;
use commonware_utils::{non_empty, ordered::BiMap};
use serde_json::{Value, json};
use windlass_proof::{Committee, Validator};

use crate::consensus::{
    digest::Digest,
    exchange::key_bytes,
    scheme::{Scheme, Voting},
    signer::HandleSigner,
};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proof/vectors/certificates.json");

/// Validators, epoch, view, the parent's view, and who votes.
type Case = (u64, u64, u64, u64, &'static [usize]);

const CASES: [Case; 6] = [
    (1, 0, 1, 0, &[0]),
    (4, 0, 1, 0, &[0, 1, 2]),
    (4, 3, 127, 126, &[0, 1, 2, 3]),
    (7, 300, 128, 127, &[0, 2, 3, 5, 6]),
    (10, 70_000, 20_000, 19_998, &[0, 1, 2, 3, 4, 8, 9]),
    (21, u64::MAX, u64::MAX, u64::MAX - 1, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20]),
];

fn made(case: usize) -> Value {
    let (count, epoch, view, parent, voters) = CASES[case];
    let seed = 100 * u64::try_from(case).expect("small");
    let (genesis, block) =
        (keccak256(format!("genesis {case}")), keccak256(format!("block {case}")));
    let keys: Vec<_> = (0..count)
        .map(|index| {
            let node = HandleSigner::from_seed(seed + index);
            (node.public_key(), HandleSigner::from_seed(10_000 + seed + index))
        })
        .collect();
    let pairs: Vec<_> = keys.iter().map(|(node, vote)| (node.clone(), vote.public_key())).collect();
    let committee = BiMap::try_from(pairs).expect("the keys are different");
    let mut schemes: Vec<_> = keys
        .iter()
        .map(|(node, vote)| {
            let signers = [vote.clone()];
            let scheme = Scheme::new(genesis, committee.clone(), node, &signers, Voting::On);
            (node.clone(), scheme)
        })
        .collect();
    schemes.sort_by(|left, right| left.0.cmp(&right.0));
    let round = Round::new(Epoch::new(epoch), View::new(view));
    let proposal = Proposal::new(round, View::new(parent), Digest::from(block));
    let votes: Vec<_> = voters
        .iter()
        .map(|seat| Finalize::sign(&schemes[*seat].1, proposal.clone()).expect("it votes"))
        .collect();
    let certificate = Finalization::from_owned_finalizes(
        &schemes[0].1,
        non_empty![@votes.into_iter()],
        &Sequential,
    )
    .expect("they are a quorum")
    .encode();
    let validators: Vec<_> = keys
        .iter()
        .map(|(node, vote)| Validator {
            node_key: key_bytes(node),
            consensus_key: key_bytes(&vote.public_key()),
        })
        .collect();
    let light = Committee::new(genesis, &validators).expect("they have seats");
    let certified = light.verify(&certificate, block).expect("the light verifier takes it");
    assert_eq!((certified.epoch, certified.signers.len()), (epoch, voters.len()));
    assert!(light.verify(&certificate, B256::ZERO).is_err());
    json!({
        "genesis": genesis,
        "block": block,
        "epoch": epoch,
        "view": view,
        "parent_view": parent,
        "signers": voters,
        "validators": validators,
        "certificate": hex::encode_prefixed(&certificate),
    })
}

#[test]
fn certificates_are_those_of_the_light_verifier_s_vectors() {
    let made: Value = (0..CASES.len()).map(made).collect();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&made).expect("it is JSON");
        std::fs::write(VECTORS, text + "\n").expect("the vectors are written");
    }
    let text = std::fs::read_to_string(VECTORS).expect("the vectors are there");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("they are JSON"), made);
}
