//! What the contract's refusals mean to a user.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolInterface;
use windlass_model::{
    ErrorCode,
    governance::{Failure, Named, Names},
};

use windlass_chain::governance::abi::{
    MemberRefusals::MemberRefusalsErrors as Member, NodeRefusals::NodeRefusalsErrors as Node,
    ParameterRefusals::ParameterRefusalsErrors as Parameter,
    ProposalRefusals::ProposalRefusalsErrors as Proposal,
};

/// A code, what was wrong, and what to do.
type Told = (ErrorCode, String, &'static str);

const LOOK: &str = "`windlass network members` and `windlass network validators` show who is there";
const IN_BOUNDS: &str = "propose a value within these bounds";
const SHORTER: &str = "shorten it";
const OTHER_KEY: &str = "make a new key; that of an observer is free when its member removes it";
const LATER: &str = "propose it again when this no longer holds";

/// Says what a revert means. The contract gives a reason for each but one: that it ran out of gas.
pub(super) fn failure(output: &[u8], names: &Names) -> Failure {
    if output.is_empty() {
        return Failure {
            code: ErrorCode::TransactionRefused,
            error: "OutOfGas".to_owned(),
            message: "it takes more gas than the network gives a transaction".to_owned(),
            hint: "propose less at once, with a shorter reason, or a higher gas limit first"
                .to_owned(),
        };
    }
    let known = Member::abi_decode(output)
        .map(|error| (format!("{error:?}"), of_member(&error, names)))
        .or_else(|_other| {
            Node::abi_decode(output).map(|error| (format!("{error:?}"), of_node(&error, names)))
        })
        .or_else(|_other| {
            Parameter::abi_decode(output).map(|error| (format!("{error:?}"), of_parameter(&error)))
        })
        .or_else(|_other| {
            Proposal::abi_decode(output)
                .map(|error| (format!("{error:?}"), of_proposal(&error, names)))
        });
    let (error, (code, message, hint)) = known.unwrap_or_else(|_unknown| {
        let output = Bytes::copy_from_slice(output);
        let message = format!("the governance contract reverted with {output}");
        (
            output.to_string(),
            (ErrorCode::TransactionRefused, message, "this is a defect: report it"),
        )
    });
    Failure { code, error: inner(&error), message, hint: hint.to_owned() }
}

/// `AlreadyVoted(AlreadyVoted { id: 1, member: 2 })` without the outer name.
fn inner(debug: &str) -> String {
    let inner = debug.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(debug).to_owned()
}

fn state(state: u8) -> &'static str {
    match state {
        1 => "active",
        2 => "suspended",
        3 => "removed",
        _ => "unknown",
    }
}

fn of_member(error: &Member, names: &Names) -> Told {
    let who = |id: u32| names.member(&Named::Id(id));
    match error {
        Member::NotAMember(it) => (
            ErrorCode::NotAMember,
            format!("{:#x} is not the account of a member", it.sender),
            LOOK,
        ),
        Member::MemberNotActive(it) => (
            ErrorCode::MemberSuspended,
            format!("{} is suspended", who(it.member)),
            "the other members can vote to resume it",
        ),
        Member::UnknownMember(it) => {
            (ErrorCode::MemberNotFound, format!("{} does not exist", who(it.member)), LOOK)
        }
        Member::WrongMemberState(it) => (
            ErrorCode::ActionFailed,
            format!("{} is {} already", who(it.member), state(it.state)),
            LATER,
        ),
        Member::OrganizationIsMember(it) => (
            ErrorCode::ActionFailed,
            format!("the organization is a member: {}", who(it.member)),
            LOOK,
        ),
        Member::AccountIsMember(it) => (
            ErrorCode::ActionFailed,
            format!("the account {:#x} belongs to {}", it.account, who(it.member)),
            "give the new member an account of its own",
        ),
        Member::ZeroAccount(_) => (
            ErrorCode::ProposalInvalid,
            "a member needs an account; the zero address is none".to_owned(),
            "give the account by which it proposes and votes",
        ),
        Member::NoActiveMember(_) => (
            ErrorCode::ActionFailed,
            "no active member would be left".to_owned(),
            "keep one, or add another in the same proposal",
        ),
        Member::TooManyMembers(it) => (
            ErrorCode::ActionFailed,
            format!("there would be {} members, and there may be 100", it.count),
            "remove one in the same proposal",
        ),
        Member::OrganizationLength(it) => (
            ErrorCode::ProposalInvalid,
            format!("the organization's name has {} bytes; it must have 1 to 64", it.length),
            SHORTER,
        ),
    }
}

fn of_node(error: &Node, names: &Names) -> Told {
    let who = |id: u32| names.validator(&Named::Id(id));
    let whose = |id: u32| names.member(&Named::Id(id));
    let failed = ErrorCode::ActionFailed;
    let invalid = ErrorCode::ProposalInvalid;
    match error {
        Node::UnknownValidator(it) => {
            (ErrorCode::ValidatorNotFound, format!("{} does not exist", who(it.validator)), LOOK)
        }
        Node::WrongValidatorState(it) => {
            (failed, format!("{} is {} already", who(it.validator), state(it.state)), LATER)
        }
        Node::ValidatorOfAnother(it) => {
            (failed, format!("{} belongs to {}", who(it.validator), whose(it.member)), LOOK)
        }
        Node::UnknownObserver(it) => {
            (failed, format!("no observer has the node key {:x}", it.nodeKey), LOOK)
        }
        Node::ObserverOfAnother(it) => {
            (failed, format!("the observer {:x} is of {}", it.nodeKey, whose(it.member)), LOOK)
        }
        Node::KeyUsed(it) => (
            failed,
            format!("the key {:x} is a node's already, or was a validator's once", it.key),
            OTHER_KEY,
        ),
        Node::ZeroKey(_) => (invalid, "a key is zero".to_owned(), "give the node's public keys"),
        Node::NameLength(it) => (
            invalid,
            format!("the validator's name has {} bytes; it must have 1 to 64", it.length),
            SHORTER,
        ),
        Node::EndpointLength(it) => {
            (invalid, format!("an endpoint has {} bytes; it may have 256", it.length), SHORTER)
        }
        Node::TooManyValidators(it) => (
            failed,
            format!("there would be {} validators, and there may be 100", it.count),
            "remove one in the same proposal",
        ),
        Node::TooManyObservers(it) => (
            failed,
            format!("{} would have {} observers, and may have 16", whose(it.member), it.count),
            "remove one of its observers first; for a new member, propose fewer",
        ),
        Node::NoActiveValidator(_) => (
            failed,
            "no active validator would be left".to_owned(),
            "keep one, or add another in the same proposal",
        ),
    }
}

fn of_parameter(error: &Parameter) -> Told {
    let invalid = |message: String| (ErrorCode::ProposalInvalid, message, IN_BOUNDS);
    match error {
        Parameter::GasLimitOutOfBounds(it) => invalid(format!(
            "the gas limit is {}; it must be from 1000000 to 10000000000",
            it.gasLimit
        )),
        Parameter::BaseFeeFloorOutOfBounds(it) => invalid(format!(
            "the floor of the base fee is {} wei; it may be 10000000000000 (10,000 gwei), and zero \
             where transactions are free",
            it.baseFeeFloor
        )),
        Parameter::BlockIntervalOutOfBounds(it) => invalid(format!(
            "the least time between blocks is {} ms; it may be 600000",
            it.milliseconds
        )),
        Parameter::ProposalLifetimeOutOfBounds(it) => invalid(format!(
            "a proposal would live {} seconds; it must be from 1 to 31536000",
            it.secondsOpen
        )),
        Parameter::ThresholdOutOfBounds(it) => {
            invalid(format!("a threshold is {} %; it must be from 50 to 99", it.percent))
        }
        Parameter::UnknownPermissions(it) => (
            ErrorCode::ProposalInvalid,
            if it.permissions == 0 {
                "no permission is named".to_owned()
            } else {
                format!("{} names a permission that there is not", it.permissions)
            },
            "name `send`, `deploy` or both",
        ),
        Parameter::RulesNotNewer(it) => (
            ErrorCode::ActionFailed,
            format!("the rules have version {}, and {} is not newer", it.current, it.version),
            "`windlass network parameters` shows the version that holds",
        ),
        Parameter::HeightNotInFuture(it) => (
            // Seen when it is proposed, and again when it is executed.
            ErrorCode::ProposalInvalid,
            format!("the height {} is not in the future: the tip is {}", it.height, it.current),
            "name a height that is far enough away for everybody to vote before it",
        ),
    }
}

fn of_proposal(error: &Proposal, names: &Names) -> Told {
    let invalid = ErrorCode::ProposalInvalid;
    match error {
        Proposal::ReasonLength(it) => {
            (invalid, format!("the reason has {} bytes; it may have 256", it.length), SHORTER)
        }
        Proposal::ActionCount(it) => (
            invalid,
            format!("the proposal has {} actions; it must have 1 to 16", it.count),
            "make several proposals",
        ),
        Proposal::MalformedArguments(it) => (
            invalid,
            format!(
                "the values of action {} are not what its kind takes",
                it.action.saturating_add(U256::ONE)
            ),
            "docs/protocol/governance.md has the values of each action",
        ),
        Proposal::NotCanonical(_) => (
            invalid,
            "the values of an action are not what its kind takes".to_owned(),
            "docs/protocol/governance.md has the values of each action",
        ),
        Proposal::UnknownProposal(it) => (
            ErrorCode::ProposalNotFound,
            format!("there is no proposal {}", it.id),
            "`windlass network proposals` lists them",
        ),
        Proposal::ProposalNotInProgress(it) => {
            (ErrorCode::ProposalClosed, closed(it.id, it.state), "make a new proposal")
        }
        Proposal::AlreadyVoted(it) => (
            ErrorCode::AlreadyVoted,
            format!("{} has voted on proposal {}", names.member(&Named::Id(it.member)), it.id),
            "a vote is final; a new proposal takes new votes",
        ),
        Proposal::ProposalUndecided(it) => (
            ErrorCode::ActionFailed,
            format!("proposal {} is not decided yet", it.id),
            "wait for more votes, or for its end",
        ),
        Proposal::NotEnoughGas(it) => (
            ErrorCode::TransactionRefused,
            format!("executing proposal {} takes more gas than the transaction had", it.id),
            "nothing was changed: vote again",
        ),
        Proposal::OnlySelf(_) => (
            ErrorCode::TransactionRefused,
            "only the contract itself executes actions".to_owned(),
            "propose them",
        ),
    }
}

fn closed(id: U256, state: u8) -> String {
    let is = match state {
        1 => "is approved",
        2 => "is rejected",
        3 => "is expired",
        4 => "was approved, and an action failed",
        _ => "takes no votes",
    };
    format!("proposal {id} {is}")
}
