//! Governance: what a network's members decide, read from its contract and sent to it.
//!
//! | file | what |
//! |---|---|
//! | `council` | the contract of a network, asked through one of its nodes |
//! | `view` | what it says, as the API shows it |
//! | `draft` | intent in: who acts, what is meant by names, and whether the contract would take it |
//! | `nodes` | actions that name nodes of this platform, in the words of the contract |
//! | `tolerance` | how many validators may fail once a proposal is executed |
//! | `clerk` | does it: signs and sends ballots, one after the other in a network |
//!
//! A *ballot* is a proposal or a vote that a member sends through the platform. docs/adr/0003 says
//! why it is an operation, and why none is sent twice.

mod clerk;
mod council;
mod draft;
mod nodes;
mod tolerance;
mod view;

pub(crate) use clerk::Clerk;
pub(crate) use council::{Council, open, open_at};
pub(crate) use draft::{Draft, existing, proposal, settlement, vote};
pub(crate) use nodes::{Membership, membership, renewed, renews, seats};
pub(crate) use view::{held_key, members, observers, proposals, validators};

use windlass_model::{ErrorCode, Problem, network::Intent};

use crate::{network::ending, store::rows::Record};

/// The network does not run.
pub(crate) fn stopped(record: &Record) -> Box<Problem> {
    if let Err(ended) = ending::check(record) {
        return ended;
    }
    let name = &record.network.name;
    if record.network.intent == Intent::Sleeping {
        return Box::new(Problem::new(
            ErrorCode::NetworkSleeping,
            format!("`{name}` sleeps"),
            format!("windlass network wake {name}; a request to its endpoint wakes it too"),
        ));
    }
    Box::new(Problem::new(
        ErrorCode::NetworkStopped,
        format!("`{name}` does not run"),
        format!("windlass network start {name}"),
    ))
}

/// No node of the network answers, or what it answers is none.
pub(crate) fn unavailable(record: &Record, why: &str) -> Box<Problem> {
    let name = &record.network.name;
    Box::new(Problem::new(
        ErrorCode::NetworkUnavailable,
        format!("`{name}` does not answer: {why}"),
        format!("`windlass network show {name}` says how it does"),
    ))
}
