//! What networks use, measured and written down by hour: processor time, memory and disk over time,
//! requests. Nothing is charged for it here; it is kept so that it can be.
//!
//! A *reading* says how far a network's meter is, and is written in the transaction that adds what was
//! used since the one before: a platform that is killed adds nothing twice, and the next one goes on from
//! the reading, with what nodes used meanwhile. What is lost with a kill: the last minute of networks that
//! are gone by then.

mod task;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use windlass_model::{Name, NetworkId, NodeId, OrganizationId};
use windlass_substrate::{Running, Usage};

use crate::store::rows::ProcessRef;

pub(crate) use self::task::MeterReader;

const HOUR_MS: u64 = 3_600_000;
/// Between two readings at most so long is counted: a longer time is of a clock that was set.
const LONGEST_MS: u64 = 7 * 24 * HOUR_MS;

/// Whose a network is, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) organization: OrganizationId,
    pub(crate) name: Name,
}

/// What was used and is not written down yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) cpu_ms: u64,
    pub(crate) memory_mib_ms: u64,
    pub(crate) disk_mib_ms: u64,
    pub(crate) requests: u64,
}

/// How far a network's meter has read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reading {
    /// Up to when what is on disk was added, Unix milliseconds; 0 if it never was.
    pub(crate) at_ms: u64,
    pub(crate) nodes: BTreeMap<NodeId, NodeReading>,
    pub(crate) requests: Count,
}

/// The same of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeReading {
    /// The process that was measured last.
    pub(crate) process: Option<ProcessRef>,
    /// When, Unix milliseconds.
    pub(crate) at_ms: u64,
    /// Its processor time at that time.
    pub(crate) cpu_ms: u64,
    /// What the node had on disk.
    pub(crate) disk_bytes: u64,
}

/// How many requests a gateway's process had counted for the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Count {
    /// Which process: another one begins to count anew.
    pub(crate) gateway: String,
    pub(crate) requests: u64,
}

/// The meters of all networks.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    gauges: Mutex<BTreeMap<NetworkId, Gauge>>,
}

/// One network's meter.
#[derive(Clone, Debug, Default)]
struct Gauge {
    owner: Option<Owner>,
    reading: Reading,
    drafts: BTreeMap<u64, Draft>,
    /// The reading is another one than the one that is written down.
    moved: bool,
}

impl Meter {
    /// Takes up readings that an earlier platform wrote.
    fn begin(&self, readings: BTreeMap<NetworkId, (OrganizationId, Reading)>) {
        let mut gauges = self.lock();
        for (network, (_, reading)) in readings {
            gauges.entry(network).or_insert_with(|| Gauge { reading, ..Gauge::default() });
        }
    }

    /// A node's process was measured.
    pub(crate) fn note(
        &self,
        (network, node): (&NetworkId, &NodeId),
        process: &Running,
        (usage, now_ms): (Usage, u64),
    ) {
        self.lock().entry(network.clone()).or_default().note(node, process, (usage, now_ms));
    }

    /// A gateway's process has counted so many requests for a network.
    pub(crate) fn note_requests(&self, network: &NetworkId, count: Count, now_ms: u64) {
        self.lock().entry(network.clone()).or_default().note_requests(count, now_ms);
    }

    /// Says whose a network is: it may be gone before its meter is read.
    pub(crate) fn own(&self, network: &NetworkId, owner: Owner) {
        self.lock().entry(network.clone()).or_default().owner = Some(owner);
    }

    /// What an organization's networks have on disk, in bytes, as it was measured last.
    pub(crate) fn disk_bytes(&self, organization: &OrganizationId) -> u64 {
        let gauges = self.lock();
        let own = gauges.values().filter(|gauge| {
            gauge.owner.as_ref().is_some_and(|owner| owner.organization == *organization)
        });
        own.map(Gauge::disk_bytes).fold(0, u64::saturating_add)
    }

    /// What each of a network's nodes has on disk, in bytes, as it was measured last.
    pub(crate) fn disks_of(&self, network: &NetworkId) -> BTreeMap<NodeId, u64> {
        let gauges = self.lock();
        let nodes = gauges.get(network).into_iter().flat_map(|gauge| &gauge.reading.nodes);
        nodes.map(|(node, reading)| (node.clone(), reading.disk_bytes)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NetworkId, Gauge>> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauge {
    fn disk_bytes(&self) -> u64 {
        self.reading.nodes.values().map(|node| node.disk_bytes).fold(0, u64::saturating_add)
    }

    fn note(&mut self, node: &NodeId, process: &Running, (usage, now_ms): (Usage, u64)) {
        let is = ProcessRef::from(process);
        let known = self.reading.nodes.get(node).filter(|known| known.process == Some(is));
        let (since_ms, had_ms) =
            known.map_or((process.started_at_ms, 0), |known| (known.at_ms, known.cpu_ms));
        let since_ms = since_ms.max(now_ms.saturating_sub(LONGEST_MS));
        let cpu_ms = usage.cpu_ms.saturating_sub(had_ms);
        let span_ms = now_ms.saturating_sub(since_ms);
        spread((since_ms, now_ms), |hour_ms, part_ms| {
            let draft = self.drafts.entry(hour_ms).or_default();
            draft.memory_mib_ms += mib_ms(usage.resident_bytes, part_ms);
            draft.cpu_ms += share(cpu_ms, part_ms, span_ms);
        });
        if span_ms == 0 {
            self.drafts.entry(hour_of(now_ms)).or_default().cpu_ms += cpu_ms;
        }
        let reading = NodeReading {
            process: Some(is),
            at_ms: now_ms,
            cpu_ms: usage.cpu_ms,
            disk_bytes: usage.disk_bytes,
        };
        self.reading.nodes.insert(node.clone(), reading);
        self.moved = true;
    }

    /// Adds what the network had on disk since the reading.
    fn note_disk(&mut self, now_ms: u64) {
        let disk_bytes = self.disk_bytes();
        if self.reading.at_ms > 0 {
            let since_ms = self.reading.at_ms.max(now_ms.saturating_sub(LONGEST_MS));
            spread((since_ms, now_ms), |hour_ms, part_ms| {
                let draft = self.drafts.entry(hour_ms).or_default();
                draft.disk_mib_ms += mib_ms(disk_bytes, part_ms);
            });
        }
        self.reading.at_ms = now_ms;
        self.moved = true;
    }

    /// A gateway's process has counted so many requests.
    fn note_requests(&mut self, count: Count, now_ms: u64) {
        let had = &self.reading.requests;
        // Another process may have the pid of an earlier one.
        let same = had.gateway == count.gateway && had.requests <= count.requests;
        let new = if same { count.requests - had.requests } else { count.requests };
        if new > 0 {
            self.drafts.entry(hour_of(now_ms)).or_default().requests += new;
        }
        if new > 0 || !same {
            self.reading.requests = count;
            self.moved = true;
        }
    }
}

/// When the hour of the clock began, Unix milliseconds.
pub(crate) fn hour_of(at_ms: u64) -> u64 {
    at_ms - at_ms % HOUR_MS
}

/// Calls for each hour of the clock with how much of it the span has, in milliseconds. A clock that was
/// set back gives none.
fn spread((from_ms, to_ms): (u64, u64), mut add: impl FnMut(u64, u64)) {
    let mut at_ms = from_ms;
    while at_ms < to_ms {
        let hour_ms = hour_of(at_ms);
        let until_ms = to_ms.min(hour_ms.saturating_add(HOUR_MS));
        add(hour_ms, until_ms - at_ms);
        at_ms = until_ms;
    }
}

fn mib_ms(bytes: u64, span_ms: u64) -> u64 {
    u64::try_from((u128::from(bytes) * u128::from(span_ms)) >> 20).unwrap_or(u64::MAX)
}

fn share(amount: u64, part_ms: u64, span_ms: u64) -> u64 {
    if span_ms == 0 {
        return 0;
    }
    let part = u128::from(amount) * u128::from(part_ms) / u128::from(span_ms);
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
