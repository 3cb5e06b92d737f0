use windlass_model::{NodeId, misconduct::NodeMisconduct};

use super::*;

const VECTORS: [&str; 3] = [
    include_str!("../../../../proof/vectors/evidence/notarized-twice.json"),
    include_str!("../../../../proof/vectors/evidence/finalized-twice.json"),
    include_str!("../../../../proof/vectors/evidence/finalized-and-nullified.json"),
];
const DOCUMENT: &str = include_str!("../../../../proof/vectors/genesis.json");

fn vector(index: usize) -> Value {
    serde_json::from_str(VECTORS[index]).unwrap()
}

fn genesis_hash() -> String {
    let proof = EvidenceProof::from_json(VECTORS[0].as_bytes()).unwrap();
    let anchor = TrustAnchor::from_genesis(DOCUMENT.as_bytes()).unwrap();
    windlass_proof::verify_evidence(&proof, &anchor).unwrap().genesis.to_string()
}

fn judges(expected: Option<&str>) -> Outcome<Court> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let vector = vector(0);
    let proven = json!({ "genesis": vector["genesis"], "changes": vector["changes"] });
    court(&document, serde_json::from_value(proven).unwrap(), expected)
}

fn votes(index: usize) -> String {
    vector(index)["votes"].as_str().unwrap().to_owned()
}

/// The votes with another last digit.
fn forged(index: usize) -> String {
    let mut votes = votes(index);
    let last = if votes.pop() == Some('0') { '1' } else { '0' };
    votes.push(last);
    votes
}

fn claim(votes: String) -> DoubleVote {
    DoubleVote {
        epoch: 2,
        view: 300,
        node_key: "11".repeat(32),
        consensus_key: "22".repeat(32),
        kind: "finalized_twice".to_owned(),
        votes,
        seen_at_ms: 7,
    }
}

fn said(nodes: Vec<(&str, Option<Vec<DoubleVote>>)>) -> NetworkMisconduct {
    let nodes = nodes.into_iter().map(|(name, seen)| {
        let unreachable = seen.is_none().then(|| "it has no process".to_owned());
        let node = NodeId::from_entropy([name.as_bytes()[0]; 10]);
        NodeMisconduct { node, name: name.to_owned(), seen, unreachable }
    });
    NetworkMisconduct { nodes: nodes.collect() }
}

#[test]
fn what_nodes_say_is_checked_and_told_once() {
    let court = judges(Some(&genesis_hash())).unwrap();
    let checked = check(
        said(vec![
            ("a", Some(vec![claim(votes(1)), claim(forged(2))])),
            ("b", Some(vec![claim(votes(1)), claim(votes(0)), claim("0x0102".to_owned())])),
            ("c", None),
            ("d", Some(Vec::new())),
        ]),
        Some(&court),
    );
    let seen: Vec<_> = checked.held.iter().map(|one| one.seen_by.join(" ")).collect();
    assert_eq!(seen, ["a b", "b"]);
    assert_eq!(checked.answered, 3);
    assert_eq!(checked.unreachable, [("c".to_owned(), "it has no process".to_owned())]);
    let refused: Vec<_> = checked.refused.iter().map(|one| one.node.as_str()).collect();
    assert_eq!(refused, ["a", "b"]);
    assert!(checked.refused[0].reason.contains("signature"), "{}", checked.refused[0].reason);
    let shown = &checked.held[0].shown;
    assert_ne!(shown.validator.node_key.to_string(), format!("0x{}", "11".repeat(32)));
    assert!(only(&checked).is_err(), "there are two");
}

#[test]
fn a_proposal_rests_on_what_holds_only() {
    let court = judges(Some(&genesis_hash())).unwrap();
    let node = ("a", Some(vec![claim(votes(1)), claim(forged(2))]));
    let checked = check(said(vec![node]), Some(&court));
    let shown = &only(&checked).unwrap().shown;
    let hash = shown.hash.to_string();
    let found = find(&checked, &hash[..10].to_uppercase().replace('X', "x")).unwrap();
    let reason = words(&found.shown, "it is hostile");
    assert_eq!(
        reason,
        format!("evidence {hash} (finalized_twice, epoch 2, view 300): it is hostile")
    );
    assert!(words(shown, "").len() < 200, "there is room for more");
    for absent in ["0xffffffffffffff", "0x", "", "7"] {
        assert_eq!(find(&checked, absent).err().unwrap().code, ErrorCode::InvalidRequest);
    }
    let refused = claimed_hash(&claim(forged(2))).unwrap();
    assert_eq!(find(&checked, &refused[..12]).err().unwrap().code, ErrorCode::ProofInvalid);
}

#[test]
fn the_file_is_what_anybody_can_verify() {
    let court = judges(Some(&genesis_hash())).unwrap();
    for (index, vector) in VECTORS.iter().enumerate() {
        let checked = check(said(vec![("a", Some(vec![claim(votes(index))]))]), Some(&court));
        let file = file(only(&checked).unwrap(), Some(&court)).unwrap();
        assert_eq!(file.to_json(), *vector);
    }
}

#[test]
fn a_node_of_another_network_judges_nobody() {
    for expected in [None, Some("0x00")] {
        assert_eq!(judges(expected).err().unwrap().code, ErrorCode::ProofInvalid);
    }
    let checked = check(said(vec![("a", Some(vec![claim(votes(1))]))]), None);
    assert!(checked.held.is_empty());
    assert_eq!(checked.refused.len(), 1);
}
