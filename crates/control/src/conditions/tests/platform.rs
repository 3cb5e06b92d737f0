//! What the platform does for the network: its endpoint, what is under way, its end.

use super::*;

#[test]
fn the_way_to_the_network_counts() {
    let operator = Some(Fault::Operator);
    let down = Scene { gateway: GatewaySeen::Down, ..Scene::well() };
    check(&down, True, &[(EndpointAnswers, Cause::GatewayDown, operator, &[], 0)]);
    let silent = GatewaySeen::Silent("no answer within 3 s", NOW_MS - 5_000);
    let silent = Scene { gateway: silent, ..Scene::well() };
    check(&silent, True, &[(EndpointAnswers, Cause::EndpointSilent, operator, &[], 5)]);
    assert_eq!(silent.one(EndpointAnswers).evidence, ["no answer within 3 s"]);
    // Where nodes are silent too, the way is not at fault.
    let node = Some(Fault::Node);
    check(
        &silent.silent(3, 8_000),
        True,
        &[
            (NodesAnswer, Cause::Unresponsive, node, &["validator-3"], 8),
            (EndpointAnswers, Cause::EndpointSilent, node, &["validator-3"], 5),
        ],
    );
}

#[test]
fn what_is_under_way_says_why_it_waits() {
    let doing = |reason: Option<Reason>| Doing {
        id: OperationId::from_entropy([7; 10]),
        kind: OperationKind::AddNodes,
        step: Some("registration".to_owned()),
        reason,
    };
    let on = Scene::well().about(|about| about.operation = Some(doing(None)));
    check(&on, True, &[]);
    assert_eq!(on.one(OperationProgress).message, "add nodes is at `registration`, and gets on");
    let why = reason(ErrorCode::DiskFull, "no room for the key", NOW_MS - 20_000);
    let waits = Scene::well().about(|about| about.operation = Some(doing(Some(why.clone()))));
    let machine = Some(Fault::Machine);
    check(&waits, True, &[(OperationProgress, Cause::Waiting, machine, &[], 20)]);
    assert_eq!(
        waits.one(OperationProgress).message,
        "add nodes is at `registration`, and waits: no room for the key"
    );
    // What the store does not take, and what does not come back, no operation can say.
    let stuck = Scene { stuck: Some(why), ..on.clone() };
    check(&stuck, True, &[(OperationProgress, Cause::Stuck, machine, &[], 20)]);
    let hung = on.clone().about(|about| about.pass_since_ms = Some(NOW_MS - 61_000));
    let operator = Some(Fault::Operator);
    check(&hung, True, &[(OperationProgress, Cause::Stuck, operator, &[], 61)]);
    check(&on.about(|about| about.pass_since_ms = Some(NOW_MS - 60_000)), True, &[]);
}

#[test]
fn a_network_whose_time_is_over_says_until_when_it_is_kept() {
    let ends = |stage, resting: bool| {
        let end = End { stage, ..End::new(NOW_MS - 900_000, NOW_MS + 100_000) };
        Scene::well().about(|about| {
            about.end = Some(end);
            if resting {
                (about.intent, about.state) = (Intent::Stopped, NetworkState::Stopped);
            }
        })
    };
    check(&ends(EndStage::Ahead, false), True, &[]);
    let ahead = ends(EndStage::Ahead, false).one(Lifetime);
    assert_eq!((ahead.status, &*ahead.evidence[0]), (True, "2 minutes are left"));
    let operator = Some(Fault::Operator);
    let soon = ends(EndStage::Soon, false);
    check(&soon, True, &[(Lifetime, Cause::EndsSoon, operator, &[], 150)]);
    assert_eq!(soon.one(Lifetime).gravity, Gravity::Warning);
    let over = ends(EndStage::Over, true);
    let one = over.one(Lifetime);
    assert_eq!((one.status, one.cause, one.gravity), (False, Cause::TimeOver, Gravity::Critical));
    assert_eq!(one.evidence, ["19 minutes are left"]);
    assert_eq!(one.command.as_deref(), Some("windlass network extend trade --by 1d"));
}
