//! The control plane killed at every point while it destroys a network whose lease nobody holds.

use std::{fs, sync::Arc};

use windlass_control::{Control, service::Action};
use windlass_model::{
    LeaseId, network::OperationState, receipt::ReleaseReceipt, receipt::ReleasedKind,
    spec::Manifest,
};
use windlass_substrate::lease::Hold;

use crate::{
    crash::{PATIENCE, granted, life, meta, quietly},
    fake::{FakeWorld, script::Script},
};

/// A world with a usable network of which the holder is gone.
fn abandoned() -> Arc<FakeWorld> {
    let world = FakeWorld::new();
    let lease = LeaseId::from_entropy([7; 10]);
    let folder = world.directory.path().join("leases");
    fs::create_dir(&folder).unwrap();
    let hold = Hold::make(&folder.join(lease.as_str())).unwrap();
    let created = life(&world, &quietly(), |control| create(control, lease)).unwrap();
    assert_eq!(created, OperationState::Succeeded);
    drop(hold);
    world
}

async fn create(control: Control, lease: LeaseId) -> OperationState {
    let manifest = Manifest { name: Some("trade".parse().unwrap()), ..Manifest::default() };
    let create = granted(&control, Action::Create).await;
    let declared = control.declare_under(&create, manifest, Some(lease), meta(None));
    let id = declared.await.expect("the lease is held").operation.unwrap().id;
    let read = granted(&control, Action::Read).await;
    control.wait_operation(&read, &id, PATIENCE).await.unwrap().state
}

async fn gone(control: Control) -> Vec<ReleaseReceipt> {
    let vacated = tokio::time::timeout(PATIENCE, control.vacated()).await;
    vacated.expect("the network is gone in time");
    control.receipts().await.unwrap()
}

#[track_caller]
fn check(world: &FakeWorld, receipts: &[ReleaseReceipt], context: &str) {
    let [receipt] = receipts else { panic!("{context}: one receipt: {receipts:?}") };
    let processes = receipt.released.iter().filter(|line| line.kind == ReleasedKind::Process);
    assert_eq!(processes.count(), 4, "{context}: {receipt:#?}");
    assert!(world.nodes().is_empty(), "{context}");
    assert!(world.keys.lock().unwrap().is_empty(), "{context}");
    let leases = fs::read_dir(world.directory.path().join("leases")).unwrap();
    assert_eq!(leases.count(), 0, "{context}");
    assert_eq!(world.substrate.broken_promises(), Vec::<String>::new(), "{context}");
}

#[test]
fn what_nobody_holds_is_destroyed_whatever_dies() {
    for point in 0.. {
        let world = abandoned();
        let script = Arc::new(Script::new(Some(point), None));
        if let Some(receipts) = life(&world, &script, gone) {
            check(&world, &receipts, "unharmed");
            assert!(point > 10, "there are points to be killed at: {point}");
            return;
        }
        let at = script.killed_at.lock().unwrap().clone().expect("it was killed");
        let receipts = life(&world, &quietly(), gone).unwrap();
        check(&world, &receipts, &format!("killed at {at}"));
    }
}
