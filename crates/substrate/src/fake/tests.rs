use std::{collections::BTreeMap, sync::Arc};

use futures::FutureExt;
use windlass_model::workload::{Limits, Program};

use super::*;
use crate::conformance::{self, Bench};

struct FakeBench(FakeSubstrate);

#[async_trait::async_trait]
impl Bench for FakeBench {
    fn substrate(&self) -> Arc<dyn Substrate> {
        Arc::new(self.0.clone())
    }

    async fn successor(&self) -> Arc<dyn Substrate> {
        Arc::new(self.0.clone())
    }

    fn workload(&self, id: &WorkloadId) -> Workload {
        workload(id.as_str())
    }

    async fn kill(&self, id: &WorkloadId) {
        self.0.kill(id);
    }
}

fn workload(id: &str) -> Workload {
    let port = id.bytes().fold(20_000, |sum: u16, byte| sum.wrapping_add(u16::from(byte)));
    Workload {
        id: id.parse().expect("a valid id"),
        program: Program::Node,
        arguments: Vec::new(),
        environment: BTreeMap::new(),
        files: BTreeMap::new(),
        ports: [("p2p".to_owned(), port)].into(),
        sockets: [("rpc".to_owned(), "rpc.sock".to_owned())].into(),
        limits: Limits::default(),
        labels: [("suite".to_owned(), "conformance".to_owned())].into(),
        desired: Desired::Running,
    }
}

#[tokio::test]
async fn passes_the_conformance_suite() {
    let fake = FakeSubstrate::new();
    conformance::run(&FakeBench(fake.clone())).await;
    assert!(fake.workloads().is_empty(), "the suite leaves nothing");
    assert_eq!(fake.broken_promises(), Vec::<String>::new());
}

/// Calls `ensure` under a fault; returns whether it reported success and whether a process lives.
fn ensure_under(fault: Fault) -> (Option<bool>, bool) {
    let fake = FakeSubstrate::new();
    fake.script_call(0, fault);
    let reported = fake.ensure(&workload("node-1")).now_or_never().map(|result| result.is_ok());
    (reported, !fake.processes().is_empty())
}

#[tokio::test]
async fn faults_do_what_they_say() {
    assert_eq!(ensure_under(Fault::FailBefore), (Some(false), false));
    assert_eq!(ensure_under(Fault::FailAfter), (Some(false), true));
    assert_eq!(ensure_under(Fault::HangBefore), (None, false));
    assert_eq!(ensure_under(Fault::HangAfter), (None, true));
    assert_eq!(ensure_under(Fault::Twice), (Some(true), true));
    assert_eq!(ensure_under(Fault::ExitsEarly), (Some(false), false));
}

#[tokio::test]
async fn a_hang_ends_with_a_release() {
    let fake = FakeSubstrate::new();
    let workload = workload("node-1");
    fake.script(Verb::Ensure, Some(&workload.id), Fault::HangBefore);
    let mut call = Box::pin(fake.ensure(&workload));
    assert!(call.as_mut().now_or_never().is_none());
    fake.release();
    assert!(call.await.expect("it goes on").pid().is_some());
}

#[tokio::test]
async fn a_scripted_fault_meets_its_target_only_and_once() {
    let fake = FakeSubstrate::new();
    let (one, two) = (workload("node-1"), workload("node-2"));
    fake.script(Verb::Ensure, Some(&two.id), Fault::FailBefore);
    assert!(fake.ensure(&one).await.is_ok());
    assert!(fake.ensure(&two).await.is_err());
    assert!(fake.ensure(&two).await.is_ok());
    let faults: Vec<_> = fake.calls().into_iter().map(|call| call.fault).collect();
    assert_eq!(faults, [None, Some(Fault::FailBefore), None]);
}

#[tokio::test]
async fn a_port_given_twice_is_a_broken_promise() {
    let fake = FakeSubstrate::new();
    let one = workload("node-1");
    let two = Workload { ports: one.ports.clone(), ..workload("node-2") };
    assert!(fake.ensure(&one).await.is_ok());
    assert!(matches!(fake.ensure(&two).await, Err(SubstrateError::PortInUse { .. })));
    assert_eq!(fake.broken_promises().len(), 1);
}

#[tokio::test]
async fn a_removal_that_happened_twice_still_reports_what_was_there() {
    let fake = FakeSubstrate::new();
    let one = workload("node-1");
    fake.ensure(&one).await.expect("it starts");
    fake.script(Verb::Remove, None, Fault::Twice);
    let removal = fake.remove(&one.id).await.expect("it goes");
    assert_eq!(removal.released.len(), 4);
    assert!(fake.remove(&one.id).await.expect("absent is success").released.is_empty());
}
