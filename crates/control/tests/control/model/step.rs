//! The steps of a sequence: drawn from a seed, and read by people.

use std::fmt;

use crate::fake::{Client, Seeded, script::Fault};

/// How many networks there may be.
pub(super) const NETWORKS: usize = 3;
/// The time to live of a network that has one, in seconds: the clock is set by as much now and then.
const TTL_S: u32 = 3_600;

/// What is asked for about a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// 0 seconds to live are for ever.
    Create {
        validators: u32,
        ttl_s: u32,
    },
    Stop,
    Start,
    Sleep,
    Wake,
    Destroy,
    /// Its end is put off.
    Extend {
        by_s: u64,
    },
    /// A node more.
    Add,
    /// This node less.
    Remove {
        ordinal: u32,
    },
    /// The same spec with this limit of memory for each node; 0 validators are as many as there are.
    Apply {
        validators: u32,
        memory_mib: u32,
    },
}

/// Something that happens to the platform.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A user asks for something.
    Ask { network: usize, verb: Verb },
    /// Two users change one spec, both as they have seen it.
    Conflict { network: usize },
    /// A request that was accepted comes again, counted from the last.
    Replay { back: usize },
    /// Its key comes with another request.
    Reuse { back: usize },
    /// Everything comes to rest, and is looked at.
    Rest,
    /// Some time passes.
    Pass { ms: u64 },
    /// The platform is killed after so many points more, and starts again.
    Crash { points: usize },
    /// A call to a driver goes wrong after so many that don't.
    Fail { calls: usize, fault: Fault },
    /// Somebody kills the process of a node.
    KillNode { network: usize, node: usize },
    /// Somebody kills the gateway.
    KillGateway,
    /// What clients do from now on.
    Clients(Client),
    /// Somebody sets the clock.
    SetClock { seconds: i64 },
}

/// As Rust reads it.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask { network, verb } => {
                write!(f, "Step::Ask {{ network: {network}, verb: Verb::{verb:?} }}")
            }
            Self::Conflict { network } => write!(f, "Step::Conflict {{ network: {network} }}"),
            Self::Replay { back } => write!(f, "Step::Replay {{ back: {back} }}"),
            Self::Reuse { back } => write!(f, "Step::Reuse {{ back: {back} }}"),
            Self::Rest => write!(f, "Step::Rest"),
            Self::Pass { ms } => write!(f, "Step::Pass {{ ms: {ms} }}"),
            Self::Crash { points } => write!(f, "Step::Crash {{ points: {points} }}"),
            Self::Fail { calls, fault } => {
                write!(f, "Step::Fail {{ calls: {calls}, fault: Fault::{fault:?} }}")
            }
            Self::KillNode { network, node } => {
                write!(f, "Step::KillNode {{ network: {network}, node: {node} }}")
            }
            Self::KillGateway => write!(f, "Step::KillGateway"),
            Self::Clients(client) => write!(f, "Step::Clients(Client::{client:?})"),
            Self::SetClock { seconds } => write!(f, "Step::SetClock {{ seconds: {seconds} }}"),
        }
    }
}

/// As people read it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask { network, verb } => match verb {
                Verb::Create { validators, ttl_s: 0 } => {
                    write!(f, "create n{network} with {validators} nodes")
                }
                Verb::Create { validators, ttl_s } => {
                    write!(f, "create n{network} with {validators} nodes, for {ttl_s} s")
                }
                Verb::Stop => write!(f, "stop n{network}"),
                Verb::Start => write!(f, "start n{network}"),
                Verb::Sleep => write!(f, "let n{network} sleep"),
                Verb::Wake => write!(f, "wake n{network}"),
                Verb::Destroy => write!(f, "destroy n{network}"),
                Verb::Extend { by_s } => write!(f, "extend n{network} by {by_s} s"),
                Verb::Add => write!(f, "add a node to n{network}"),
                Verb::Remove { ordinal } => write!(f, "remove validator-{ordinal} of n{network}"),
                Verb::Apply { validators: 0, memory_mib } => {
                    write!(f, "apply to n{network} a limit of {memory_mib} MiB for each node")
                }
                Verb::Apply { validators, memory_mib } => {
                    write!(f, "apply to n{network} {validators} validators of {memory_mib} MiB")
                }
            },
            Self::Conflict { network } => {
                write!(f, "two users change the limit of n{network}, both as they have seen it")
            }
            Self::Replay { back } => {
                write!(f, "repeat the request that was accepted {back} before the last")
            }
            Self::Reuse { back } => {
                write!(f, "ask for something else with the key of the one {back} before the last")
            }
            Self::Rest => write!(f, "wait until everything is at rest, and look"),
            Self::Pass { ms } => write!(f, "wait {ms} ms"),
            Self::Crash { points } => {
                write!(f, "kill the platform {points} points from here, and start it again")
            }
            Self::Fail { calls, fault } => {
                write!(f, "the driver call after {calls} more goes wrong: {fault:?}")
            }
            Self::KillNode { network, node } => {
                write!(f, "kill -9 the process of node {node} of n{network}")
            }
            Self::KillGateway => write!(f, "kill -9 the gateway"),
            Self::Clients(Client::Uses) => {
                write!(f, "clients use what is up, and wait for nothing")
            }
            Self::Clients(Client::Waits) => write!(f, "clients wait for whatever sleeps"),
            Self::Clients(Client::Leaves) => write!(f, "clients use nothing"),
            Self::SetClock { seconds } => write!(f, "set the clock by {seconds} s"),
        }
    }
}

/// A script, one step a line, and the same to be pasted into `regressions.rs`.
pub(super) fn script(seed: u64, steps: &[Step]) -> String {
    let lines = steps.iter().zip(1..).map(|(step, at)| format!("{at:>4}. {step}\n"));
    let literal = steps.iter().map(|step| format!("        {step:?},\n"));
    format!(
        "{}to be pasted:\n    Regression {{ what: \"\", seed: {seed}, steps: &[\n{}    ] }},",
        lines.collect::<String>(),
        literal.collect::<String>()
    )
}

/// Draws from a seed.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// 0 up to, but not, this.
    fn below(&mut self, sides: u64) -> u64 {
        Seeded::next(&mut self.0) % sides
    }

    fn index(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides).expect("a small number");
        usize::try_from(self.below(sides)).expect("a small number")
    }

    /// One of these, each as often as it weighs.
    fn weighed<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        unreachable!("what is left is less than the sum of what is weighed")
    }
}

/// What kind of step comes next.
#[derive(Clone, Copy)]
enum Kind {
    Ask,
    Conflict,
    Replay,
    Reuse,
    Rest,
    Pass,
    Crash,
    Fail,
    KillNode,
    KillGateway,
    Clients,
    SetClock,
}

const KINDS: [(u64, Kind); 12] = [
    (46, Kind::Ask),
    (3, Kind::Conflict),
    (3, Kind::Replay),
    (1, Kind::Reuse),
    (12, Kind::Rest),
    (4, Kind::Pass),
    (10, Kind::Crash),
    (9, Kind::Fail),
    (4, Kind::KillNode),
    (2, Kind::KillGateway),
    (4, Kind::Clients),
    (3, Kind::SetClock),
];

const FAULTS: [(u64, Fault); 7] = [
    (3, Fault::FailBefore),
    (3, Fault::FailAfter),
    (2, Fault::Twice),
    (2, Fault::Hang),
    (2, Fault::HangAfter),
    (1, Fault::Blind),
    (1, Fault::Silence),
];

/// The sequence of a seed.
pub(super) fn draw(seed: u64) -> Vec<Step> {
    let mut dice = Dice(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
    let networks = dice.weighed(&[(5, 1), (3, 2), (2, NETWORKS)]);
    let length = 3 + dice.index(10);
    // What is likely to be there: most steps are about something.
    let mut founders = [0u32; NETWORKS];
    let mut steps = Vec::new();
    while steps.len() < length {
        let network = dice.index(networks);
        let kind = if steps.is_empty() { Kind::Ask } else { dice.weighed(&KINDS) };
        let step = match kind {
            Kind::Ask => {
                let verb = verb(&mut dice, founders[network]);
                match verb {
                    Verb::Create { validators, .. } => founders[network] = validators,
                    Verb::Destroy => founders[network] = 0,
                    _ => {}
                }
                Step::Ask { network, verb }
            }
            Kind::Conflict => Step::Conflict { network },
            Kind::Replay => Step::Replay { back: dice.index(3) },
            Kind::Reuse => Step::Reuse { back: dice.index(3) },
            Kind::Rest => Step::Rest,
            Kind::Pass => Step::Pass { ms: dice.weighed(&[(3, 1), (2, 60), (2, 700), (1, 6_000)]) },
            Kind::Crash => Step::Crash { points: dice.index(24) },
            Kind::Fail => Step::Fail { calls: dice.index(10), fault: dice.weighed(&FAULTS) },
            Kind::KillNode => Step::KillNode { network, node: dice.index(4) },
            Kind::KillGateway => Step::KillGateway,
            Kind::Clients => Step::Clients(dice.weighed(&[
                (1, Client::Uses),
                (1, Client::Waits),
                (2, Client::Leaves),
            ])),
            Kind::SetClock => Step::SetClock {
                seconds: dice.weighed(&[(2, -3_600), (2, 3_600), (1, -40), (1, 40)]),
            },
        };
        steps.push(step);
    }
    steps
}

fn verb(dice: &mut Dice, founders: u32) -> Verb {
    let create = Verb::Create {
        validators: dice.weighed(&[(3, 1), (2, 2), (1, 3), (2, 4)]),
        ttl_s: dice.weighed(&[(2, 0), (1, TTL_S)]),
    };
    if founders == 0 && dice.below(8) > 0 {
        return create;
    }
    let ordinal = founders + dice.weighed(&[(4, 0), (2, 1), (1, 2)]);
    let ordinal = if dice.below(6) == 0 { 0 } else { ordinal };
    let memory_mib = dice.weighed(&[(1, 512), (1, 640), (1, 768)]);
    let by_s = dice.weighed(&[(1, 600), (1, 7_200)]);
    dice.weighed(&[
        (1, create),
        (5, Verb::Stop),
        (5, Verb::Start),
        (5, Verb::Sleep),
        (4, Verb::Wake),
        (5, Verb::Destroy),
        (3, Verb::Extend { by_s }),
        (5, Verb::Add),
        (4, Verb::Remove { ordinal }),
        (5, Verb::Apply { validators: 0, memory_mib }),
        (1, Verb::Apply { validators: 2, memory_mib }),
    ])
}
