//! What somebody who asked out of turn was answered: it is noted like what polls hear.

use windlass_engine::NodeReport;
use windlass_model::{NetworkId, NodeId};
use windlass_substrate::Usage;

use super::{Monitor, live::Silence};

impl Monitor {
    /// Notes what a node answered that was asked at this time, or why it did not.
    pub(crate) fn note_answer(
        &self,
        network: &NetworkId,
        (node, asked_ms): (&NodeId, u64),
        answer: Result<NodeReport, String>,
    ) {
        let now_ms = self.shared.world.now_ms();
        self.shared.update(network, |watched| {
            // What an earlier process answered says nothing about the one that runs now.
            let live = watched.live.nodes.get_mut(node).filter(|live| {
                live.process.as_ref().is_some_and(|process| process.started_at_ms <= asked_ms)
            });
            let Some(live) = live else { return };
            match answer {
                Ok(report) => {
                    live.report = Some(report);
                    live.answers(now_ms);
                }
                // That it hangs is concluded from its polls.
                Err(why) => {
                    let silence = Silence { why, since_ms: now_ms, questions: 1 };
                    live.silence.get_or_insert(silence);
                }
            }
        });
    }

    /// Notes what a node uses.
    pub(crate) fn note_usage(&self, network: &NetworkId, node: &NodeId, usage: Usage) {
        self.shared.note_usage(network, node, usage);
    }

    /// Notes what came of a call of the endpoint: why it was not answered, if it was not.
    pub(crate) fn note_endpoint(&self, network: &NetworkId, silence: Option<String>) {
        let now_ms = self.shared.world.now_ms();
        self.shared.update(network, |watched| {
            watched.endpoint_silence = silence.map(|why| (why, now_ms));
        });
    }
}
