//! Finality where a disk takes longer to make something durable.
//!
//! The nodes run with a library before libc's that waits after whatever syncs: a disk that is slow to sync,
//! and fast otherwise.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use windlass_e2e::{Call, Platform, run_tool};

use crate::{
    cluster::{Cluster, Node},
    load, say,
    summary::{Row, quantile},
};

const SOURCE: &str = include_str!("slow.c");
const PER_SECOND: u32 = 100;

/// What makes syncing slow.
struct Slowness {
    library: PathBuf,
    /// Held so that the library stays.
    _folder: TempDir,
}

impl Slowness {
    /// `None` where no C compiler makes it.
    async fn build() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (source, library) = (folder.path().join("slow.c"), folder.path().join("slow.so"));
        fs::write(&source, SOURCE).expect("the source can be written");
        let [to, from] = [&library, &source].map(|path| path.to_string_lossy().into_owned());
        let script = format!("cc -shared -fPIC -O2 -o '{to}' '{from}' -ldl");
        let built = run_tool("sh", &["-c", &script], &[]).await;
        (built.code == Some(0)).then_some(Self { library, _folder: folder })
    }
}

/// Finality at 100 transactions a second as who sends to the nodes themselves sees it: as the disk is, and with
/// so many milliseconds more for each sync.
pub(crate) async fn run(rounds: usize, seconds: u64, more_ms: u64) -> Vec<Row> {
    let Some(slowness) = Slowness::build().await else {
        say::progress(
            "NOT MEASURED: finality on a slow disk, for `cc`, the C compiler, makes no library",
        );
        return Vec::new();
    };
    let platform = Platform::start().await;
    let mut rows = Vec::new();
    for ms in [0, more_ms] {
        let ms_text = ms.to_string();
        let environment = [
            ("LD_PRELOAD", slowness.library.as_os_str()),
            ("WINDLASS_BENCH_SYNC_MS", ms_text.as_ref()),
        ];
        let what = format!("finality at {PER_SECOND} tx/s at the nodes, {ms} ms more a sync, p50");
        let mut p50 = Row::new(what, "ms", "");
        let mut p99 = Row::new("the same, p99", "ms", "");
        let spec = "validators = 4\nmin_block_interval_ms = 0\n";
        let cluster = Cluster::start(&platform, spec, None, &environment).await;
        let is_slow = |pid: u32| {
            let maps = fs::read_to_string(format!("/proc/{pid}/maps"));
            maps.is_ok_and(|maps| maps.contains(&*slowness.library.to_string_lossy()))
        };
        let is_slow = |node: &Node| node.pid().is_some_and(is_slow);
        assert!(cluster.nodes.iter().all(is_slow), "it is not preloaded");
        for round in 0..rounds {
            say::progress(&format!("{ms} ms more a sync, round {}", round + 1));
            let times = finality(&cluster, seconds).await;
            p50.samples.push(quantile(&times, 0.5));
            p99.samples.push(quantile(&times, 0.99));
        }
        rows.extend([p50, p99]);
        drop(cluster);
        drop(platform.destroy("far").await);
    }
    rows
}

async fn finality(cluster: &Cluster, seconds: u64) -> Vec<f64> {
    let count = usize::try_from(seconds * u64::from(PER_SECOND)).expect("they fit into memory");
    let mut accounts = load::accounts(count, cluster.chain_id);
    let signed = load::sign(&mut accounts, 1, |_, _| Call::default()).concat();
    load::paced(&signed, PER_SECOND, async |place, raw| {
        cluster.nodes[place % cluster.nodes.len()].transact(raw).await;
    })
    .await
}
