//! Who votes next, from the governance contract's state, and who voted in earlier epochs.

use alloy_primitives::{Address, B256, Bytes};

use super::{At, Chain, ChainError};
use crate::execute::{CallError, CallRequest, CallResult, call};
use crate::governance::{
    self, ActiveMember, Committee, Decided, Decision, InForce, Permission, Questions, READING_GAS,
    RosterNode, SeatedValidator, Tariff, Terms,
};
use crate::state::{StateView, keys};
use crate::store::Batch;

/// The two keys of a validator, as they are kept.
const SEAT_BYTES: usize = 64;

/// The state that the block after the tip begins with, and the rules that it has.
#[derive(Debug)]
pub struct NextState<'a> {
    state: StateView,
    number: u64,
    in_force: InForce<'a>,
}

impl NextState<'_> {
    /// The state.
    pub fn state(&self) -> &StateView {
        &self.state
    }

    /// The permission that a transaction would lack in that block.
    pub fn lacks_permission(
        &self,
        from: Address,
        to: Option<Address>,
    ) -> Result<Option<Permission>, ChainError> {
        self.in_force.lacks(&self.state.base, from, to)
    }
}

fn unreadable(answer: &str) -> ChainError {
    ChainError::Execution(format!("the governance contract answered with {answer}"))
}

impl Chain {
    /// The validators that the state after the tip has for the next epoch, in rising order of their
    /// node keys.
    pub fn next_validators(&self) -> Result<Vec<SeatedValidator>, ChainError> {
        let output = self.ask_governance(At::Latest, governance::validator_set_call())?;
        governance::read_validator_set(&output).ok_or_else(|| unreadable("no set of validators"))
    }

    /// All nodes that the members have, as the state after the tip has them.
    pub fn roster(&self) -> Result<Vec<RosterNode>, ChainError> {
        self.roster_at(At::Latest)
    }

    /// The same as the state after another block had them.
    pub fn roster_at(&self, at: At) -> Result<Vec<RosterNode>, ChainError> {
        let validators = self.ask_governance(at, governance::validators_call())?;
        let observers = self.ask_governance(at, governance::observers_call())?;
        governance::read_roster(&validators, &observers)
            .ok_or_else(|| unreadable("no list of nodes"))
    }

    /// The members that take part, as the state after the tip has them.
    pub fn active_members(&self) -> Result<Vec<ActiveMember>, ChainError> {
        let output = self.ask_governance(At::Latest, governance::members_call())?;
        governance::read_active_members(&output).ok_or_else(|| unreadable("no list of members"))
    }

    /// What the members decided, as the state after the tip has it.
    pub fn decided(&self) -> Result<Decided, ChainError> {
        let NextState { state, number, in_force } = self.next_state()?;
        let slot = |slot| state.storage(governance::ADDRESS, slot);
        Ok(Decided {
            validators: slot(governance::VALIDATOR_SET_HASH_SLOT)?.into(),
            revision: slot(governance::REVISION_SLOT)?.as_limbs()[0],
            obstacle: in_force.check_known(number).err().map(|error| error.to_string()),
            parameters: in_force.parameters,
            rules: in_force.rules.into_owned(),
        })
    }

    /// What the block after the tip begins with.
    pub fn next_state(&self) -> Result<NextState<'_>, ChainError> {
        let state = self.state(At::Latest)?;
        let number = state.number().saturating_add(1);
        let in_force = InForce::read(self.rules(), &state.base, number)?;
        Ok(NextState { state, number, in_force })
    }

    /// What a transaction to the contract would bring about, if it were executed now with this gas;
    /// `None` if it decides nothing about validators, rules or a fee.
    pub fn decision(
        &self,
        from: Address,
        input: Bytes,
        gas: u64,
    ) -> Result<Option<Decision>, ChainError> {
        let request = CallRequest {
            from,
            gas: Some(gas),
            to: Some(governance::ADDRESS),
            input: input.clone(),
            ..CallRequest::default()
        };
        let mut questions = Questions::about(input);
        let mut asked = 0;
        let read = self.on_site(At::Latest, |site| {
            call::run_each(site, READING_GAS, None, &request, |result| {
                asked += 1;
                questions.next(result, asked - 1)
            })
        });
        match read {
            Ok(()) => {}
            Err(CallError::Chain(error)) => return Err(error),
            // It can't be in a block either.
            Err(CallError::Invalid(_) | CallError::Overrides(_) | CallError::Cancelled) => {
                return Ok(None);
            }
        }
        let Some(made) = questions.decision() else { return Ok(None) };
        let now = self.next_validators_hash()?;
        let validators = made.validators.filter(|set| governance::set_hash(set) != now);
        let terms = self.terms()?;
        let dearer = |tariff: &Tariff| terms.floor_wei.is_none_or(|now| tariff.floor_wei > now);
        let upgrade = made.upgrade.filter(|one| terms.upgrade != Some(*one));
        let tariff = made.tariff.filter(dearer);
        let gas_limit = made.gas_limit.filter(|gas| *gas < terms.gas_limit);
        let decides =
            [validators.is_some(), upgrade.is_some(), tariff.is_some(), gas_limit.is_some()];
        let decision = Decision { validators, upgrade, tariff, gas_limit, forced: made.forced };
        Ok(decides.contains(&true).then_some(decision))
    }

    /// The parameters that the state after the tip has.
    fn terms(&self) -> Result<Terms, ChainError> {
        let output = self.ask_governance(At::Latest, governance::parameters_call())?;
        governance::read_terms(&output).map_err(|_malformed| unreadable("no parameters"))
    }

    /// What a view of the contract answers in the state after a block.
    fn ask_governance(&self, at: At, input: Bytes) -> Result<Bytes, ChainError> {
        let request =
            CallRequest { to: Some(governance::ADDRESS), input, ..CallRequest::default() };
        // Whatever gas a block may have: without the validators there is no next block.
        let read = self.on_site(at, |site| call::run(site, &request, READING_GAS, None));
        let ended = read.map_err(|error| match error {
            CallError::Chain(error) => error,
            CallError::Invalid(_) | CallError::Overrides(_) | CallError::Cancelled => {
                unreadable(&error.to_string())
            }
        })?;
        let outcome = call::outcome(ended, None);
        match outcome.result {
            CallResult::Success { output } => Ok(output),
            CallResult::Revert { .. } => Err(unreadable("a revert")),
            CallResult::Halt { reason, .. } => Err(unreadable(&reason)),
        }
    }

    /// The hash of those validators: one slot of the state.
    pub fn next_validators_hash(&self) -> Result<B256, ChainError> {
        let state = self.state(At::Latest)?;
        state.storage(governance::ADDRESS, governance::VALIDATOR_SET_HASH_SLOT).map(B256::from)
    }

    /// Who votes in an epoch, if it was kept.
    pub fn committee(&self, epoch: u64) -> Result<Option<Committee>, ChainError> {
        let Some(record) = self.store.snapshot()?.get(&keys::committee(epoch))? else {
            return Ok(None);
        };
        let damaged = || ChainError::Damaged(format!("who votes in epoch {epoch}"));
        let (hash, seats) = record.split_first_chunk::<32>().ok_or_else(damaged)?;
        let (seats, []) = seats.as_chunks::<SEAT_BYTES>() else { return Err(damaged()) };
        let seat = |bytes: &[u8; SEAT_BYTES]| SeatedValidator {
            node_key: B256::from_slice(&bytes[..32]),
            consensus_key: B256::from_slice(&bytes[32..]),
        };
        Ok(Some(Committee { hash: hash.into(), seats: seats.iter().map(seat).collect() }))
    }

    /// Keeps who votes in an epoch, durably when it returns. Called where the tip is the block before
    /// the epoch's first: what the state shows of a change is kept with it, since it can't be proven
    /// later.
    pub fn keep_committee(&self, epoch: u64, committee: &Committee) -> Result<(), ChainError> {
        let mut batch = Batch::default();
        batch.put(keys::committee(epoch), committee_record(committee));
        let before = epoch.checked_sub(1).map(|before| self.committee(before)).transpose()?;
        if before.flatten().is_some_and(|before| before.hash != committee.hash) {
            batch.put(keys::validator_change(epoch), self.show_validators()?);
        }
        self.commit_batch(batch)
    }
}

/// How who votes in an epoch is kept: the hash of the set, then the two keys of each seat.
pub(crate) fn committee_record(committee: &Committee) -> Vec<u8> {
    let seats = committee.seats.iter().flat_map(|one| [one.node_key, one.consensus_key]);
    std::iter::once(committee.hash).chain(seats).flatten().collect()
}
