//! Votes that would leave the network without a quorum, this node without rules that it knows, or the
//! members without the fee for another vote, are not taken from clients.
//!
//! The chain cannot know who is reachable, nor what programs its nodes run, so each node says what it
//! sees. A proposal that names it (`force`) is taken all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::SignerRecoverable as _;
use alloy_primitives::{B256, Bytes, U256};
use windlass_chain::governance::{self, RULES_VERSION, SeatedValidator, Tariff, Upgrade};
use windlass_chain::{At, timestamp_ms};

use super::Node;
use crate::diagnosis::Missing;
use crate::rpc::error::RpcError;
use crate::rpc::now_ms;
use crate::status::{Status, quorum};

/// How many epochs a node may be behind and count as one that follows: it tells where it is at each
/// epoch's end.
const EPOCHS_BEHIND: u64 = 2;
/// How long a validator may be missing and count as there: one that takes a new key starts anew. What
/// it told may be as old: short epochs under load end faster than anybody looks.
const ABSENT_MS: u64 = 10_000;

/// What a proposal and a few votes take in a large network, in gas.
const VOTING_GAS: u64 = 3_000_000;

/// How often, and after which pauses, it is looked again for validators that are missing before a decision
/// on them is refused: whoever has just joined is met by each of the others within moments.
pub(super) const LOOKS: u32 = 30;
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// What is to be said of a decision on validators that are not there now.
#[derive(Debug)]
pub(super) struct Lacking(String);

impl From<Lacking> for RpcError {
    fn from(Lacking(why): Lacking) -> Self {
        Self::Server(why)
    }
}

/// Refuses a transaction that decides on rules that this program does not know, or on a fee or a gas limit
/// that leaves the members no way to take it back; tells of one that decides on validators of whom too few
/// are connected and up to date.
pub(super) fn check(node: &Node, transaction: &Bytes) -> Result<Option<Lacking>, RpcError> {
    // Whatever is wrong with it, the pool says.
    let Ok(transaction) = node.ledger.decode(transaction) else { return Ok(None) };
    if transaction.to() != Some(governance::ADDRESS) {
        return Ok(None);
    }
    let Ok(sender) = transaction.recover_signer() else { return Ok(None) };
    let cap = node.ledger.chain().rules().transaction_gas_cap().unwrap_or(u64::MAX);
    let (input, gas) = (transaction.input().clone(), transaction.gas_limit().min(cap));
    let decision = node.ledger.chain().decision(sender, input, gas)?;
    let Some(decision) = decision.filter(|decision| !decision.forced) else { return Ok(None) };
    if let Some(upgrade) = decision.upgrade.filter(|upgrade| !upgrade.is_known()) {
        return Err(RpcError::Server(unknown(upgrade)));
    }
    if let Some(gas_limit) = decision.gas_limit.filter(|gas| *gas < VOTING_GAS) {
        return Err(RpcError::Server(too_narrow(gas_limit)));
    }
    if let Some(tariff) = decision.tariff {
        let state = node.ledger.chain().state(At::Latest)?;
        let mut balances = Vec::new();
        for account in &tariff.accounts {
            balances.push(state.account(*account)?.map_or(U256::ZERO, |account| account.balance));
        }
        if let Some(objection) = unpayable(&tariff, &balances) {
            return Err(RpcError::Server(objection));
        }
    }
    let Some(validators) = decision.validators else { return Ok(None) };
    let status = node.status.get();
    let absent = absent(node, &status);
    let now = node.ledger.chain().next_validators()?;
    let seen = Seen { status, absent, heights: node.status.heights() };
    Ok(objection((&validators, &now), &seen, least(node)?).map(Lacking))
}

/// The block that whoever follows has.
fn least(node: &Node) -> Result<u64, RpcError> {
    let chain = node.ledger.chain();
    let behind = EPOCHS_BEHIND.saturating_mul(node.ledger.epoch_length());
    let newest = chain.tip().number.saturating_sub(behind);
    let until_ms = now_ms().saturating_sub(ABSENT_MS);
    newest_until(newest, until_ms, |number| {
        // Blocks that this node does not have yet are from before it joined.
        Ok(chain.header(number)?.map_or(0, |header| timestamp_ms(&header)))
    })
}

/// The newest block up to `newest` that was made by then; the first if none was.
fn newest_until(
    newest: u64,
    until_ms: u64,
    made_ms: impl Fn(u64) -> Result<u64, RpcError>,
) -> Result<u64, RpcError> {
    let (mut made, mut later) = (0, newest.saturating_add(1));
    while later - made > 1 {
        let middle = made + (later - made) / 2;
        if made_ms(middle)? <= until_ms {
            made = middle;
        } else {
            later = middle;
        }
    }
    Ok(made)
}

/// What this node sees of the others.
struct Seen {
    status: Status,
    /// Validators that are connected, maybe, and do not vote: they hang, or are not heard.
    absent: BTreeSet<B256>,
    heights: BTreeMap<B256, u64>,
}

/// The validators that have been missing for a while, as the newest blocks show.
fn absent(node: &Node, status: &Status) -> BTreeSet<B256> {
    let now_ms = now_ms();
    let is_absent = |missing: &Missing| now_ms.saturating_sub(missing.since_ms) >= ABSENT_MS;
    let report = node.report(status, now_ms);
    let missing =
        report.validators.iter().filter(|one| one.missing.as_ref().is_some_and(is_absent));
    missing.map(|one| one.link.node_key).collect()
}

/// What is to be said against these validators, where those count who have the block `least`. Who gets
/// another node key is there by the one that it has now.
fn objection(
    (validators, now): (&[SeatedValidator], &[SeatedValidator]),
    Seen { status, absent, heights }: &Seen,
    least: u64,
) -> Option<String> {
    let follows = |key: &B256| {
        if absent.contains(key) {
            return false;
        }
        // Who only follows is connected with validators and not with others that follow: of those
        // it may know nothing.
        let is_foreign = || status.peers.iter().all(|peer| peer.node_key != *key);
        if status.not_voting.is_some() && is_foreign() {
            return heights.get(key).is_none_or(|height| *height >= least);
        }
        let mut peers = status.peers.iter().filter(|peer| peer.connected);
        *key == status.node_key
            || (peers.any(|peer| peer.node_key == *key)
                && heights.get(key).is_some_and(|height| *height >= least))
    };
    let missing: Vec<String> = validators
        .iter()
        .filter(|one| {
            let same = now.iter().find(|before| before.consensus_key == one.consensus_key);
            !follows(&one.node_key) && !same.is_some_and(|before| follows(&before.node_key))
        })
        .map(|one| one.node_key.to_string())
        .collect();
    let all = validators.len();
    let (needed, here) = (quorum(all), all - missing.len());
    (here < needed).then(|| {
        format!(
            "this decides on {all} validators, of whom {needed} must vote for each block, and only \
             {here} are connected and up to date: the network would stand still. Missing: {}. Wait \
             until they follow (nodes that no member has named become observers first), or propose it \
             with `force` (windlass network propose … --force)",
            missing.join(", ")
        )
    })
}

/// What is to be said against a fee that too few members have the money for.
fn unpayable(tariff: &Tariff, balances: &[U256]) -> Option<String> {
    let Tariff { floor_wei, threshold, .. } = tariff;
    let cost = U256::from((*floor_wei).max(1)) * U256::from(VOTING_GAS);
    let (all, can) = (balances.len(), balances.iter().filter(|one| **one >= cost).count());
    (can * 100 <= all * usize::from(*threshold)).then(|| {
        format!(
            "this decides on a base fee of {floor_wei} wei or more per gas, for votes too, and only \
             {can} of {all} members' accounts have the {cost} wei that some votes take, while more than \
             {threshold} % must vote to change it: nobody could take it back. Send the members' accounts \
             wei first (`windlass network members` lists them), or propose it with `force` (windlass \
             network propose … --force)"
        )
    })
}

/// What is to be said against blocks in which proposals have no room.
fn too_narrow(gas_limit: u64) -> String {
    format!(
        "this decides on {gas_limit} gas a block, and a proposal or a vote may take {VOTING_GAS}: much \
         could not be decided any more. Propose {VOTING_GAS} or more, or propose it with `force` \
         (windlass network propose … --force)"
    )
}

/// What is to be said against rules that this program does not know.
fn unknown(upgrade: Upgrade) -> String {
    let Upgrade { version, height } = upgrade;
    format!(
        "this decides on version {version} of the rules from block {height} on, and the program of this \
         node knows version {RULES_VERSION} only: it would stop before that block. Upgrade the program \
         of every node first, then propose it; or propose it with `force` (windlass network propose … \
         --force)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Identity, StatusBoard, StatusTip};

    fn key(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn check(seats: std::ops::RangeInclusive<u8>, expect: Option<&str>) {
        check_all(None, seats, 0, expect);
    }

    fn check_all(
        not_voting: Option<&str>,
        seats: std::ops::RangeInclusive<u8>,
        above: u8,
        expect: Option<&str>,
    ) {
        check_seen(not_voting, seats, (above, BTreeSet::new()), expect);
    }

    /// The node keys of all of them are so much above what they are now.
    fn check_seen(
        not_voting: Option<&str>,
        seats: std::ops::RangeInclusive<u8>,
        (above, absent): (u8, BTreeSet<B256>),
        expect: Option<&str>,
    ) {
        let identity = Identity {
            node_key: key(1),
            consensus_key: key(9),
            genesis_hash: key(0),
            chain_id: 7,
            validators: (1..=7).map(key).collect(),
        };
        let board = StatusBoard::new(identity, StatusTip::default());
        board.update(|status| status.not_voting = not_voting.map(str::to_owned));
        // 2 and 3 follow, 4 is far behind, 5 has said nothing, the others are away.
        let connected = [(2, Some(1_000)), (3, Some(900)), (4, Some(899)), (5, None)];
        board.set_connected(&connected.map(|(byte, height)| (key(byte), height)).into());
        let seat = |byte: u8, above: u8| SeatedValidator {
            node_key: key(byte + above),
            consensus_key: key(byte + 100),
        };
        let now: Vec<_> = (1..=7).map(|byte| seat(byte, 0)).collect();
        let validators: Vec<_> = seats.map(|byte| seat(byte, above)).collect();
        let seen = Seen { status: board.get(), absent, heights: board.heights() };
        let said = objection((&validators, &now), &seen, 900);
        match expect {
            None => assert_eq!(said, None),
            Some(text) => {
                assert!(said.as_ref().is_some_and(|said| said.contains(text)), "{said:?}");
            }
        }
    }

    #[test]
    fn who_is_away_or_behind_does_not_count() {
        check(1..=3, None);
        check(1..=4, None);
        check(1..=5, Some("5 validators, of whom 4 must vote for each block, and only 3"));
        check(2..=5, Some("4 validators, of whom 3 must vote for each block, and only 2"));
        check(6..=6, Some("only 0 are connected"));
        let hangs = |byte| (0, BTreeSet::from([key(byte)]));
        check_seen(None, 1..=3, hangs(2), Some("only 2"));
        check_seen(None, 1..=4, hangs(7), None);
        check_all(None, 1..=4, 50, None);
        check_all(None, 2..=5, 50, Some("only 2"));
    }

    #[test]
    fn what_a_node_told_may_be_ten_seconds_old() {
        // Block n was made at 10 n.
        let check = |newest, until_ms, expect| {
            let found = newest_until(newest, until_ms, |number| Ok(number * 10));
            assert_eq!(found.expect("every block is there"), expect);
        };
        check(0, 50, 0);
        check(1, 5, 0);
        check(100, 505, 50);
        check(100, 500, 50);
        check(100, 999, 99);
        check(100, 5_000, 100);
        check(101, 5_000, 101);
    }

    #[test]
    fn a_fee_is_refused_that_too_few_members_can_pay() {
        let check = |floor_wei, threshold, balances: &[u64], expect: Option<&str>| {
            let tariff = Tariff { floor_wei, threshold, accounts: Vec::new() };
            let balances: Vec<U256> = balances.iter().map(|wei| U256::from(*wei)).collect();
            let said = unpayable(&tariff, &balances);
            assert_eq!(said.is_some(), expect.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(expect.unwrap_or_default()));
        };
        let enough = 3_000_000_000;
        check(1_000, 50, &[0, 0, 0], Some("only 0 of 3 members' accounts have the 3000000000 wei"));
        check(1_000, 50, &[enough, enough, 0], None);
        check(1_000, 50, &[enough, enough - 1, 0], Some("only 1 of 3"));
        check(1_000, 66, &[enough, enough, 0], None);
        check(1_000, 67, &[enough, enough, 0], Some("only 2 of 3"));
        check(1_000, 50, &[enough, 0], Some("only 1 of 2"));
        check(0, 50, &[3_000_000], None);
        check(0, 50, &[0], Some("only 0 of 1"));
    }

    #[test]
    fn who_only_follows_judges_by_what_it_hears() {
        let follows = |seats, expect| check_all(Some("it is an observer"), seats, 0, expect);
        follows(1..=4, None);
        follows(1..=5, Some("5 validators, of whom 4 must vote for each block, and only 3"));
        follows(2..=5, Some("4 validators, of whom 3 must vote for each block, and only 2"));
        // Of others that follow it knows nothing.
        follows(8..=11, None);
        follows(6..=8, Some("3 validators, of whom 3 must vote for each block, and only 1"));
    }
}
