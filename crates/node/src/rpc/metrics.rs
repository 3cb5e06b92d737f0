//! What a node measures, in Prometheus' text format.
//!
//! It is all read when it is asked for; nothing is kept for it. Names follow Prometheus' conventions:
//! base units, `_total` for what only rises, `process_` for what every process has.

use std::fmt;

use alloy_primitives::B256;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, text::encode_registry};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::methods::Node;
use super::process;
use crate::diagnosis::{Link, NoBlockCode, Report, Subject};
use crate::status::Status;

/// What the measurements of a peer are labelled with.
type Peer = [(&'static str, String); 1];

/// Everything that is measured at one moment.
#[derive(Debug)]
struct Measured {
    status: Status,
    report: Report,
    pending: (usize, usize),
    ledger_bytes: Option<u64>,
    cut_off: [(Subject, u64); Subject::ALL.len()],
    process: process::Usage,
}

/// The node's measurements.
pub(super) fn text(node: &Node, at_ms: u64) -> Result<String, fmt::Error> {
    let (status, diagnosis) = (node.status.get(), node.status.diagnosis());
    let measured = Measured {
        report: node.report(&status, at_ms),
        status,
        pending: node.ledger.pending_counts(),
        ledger_bytes: node.ledger.file_bytes(),
        cut_off: Subject::ALL.map(|about| (about, diagnosis.times_cut_off(about))),
        process: process::usage(),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(measured));
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    if let Some(network) = &node.beside.network {
        text.push_str(&network());
    }
    Ok(text)
}

impl Collector for Measured {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet { encoder };
        self.chain(&mut sheet)?;
        self.consensus(&mut sheet)?;
        self.no_block(&mut sheet)?;
        self.votes(&mut sheet)?;
        self.peers(&mut sheet)?;
        self.machine(&mut sheet)
    }
}

impl Measured {
    fn chain(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let status = &self.status;
        sheet.gauge(
            "windlass_block_height",
            "Height of the last final block",
            status.tip.number,
        )?;
        sheet.gauge(
            "windlass_highest_block_height",
            "Height of the last final block that the node knows of",
            status.highest,
        )?;
        sheet.gauge_seconds(
            "windlass_block_timestamp_seconds",
            "Time of the last final block, Unix seconds",
            Some(seconds(status.tip.timestamp_ms)),
        )?;
        let help = "Transactions that wait for a block, by whether the next one could hold them";
        let (executable, queued) = self.pending;
        let states = [("executable", executable), ("queued", queued)];
        let samples = states.map(|(state, count)| ([("state", state.to_owned())], floats(count)));
        sheet.family("windlass_pending_transactions", help, MetricType::Gauge, samples)?;
        if let Some(bytes) = self.ledger_bytes {
            sheet.gauge("windlass_ledger_bytes", "Size of the ledger's file", bytes)?;
        }
        Ok(())
    }

    fn consensus(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (status, report) = (&self.status, &self.report);
        sheet.gauge("windlass_epoch", "Epoch that the node is in", report.epoch)?;
        sheet.gauge("windlass_view", "View of the epoch that the node is in", report.view)?;
        let count = |name: &'static str, help, value| (name, help, floats(value));
        let earlier = status.earlier.map_or(0, |earlier| earlier.blocks);
        let missing = report.validators.iter().filter(|one| one.missing.is_some()).count();
        for (name, help, value) in [
            count("windlass_validators", "Validators of the epoch", status.validators),
            count(
                "windlass_connected_validators",
                "Validators that are connected, this node counted if it is one",
                status.connected_validators,
            ),
            count("windlass_quorum", "Votes that decide", status.quorum),
            count("windlass_missing_validators", "Validators that are missing", missing),
            (
                "windlass_earlier_blocks",
                "Blocks from before its state that the node still fetches",
                float(earlier),
            ),
        ] {
            sheet.single(name, help, MetricType::Gauge, value)?;
        }
        for (name, help, on) in [
            ("windlass_syncing", "1 while the node is behind its peers", status.syncing),
            ("windlass_idle", "1 while there is nothing to do", status.idle),
            (
                "windlass_stalled",
                "1 while no block is made although there should be one",
                status.stalled.is_some(),
            ),
            ("windlass_voting", "1 while the node votes", status.not_voting.is_none()),
        ] {
            sheet.single(name, help, MetricType::Gauge, one_or_zero(on))?;
        }
        sheet.single(
            "windlass_evidence_total",
            "Times that a validator was seen to vote twice, since the node started",
            MetricType::Counter,
            float(status.evidence),
        )?;
        let help = "Times that a peer was cut off because of what it sent, by what that was about";
        let times =
            self.cut_off.map(|(about, times)| ([("about", about.name().to_owned())], float(times)));
        sheet.family("windlass_peers_cut_off_total", help, MetricType::Counter, times)
    }

    /// Why no block is made: the kinds of reason stand there always, so that one can be waited for.
    fn no_block(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let no_block = self.report.no_block.as_ref();
        let holds = |code: NoBlockCode| no_block.is_some_and(|why| why.code == code);
        let samples =
            NoBlockCode::ALL.map(|code| ([("reason", code.label())], one_or_zero(holds(code))));
        let help = "1 at the reason why no block is made; 0 at each where blocks are made";
        sheet.family("windlass_no_block", help, MetricType::Gauge, samples)?;
        let since_ms = no_block.and_then(|why| why.since_ms);
        sheet.gauge_seconds(
            "windlass_no_block_since_timestamp_seconds",
            "Since when that is so, as far as it is known, Unix seconds",
            since_ms.map(seconds),
        )
    }

    /// Who leads, and whose votes were seen; this node's own are among them.
    fn votes(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let report = &self.report;
        let gauge = MetricType::Gauge;
        let keys: Vec<B256> = report.validators.iter().map(|one| one.link.node_key).collect();
        let leads = report.leader.iter().flat_map(|leader| {
            keys.iter().map(move |key| (peer(*key), one_or_zero(key == leader)))
        });
        let help = "1 while the validator leads the view that the node is in";
        sheet.family("windlass_validator_leads", help, gauge, leads)?;
        let voted = &report.voted;
        let kinds = [
            ("notarize", &voted.notarize),
            ("nullify", &voted.nullify),
            ("finalize", &voted.finalize),
        ];
        let votes = keys.iter().flat_map(|key| {
            kinds.map(|(vote, of)| {
                let [node_key] = peer(*key);
                ([node_key, ("vote", vote.to_owned())], one_or_zero(of.contains(key)))
            })
        });
        let help = "1 once the validator's vote was seen in the view that the node is in: for its \
                    block, to give it up, to make its block final";
        sheet.family("windlass_validator_voted", help, gauge, votes)?;
        // Whose votes made it final is not known of a block that was fetched later.
        let last = report.last_final.as_ref().filter(|last| last.at_ms.is_some());
        let last = last.into_iter().flat_map(|last| {
            let of = [&last.voted.notarize, &last.voted.finalize];
            let voted = move |key| of.iter().any(|of| of.contains(key));
            keys.iter().map(move |key| (peer(*key), one_or_zero(voted(key))))
        });
        let help = "1 where the validator's vote for the last final block was seen";
        sheet.family("windlass_validator_voted_for_last_block", help, gauge, last)
    }

    fn peers(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let report = &self.report;
        let own = report.node_key;
        let links = report.validators.iter().map(|one| &one.link).chain(&report.followers);
        let links: Vec<&Link> = links.filter(|link| link.node_key != own).collect();
        let of = |value: fn(&Link) -> Option<f64>| {
            links.iter().filter_map(move |link| Some((peer(link.node_key), value(link)?)))
        };
        let gauge = MetricType::Gauge;
        let help = "1 while the peer is connected";
        let up = of(|link| Some(one_or_zero(link.connected)));
        sheet.family("windlass_peer_connected", help, gauge, up)?;
        let help = "Time from a question to the peer's answer, median of the last few";
        let trips = of(|link| Some(float(link.round_trip_us?) / 1e6));
        sheet.family("windlass_peer_round_trip_seconds", help, gauge, trips)?;
        let help = "How far the peer's clock is ahead of this node's, median of the last few";
        let offsets = of(|link| Some(signed(link.clock_offset_us?) / 1e6));
        sheet.family("windlass_peer_clock_offset_seconds", help, gauge, offsets)?;
        let others = report.validators.iter().filter(|one| one.link.node_key != own);
        let votes = others
            .clone()
            .filter_map(|one| Some((peer(one.link.node_key), seconds(one.last_vote?.at_ms))));
        let help = "When a vote of the validator was seen last, Unix seconds";
        sheet.family("windlass_validator_last_vote_timestamp_seconds", help, gauge, votes)?;
        let since = others.clone().filter_map(|one| {
            Some((peer(one.link.node_key), seconds(one.missing.as_ref()?.since_ms)))
        });
        let help = "Since when the validator is missing, Unix seconds; only where it is";
        sheet.family("windlass_validator_missing_since_timestamp_seconds", help, gauge, since)?;
        let missing = others.map(|one| {
            let since = one.missing.as_ref().map(|missing| missing.since_ms);
            let lasts_ms = since.map_or(0, |since_ms| report.at_ms.saturating_sub(since_ms));
            (peer(one.link.node_key), seconds(lasts_ms))
        });
        let help = "For how long the validator has been missing; 0 where it is not";
        sheet.family("windlass_validator_missing_seconds", help, gauge, missing)
    }

    fn machine(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let process = &self.process;
        if let Some(bytes) = process.resident_bytes {
            sheet.gauge("process_resident_memory_bytes", "Resident memory", bytes)?;
        }
        if let Some(seconds) = process.cpu_seconds {
            let help = "Processor time, user and system";
            sheet.single("process_cpu_seconds_total", help, MetricType::Counter, seconds)?;
        }
        let help = "When the process started, Unix seconds";
        sheet.gauge_seconds("process_start_time_seconds", help, process.started_at_s)?;
        if let Some(count) = process.open_files {
            sheet.gauge("process_open_fds", "Open file descriptors", count)?;
        }
        Ok(())
    }
}

/// Where measurements are written.
struct Sheet<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Sheet<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.single(name, help, MetricType::Gauge, float(value))
    }

    fn gauge_seconds(&mut self, name: &str, help: &str, value: Option<f64>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.single(name, help, MetricType::Gauge, value))
    }

    /// A name with its unit and `_total` is written as it is, as this format wants it.
    fn single(&mut self, name: &str, help: &str, kind: MetricType, value: f64) -> fmt::Result {
        self.encoder.encode_descriptor(name, help, None, kind)?.encode_gauge(&value)
    }

    fn family<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

fn peer(node_key: B256) -> Peer {
    [("node_key", alloy_primitives::hex::encode(node_key))]
}

fn one_or_zero(is: impl Into<u8>) -> f64 {
    f64::from(is.into())
}

fn seconds(milliseconds: u64) -> f64 {
    float(milliseconds) / 1_000.0
}

/// Measurements are floating point numbers; beyond 2^53 the last digits are lost.
#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "so Prometheus has numbers")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "so Prometheus has numbers")]
fn signed(value: i64) -> f64 {
    value as f64
}

fn floats(value: usize) -> f64 {
    float(u64::try_from(value).unwrap_or(u64::MAX))
}
