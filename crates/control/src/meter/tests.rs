use super::*;

const MIB: u64 = 1 << 20;

fn running(pid: u32, started_at_ms: u64) -> Running {
    Running { pid, start_time_ticks: u64::from(pid), started_at_ms, ready: true }
}

fn usage(cpu_ms: u64, resident_mib: u64, disk_mib: u64) -> Usage {
    Usage {
        cpu_ms,
        resident_bytes: resident_mib * MIB,
        disk_bytes: disk_mib * MIB,
        ..Usage::default()
    }
}

fn node() -> NodeId {
    NodeId::from_entropy([1; 10])
}

#[test]
fn what_a_process_used_is_counted_once_and_in_its_hour() {
    let mut gauge = Gauge::default();
    let begun = HOUR_MS - 10_000;
    gauge.note(&node(), &running(7, begun), (usage(100, 50, 3), begun + 5_000));
    let first = Draft { cpu_ms: 100, memory_mib_ms: 250_000, ..Draft::default() };
    assert_eq!(gauge.drafts, BTreeMap::from([(0, first)]));
    // From five seconds before the hour to fifteen after it.
    gauge.note(&node(), &running(7, begun), (usage(300, 100, 3), begun + 25_000));
    let sum = Draft { cpu_ms: 150, memory_mib_ms: 750_000, ..Draft::default() };
    let second = Draft { cpu_ms: 150, memory_mib_ms: 1_500_000, ..Draft::default() };
    assert_eq!(gauge.drafts, BTreeMap::from([(0, sum), (HOUR_MS, second)]));
}

#[test]
fn another_process_begins_at_its_start_and_a_clock_that_was_set_back_gives_nothing() {
    let mut gauge = Gauge::default();
    gauge.note(&node(), &running(7, 1_000), (usage(500, 10, 0), 2_000));
    gauge.note(&node(), &running(8, 10_000), (usage(30, 10, 0), 11_000));
    let whole = |gauge: &Gauge| gauge.drafts.values().map(|draft| draft.cpu_ms).sum::<u64>();
    assert_eq!(whole(&gauge), 530);
    gauge.note(&node(), &running(8, 10_000), (usage(40, 10, 0), 500));
    assert_eq!(whole(&gauge), 540, "its processor time counts all the same");
    let memory: u64 = gauge.drafts.values().map(|draft| draft.memory_mib_ms).sum();
    assert_eq!(memory, 10_000 + 10_000);
    // From the time that it was set back to on.
    gauge.note(&node(), &running(8, 10_000), (usage(40, 10, 0), 700));
    let memory: u64 = gauge.drafts.values().map(|draft| draft.memory_mib_ms).sum();
    assert_eq!(memory, 20_000 + 2_000);
}

#[test]
fn what_a_clock_that_was_set_makes_long_is_counted_for_a_week_at_most() {
    let (mut gauge, now_ms) = (Gauge::default(), 500_000 * HOUR_MS);
    gauge.note(&node(), &running(7, 5), (usage(168, 1, 0), now_ms));
    assert_eq!(gauge.drafts.len(), 7 * 24);
    assert!(gauge.drafts.values().all(|draft| draft.memory_mib_ms == HOUR_MS));
    assert_eq!(gauge.drafts.values().map(|draft| draft.cpu_ms).sum::<u64>(), 168);
}

#[test]
fn disk_counts_while_a_network_sleeps_and_requests_once() {
    let mut gauge = Gauge::default();
    gauge.note(&node(), &running(7, 0), (usage(0, 0, 64), 1_000));
    gauge.note_disk(10_000);
    assert!(gauge.drafts.values().all(|draft| draft.disk_mib_ms == 0), "it begins to count");
    gauge.note_disk(HOUR_MS + 10_000);
    assert_eq!(gauge.drafts[&0].disk_mib_ms, 64 * (HOUR_MS - 10_000));
    assert_eq!(gauge.drafts[&HOUR_MS].disk_mib_ms, 64 * 10_000);
    let count = |gateway: &str, requests| Count { gateway: gateway.to_owned(), requests };
    for counted in [count("1", 5), count("1", 5), count("1", 9), count("2", 3), count("2", 1)] {
        gauge.note_requests(counted, 100);
    }
    assert_eq!(gauge.drafts[&0].requests, 9 + 3 + 1, "a count that fell is another's");
}

#[test]
fn a_reading_survives_json() {
    let mut gauge = Gauge::default();
    gauge.note(&node(), &running(7, 0), (usage(1, 2, 3), 4));
    let text = serde_json::to_string(&gauge.reading).unwrap();
    assert_eq!(serde_json::from_str::<Reading>(&text).unwrap(), gauge.reading);
}
