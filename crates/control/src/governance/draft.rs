//! Intent in: who acts, whom names mean, and whether the contract would take it as it is now.
//!
//! What could never be executed is refused here, in the user's words. Whether it can be executed
//! when it is approved is another question: what would keep it from that now is a warning.

use windlass_engine::governance::{Act, Force, MemberFacts, Roll};
use windlass_model::{
    ErrorCode, KeyId, Problem,
    governance::{
        Action, MemberName, Named, Names, Proposal, ProposalRequest, ProposalState, Role,
        SettleRequest, UnsignedTransaction, Voice, VoteRequest,
    },
};

use super::{
    council::{Council, present},
    nodes,
    tolerance::lost_tolerance,
    view::{self, held_key},
};
use crate::{service::Answer, store::rows::Record};

/// A ballot that the contract would take now.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) member: MemberName,
    /// What would be sent, by whoever holds the key of the account.
    pub(crate) transaction: UnsignedTransaction,
    /// The key, if it is held here.
    pub(crate) key: Option<KeyId>,
    /// What it is, in words.
    pub(crate) words: Vec<String>,
    /// What the user should know.
    pub(crate) warnings: Vec<String>,
}

impl Draft {
    /// The key of the member's account, or what to do without it.
    pub(crate) fn key(&self) -> Answer<&KeyId> {
        self.key.as_ref().ok_or_else(|| {
            Box::new(Problem::new(
                ErrorCode::MemberKeyAbsent,
                format!(
                    "the key of `{}`'s account {} is not held by this platform",
                    self.member.organization, self.transaction.from
                ),
                "add `--print` to have the transaction printed without sending it, and sign and \
                 send it with the tool that holds the key",
            ))
        })
    }
}

/// Drafts a proposal.
pub(crate) async fn proposal(council: &Council<'_>, request: ProposalRequest) -> Answer<Draft> {
    let roll = council.roll().await?;
    let names = present(&roll);
    let member = choose(council.record, &roll, request.member.as_ref())?;
    let mut actions = nodes::expand(council.record, &roll, request.actions)?;
    for action in &mut actions {
        resolve(action, &roll)?;
    }
    let words = actions.iter().map(|action| action.words(&names)).collect();
    let force = if request.force { Force::Yes } else { Force::No };
    let act = Act::Propose { actions: actions.clone(), force, reason: request.reason };
    let draft = draft(council, (member, &names), &act, words).await?;
    let warning = council.trial(&actions, &names).await?.map(|why| {
        format!("executed now it would fail: {why}; it is executed when enough members approve it")
    });
    let lost = nodes::lost_seats(council.record, &roll, &actions);
    let blocks = nodes::lost_blocks(council.record, &roll, &actions);
    let fragile = lost_tolerance(&roll, &actions);
    let warnings = lost.into_iter().chain(blocks).chain(fragile).chain(warning).collect();
    Ok(Draft { warnings, ..draft })
}

/// Drafts a vote.
pub(crate) async fn vote(
    council: &Council<'_>,
    proposal: u64,
    request: &VoteRequest,
    now_ms: u64,
) -> Answer<Draft> {
    let roll = council.roll().await?;
    let names = present(&roll);
    let member = choose(council.record, &roll, request.member.as_ref())?;
    let found = existing(council, proposal, now_ms).await?;
    if found.state == ProposalState::Expired {
        return Err(expired(&found));
    }
    let voice = match request.vote {
        Voice::Yes => "for",
        Voice::No => "against",
    };
    let mut words = vec![format!("vote {voice} proposal {proposal}")];
    words.extend(found.actions.into_iter().map(|action| action.words));
    let act = Act::Vote { proposal, voice: request.vote };
    draft(council, (member, &names), &act, words).await
}

/// Drafts what settles a proposal that no vote settled.
pub(crate) async fn settlement(
    council: &Council<'_>,
    proposal: u64,
    request: &SettleRequest,
    now_ms: u64,
) -> Answer<Draft> {
    let roll = council.roll().await?;
    let names = present(&roll);
    let member = choose(council.record, &roll, request.member.as_ref())?;
    let found = existing(council, proposal, now_ms).await?;
    let mut words = vec![format!("settle proposal {proposal}, as its votes stand")];
    words.extend(found.actions.into_iter().map(|action| action.words));
    draft(council, (member, &names), &Act::Settle { proposal }, words).await
}

/// A proposal that is there.
pub(crate) async fn existing(
    council: &Council<'_>,
    proposal: u64,
    now_ms: u64,
) -> Answer<Proposal> {
    let unknown = || {
        Box::new(Problem::new(
            ErrorCode::ProposalNotFound,
            format!("`{}` has no proposal {proposal}", council.record.network.name),
            format!("`windlass network proposals {}` lists them", council.record.network.name),
        ))
    };
    // The contract begins with the first for any number below.
    if proposal == 0 {
        return Err(unknown());
    }
    let found = view::proposals(council, (proposal, 1), now_ms).await?;
    found.into_iter().next().ok_or_else(unknown)
}

async fn draft(
    council: &Council<'_>,
    (member, names): (&MemberFacts, &Names),
    act: &Act,
    words: Vec<String>,
) -> Answer<Draft> {
    let data = council.contract.input(act).map_err(|error| {
        let hint = "name members and validators by id or name, and keys and accounts in hex";
        Box::new(Problem::new(ErrorCode::ProposalInvalid, error.to_string(), hint))
    })?;
    council.rehearse(&member.account, &data, names).await?;
    let key = held_key(council.record, &member.account).cloned();
    if key.is_some() {
        council.outgoing(&member.account, &data).await?;
    }
    Ok(Draft {
        member: MemberName { id: member.id, organization: member.organization.clone() },
        transaction: UnsignedTransaction {
            chain_id: council.record.network.spec.chain_id,
            from: member.account.clone(),
            to: council.contract.address(),
            value: "0x0".to_owned(),
            data,
        },
        key,
        words,
        warnings: Vec::new(),
    })
}

/// Who acts: the member that is named, or the only one whose key is held here.
fn choose<'a>(record: &Record, roll: &'a Roll, named: Option<&Named>) -> Answer<&'a MemberFacts> {
    if let Some(named) = named {
        return find_member(roll, named).map_err(|unknown| {
            let was = record.network.spec.members.iter().any(|member| match named {
                Named::Name(name) => member.organization.as_str() == name,
                Named::Id(_) => false,
            });
            if was { left(record, named) } else { unknown }
        });
    }
    let held: Vec<&MemberFacts> =
        roll.members.iter().filter(|one| held_key(record, &one.account).is_some()).collect();
    match held.as_slice() {
        [one] => Ok(one),
        [] => Err(Box::new(Problem::new(
            ErrorCode::MemberKeyAbsent,
            format!("this platform holds the key of no member of `{}`", record.network.name),
            "name the member with `--as`, and add `--print` to have the transaction printed for \
             the tool that holds its key",
        ))),
        several => {
            let names: Vec<&str> = several.iter().map(|one| one.organization.as_str()).collect();
            Err(Box::new(Problem::new(
                ErrorCode::InvalidRequest,
                format!("this platform holds the keys of {} members", several.len()),
                format!("say which of them acts, with `--as`: {}", names.join(", ")),
            )))
        }
    }
}

/// Puts the id of whom an action names in the place of the name.
fn resolve(action: &mut Action, roll: &Roll) -> Answer<()> {
    let Some((role, named)) = action.subject() else { return Ok(()) };
    let id = match role {
        Role::Member => find_member(roll, named)?.id,
        Role::Validator => find_validator(roll, named)?,
    };
    *named = Named::Id(id);
    Ok(())
}

pub(super) fn find_member<'a>(roll: &'a Roll, named: &Named) -> Answer<&'a MemberFacts> {
    let same = |one: &&MemberFacts| match named {
        Named::Id(id) => one.id == *id,
        Named::Name(name) => one.organization == *name,
    };
    roll.members.iter().find(same).ok_or_else(|| {
        let there: Vec<&str> = roll.members.iter().map(|one| one.organization.as_str()).collect();
        Box::new(Problem::new(
            ErrorCode::MemberNotFound,
            format!("there is no member `{named}`"),
            format!("the members are {}", there.join(", ")),
        ))
    })
}

/// The contract lets two validators have one name.
pub(super) fn find_validator(roll: &Roll, named: &Named) -> Answer<u32> {
    let same = |id: u32, name: &str| match named {
        Named::Id(wanted) => id == *wanted,
        Named::Name(wanted) => name == wanted,
    };
    let found = roll.validators.iter().filter(|one| same(one.id, &one.name));
    let ids: Vec<u32> = found.map(|one| one.id).collect();
    match ids.as_slice() {
        [id] => Ok(*id),
        [] => {
            let mut there: Vec<_> =
                roll.validators.iter().map(|one| (one.id, &*one.name)).collect();
            there.sort_unstable();
            let there: Vec<&str> = there.into_iter().map(|(_, name)| name).collect();
            Err(Box::new(Problem::new(
                ErrorCode::ValidatorNotFound,
                format!("there is no validator `{named}`"),
                format!("the validators are {}", there.join(", ")),
            )))
        }
        several => Err(Box::new(Problem::new(
            ErrorCode::InvalidRequest,
            format!("{} validators are called `{named}`", several.len()),
            format!("name it by its id: {several:?}"),
        ))),
    }
}

fn left(record: &Record, named: &Named) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::NotAMember,
        format!("`{named}` is no member of `{}` any more", record.network.name),
        "its members can vote to add it again",
    ))
}

fn expired(proposal: &Proposal) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::ProposalClosed,
        format!("proposal {} is expired", proposal.id),
        "make a new proposal",
    ))
}
