//! A network's time to live: what is due, and how it is extended, as pure decisions over a record.
//!
//! Its end is told of before. When it has come, the platform stops the network; after the grace it
//! destroys it. In between everything is kept, and `extend` brings the network back.

use windlass_model::{
    ErrorCode, Problem,
    budget::{End, EndStage, Extension},
    error::Location,
    network::{Intent, OperationKind, Reason},
    spec::MAX_TTL_S,
};

use crate::{
    network::change::{self, Decision},
    store::rows::{NetworkRow, Record},
};

/// What is to be done about a network's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is told of.
    Tell,
    /// The network is stopped, if it isn't; its grace begins.
    Stop(Decision),
    /// The network is destroyed.
    Destroy,
}

/// What is due now, if anything is. A network that is being created is not stopped, and its end waits; for
/// no longer than its grace, which then nothing follows.
pub(crate) fn due(record: &Record, now_ms: u64) -> Option<Due> {
    let network = &record.network;
    let end = network.status.end.as_ref().filter(|_| network.intent != Intent::Destroyed)?;
    if end.stage == EndStage::Over {
        return (now_ms >= end.destroyed_at_ms).then_some(Due::Destroy);
    }
    if now_ms >= end.at_ms {
        return match change::stop(record) {
            Ok(decision) => Some(Due::Stop(decision)),
            Err(_) if now_ms >= end.destroyed_at_ms => Some(Due::Destroy),
            Err(_) => None,
        };
    }
    (end.stage == EndStage::Ahead && now_ms >= end.soon_at_ms).then_some(Due::Tell)
}

/// The end of a network that is stopped for it now: its grace begins now, however late it is.
pub(crate) fn over(record: &Record, now_ms: u64) -> Option<End> {
    let network = &record.network;
    let end = network.status.end.clone()?;
    let destroyed_at_ms = now_ms.saturating_add(end.grace_ms());
    let resumes = network.intent != Intent::Stopped;
    Some(End { stage: EndStage::Over, destroyed_at_ms, resumes, ..end })
}

/// The end that a spec gives from now on.
pub(crate) fn declared(ttl_s: u32, now_ms: u64) -> Option<End> {
    (ttl_s > 0).then(|| End::new(now_ms, now_ms.saturating_add(u64::from(ttl_s) * 1_000)))
}

/// What a network whose time is over says of itself.
pub(crate) fn reason(network: &NetworkRow) -> Option<Reason> {
    let end = network.status.end.as_ref().filter(|end| end.stage == EndStage::Over)?;
    let name = &network.name;
    Some(Reason {
        code: ErrorCode::NetworkEnded,
        message: format!(
            "its time to live is over; it is destroyed at Unix time {}",
            end.destroyed_at_ms / 1_000
        ),
        remedy: format!("to keep it: windlass network extend {name} --by 1d"),
        since_ms: end.at_ms,
    })
}

/// Refuses to bring back a network whose time is over.
pub(crate) fn check(record: &Record) -> Result<(), Box<Problem>> {
    let network = &record.network;
    let over = network.status.end.as_ref().filter(|end| end.stage == EndStage::Over);
    let Some(end) = over else { return Ok(()) };
    let name = &network.name;
    Err(Box::new(Problem::new(
        ErrorCode::NetworkEnded,
        format!("the time of `{name}` was over at Unix time {}", end.at_ms / 1_000),
        format!("extend it, which brings it back: windlass network extend {name} --by 1d"),
    )))
}

/// The end of a network that is extended, and what follows from that.
pub(crate) fn extend(
    record: &Record,
    extension: Extension,
    (now_ms, longest_ttl_s): (u64, Option<u32>),
) -> Result<(Option<End>, Decision), Box<Problem>> {
    let network = &record.network;
    let name = &network.name;
    if network.intent == Intent::Destroyed {
        return Err(change::destroying(record));
    }
    let before = network.status.end.as_ref();
    let at_ms = match (extension, before) {
        (Extension::Forever(true), _) => None,
        (Extension::Forever(false), _) => {
            return Err(refused("`forever` is false", "say `true`, or `by_s` or `until_ms`"));
        }
        (Extension::ByS(_) | Extension::UntilMs(_), None) => {
            return Err(refused(
                &format!("`{name}` has no end: it lives until somebody destroys it"),
                "give it one with `ttl_s` in its spec: windlass apply",
            ));
        }
        (Extension::ByS(0), _) => return Err(refused("`by_s` is 0", "say by how many seconds")),
        (Extension::ByS(by_s), Some(end)) => {
            Some(end.at_ms.max(now_ms).saturating_add(by_s.saturating_mul(1_000)))
        }
        (Extension::UntilMs(at_ms), Some(end)) if at_ms < end.at_ms.max(now_ms) => {
            return Err(refused(
                &format!("`until_ms` is {at_ms}, and it is {now_ms} now; it ends at {}", end.at_ms),
                "name a later time; `ttl_s` of its spec can be changed to a shorter one",
            ));
        }
        (Extension::UntilMs(at_ms), Some(_)) => Some(at_ms),
    };
    let longest_s = longest_ttl_s.unwrap_or(MAX_TTL_S);
    let latest_ms = now_ms.saturating_add(u64::from(longest_s) * 1_000);
    match (at_ms, longest_ttl_s) {
        (Some(at_ms), _) if at_ms > latest_ms => return Err(too_long(longest_s, longest_ttl_s)),
        (None, Some(longest_s)) => return Err(too_long(longest_s, longest_ttl_s)),
        (Some(_), _) | (None, None) => {}
    }
    let resumes = before.is_some_and(|end| end.stage == EndStage::Over && end.resumes);
    let decision = if resumes { Decision::Begin(OperationKind::Start) } else { Decision::Nothing };
    Ok((at_ms.map(|at_ms| End::new(now_ms, at_ms)), decision))
}

/// A life is longer than the quota has it, or than any may be.
pub(crate) fn too_long(longest_s: u32, quota: Option<u32>) -> Box<Problem> {
    let (code, hint) = match quota {
        Some(_) => (
            ErrorCode::QuotaExceeded,
            "ask for less, or have the operator raise `longest_ttl_s`: windlass quota set",
        ),
        None => (ErrorCode::InvalidRequest, "ask for less, or for no end: --forever"),
    };
    let detail = format!("a network of this organization lives for {longest_s} seconds at most");
    let location = Location { field: Some("ttl_s".to_owned()), ..Location::default() };
    Box::new(Problem::new(code, detail, hint).at(location))
}

fn refused(detail: &str, hint: &str) -> Box<Problem> {
    Box::new(Problem::new(ErrorCode::InvalidRequest, detail, hint))
}
