//! Golden plans of a network's life.

use super::*;

#[test]
fn a_declared_network_gets_keys_ports_and_genesis() {
    declared().check(
        "state Creating
         step keys
         create node key of validator-0
         create consensus key of validator-0
         create node key of validator-1
         create consensus key of validator-1
         create node key of validator-2
         create consensus key of validator-2
         create node key of validator-3
         create consensus key of validator-3
         create account key of acme
         step genesis
         port 4001 for validator-0
         port 4002 for validator-1
         port 4003 for validator-2
         port 4004 for validator-3
         MakeGenesis
         step processes",
    );
}

#[test]
fn a_founded_network_is_started_and_proved() {
    declared().founded().check(
        "state Creating
         ensure validator-0 Running
         ensure validator-1 Running
         ensure validator-2 Running
         ensure validator-3 Running
         step processes",
    );
    declared().founded().running().check(
        "state Creating
         step peers
         detail 0 of 4 nodes answer
         wake in 3000 ms",
    );
    declared().founded().running().saying(3, 0).check(
        "state Creating
         step peers
         detail validator-0 is connected with 3 of 4 nodes
         wake in 3000 ms",
    );
    declared().founded().running().saying(4, 0).check(
        "state Creating
         step test transaction
         SendTest
         detail 0 of 4 nodes have the first block
         wake in 500 ms",
    );
    declared().founded().running().saying(4, 1).check(
        "state Creating
         step test transaction
         CollectEvidence
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable",
    );
}

#[test]
fn a_process_that_hangs_is_ended_and_started_again_later() {
    let hung = |since_ms, questions| {
        let mut case = declared().founded().running().saying(4, 1).usable();
        let id = case.record().nodes[2].id.clone();
        let live = case.observed.live.get_mut(&id).unwrap();
        live.answered_at_ms = Some(NOW_MS - 33_000);
        let why = "no answer in time".to_owned();
        live.silence = Some(Silence { why, since_ms, questions });
        case
    };
    hung(NOW_MS - 31_000, 5).check(
        "ensure validator-2 Stopped
         validator-2 is down (validator-2 ran and did not answer for 33 s, and was ended), again in \
         250 ms
         wake in 250 ms",
    );
    hung(NOW_MS - 29_000, 5).check("");
    // The clock was stepped: it has been asked once or twice only.
    hung(NOW_MS - 900_000, 2).check("");
}

#[test]
fn what_runs_is_adopted() {
    let mut case = declared().founded().running();
    case.record().nodes[1].status.process = None;
    case.check(
        "state Creating
         validator-1 runs as 101
         step peers
         detail 0 of 4 nodes answer
         wake in 3000 ms",
    );
}

#[test]
fn a_usable_network_at_rest_needs_nothing() {
    declared().founded().running().saying(4, 9).usable().check("");
}

#[test]
fn nobody_waits_for_an_hour_because_the_clock_is_set_back() {
    let back = |ahead_ms| {
        let mut case = declared().founded().running().saying(4, 9).usable().ended(2, "killed");
        let status = &mut case.record().nodes[2].status;
        (status.process, status.failures) = (None, 1);
        status.retry_at_ms = NOW_MS + ahead_ms;
        case
    };
    back(500).check("wake in 500 ms");
    back(3_600_000).check("ensure validator-2 Running");
    let mut case = declared().founded().running().saying(4, 9).usable().asked(OperationKind::Stop);
    case.record().network.status.retry_at_ms = NOW_MS + 500;
    case.check("wake in 500 ms");
    case.record().network.status.retry_at_ms = NOW_MS + 3_600_000;
    let plan = plan(&case.observed, &WindlassEngine);
    assert!(!plan.actions.is_empty(), "{plan:?}");
}

#[test]
fn a_node_that_ended_is_started_again_after_a_pause() {
    let case = declared().founded().running().saying(4, 9).usable().ended(2, "killed");
    case.check(
        "validator-2 is down (validator-2 ended with signal 9: killed), again in 250 ms
         wake in 250 ms",
    );
    let mut case = case;
    case.record().nodes[2].status.process = None;
    case.record().nodes[2].status.failures = 3;
    case.record().nodes[2].status.retry_at_ms = NOW_MS + 70;
    case.check("wake in 70 ms");
    case.record().nodes[2].status.retry_at_ms = NOW_MS;
    case.check("ensure validator-2 Running");
}

#[test]
fn a_node_with_a_damaged_ledger_holds_up_no_start_of_the_others() {
    let with_damaged = |damaged: &[usize]| {
        let case = declared().founded().running().saying(4, 9).usable();
        let mut case = case.asked(OperationKind::Start);
        for index in damaged {
            case = case.ended(*index, "a page");
            let status = &mut case.record().nodes[*index].status;
            status.process = None;
            status.retry_at_ms = NOW_MS + 70;
            let (message, remedy) = ("damaged".to_owned(), "repair it".to_owned());
            let code = ErrorCode::LedgerDamaged;
            status.reason = Some(Reason { code, message, remedy, since_ms: NOW_MS });
            // They were repaired just now.
            (status.repairs, status.repaired_at_ms) = (1, NOW_MS - 60_000);
        }
        case
    };
    let mut case = with_damaged(&[2]);
    case.record().nodes[2].status.repaired_at_ms = 0;
    case.observed.now_ms = 3_600_000;
    case.check(
        "state Starting
         validator-2 is repaired (the ledger of validator-2 was damaged, and is put aside)
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable
         wake in 2600000 ms",
    );
    with_damaged(&[2]).check(
        "state Starting
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable
         wake in 70 ms",
    );
    with_damaged(&[1, 2]).check(
        "state Starting
         explain Some(\"damaged\")
         step processes
         wake in 70 ms",
    );
}

#[test]
fn a_taken_port_is_replaced_and_all_peers_learn_of_it() {
    let mut case = declared().founded().running().saying(4, 9).usable();
    case.record().nodes[0].status.port_taken = true;
    case.observed.offered_ports = vec![5001];
    case.check(
        "port 5001 for validator-0
         step processes",
    );
    let mut case = declared().founded().running().saying(4, 9).usable();
    case.record().nodes[0].port = Some(5001);
    // One at a time, while the network is in use and the others answer.
    case.check("ensure validator-0 Running");
}

#[test]
fn a_stop_ends_the_processes_and_a_start_brings_them_back() {
    declared().founded().running().saying(4, 9).usable().asked(OperationKind::Stop).check(
        "state Stopping
         Publish
         step processes
         ensure validator-0 Stopped
         ensure validator-1 Stopped
         ensure validator-2 Stopped
         ensure validator-3 Stopped",
    );
    let mut case = declared().founded().usable();
    case.record().network.intent = Intent::Stopped;
    case.record().network.state = NetworkState::Stopped;
    case.check("");
    case.asked(OperationKind::Start).check(
        "state Starting
         ensure validator-0 Running
         ensure validator-1 Running
         ensure validator-2 Running
         ensure validator-3 Running
         step processes",
    );
    declared().founded().running().saying(3, 9).usable().asked(OperationKind::Start).check(
        "state Starting
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable",
    );
}

#[test]
fn a_destroy_takes_the_row_last() {
    let case = declared().founded().running().saying(4, 9).usable().asked(OperationKind::Destroy);
    case.check(
        "state Destroying
         inventory of 18 things
         step endpoint
         Publish
         step processes",
    );
}
