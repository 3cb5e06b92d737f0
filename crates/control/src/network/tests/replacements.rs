//! Golden plans of keys that replace others.

use windlass_engine::SeatKeys;
use windlass_keys::Purpose;
use windlass_model::governance::KeyKind;

use super::*;
use crate::network::replacing;

impl Case {
    /// New keys of the second node are asked for.
    fn replacing(mut self, kind: KeyKind) -> Self {
        let world = self.world.clone();
        assert!(replacing::ask(&world, &mut self.record().nodes[1], kind));
        assert!(!replacing::ask(&world, &mut self.record().nodes[1], kind), "one is enough");
        self
    }

    /// They are made.
    fn made(mut self) -> Self {
        let replacements = &mut self.record().nodes[1].status.replacements;
        for key in [&mut replacements.node, &mut replacements.consensus].into_iter().flatten() {
            key.public = Some([200; 32]);
        }
        self
    }

    /// The node has a seat by these keys.
    fn seated_by(mut self, node: u8, consensus: u8) -> Self {
        let id = self.observed.record.nodes[1].id.clone();
        let live = self.observed.live.get_mut(&id).unwrap();
        let text = |byte: u8| hex::encode([byte; 32]);
        let keys = SeatKeys { node_key: text(node), consensus_key: text(consensus) };
        live.report.as_mut().unwrap().seated_by = Some(keys);
        self
    }

    fn noted(mut self, purpose: Purpose) -> Self {
        replacing::note(&mut self.record().nodes[1], purpose);
        self
    }

    fn forgotten(mut self) -> Self {
        self.record().nodes[1].status.retired.clear();
        self
    }
}

/// A network at rest.
fn at_rest() -> Case {
    declared().founded().running().saying(4, 9).usable()
}

#[test]
fn a_new_key_is_made_and_handed_to_its_node_alone() {
    at_rest().replacing(KeyKind::Node).check("create node key of validator-1");
    at_rest().replacing(KeyKind::Node).made().check(
        "validator-1 is given 2 node keys, 1 consensus keys and 0 peers
         ensure validator-1 Running",
    );
    at_rest().replacing(KeyKind::Consensus).made().check(
        "validator-1 is given 1 node keys, 2 consensus keys and 0 peers
         ensure validator-1 Running",
    );
    let equipped = at_rest().replacing(KeyKind::Node).made().running();
    assert!(replacing::is_equipped(&equipped.observed.record.nodes[1]));
    equipped.check("");
}

#[test]
fn the_old_key_goes_when_the_epoch_knows_the_new_one_and_nobody_is_restarted() {
    let equipped = || at_rest().replacing(KeyKind::Node).made().running().saying(4, 9);
    equipped().seated_by(1, 101).check("");
    equipped().seated_by(200, 101).check("the node key of validator-1 is replaced");
    let noted = || equipped().seated_by(200, 101).noted(Purpose::Node);
    noted().check(
        "destroy a key of validator-1
         a key of validator-1 is gone",
    );
    noted().forgotten().check("");
    // Who is started after that is given what is: its own key, and the others' new ones.
    noted().forgotten().ended(1, "killed").noted_end(1).check(
        "validator-1 is given 1 node keys, 1 consensus keys and 0 peers
         ensure validator-1 Running",
    );
    noted().forgotten().ended(2, "killed").noted_end(2).check(
        "validator-2 is given 1 node keys, 1 consensus keys and 1 peers
         ensure validator-2 Running",
    );
}

#[test]
fn a_consensus_key_goes_by_what_its_node_votes_with() {
    let equipped = || at_rest().replacing(KeyKind::Consensus).made().running().saying(4, 9);
    equipped().seated_by(1, 101).check("");
    equipped().seated_by(1, 200).check("the consensus key of validator-1 is replaced");
    equipped().seated_by(1, 200).noted(Purpose::Consensus).forgotten().check("");
}

impl Case {
    /// That it ended was noted, and it is time to start it again.
    fn noted_end(mut self, index: usize) -> Self {
        self.record().nodes[index].status.process = None;
        self
    }
}
