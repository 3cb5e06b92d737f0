//! What tests see of the fake from outside.

use std::collections::BTreeSet;

use windlass_model::{WorkloadId, workload::Workload};

use super::FakeSubstrate;

impl FakeSubstrate {
    /// The processes that live now: workload and pid.
    pub fn processes(&self) -> Vec<(WorkloadId, u32)> {
        let world = self.world();
        let alive = world.workloads.iter().filter_map(|(id, entry)| {
            entry.running.as_ref().map(|(running, _)| (id.clone(), running.pid))
        });
        alive.chain(world.beside.iter().cloned()).collect()
    }

    /// One workload, running or not.
    pub fn workload(&self, id: &WorkloadId) -> Option<Workload> {
        self.world().workloads.get(id).map(|entry| entry.workload.clone())
    }

    /// The value of a label that a workload has, running or not.
    pub fn label(&self, id: &WorkloadId, name: &str) -> Option<String> {
        self.world().workloads.get(id)?.workload.labels.get(name).cloned()
    }

    /// How many processes run of workloads with this label.
    pub fn alive_with(&self, name: &str, value: &str) -> usize {
        let world = self.world();
        let alive = world.workloads.values().filter(|entry| entry.running.is_some());
        alive.filter(|one| one.workload.labels.get(name).is_some_and(|is| is == value)).count()
    }

    /// The ports that processes listen on now.
    pub fn ports(&self) -> BTreeSet<u16> {
        let world = self.world();
        let alive = world.workloads.values().filter(|entry| entry.running.is_some());
        alive.flat_map(|entry| entry.workload.ports.values().copied()).collect()
    }

    /// Every workload that exists, running or not: what a complete teardown leaves empty.
    pub fn workloads(&self) -> Vec<Workload> {
        self.world().workloads.values().map(|entry| entry.workload.clone()).collect()
    }

    /// Promises that were broken so far; a test asserts that there are none.
    pub fn broken_promises(&self) -> Vec<String> {
        self.world().broken.clone()
    }
}
