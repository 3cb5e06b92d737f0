use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use windlass_model::{
    ErrorCode, EventId, OrganizationId, Problem, api::Organization, spec::Manifest,
};

use super::*;
use crate::{
    meter::{Draft, Owner},
    network::declare,
    world::{
        Engines, EveryPointPassed, HttpWire, LoopbackPorts, MachineClock, MachineEntropy,
        VaultKeys, World,
    },
};

struct Bench {
    store: Store,
    world: World,
    organization: Organization,
    directory: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let points: Arc<dyn Points> = Arc::new(EveryPointPassed);
        let store = Store::open(&directory.path().join("windlass.db"), points).await.unwrap();
        let vault = windlass_keys::vault::Vault::open(directory.path().join("keys")).unwrap();
        let world = World {
            substrate: Arc::new(windlass_substrate::fake::FakeSubstrate::new()),
            engines: Engines::default(),
            keys: Arc::new(VaultKeys::new(Arc::new(vault))),
            wire: Arc::new(HttpWire),
            ports: Arc::new(LoopbackPorts),
            clock: Arc::new(MachineClock),
            entropy: Arc::new(MachineEntropy),
            points: Arc::new(EveryPointPassed),
        };
        let organization = Organization {
            id: OrganizationId::from_entropy([7; 10]),
            name: "acme".parse().unwrap(),
        };
        let mut change = store.begin().await.unwrap();
        change.put_organization(&organization, 1).await.unwrap();
        change.commit("test").await.unwrap();
        Self { store, world, organization, directory }
    }

    fn record(&self, name: &str, chain_id: u64) -> rows::Record {
        let manifest = Manifest { name: Some(name.parse().unwrap()), ..Manifest::default() };
        declare::declare(&self.world, &self.organization, &manifest, chain_id, ("test", 5))
            .unwrap()
            .record
    }

    async fn insert(&self, record: &rows::Record) -> Result<(), StoreError> {
        let mut change = self.store.begin().await?;
        change.insert(record, 5).await?;
        change.commit("test").await
    }

    async fn load(&self, name: &str) -> Option<rows::Record> {
        self.store.network(&self.organization.id, &Find::parse(name)).await.unwrap()
    }

    fn entry<'a>(&'a self, object: &'a str) -> AuditEntry<'a> {
        AuditEntry {
            organization: Some(&self.organization.id),
            at_ms: 5,
            actor: "token:test",
            action: "network.create",
            object,
            request_hash: &[0; 32],
            outcome: "accepted",
        }
    }
}

/// Networks come and go while others read them.
#[tokio::test]
async fn what_is_read_is_of_one_moment() {
    let bench = Bench::new().await;
    let record = bench.record("trade", 77);
    let comes_and_goes = async {
        for _ in 0..100 {
            bench.insert(&record).await.unwrap();
            let mut change = bench.store.begin().await.unwrap();
            change.remove(&record, 8).await.unwrap();
            change.commit("test").await.unwrap();
        }
    };
    let reads = async {
        loop {
            let page = bench.store.networks(&bench.organization.id, "", 10).await.unwrap();
            assert!(page.iter().all(|seen| *seen == record), "whole, or not there");
        }
    };
    tokio::select! {
        () = comes_and_goes => {}
        () = reads => {}
    }
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_saved_and_goes_whole() {
    let bench = Bench::new().await;
    let record = bench.record("trade", 77);
    bench.insert(&record).await.unwrap();
    assert_eq!(bench.load("trade").await.as_ref(), Some(&record));
    assert_eq!(bench.load(record.network.id.as_str()).await.as_ref(), Some(&record));
    let other = OrganizationId::from_entropy([8; 10]);
    let hidden = bench.store.network(&other, &Find::parse("trade")).await.unwrap();
    assert_eq!(hidden, None, "another organization's");

    let mut after = record.clone();
    after.nodes[2].port = Some(4711);
    after.nodes[2].node_key.public = Some([9; 32]);
    after.network.genesis = Some("{}".to_owned());
    let mut change = bench.store.begin().await.unwrap();
    change.save(&record, &mut after, 6).await.unwrap();
    change.commit("test").await.unwrap();
    assert_eq!(bench.load("trade").await.as_ref(), Some(&after));
    assert!(bench.store.known().await.unwrap().ports.contains(&4711));

    let mut change = bench.store.begin().await.unwrap();
    let stale = change.save(&record, &mut record.clone(), 7).await.unwrap_err();
    assert!(matches!(stale, StoreError::Stale), "{stale:?}");
    drop(change);

    let mut change = bench.store.begin().await.unwrap();
    change.remove(&after, 8).await.unwrap();
    change.commit("test").await.unwrap();
    assert_eq!(bench.load("trade").await, None);
    let known = bench.store.known().await.unwrap();
    assert!(known.keys.is_empty() && known.ports.is_empty() && known.workloads.is_empty());
    let operation = record.operation.unwrap();
    let kept = bench.store.operation(&bench.organization.id, &operation.id).await.unwrap();
    assert!(kept.is_some(), "an operation outlives its network");
    let events = bench.store.events(&bench.organization.id, EventId(0), 100).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let saved = ["operation", "network"];
    assert_eq!(kinds, [saved, saved, ["operation", "network_gone"]].concat());
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[tokio::test]
async fn names_chain_ids_and_ports_are_unique() {
    let bench = Bench::new().await;
    bench.insert(&bench.record("trade", 77)).await.unwrap();
    for (name, chain_id) in [("trade", 78), ("other", 77)] {
        let error = bench.insert(&bench.record(name, chain_id)).await.unwrap_err();
        assert!(error.taken().is_some(), "{error:?}");
    }
    assert_eq!(bench.load("other").await, None, "a failed change is undone");
}

impl Store {
    /// The audit log: organization, actor, action, object, request hash and outcome of each line.
    pub(crate) async fn audit_lines(&self) -> Vec<[String; 6]> {
        let rows = sqlx::query("SELECT * FROM audit ORDER BY id")
            .fetch_all(&mut *self.read().await.unwrap())
            .await
            .unwrap();
        let columns = ["organization_id", "actor", "action", "object", "request_hash", "outcome"];
        rows.iter()
            .map(|row| columns.map(|name| values::Columns::text(row, name).unwrap()))
            .collect()
    }
}

#[tokio::test]
async fn an_outcome_carries_the_hash_of_the_request_that_began_the_operation() {
    let bench = Bench::new().await;
    let record = bench.record("trade", 77);
    let mut operation = record.operation.clone().unwrap();
    let mut change = bench.store.begin().await.unwrap();
    change.insert(&record, 5).await.unwrap();
    change.put_request(&operation.id, &[7; 32]).await.unwrap();
    change.commit("test").await.unwrap();

    let mut change = bench.store.begin().await.unwrap();
    operation.reason = None;
    change.put_operation(&operation).await.unwrap();
    change.audit_outcome(&operation, "succeeded", 6).await.unwrap();
    change.commit("test").await.unwrap();
    let lines = bench.store.audit_lines().await;
    let [organization, actor, action, object, hash, outcome] = &lines[0];
    assert_eq!(organization, bench.organization.id.as_str());
    assert_eq!((actor.as_str(), action.as_str()), ("platform", "network.create"));
    assert_eq!((object.as_str(), outcome.as_str()), (record.network.id.as_str(), "succeeded"));
    assert_eq!(*hash, hex::encode([7; 32]));
}

#[tokio::test]
async fn a_transaction_that_was_not_committed_holds_up_no_other() {
    let bench = Bench::new().await;
    for chain_id in [77, 78] {
        let mut change = bench.store.begin().await.unwrap();
        change.insert(&bench.record("trade", chain_id), 5).await.unwrap();
        // What SQLite does by itself when a commit finds the disk full.
        if chain_id == 78 {
            sqlx::query("ROLLBACK").execute(change.connection()).await.unwrap();
            change.commit("test").await.expect_err("there is nothing to commit");
        }
    }
    assert_eq!(bench.load("trade").await, None);
    bench.insert(&bench.record("trade", 79)).await.expect("writes go on");
}

#[tokio::test]
async fn nothing_is_changed_when_the_audit_log_cannot_be_written() {
    let bench = Bench::new().await;
    let record = bench.record("trade", 77);
    let mut change = bench.store.begin().await.unwrap();
    sqlx::query("DROP TABLE audit").execute(change.connection()).await.unwrap();
    change.commit("test").await.unwrap();
    let mut change = bench.store.begin().await.unwrap();
    change.insert(&record, 5).await.unwrap();
    let error = change.audit(&bench.entry(record.network.id.as_str())).await.unwrap_err();
    drop(change);
    let problem = Box::<Problem>::from(error);
    assert_eq!((problem.code, problem.status), (ErrorCode::AuditUnavailable, 503));
    assert_eq!(bench.load("trade").await, None, "reads go on, and nothing was written");
}

#[tokio::test]
async fn the_file_is_private_and_survives_being_opened_again() {
    let bench = Bench::new().await;
    bench.insert(&bench.record("trade", 77)).await.unwrap();
    for entry in std::fs::read_dir(bench.directory.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", entry.path().display());
        }
    }
    let path = bench.directory.path().join("windlass.db");
    let again = Store::open(&path, Arc::new(EveryPointPassed)).await.unwrap();
    let found = again.network(&bench.organization.id, &Find::parse("trade")).await.unwrap();
    assert!(found.is_some());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("windlass.db");
    std::fs::write(&path, [7; 8192]).unwrap();
    let error = Store::open(&path, Arc::new(EveryPointPassed)).await.unwrap_err();
    let problem = Box::<Problem>::from(error);
    assert_eq!(problem.code, ErrorCode::DataDirectoryUnusable, "{problem:?}");
}

#[tokio::test]
async fn what_was_used_is_read_by_hour_and_of_one_network_alone() {
    const HOUR_MS: u64 = 3_600_000;
    let bench = Bench::new().await;
    let [trade, other] = [("trade", 77), ("other", 78)].map(|(name, id)| bench.record(name, id));
    let mut change = bench.store.begin().await.unwrap();
    for (record, hour, cpu_ms) in
        [(&trade, 4, 10), (&trade, 5, 20), (&other, 5, 40), (&trade, 5, 1)]
    {
        let owner = Owner {
            organization: bench.organization.id.clone(),
            name: record.network.name.clone(),
        };
        let draft = Draft { cpu_ms, ..Draft::default() };
        change.add_use(&record.network.id, &owner, (hour * HOUR_MS, draft)).await.unwrap();
    }
    change.commit("test").await.unwrap();
    let read = async |span: (u64, u64), network: Option<&rows::Record>| -> Vec<(u64, u64)> {
        let span = (span.0 * HOUR_MS, span.1 * HOUR_MS);
        let network = network.map(|record| &record.network.id);
        let hours = bench.store.usage(&bench.organization.id, span, network).await.unwrap();
        hours.iter().map(|hour| (hour.hour_ms / HOUR_MS, hour.used.cpu_ms)).collect()
    };
    assert_eq!(read((0, 9), None).await, [(5, 40), (5, 21), (4, 10)]);
    assert_eq!(read((0, 9), Some(&trade)).await, [(5, 21), (4, 10)]);
    assert_eq!(read((5, 6), Some(&other)).await, [(5, 40)]);
    assert_eq!(read((4, 5), Some(&other)).await, []);
}
