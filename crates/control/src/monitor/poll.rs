//! The long poll of one node's process.

use std::{sync::Arc, time::Duration};

use windlass_engine::{Engine, NodeReport};
use windlass_model::{NetworkId, NodeId, WorkloadId};
use windlass_substrate::Running;

use crate::{
    monitor::{Shared, live::Silence},
    store::error::causes,
    world::{Target, rpc},
};

/// How long a node may hold a poll that has nothing to say.
const HOLD_MS: u64 = 25_000;
/// How long the first answer may take, and how much longer than it was asked to a later one may.
const GRACE: Duration = Duration::from_secs(5);
/// How often a node that has nothing to say shows that it lives: one that hangs holds its poll too.
const PROOF_OF_LIFE: Duration = Duration::from_secs(5);
/// Between two polls of a network that nobody waits for: a bound on ticks under load.
const BREATH: Duration = Duration::from_millis(50);
/// After a poll that was not answered.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// One process that is listened to.
pub(super) struct Poll {
    pub(super) network: NetworkId,
    pub(super) node: NodeId,
    pub(super) process: Running,
    pub(super) target: Target,
    pub(super) engine: Arc<dyn Engine>,
}

impl Poll {
    /// Listens until it is dropped.
    pub(super) async fn run(&self, shared: &Shared) {
        let mut revision = None;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.listen(shared, revision).await {
                Ok(report) => {
                    if revision.is_none() {
                        self.measure(shared).await;
                    }
                    revision = Some(report.revision);
                    pause = FIRST_PAUSE;
                    if !self.heard(shared, report) {
                        tokio::time::sleep(BREATH).await;
                    }
                }
                Err(why) => {
                    revision = None;
                    self.silent(shared, why);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    /// Waits for news, and meanwhile asks now and then whether anybody is there.
    async fn listen(&self, shared: &Shared, revision: Option<u64>) -> Result<NodeReport, String> {
        let news = self.ask(shared, revision);
        tokio::pin!(news);
        loop {
            // Cancel safety: a poll that is dropped has changed nothing but its own connection.
            tokio::select! {
                news = &mut news => return news,
                () = tokio::time::sleep(PROOF_OF_LIFE) => {}
            }
            tokio::select! {
                news = &mut news => return news,
                alive = self.ask(shared, None) => self.lives(shared, alive?),
            }
        }
    }

    async fn ask(&self, shared: &Shared, revision: Option<u64>) -> Result<NodeReport, String> {
        let (request, timeout) = match revision {
            None => (self.engine.status_request(), GRACE),
            Some(revision) => (
                self.engine.await_status_request(revision, HOLD_MS),
                Duration::from_millis(HOLD_MS) + GRACE,
            ),
        };
        let question = (request.method, &request.params);
        let answer = rpc(&*shared.world.wire, &self.target, "/", question, timeout)
            .await
            .map_err(|error| format!("{error}{}", causes(&error)))?;
        self.engine.read_status(&answer).map_err(|error| error.to_string())
    }

    /// Notes a report. True if an operation waits for more.
    fn heard(&self, shared: &Shared, report: NodeReport) -> bool {
        let now_ms = shared.world.now_ms();
        let (mut busy, mut new) = (false, false);
        shared.update(&self.network, |watched| {
            busy = watched.is_busy();
            let Some(live) = watched.live.nodes.get_mut(&self.node) else { return };
            if live.process.as_ref() != Some(&self.process) {
                return;
            }
            let seated_by = report.seated_by.clone();
            let before = live.report.replace(report).and_then(|before| before.seated_by);
            let renamed = seated_by != before;
            live.answers(now_ms);
            // What is known of it is to be written down.
            let noted = watched.known.get(&self.node).map(|known| known.rank);
            new = renamed || noted.is_some_and(|noted| noted != watched.rank(&self.node));
        });
        if busy || new {
            shared.wakes.wake_known(&self.network);
        }
        busy
    }

    /// Notes that it answers, and what of it changes while it has no news: its machine.
    fn lives(&self, shared: &Shared, report: NodeReport) {
        let now_ms = shared.world.now_ms();
        shared.update(&self.network, |watched| {
            let Some(live) = watched.live.nodes.get_mut(&self.node) else { return };
            if live.process.as_ref() == Some(&self.process) && live.silence.is_none() {
                if let Some(known) = &mut live.report {
                    known.machine = report.machine;
                }
                live.answers(now_ms);
            }
        });
    }

    /// Notes that it did not answer. Whoever can do something about one that hangs is woken.
    fn silent(&self, shared: &Shared, why: String) {
        let now_ms = shared.world.now_ms();
        let mut hangs = false;
        shared.update(&self.network, |watched| {
            let Some(live) = watched.live.nodes.get_mut(&self.node) else { return };
            let (since_ms, before) = live
                .silence
                .as_ref()
                .map_or((now_ms, 0), |silence| (silence.since_ms, silence.questions));
            live.silence = Some(Silence { why, since_ms, questions: before.saturating_add(1) });
            hangs = live.hangs(now_ms);
        });
        if hangs {
            shared.wakes.wake_known(&self.network);
        }
    }

    /// The first look at its memory; later ones come with the beat.
    async fn measure(&self, shared: &Shared) {
        let id = WorkloadId::of_node(&self.node);
        if let Ok(usage) = shared.world.substrate.usage(&id).await {
            shared.note_usage(&self.network, &self.node, usage);
        }
    }
}
