//! Whether a network fits the machine: the sums, and what a user is told of them.
//!
//! **Memory** is summed over all networks by what a node *needs* to live, which its engine says.
//! `node_limits` are not summed: a limit is a bound on a node that misbehaves and not a reservation,
//! and most nodes never come near theirs. To sum bounds would refuse networks that fit with ease.
//!
//! **Processors** are measured for each network by itself: an idle one costs next to nothing, so
//! that many fit. What starves a machine is one large network: for every block each validator sends
//! its votes to all others, and each of them checks every one, so that the work grows with the
//! square of the validators. A network that is too large for its processors does not become slow;
//! its validators time out, vote again, and make it worse.
//!
//! Both are refused, unless the operator (not the user: others share the machine) has said that it
//! may be overcommitted. Then they are warnings.

use windlass_model::{ErrorCode, Problem, error::Location, spec::NetworkSpec};

use crate::{store::Running, world::Engines};

/// Messages for one block that a processor deals with in good time. Measured on two busy processors:
/// a network of 23 validators was usable after 12 seconds; one of 100 was not after ten minutes, with
/// a load of 150 on the machine.
const MESSAGES_A_PROCESSOR: u64 = 256;

/// What networks share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processors, or what a control group leaves of them.
    pub processors: u32,
    /// What happens to a network that is too large.
    pub overcommit: Overcommit,
}

/// What happens to a network that doesn't fit the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overcommit {
    /// It is refused.
    #[default]
    Refuse,
    /// It is accepted with a warning.
    Warn,
}

/// A network that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) spec: &'a NetworkSpec,
    /// How many nodes it is to have: any of them may come to be a validator.
    pub(crate) nodes: u32,
    /// What the user may ask for less of.
    pub(crate) field: &'static str,
}

/// Measures a network beside those that run, each with so many nodes. Answers warnings, or why it is
/// refused.
pub(crate) fn check(
    engines: &Engines,
    asked: Asked<'_>,
    running: &[Running],
    machine: Machine,
) -> Result<Vec<String>, Box<Problem>> {
    let found = [memory(engines, asked, running, machine), processors(engines, asked, machine)];
    let mut found = found.into_iter().flatten();
    let tight = too_tight(engines, asked);
    match machine.overcommit {
        Overcommit::Warn => Ok(found.map(|problem| problem.detail).chain(tight).collect()),
        Overcommit::Refuse => found.next().map_or(Ok(tight.into_iter().collect()), |problem| {
            let location = Location { field: Some(asked.field.to_owned()), ..Location::default() };
            Err(Box::new(problem.at(location)))
        }),
    }
}

/// What a network of so many nodes needs to live, in MiB.
pub(crate) fn need_mib(engines: &Engines, spec: &NetworkSpec, nodes: u32) -> u64 {
    u64::from(nodes) * u64::from(node_mib(engines, spec, nodes))
}

fn node_mib(engines: &Engines, spec: &NetworkSpec, nodes: u32) -> u32 {
    engines.get(spec.engine).map_or(0, |engine| engine.memory_per_node_mib(nodes))
}

/// A bound below the need is the user's to set, and ends the nodes that come to need more.
fn too_tight(engines: &Engines, Asked { spec, nodes, .. }: Asked<'_>) -> Option<String> {
    let (need, limit) = (node_mib(engines, spec, nodes), spec.node_limits.memory_mib);
    (limit < need).then(|| {
        format!(
            "`node_limits.memory_mib` is {limit}, and a node of {nodes} validators comes to need \
             {need} MiB: the system ends nodes that reach their limit"
        )
    })
}

fn memory(
    engines: &Engines,
    Asked { spec, nodes, .. }: Asked<'_>,
    running: &[Running],
    machine: Machine,
) -> Option<Problem> {
    let others = running.iter().map(|one| need_mib(engines, &one.spec, one.nodes)).sum::<u64>();
    let (each, nodes) = (u64::from(node_mib(engines, spec, nodes)), u64::from(nodes));
    let sum = nodes * each + others;
    let has = machine.memory_bytes >> 20;
    (sum > has).then(|| {
        Problem::new(
            ErrorCode::InsufficientMemory,
            format!(
                "{nodes} nodes need {each} MiB each = {} MiB, and the networks that run need \
                 {others} MiB: {sum} MiB of the machine's {has} MiB",
                nodes * each
            ),
            "ask for fewer nodes, stop or destroy networks that are not needed, or run the \
             platform with `--overcommit`; `node_limits` are bounds and are not counted",
        )
    })
}

fn processors(
    engines: &Engines,
    Asked { spec, nodes: validators, .. }: Asked<'_>,
    machine: Machine,
) -> Option<Problem> {
    let engine = engines.get(spec.engine)?;
    let processors = u64::from(machine.processors.max(1));
    let budget = processors * MESSAGES_A_PROCESSOR;
    let messages = engine.messages_per_block(validators);
    let fits = |count: &u32| engine.messages_per_block(*count) <= budget;
    (messages > budget).then(|| {
        let most = (1..validators).rev().find(fits).unwrap_or(1);
        Problem::new(
            ErrorCode::InsufficientProcessors,
            format!(
                "{validators} validators send each other {messages} messages for every block; a \
                 processor deals with {MESSAGES_A_PROCESSOR} in good time, and this machine's \
                 {processors} with {budget}"
            ),
            format!(
                "ask for {most} validators or fewer, use a machine with more processors, or run \
                 the platform with `--overcommit`"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use windlass_engine::{Engine, windlass::WindlassEngine};
    use windlass_model::{
        OrganizationId,
        spec::{Defaults, Manifest},
    };

    use super::*;

    fn engines() -> Engines {
        let engine: Arc<dyn Engine> = Arc::new(WindlassEngine);
        Engines::new([engine])
    }

    fn spec(validators: u32) -> NetworkSpec {
        let manifest = Manifest { validators: Some(validators), ..Manifest::default() };
        let defaults = Defaults { chain_id: 7, organization: "acme".parse().unwrap() };
        manifest.resolve(&defaults).unwrap()
    }

    fn beside(validators: u32, nodes: u32) -> Running {
        let organization = OrganizationId::from_entropy([1; 10]);
        Running { organization, spec: spec(validators), nodes }
    }

    fn machine(memory_mib: u64, processors: u32) -> Machine {
        let overcommit = Overcommit::Refuse;
        Machine { memory_bytes: memory_mib << 20, processors, overcommit }
    }

    fn checked(
        validators: u32,
        running: &[u32],
        machine: Machine,
    ) -> Result<Vec<String>, Box<Problem>> {
        let engines = engines();
        let running: Vec<_> = running.iter().map(|count| beside(*count, *count)).collect();
        let spec = &spec(validators);
        let asked = Asked { spec, nodes: validators, field: "validators" };
        check(&engines, asked, &running, machine)
    }

    #[track_caller]
    fn refused(answer: Result<Vec<String>, Box<Problem>>, code: ErrorCode, sum: &str) {
        let problem = answer.unwrap_err();
        assert_eq!((problem.code, problem.detail.as_str()), (code, sum));
    }

    #[test]
    fn memory_is_summed_by_need_and_not_by_limit() {
        // Limits of 512 MiB each would come to 2048 MiB.
        assert_eq!(checked(4, &[], machine(288, 8)), Ok(Vec::new()));
        let sum = "4 nodes need 72 MiB each = 288 MiB, and the networks that run need 354 MiB: \
                   642 MiB of the machine's 641 MiB";
        refused(checked(4, &[4, 1], machine(641, 8)), ErrorCode::InsufficientMemory, sum);
        assert_eq!(checked(4, &[4, 1], machine(642, 8)), Ok(Vec::new()));
    }

    #[test]
    fn a_limit_below_the_need_is_warned_of() {
        let engines = engines();
        let mut spec = spec(20);
        spec.node_limits.memory_mib = 100;
        let check = |spec: &NetworkSpec| {
            let asked = Asked { spec, nodes: 20, field: "validators" };
            check(&engines, asked, &[], machine(1 << 20, 8))
        };
        let warnings = check(&spec).unwrap();
        assert!(warnings[0].contains("is 100") && warnings[0].contains("104 MiB"), "{warnings:?}");
        spec.node_limits.memory_mib = 104;
        assert_eq!(check(&spec), Ok(Vec::new()));
    }

    #[test]
    fn nodes_that_were_added_are_measured_and_not_what_was_declared() {
        let (engines, spec) = (engines(), spec(4));
        let grown = |nodes| {
            let asked = Asked { spec: &spec, nodes, field: "count" };
            check(&engines, asked, &[beside(4, 7)], machine(1_010, 8))
        };
        assert_eq!(grown(6), Ok(Vec::new()));
        let problem = grown(7).unwrap_err();
        assert!(problem.detail.contains("7 nodes need 78 MiB each = 546 MiB"), "{problem:?}");
        assert_eq!(problem.location.unwrap().field.as_deref(), Some("count"));
    }

    #[test]
    fn processors_bound_one_network_and_not_their_number() {
        let many = [4; 40];
        for (validators, processors) in [(16, 1), (7, 2), (10, 2), (22, 2), (32, 4), (100, 39)] {
            let answer = checked(validators, &many, machine(1 << 20, processors));
            assert_eq!(answer, Ok(Vec::new()), "{validators} on {processors}");
        }
        let sum = "100 validators send each other 9900 messages for every block; a processor deals \
                   with 256 in good time, and this machine's 2 with 512";
        let answer = checked(100, &[], machine(1 << 20, 2));
        assert!(answer.clone().unwrap_err().hint.contains("23 validators or fewer"));
        refused(answer, ErrorCode::InsufficientProcessors, sum);
    }

    #[test]
    fn an_operator_may_overcommit_and_is_told_the_sums() {
        let machine = Machine { overcommit: Overcommit::Warn, ..machine(64, 1) };
        let warnings = checked(100, &[], machine).unwrap();
        assert!(warnings[0].contains("26400 MiB") && warnings[1].contains("9900 messages"));
    }
}
