//! What is due about a network's time to live, and what it takes to put it off.

use windlass_model::{
    Problem,
    budget::{End, EndStage, Extension},
};

use super::*;
use crate::network::{
    change::Decision,
    ending::{self, Due},
};

const HOUR_MS: u64 = 3_600_000;

/// A network that runs and has an hour.
fn mortal() -> Case {
    let mut case = declared().founded().running().saying(4, 9).usable();
    case.record().network.status.end = ending::declared(3_600, NOW_MS);
    case
}

fn due(case: &Case, after_ms: u64) -> Option<Due> {
    ending::due(&case.observed.record, NOW_MS + after_ms)
}

/// The platform has stopped it for its end, so long after its declaration.
fn over(mut case: Case, after_ms: u64) -> Case {
    let record = case.record();
    record.network.status.end = ending::over(record, NOW_MS + after_ms);
    case.asked(OperationKind::Stop)
}

fn end(case: &Case) -> &End {
    case.observed.record.network.status.end.as_ref().unwrap()
}

fn extended(
    case: &Case,
    extension: Extension,
    (after_ms, longest): (u64, Option<u32>),
) -> Result<(Option<u64>, Decision), Box<Problem>> {
    let now_ms = NOW_MS + after_ms;
    let (end, decision) = ending::extend(&case.observed.record, extension, (now_ms, longest))?;
    Ok((end.map(|end| end.at_ms - NOW_MS), decision))
}

#[test]
fn it_is_told_of_then_stopped_then_destroyed() {
    let mut case = mortal();
    assert_eq!(due(&case, HOUR_MS * 3 / 4 - 1), None);
    assert_eq!(due(&case, HOUR_MS * 3 / 4), Some(Due::Tell));
    case.record().network.status.end.as_mut().unwrap().stage = EndStage::Soon;
    assert_eq!(due(&case, HOUR_MS - 1), None, "it is told of once");
    let stop = Due::Stop(Decision::Begin(OperationKind::Stop));
    assert_eq!(due(&case, HOUR_MS), Some(stop));
    assert_eq!(due(&mortal(), 10 * HOUR_MS), Some(stop), "its grace is still to come");

    let case = over(case, 10 * HOUR_MS);
    assert!(end(&case).resumes);
    assert_eq!(due(&case, 11 * HOUR_MS - 1), None);
    assert_eq!(due(&case, 11 * HOUR_MS), Some(Due::Destroy));
    let case = case.asked(OperationKind::Destroy);
    assert_eq!((due(&case, 20 * HOUR_MS), case.observed.record.network.due_at_ms()), (None, None));
}

#[test]
fn one_that_is_stopped_stays_so_and_one_that_is_made_is_not_interrupted() {
    let mut case = mortal().asked(OperationKind::Stop);
    assert_eq!(due(&case, HOUR_MS), Some(Due::Stop(Decision::UnderWay)));
    case.record().network.state = NetworkState::Stopped;
    assert_eq!(due(&case, HOUR_MS), Some(Due::Stop(Decision::Nothing)));
    let case = over(case, HOUR_MS);
    assert!(!end(&case).resumes, "it is not brought back");

    let mut case = mortal();
    case.record().network.state = NetworkState::Creating;
    assert_eq!(due(&case, HOUR_MS), None);
    assert_eq!(due(&case, 2 * HOUR_MS), Some(Due::Destroy));
}

#[test]
fn extending_puts_it_off_and_brings_back_what_was_stopped_for_it() {
    let ahead = mortal();
    let by = Extension::ByS(60);
    assert_eq!(extended(&ahead, by, (5, None)), Ok((Some(HOUR_MS + 60_000), Decision::Nothing)));
    let until = Extension::UntilMs(NOW_MS + 2 * HOUR_MS);
    assert_eq!(extended(&ahead, until, (5, None)), Ok((Some(2 * HOUR_MS), Decision::Nothing)));
    let forever = Extension::Forever(true);
    assert_eq!(extended(&ahead, forever, (5, None)), Ok((None, Decision::Nothing)));

    let gone_by = over(mortal(), HOUR_MS);
    let start = Decision::Begin(OperationKind::Start);
    let back = extended(&gone_by, by, (HOUR_MS + 5_000, None));
    assert_eq!(back, Ok((Some(HOUR_MS + 65_000), start)), "from now on");
    assert_eq!(extended(&gone_by, forever, (HOUR_MS, None)), Ok((None, start)));
    let code = |answer: Result<_, Box<Problem>>| answer.map(|_: Decision| ()).unwrap_err().code;
    let record = &gone_by.observed.record;
    assert_eq!(code(change::start(record)), ErrorCode::NetworkEnded);
    assert_eq!(code(change::sleep(record)), ErrorCode::NetworkEnded);
    let destroyed = gone_by.asked(OperationKind::Destroy);
    let late = extended(&destroyed, by, (HOUR_MS, None)).unwrap_err();
    assert_eq!(late.code, ErrorCode::NetworkBusy);
}

#[test]
fn what_is_no_extension_is_refused() {
    let case = mortal();
    let refused = |extension, longest| extended(&case, extension, (5, longest)).unwrap_err();
    let earlier = refused(Extension::UntilMs(NOW_MS + HOUR_MS - 1), None);
    assert_eq!(earlier.code, ErrorCode::InvalidRequest);
    assert!(earlier.hint.contains("ttl_s"), "{}", earlier.hint);
    for wrong in [Extension::ByS(0), Extension::Forever(false), Extension::ByS(u64::MAX)] {
        assert_eq!(refused(wrong, None).code, ErrorCode::InvalidRequest, "{wrong:?}");
    }
    for beyond in [Extension::ByS(3_600), Extension::Forever(true)] {
        assert_eq!(refused(beyond, Some(7_000)).code, ErrorCode::QuotaExceeded, "{beyond:?}");
    }
    let mut endless = mortal();
    endless.record().network.status.end = None;
    let none = extended(&endless, Extension::ByS(60), (5, None)).unwrap_err();
    assert!(none.detail.contains("no end"), "{}", none.detail);
}
