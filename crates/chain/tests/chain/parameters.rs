//! What the members decide holds from the next block on.

use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, SolValue, sol};
use windlass_chain::governance::{ADDRESS, Permission, Tariff, Upgrade};
use windlass_chain::{
    At, Chain, ChainError, FeePolicy, InvalidBlock, NoSenders, Skipped, TransactionError,
    ValidateError,
};

use crate::common::{Wallet, advance, at_ms, build, follow, free, genesis, open, priced, wallet};

sol! {
    struct Action {
        uint8 kind;
        bytes arguments;
    }

    function propose(Action[] actions, bool force, string reason) external returns (uint256 id);
}

/// A network whose only member has a wallet's account.
fn governed(mut genesis: windlass_chain::genesis::Genesis) -> (Chain, Chain, Wallet) {
    let member = wallet(1);
    genesis.members[0].account = member.address;
    (open(&genesis), open(&genesis), member)
}

fn proposal(kind: u8, arguments: &impl SolValue) -> Vec<u8> {
    forced(kind, arguments, Force::No)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Force {
    Yes,
    No,
}

fn forced(kind: u8, arguments: &impl SolValue, force: Force) -> Vec<u8> {
    let action = Action { kind, arguments: arguments.abi_encode().into() };
    let (actions, force) = (vec![action], force == Force::Yes);
    proposeCall { actions, force, reason: String::new() }.abi_encode()
}

/// The only member's proposal is executed at once; all chains have the block.
#[expect(clippy::needless_pass_by_value, reason = "literals read better")]
fn decide(chains: &[&Chain], member: &Wallet, kind: u8, arguments: impl SolValue) {
    let input = proposal(kind, &arguments);
    let nonce = chains[0].state(At::Latest).unwrap();
    let nonce = nonce.account(member.address).unwrap().unwrap_or_default().nonce;
    let (block, receipts) =
        advance(chains[0], vec![member.eip1559(nonce, TxKind::Call(ADDRESS), U256::ZERO, &input)]);
    assert!(receipts[0].success, "{receipts:?}");
    for other in &chains[1..] {
        follow(other, &block);
    }
}

#[test]
fn the_gas_limit_and_the_interval_are_those_that_were_decided() {
    let (chain, other, member) = governed(free());
    assert_eq!(chain.decided().unwrap().parameters.unwrap().gas_limit, 30_000_000);
    decide(&[&chain, &other], &member, 9, 45_000_000u64);
    decide(&[&chain, &other], &member, 11, 250u32);
    let block = build(&chain, vec![]);
    assert_eq!(block.header().gas_limit, 45_000_000);
    follow(&other, &block);
    assert_eq!(other.decided().unwrap().parameters.unwrap().min_block_interval_ms, 250);
    assert_eq!(chain.decided().unwrap().rules.gas_limit(), Some(45_000_000));

    // A block with the limit of before is refused, by the field.
    let mut forged = build(&other, vec![]).as_inner().clone();
    forged.header.gas_limit = 30_000_000;
    let forged = windlass_chain::Block::new(forged);
    let refused = other.validate(other.tip().hash, &forged, &NoSenders);
    let field = match refused {
        Err(ValidateError::Invalid(InvalidBlock::Header { field, .. })) => field,
        refused => panic!("{refused:?}"),
    };
    assert_eq!(field, "gasLimit");
}

#[test]
fn fees_begin_and_end_with_a_vote() {
    let (chain, other, member) = governed(free());
    decide(&[&chain, &other], &member, 10, (1u16, 1_000_000_000u64));
    let rules = chain.decided().unwrap().rules;
    assert_eq!(rules.fees(), Some(FeePolicy::Eip1559 { floor_wei: 1_000_000_000 }));
    // Whoever has nothing can't send any more.
    let poor = wallet(9).eip1559(0, TxKind::Call(Address::ZERO), U256::ZERO, &[]);
    let built = chain.build(chain.tip().hash, at_ms(60_000), &mut vec![poor].into_iter()).unwrap();
    assert!(matches!(
        built.skipped[..],
        [Skipped { reason: TransactionError::InsufficientFunds { .. }, .. }]
    ));
    assert_eq!(built.block.header().base_fee_per_gas, Some(1_000_000_000));
    decide(&[&chain, &other], &member, 10, (0u16, 0u64));
    let poor = wallet(9).eip1559(0, TxKind::Call(Address::ZERO), U256::ZERO, &[]);
    let (block, receipts) = advance(&chain, vec![poor]);
    assert_eq!((block.header().base_fee_per_gas, receipts[0].effective_gas_price), (Some(0), 0));
    follow(&other, &block);
    let (priced, _, _) = governed(priced());
    assert!(matches!(priced.decided().unwrap().rules.fees(), Some(FeePolicy::Eip1559 { .. })));
}

#[test]
fn who_is_not_permitted_neither_sends_nor_deploys() {
    let (chain, other, member) = governed(free());
    let (sender, deployer) = (wallet(5), wallet(6));
    let chains = &[&chain, &other][..];
    decide(chains, &member, 12, (true, true));
    decide(chains, &member, 13, (sender.address, 1u16));
    decide(chains, &member, 13, (deployer.address, 3u16));
    let call = TxKind::Call(Address::repeat_byte(7));
    let check = |wallet: &Wallet, to: TxKind, lacks: Option<Permission>| {
        let target = to.to().copied();
        assert_eq!(
            chain.next_state().unwrap().lacks_permission(wallet.address, target).unwrap(),
            lacks
        );
        let transaction = wallet.eip1559(0, to, U256::ZERO, &[0]);
        let mut one = vec![transaction].into_iter();
        let built = chain.build(chain.tip().hash, at_ms(90_000), &mut one).unwrap();
        let skipped: Vec<_> = built.skipped.into_iter().map(|skipped| skipped.reason).collect();
        let refused = |lacks| TransactionError::NotPermitted { sender: wallet.address, lacks };
        assert_eq!(skipped, lacks.map(refused).into_iter().collect::<Vec<_>>());
    };
    check(&wallet(7), call, Some(Permission::Send));
    check(&wallet(7), TxKind::Call(ADDRESS), Some(Permission::Send));
    check(&sender, call, None);
    check(&sender, TxKind::Create, Some(Permission::Deploy));
    check(&deployer, TxKind::Create, None);
    assert_eq!(
        chain.next_state().unwrap().lacks_permission(member.address, Some(ADDRESS)).unwrap(),
        None
    );
    let elsewhere =
        chain.next_state().unwrap().lacks_permission(member.address, Some(Address::ZERO)).unwrap();
    assert_eq!(elsewhere, Some(Permission::Send), "a member governs; that is all");

    // A block that holds such a transaction all the same is refused: it is made on a chain whose
    // members took the switch back, and put on one whose members did not.
    decide(&[&chain], &member, 12, (false, false));
    let block = build(&chain, vec![wallet(7).eip1559(0, call, U256::ZERO, &[])]);
    let mut forged = block.as_inner().clone();
    forged.header.parent_hash = other.tip().hash;
    forged.header.number = other.tip().number + 1;
    forged.header.mix_hash = alloy_primitives::keccak256(other.tip().hash);
    let forged = windlass_chain::Block::new(forged);
    let refused = other.validate(other.tip().hash, &forged, &NoSenders);
    let reason = match refused {
        Err(ValidateError::Invalid(InvalidBlock::Transaction { index: 0, reason })) => reason,
        refused => panic!("{refused:?}"),
    };
    assert!(reason.to_string().contains("is not permitted to send transactions"), "{reason}");
}

#[test]
fn permissions_of_the_genesis_hold_from_the_first_block_on() {
    let mut genesis = genesis(windlass_chain::genesis::Fees::Free);
    genesis.permissions.send = Some([wallet(5).address].into_iter().collect());
    let (chain, ..) = governed(genesis);
    let lacks = |number| {
        chain.next_state().unwrap().lacks_permission(wallet(number).address, None).unwrap()
    };
    assert_eq!((lacks(5), lacks(6)), (None, Some(Permission::Send)));
}

#[test]
fn a_version_of_the_rules_that_is_not_known_stops_the_node_and_says_so() {
    let (chain, other, member) = governed(free());
    decide(&[&chain, &other], &member, 15, (2u32, 4u64));
    advance(&chain, vec![]);
    advance(&chain, vec![]);
    assert_eq!(chain.tip().number, 3);
    let refused = chain.build(chain.tip().hash, at_ms(90_000), &mut vec![].into_iter());
    assert!(
        matches!(refused, Err(ChainError::UnknownRules { number: 4, version: 2 })),
        "{refused:?}"
    );
    // What is there can be read.
    assert!(chain.proof(At::Latest, ADDRESS, &[], None).is_ok());
}

#[test]
fn what_a_vote_would_decide_is_known_before() {
    let (chain, _, member) = governed(free());
    let ask = |from: Address, input: Vec<u8>| {
        chain.decision(from, Bytes::from(input), 3_000_000).unwrap()
    };
    let seats = |input: Vec<u8>| {
        let made = ask(member.address, input)?;
        Some((made.validators?.len(), made.forced))
    };
    let rules = |input: Vec<u8>| {
        let made = ask(member.address, input)?;
        Some((made.upgrade?, made.forced))
    };
    assert_eq!(seats(proposal(6, &4u32)), Some((3, false)));
    assert_eq!(seats(forced(5, &4u32, Force::Yes)), Some((3, true)));
    assert_eq!(seats(proposal(9, &45_000_000u64)), None, "it is not about validators");
    assert_eq!(seats(proposal(6, &77u32)), None, "it fails");
    let upgrade = Upgrade { version: 2, height: 40 };
    assert!(!upgrade.is_known());
    assert_eq!(rules(proposal(15, &(2u32, 40u64))), Some((upgrade, false)));
    assert_eq!(rules(forced(15, &(2u32, 40u64), Force::Yes)), Some((upgrade, true)));
    assert_eq!(rules(proposal(6, &4u32)), None, "it is not about rules");
    let fee = |input: Vec<u8>| ask(member.address, input)?.tariff;
    let accounts = vec![member.address];
    let dear = Tariff { floor_wei: 7, threshold: 50, accounts };
    assert_eq!(fee(proposal(10, &(1u32, 7u64))), Some(dear));
    assert_eq!(fee(proposal(10, &(0u32, 0u64))), None, "nobody pays more");
    assert_eq!(fee(proposal(6, &4u32)), None, "it is not about fees");
    let gas = |input: Vec<u8>| ask(member.address, input)?.gas_limit;
    assert_eq!(gas(proposal(9, &20_000_000u64)), Some(20_000_000));
    assert_eq!(gas(proposal(9, &45_000_000u64)), None, "it is more than before");
    assert_eq!(seats(vec![1, 2, 3]), None);
    assert_eq!(ask(wallet(9).address, proposal(6, &4u32)), None, "nobody's");
    assert_eq!(chain.next_validators().unwrap().len(), 4, "nothing has changed");
    // What is decided already is not decided by the next vote.
    decide(&[&chain], &member, 15, (2u32, 40u64));
    assert_eq!(rules(proposal(6, &4u32)), None);
    assert_eq!(seats(proposal(6, &4u32)), Some((3, false)));
    let later = Upgrade { version: 2, height: 50 };
    assert_eq!(rules(proposal(15, &(2u32, 50u64))), Some((later, false)));
}
