//! Keys that replace others while their network runs.
//!
//! A replacement is written down when it is asked for, made like any key, and handed to the node beside
//! the old one: the node is restarted once. Which of them it goes by the members say on the chain, and
//! the node does it by itself. When it says that its epoch has it by the new one the old one is
//! destroyed: no epoch that is to come knows it.

use windlass_keys::Purpose;
use windlass_model::{KeyId, governance::KeyKind};

use crate::{
    network::{
        observe::Observation,
        plan::{Action, Plan},
    },
    store::rows::{KeyRow, NodeRow, Replacements},
    world::World,
};

/// Writes down that a node needs a key to replace another; true if that is news.
pub(crate) fn ask(world: &World, node: &mut NodeRow, kind: KeyKind) -> bool {
    let replacement = of_kind(&mut node.status.replacements, kind);
    let is_new = replacement.is_none();
    replacement
        .get_or_insert_with(|| KeyRow { id: KeyId::from_entropy(world.random()), public: None });
    is_new
}

/// The key that is to replace a node's, once it is made.
pub(crate) fn made(node: &NodeRow, kind: KeyKind) -> Option<[u8; 32]> {
    let Replacements { node, consensus } = &node.status.replacements;
    let key = match kind {
        KeyKind::Node => node,
        KeyKind::Consensus => consensus,
    };
    key.as_ref()?.public
}

/// Whether a node's process was started with the keys that are to replace its own.
pub(crate) fn is_equipped(node: &NodeRow) -> bool {
    let setup = node.setup();
    let Replacements { node, consensus } = &node.status.replacements;
    node.as_ref().is_none_or(|key| setup.next_node_key.as_ref() == Some(&key.id))
        && consensus.as_ref().is_none_or(|key| setup.consensus_keys.contains(&key.id))
}

fn of_kind(replacements: &mut Replacements, kind: KeyKind) -> &mut Option<KeyRow> {
    match kind {
        KeyKind::Node => &mut replacements.node,
        KeyKind::Consensus => &mut replacements.consensus,
    }
}

/// Makes replacements, and retires what was replaced.
pub(super) fn plan(observed: &Observation, plan: &mut Plan) {
    for node in observed.record.nodes.iter().filter(|node| !node.is_leaving()) {
        let Replacements { node: next, consensus } = &node.status.replacements;
        let both = [(next, Purpose::Node), (consensus, Purpose::Consensus)];
        for (key, purpose) in both {
            let Some(key) = key else { continue };
            let (node, id) = (node.id.clone(), key.id.clone());
            let Some(public) = key.public.map(hex::encode) else {
                plan.push(Action::CreateKey { node, key: id, purpose });
                continue;
            };
            let seated_by = observed.record.node(&node).and_then(|node| observed.report(node));
            let seated_by = seated_by.and_then(|report| report.seated_by.as_ref());
            let goes_by = seated_by.map(|keys| match purpose {
                Purpose::Node => &keys.node_key,
                Purpose::Consensus | Purpose::Account => &keys.consensus_key,
            });
            if goes_by == Some(&public) {
                plan.push(Action::NoteReplaced { node, purpose });
            }
        }
        for key in &node.status.retired {
            let node = node.id.clone();
            plan.push(Action::DestroyKey(key.clone()));
            plan.push(Action::NoteForgotten { node, key: key.clone() });
        }
    }
}

/// The network knows a node by its new key.
pub(super) fn note(node: &mut NodeRow, purpose: Purpose) {
    // Its process goes on with what it was started with.
    let setup = node.setup();
    let (own, next) = match purpose {
        Purpose::Node => (&mut node.node_key, node.status.replacements.node.take()),
        Purpose::Consensus | Purpose::Account => {
            (&mut node.consensus_key, node.status.replacements.consensus.take())
        }
    };
    let Some(next) = next else { return };
    let old = std::mem::replace(own, next);
    node.status.retired.push(old.id);
    node.status.setup = Some(setup);
    if purpose == Purpose::Node && node.status.first_node_key.is_none() {
        node.status.first_node_key = old.public;
    }
}
