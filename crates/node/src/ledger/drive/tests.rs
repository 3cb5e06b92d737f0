use super::*;

#[test]
fn only_the_parents_time_makes_a_block_invalid() {
    let wait = |wait_ms| Some(Verdict::Early { wait_ms });
    for (parent, block, now, expect) in [
        (1_000, 1_000, 1_000, None),
        (1_000, 1_000, 0, None),
        (1_000, 3_000, 1_000, None),
        (1_000, 3_001, 1_000, wait(1)),
        (1_000, 9_000, 1_000, wait(6_000)),
        // A clock that stepped back an hour holds nothing that is not ahead of the parent.
        (3_600_000, 3_600_000, 0, None),
        (3_600_000, 3_600_001, 0, wait(1)),
        (0, u64::MAX, u64::MAX, None),
    ] {
        assert_eq!(judge_time(parent, block, now), expect, "{parent} {block} {now}");
    }
    assert!(matches!(judge_time(1_000, 999, 5_000), Some(Verdict::Invalid(_))));
}
