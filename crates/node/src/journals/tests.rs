//! The files are as they were written, whatever happens to the disk, and whichever place they are in.

use std::collections::BTreeMap;

use commonware_runtime::{Runner as _, Supervisor as _, deterministic};
use futures::FutureExt as _;
use rand_core::Rng as _;
use windlass_chain::store::{MemoryStore, SimulatedDisk, StoreError};

use super::{drawer::WAITING, *};
use crate::consensus::work::Work;

type Files = deterministic::Context;

fn on(context: &Files, store: &MemoryStore) -> Journals<Files> {
    let drawer = Drawer::open(store.clone(), Work::Inline).unwrap();
    Journals::new(context.child("files"), drawer)
}

fn run<F: Future<Output = ()>>(body: impl FnOnce(Files, MemoryStore) -> F) {
    deterministic::Runner::seeded(7).start(|context| body(context, MemoryStore::default()));
}

async fn all<S: Storage>(journals: &Journals<S>, name: &[u8]) -> Vec<u8> {
    let (blob, length) = journals.open("part", name).await.unwrap();
    let length = usize::try_from(length).unwrap();
    blob.read_at(0, length, ReadOptions::default()).await.unwrap().coalesce().as_ref().to_vec()
}

#[test]
fn what_is_synced_is_there_for_the_next_process() {
    run(|context, store| async move {
        let journals = on(&context, &store);
        let (blob, length) = journals.open("part", b"one").await.unwrap();
        assert_eq!(length, 0);
        blob.write_at(0, vec![7; 2_000], WriteOptions::default()).await.unwrap();
        blob.write_at(600, vec![0; 900], WriteOptions::default()).await.unwrap();
        blob.sync().await.unwrap();
        blob.write_at(5_000, b"end", WriteOptions::SYNC).await.unwrap();
        blob.resize(5_001).await.unwrap();
        blob.start_sync().await.await.unwrap();
        blob.write_at(0, b"lost", WriteOptions::default()).await.unwrap();
        let too_far = blob.read_at(5_000, 2, ReadOptions::default()).await;
        assert!(matches!(too_far, Err(Error::BlobInsufficientLength)));
        let mut expected = vec![7; 2_000];
        expected[600..1_500].fill(0);
        expected.resize(5_000, 0);
        expected.push(b'e');
        assert_eq!(all(&on(&context, &store), b"one").await, expected);
        expected[..4].copy_from_slice(b"lost");
        drop(blob);
        assert_eq!(all(&journals, b"one").await, expected, "opening makes it durable");
        assert_eq!(all(&on(&context, &store), b"one").await, expected);
    });
}

#[test]
fn names_are_made_found_and_removed() {
    run(|context, store| async move {
        let journals = on(&context, &store);
        let missing = journals.scan("part").await;
        assert!(matches!(missing, Err(Error::PartitionMissing(_))), "{missing:?}");
        let wrong = journals.open("a/b", b"x").await.err();
        assert!(matches!(wrong, Some(Error::PartitionNameInvalid(_))), "{wrong:?}");
        // A file from before there was a drawer.
        let (old, _) = context.open("part", b"old").await.unwrap();
        old.write_at(0, b"old", WriteOptions::SYNC).await.unwrap();
        drop(old);
        let journals = on(&context, &store);
        let (new, _) = journals.open("part", b"new").await.unwrap();
        let twice = journals.open("part", b"new").await.err();
        assert!(matches!(twice, Some(Error::BlobAlreadyOpen(..))), "{twice:?}");
        assert_eq!(journals.scan("part").await.unwrap(), [b"new".to_vec(), b"old".to_vec()]);
        assert_eq!(all(&journals, b"old").await, b"old");
        new.write_at(0, b"gone", WriteOptions::SYNC).await.unwrap();
        journals.remove("part", Some(b"new")).await.unwrap();
        // Who has it reads it; nobody else does.
        let read = new.read_at(0, 4, ReadOptions::default()).await.unwrap();
        assert_eq!(read.coalesce().as_ref(), b"gone");
        new.write_at(0, vec![1; SMALL + 1], WriteOptions::SYNC).await.unwrap();
        assert_eq!(all(&journals, b"new").await, b"");
        let other =
            journals.open_versioned("part", b"new", BlobVersion::new(4)..=BlobVersion::new(9));
        assert!(matches!(other.await.err(), Some(Error::BlobVersionMismatch { .. })));
        journals.remove("part", None).await.unwrap();
        journals.drawer.flush().await.await;
        for journals in [journals, on(&context, &store)] {
            assert!(matches!(journals.scan("part").await, Err(Error::PartitionMissing(_))));
            let absent = journals.remove("part", Some(b"new")).await;
            assert!(matches!(absent, Err(Error::BlobMissing(..))), "{absent:?}");
        }
    });
}

#[test]
fn what_grows_is_a_file_of_its_own() {
    run(|context, store| async move {
        let journals = on(&context, &store);
        for (name, step) in [(b"slow", SHORT), (b"fast", SMALL + 1)] {
            let (blob, _) = journals.open("part", name).await.unwrap();
            let mut expected = Vec::new();
            while expected.len() <= SMALL {
                let at = u64::try_from(expected.len()).unwrap();
                blob.write_at(at, vec![at.to_be_bytes()[6] | 1; step], WriteOptions::default())
                    .await
                    .unwrap();
                expected.resize(expected.len() + step, at.to_be_bytes()[6] | 1);
            }
            blob.write_at(3, b"more", WriteOptions::SYNC).await.unwrap();
            expected[3..7].copy_from_slice(b"more");
            blob.sync().await.unwrap();
            let taken = journals.open("part", name).await.err();
            assert!(matches!(taken, Some(Error::BlobAlreadyOpen(..))), "{taken:?}");
            drop(blob);
            let (file, length) = context.open("part", name).await.unwrap();
            assert_eq!(length, u64::try_from(expected.len()).unwrap());
            drop(file);
            for journals in [&journals, &on(&context, &store)] {
                assert!(all(journals, name).await == expected);
            }
        }
        // One that was cut off after the file was made: the drawer has it still.
        let (left, _) = context.open("part", b"left").await.unwrap();
        let journals = on(&context, &MemoryStore::default());
        let (blob, _) = journals.open("part", b"small").await.unwrap();
        left.write_at(0, vec![9; 3 * SMALL], WriteOptions::SYNC).await.unwrap();
        blob.write_at(0, b"small", WriteOptions::SYNC).await.unwrap();
        let (file, _) = context.open("part", b"small").await.unwrap();
        file.write_at(0, vec![9; 3 * SMALL], WriteOptions::SYNC).await.unwrap();
        drop(file);
        blob.resize(u64::try_from(SMALL).unwrap() + 1).await.unwrap();
        blob.sync().await.unwrap();
        drop(blob);
        let mut expected = b"small".to_vec();
        expected.resize(SMALL + 1, 0);
        assert!(all(&journals, b"small").await == expected);
    });
}

/// What all files have.
type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is written, and what a power cut may leave of it.
struct Model {
    now: Contents,
    possible: Vec<Contents>,
}

impl Model {
    fn of(found: Contents) -> Self {
        Self { possible: vec![found.clone()], now: found }
    }

    /// Changes what is there, not durably.
    fn change(&mut self, change: impl FnOnce(&mut Contents)) {
        change(&mut self.now);
        self.possible.push(self.now.clone());
    }

    fn settle(&mut self) {
        self.possible = vec![self.now.clone()];
    }

    /// Does something at random to a file; `None` if the power fails meanwhile.
    fn act(
        &mut self,
        journals: &Journals<Files>,
        mut entropy: impl FnMut(usize) -> usize,
    ) -> Option<()> {
        let byte = |number: usize| u8::try_from(number).unwrap();
        let name = vec![byte(entropy(3))];
        if entropy(9) == 0 && self.now.contains_key(&name) {
            self.change(|all| drop(all.remove(&name)));
            journals.remove("part", Some(&name)).now_or_never()?.unwrap();
            return Some(());
        }
        let is_old = self.now.contains_key(&name);
        self.change(|all| {
            all.entry(name.clone()).or_default();
        });
        let (blob, _) = journals.open("part", &name).now_or_never()?.unwrap();
        if is_old {
            self.settle();
        }
        for _ in 0..entropy(5) {
            match entropy(3) {
                0 => {
                    let (at, length, fill) = (entropy(3_000), entropy(3_000), byte(entropy(3)));
                    self.change(|all| {
                        let content = all.get_mut(&name).unwrap();
                        content.resize(content.len().max(at + length), 0);
                        content[at..at + length].fill(fill);
                    });
                    let (at, bytes) = (u64::try_from(at).unwrap(), vec![fill; length]);
                    blob.write_at(at, bytes, WriteOptions::default()).now_or_never()?.unwrap();
                }
                1 => {
                    let length = entropy(4_000);
                    self.change(|all| all.get_mut(&name).unwrap().resize(length, 0));
                    blob.resize(u64::try_from(length).unwrap()).now_or_never()?.unwrap();
                }
                _ => {
                    blob.sync().now_or_never()?.unwrap();
                    self.settle();
                }
            }
        }
        Some(())
    }
}

async fn found(journals: &Journals<Files>) -> Contents {
    let mut found = Contents::new();
    for name in journals.scan("part").await.unwrap_or_default() {
        let content = all(journals, &name).await;
        found.insert(name, content);
    }
    found
}

#[test]
fn a_power_cut_takes_only_what_was_not_synced() {
    for seed in 0..40 {
        deterministic::Runner::seeded(seed).start(|mut context| async move {
            let disk = SimulatedDisk::default();
            let mut model = Model::of(Contents::new());
            for life in 0..5 {
                let drawer = Drawer::open(disk.open().unwrap(), Work::Inline).unwrap();
                let journals = Journals::new(context.child("files"), Arc::clone(&drawer));
                let found = found(&journals).await;
                assert!(model.possible.contains(&found), "seed {seed}, life {life}");
                model = Model::of(found);
                let mut entropy =
                    |below: usize| usize::try_from(context.next_u32()).unwrap() % below;
                disk.fail_after(u64::try_from(20 + entropy(400)).unwrap());
                while model.act(&journals, &mut entropy).is_some() {}
                let error = drawer.failure().await;
                assert!(matches!(*error, StoreError::Io(_)), "{error:?}");
                disk.crash(|| context.next_u64());
            }
        });
    }
}

#[test]
fn what_is_unhurried_is_durable_before_what_is_written_later() {
    for seed in 0..40 {
        deterministic::Runner::seeded(seed).start(|mut context| async move {
            let disk = SimulatedDisk::default();
            let open = |name: &'static [u8], partition: &'static str, drawer: &Arc<Drawer>| {
                let journals = Journals::new(context.child("files"), Arc::clone(drawer))
                    .unhurried("marshal".to_owned());
                async move { journals.open(partition, name).await.unwrap() }
            };
            let drawer = Drawer::open(disk.open().unwrap(), Work::Inline).unwrap();
            let (block, _) = open(b"block", "marshal-cache", &drawer).await;
            let (vote, _) = open(b"vote", "consensus-0", &drawer).await;
            let mut voted = 0;
            disk.fail_after(5 + seed);
            for number in 1..=40u8 {
                let written = async {
                    block.write_at(0, vec![number; 700], WriteOptions::default()).await.unwrap();
                    block.sync().await.unwrap();
                    vote.write_at(0, vec![number], WriteOptions::default()).await.unwrap();
                    vote.sync().await.unwrap();
                };
                if written.now_or_never().is_none() {
                    break;
                }
                voted = number;
            }
            assert!(voted < 40, "the disk failed");
            drop((block, vote, drawer));
            disk.crash(|| context.next_u64());
            let drawer = Drawer::open(disk.open().unwrap(), Work::Inline).unwrap();
            let journals = Journals::new(context.child("files"), drawer);
            let read = async |partition, name| {
                let (blob, length) = journals.open(partition, name).await.unwrap();
                let length = usize::try_from(length).unwrap();
                let read = blob.read_at(0, length, ReadOptions::default()).await.unwrap();
                read.coalesce().as_ref().first().copied().unwrap_or(0)
            };
            let kept = read("consensus-0", b"vote").await;
            assert!(kept >= voted, "seed {seed}: vote {voted} was synced, and {kept} is there");
            assert!(read("marshal-cache", b"block").await >= kept, "seed {seed}");
        });
    }
}

#[test]
fn a_sync_that_is_unhurried_waits_for_nothing_until_much_waits() {
    run(|context, store| async move {
        let journals = on(&context, &store).unhurried("marshal".to_owned());
        let (block, _) = journals.open("marshal-cache", b"block").await.unwrap();
        block.write_at(0, vec![7; 100], WriteOptions::SYNC).await.unwrap();
        block.start_sync().await.await.unwrap();
        let there = async || on(&context, &store).scan("marshal-cache").await.is_ok();
        assert!(!there().await, "nobody needs it yet");
        for piece in 0..WAITING {
            let offset = u64::try_from(piece * 512).unwrap();
            block.write_at(offset, vec![7; 10], WriteOptions::default()).await.unwrap();
        }
        block.sync().await.unwrap();
        assert!(there().await, "it is much");
        let (large, _) = journals.open("marshal-cache", b"large").await.unwrap();
        large.write_at(0, vec![7; SHORT + 1], WriteOptions::SYNC).await.unwrap();
        let found = on(&context, &store).scan("marshal-cache").await.unwrap();
        assert!(found.contains(&b"large".to_vec()), "a file of its own is synced as ever");
    });
}
