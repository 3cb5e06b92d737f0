//! How many validators may fail once a proposal is executed.

use windlass_engine::governance::{Roll, ValidatorFacts};
use windlass_model::governance::{Action, SeatState};

use super::draft::{find_member, find_validator};
use crate::monitor::quorum;

/// Whether one of these actions takes the vote of a validator.
pub(super) fn goes(roll: &Roll, actions: &[Action], seat: &ValidatorFacts) -> bool {
    actions.iter().any(|action| match action {
        Action::RemoveValidator { validator } | Action::SuspendValidator { validator } => {
            find_validator(roll, validator).is_ok_and(|id| id == seat.id)
        }
        Action::RemoveMember { member } | Action::SuspendMember { member } => {
            find_member(roll, member).is_ok_and(|member| member.id == seat.member)
        }
        _ => false,
    })
}

/// Whether one of these actions gives a validator its vote back.
fn returns(roll: &Roll, actions: &[Action], seat: &ValidatorFacts) -> bool {
    !seat.active
        && actions.iter().any(|action| match action {
            Action::ResumeValidator { validator } => {
                find_validator(roll, validator).is_ok_and(|id| id == seat.id)
            }
            Action::ResumeMember { member } => {
                seat.state == SeatState::Active
                    && find_member(roll, member).is_ok_and(|member| member.id == seat.member)
            }
            _ => false,
        })
}

/// What is told of a proposal after which fewer validators may fail than before.
pub(super) fn lost_tolerance(roll: &Roll, actions: &[Action]) -> Option<String> {
    let count = |counts: &dyn Fn(&ValidatorFacts) -> bool| {
        roll.validators.iter().filter(|seat| counts(seat)).count()
    };
    let now = count(&|seat| seat.active);
    let stay = count(&|seat| seat.active && !goes(roll, actions, seat));
    let back = count(&|seat| returns(roll, actions, seat) && !goes(roll, actions, seat));
    let new: usize = actions
        .iter()
        .map(|action| match action {
            Action::AddMember { validators, .. } => validators.len(),
            Action::AddValidator { .. } => 1,
            _ => 0,
        })
        .sum();
    let then = stay + back + new;
    let may_fail = |validators: usize| validators - quorum(validators);
    let less = may_fail(then) < may_fail(now);
    (less && then > 0).then(|| match may_fail(then) {
        0 => format!(
            "{then} validators vote then, and no block is made while one of them is down; of the {now} \
             that vote now {} may be. It takes four to go on without one",
            may_fail(now)
        ),
        left => format!(
            "{then} validators vote then, of whom {left} may be down at once; of the {now} that vote \
             now {} may be",
            may_fail(now)
        ),
    })
}

#[cfg(test)]
mod tests {
    use windlass_model::governance::Named;

    use super::*;

    /// Members 1 and 2 with so many validators each, numbered through; the last one is suspended.
    fn roll(each: u32) -> Roll {
        let seat = |id: u32| ValidatorFacts {
            id,
            member: 1 + (id - 1) / each,
            state: if id == 2 * each { SeatState::Suspended } else { SeatState::Active },
            active: id != 2 * each,
            name: format!("validator-{id}"),
            node_key: String::new(),
            consensus_key: String::new(),
            account: None,
            endpoint: String::new(),
        };
        let member = |id: u32| windlass_engine::governance::MemberFacts {
            id,
            state: SeatState::Active,
            account: String::new(),
            organization: format!("member-{id}"),
            endpoint: String::new(),
        };
        Roll {
            members: [1, 2].map(member).into(),
            validators: (1..=2 * each).map(seat).collect(),
            ..Roll::default()
        }
    }

    #[test]
    fn a_proposal_tells_when_fewer_may_fail() {
        let check = |each: u32, actions: &[Action], expect: Option<&str>| {
            let said = lost_tolerance(&roll(each), actions);
            match expect {
                None => assert_eq!(said, None),
                Some(text) => {
                    assert!(said.as_ref().is_some_and(|said| said.contains(text)), "{said:?}");
                }
            }
        };
        let remove = |id: u32| Action::RemoveValidator { validator: Named::Id(id) };
        let resume = |id: u32| Action::ResumeValidator { validator: Named::Id(id) };
        let leave = Action::RemoveMember { member: Named::Name("member-2".to_owned()) };
        // Seven of eight vote.
        check(4, &[remove(8)], None);
        check(4, &[remove(1)], Some("6 validators vote then, of whom 1 may be down at once"));
        check(4, &[remove(1), resume(8)], None);
        check(4, std::slice::from_ref(&leave), Some("4 validators vote then, of whom 1"));
        // Five of six.
        check(3, &[remove(1)], None);
        check(
            3,
            &[remove(1), remove(2)],
            Some("3 validators vote then, and no block is made while"),
        );
        check(3, &[leave], Some("of the 5 that vote now 1 may be"));
        // Three of four: nothing to lose.
        check(2, &[remove(1)], None);
    }
}
