//! What the store keeps of a node.

use serde::{Deserialize, Serialize};
use windlass_engine::{History, NodeReport, Seat};
use windlass_model::{KeyId, Name, NodeId, OperationId, governance::MemberName, network::Reason};

use super::TeardownRecord;

/// A node with its keys and port.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeRow {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) member: Name,
    /// Its place in the network, which no other node ever has: names count with it.
    pub(crate) ordinal: u32,
    /// When it was added to a network that ran; none if the genesis has it.
    pub(crate) added_at_ms: Option<u64>,
    pub(crate) node_key: KeyRow,
    pub(crate) consensus_key: KeyRow,
    /// The p2p port, once one is chosen.
    pub(crate) port: Option<u16>,
    pub(crate) status: NodeStatus,
}

/// A key version: the id is chosen at the declaration, the public half is known once it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) id: KeyId,
    pub(crate) public: Option<[u8; 32]>,
}

/// What reconcilers wrote down about a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NodeStatus {
    /// The process that was last seen running and not yet seen ended.
    pub(crate) process: Option<ProcessRef>,
    /// How often it was started again after it had ended by itself.
    pub(crate) restarts: u32,
    /// How often in a row it ended or did not start.
    pub(crate) failures: u32,
    /// When it is started again.
    pub(crate) retry_at_ms: u64,
    pub(crate) reason: Option<Reason>,
    /// Why its process ended last or did not start, until one has been running for long enough.
    pub(crate) last_end: Option<Reason>,
    /// Its port is another's: a new one is to be chosen.
    pub(crate) port_taken: bool,
    /// What it is to the members, as it said last.
    pub(crate) standing: Option<Standing>,
    /// Which blocks it has, as it said last.
    pub(crate) blocks: Blocks,
    /// Its member is to name it as an observer.
    pub(crate) registration: Option<Registration>,
    /// Nothing is to be left of it.
    pub(crate) leaving: Option<Leaving>,
    /// Nothing is to be left of its disk: it begins anew with an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new_disk: Option<NewDisk>,
    /// The keys that are to replace its own, once the members have voted for it.
    pub(crate) replacements: Replacements,
    /// Keys by which the network does not know it any more: they are to be destroyed.
    pub(crate) retired: Vec<KeyId>,
    /// The node key by which the others' configuration has it, if that is not the one that it has.
    pub(crate) first_node_key: Option<[u8; 32]>,
    /// What its process was started with last, if that is not just its keys.
    pub(crate) setup: Option<Setup>,
    /// How often its ledger was damaged and put aside, and when last.
    pub(crate) repairs: u32,
    pub(crate) repaired_at_ms: u64,
}

/// Keys that are to replace others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Replacements {
    pub(crate) node: Option<KeyRow>,
    pub(crate) consensus: Option<KeyRow>,
}

/// What a process is configured with and may change while its network lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) node_key: KeyId,
    pub(crate) next_node_key: Option<KeyId>,
    pub(crate) consensus_keys: Vec<KeyId>,
    /// Nodes whose identity was replaced, and their ports.
    pub(crate) renewed: Vec<([u8; 32], u16)>,
    /// How often its ledger was to be put aside.
    #[serde(default)]
    pub(crate) repairs: u32,
}

/// What a node is to the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// No member has named it.
    Unnamed,
    /// It follows.
    Follower,
    /// It is a validator of the epoch.
    Validator,
}

/// Which blocks a node has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Blocks {
    #[default]
    All,
    /// Not all up to its tip, or it makes its ledger anew.
    Some,
}

/// How good a node is to ask, the better the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) standing: Standing,
    /// It has every block up to its tip.
    pub(crate) whole: bool,
}

/// What a member does about one of its nodes without a vote: it is sent as ballots are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registration {
    pub(crate) member: MemberName,
    /// The member's account, and its key.
    pub(crate) account: String,
    pub(crate) key: KeyId,
    /// The operation that sends it, once it is declared.
    pub(crate) operation: Option<OperationId>,
    /// It is on the chain.
    pub(crate) done: bool,
}

/// How far a node is that goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Leaving {
    /// The member takes back before that it is its observer.
    pub(crate) withdrawal: Option<Registration>,
    pub(crate) teardown: Option<TeardownRecord>,
}

/// How far a node is that gets a new disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NewDisk {
    pub(crate) teardown: Option<TeardownRecord>,
}

/// A process, named for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRef {
    pub(crate) pid: u32,
    pub(crate) start_time_ticks: u64,
}

impl From<&NodeReport> for Rank {
    fn from(report: &NodeReport) -> Self {
        let standing = (&report.seat).into();
        // Who was never named has nothing.
        let began = standing != Standing::Unnamed || report.tip.number > 0;
        Self { standing, whole: began && report.history == History::Whole }
    }
}

impl From<&Seat> for Standing {
    fn from(seat: &Seat) -> Self {
        match seat {
            Seat::Votes | Seat::Silent(_) => Self::Validator,
            Seat::Follows(_) => Self::Follower,
            Seat::Unnamed => Self::Unnamed,
        }
    }
}

impl NodeStatus {
    /// What is noted as gone of a node that goes, or of its disk.
    pub(crate) fn teardown_mut(&mut self) -> Option<&mut Option<TeardownRecord>> {
        match (&mut self.leaving, &mut self.new_disk) {
            (Some(leaving), _) => Some(&mut leaving.teardown),
            (None, Some(new_disk)) => Some(&mut new_disk.teardown),
            (None, None) => None,
        }
    }

    /// The keys of a node beside those that it has.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        let Replacements { node, consensus } = &self.replacements;
        node.iter().chain(consensus).map(|key| &key.id).chain(&self.retired)
    }
}

impl NodeRow {
    /// Whether the genesis has it.
    pub(crate) fn is_founder(&self) -> bool {
        self.added_at_ms.is_none()
    }

    /// What it is to the members, as far as it has said.
    pub(crate) fn standing(&self) -> Standing {
        let at_first = if self.is_founder() { Standing::Validator } else { Standing::Unnamed };
        self.status.standing.unwrap_or(at_first)
    }

    /// How good it is to ask, as far as it has said.
    pub(crate) fn rank(&self) -> Rank {
        Rank { standing: self.standing(), whole: self.status.blocks == Blocks::All }
    }

    /// Every key that is held for it.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        [&self.node_key.id, &self.consensus_key.id].into_iter().chain(self.status.key_ids())
    }

    /// The key of this id, to be changed.
    pub(crate) fn key_mut(&mut self, id: &KeyId) -> Option<&mut KeyRow> {
        let Replacements { node, consensus } = &mut self.status.replacements;
        let own = [&mut self.node_key, &mut self.consensus_key].into_iter();
        own.chain(node.as_mut()).chain(consensus.as_mut()).find(|key| key.id == *id)
    }

    /// Its identities, in hex: two while one replaces the other.
    pub(crate) fn node_keys(&self) -> impl Iterator<Item = String> {
        let both = [Some(&self.node_key), self.status.replacements.node.as_ref()];
        both.into_iter().flatten().filter_map(|key| key.public).map(hex::encode)
    }

    /// Whether it can go by this node key.
    pub(crate) fn goes_by(&self, node_key: &str) -> bool {
        self.node_keys().any(|key| key == node_key)
    }

    /// The node key by which others' configuration has it.
    pub(crate) fn configured_key(&self) -> Option<[u8; 32]> {
        self.status.first_node_key.or(self.node_key.public)
    }

    /// What its process was started with last.
    pub(crate) fn setup(&self) -> Setup {
        self.status.setup.clone().unwrap_or_else(|| Setup {
            node_key: self.node_key.id.clone(),
            next_node_key: None,
            consensus_keys: vec![self.consensus_key.id.clone()],
            renewed: Vec::new(),
            repairs: 0,
        })
    }

    /// Whether nothing is to be left of it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.status.leaving.is_some()
    }

    /// Whether its process is to run while its network does.
    pub(crate) fn is_to_run(&self) -> bool {
        !self.is_leaving() && self.status.new_disk.is_none()
    }
}
