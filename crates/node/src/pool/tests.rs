use std::collections::HashSet;

use alloy_consensus::{Signed, TxEip1559};
use alloy_primitives::{Signature, TxKind};
use proptest::prelude::*;

use super::*;

const RULES: PoolRules = PoolRules {
    chain_id: 7,
    fees: FeeRule::Free,
    block_gas_limit: 30_000_000,
    transaction_gas_cap: 16_777_216,
    contract_size_limit: 24_576,
};
const PAID: PoolRules = PoolRules { fees: FeeRule::Eip1559 { floor_wei: 10 }, ..RULES };

fn sender(index: u8) -> Address {
    Address::repeat_byte(index + 1)
}

/// A transaction whose sender is taken on trust, as it is after [`recover`].
fn transaction(from: u8, nonce: u64, price: u128, value: u64) -> Recovered<TxEnvelope> {
    let transaction = TxEip1559 {
        chain_id: 7,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: price,
        max_priority_fee_per_gas: price.min(5),
        to: TxKind::Call(sender(from)),
        value: U256::from(value),
        ..TxEip1559::default()
    };
    let signed = Signed::new_unhashed(transaction, Signature::test_signature());
    Recovered::new_unchecked(TxEnvelope::Eip1559(signed), sender(from))
}

fn pool(rules: PoolRules, limits: Limits) -> Pool {
    Pool::new(rules, limits, 10)
}

fn rich(nonce: u64) -> Account {
    Account { nonce, balance: U256::from(1_000_000_000_u64) }
}

fn admit(pool: &mut Pool, from: u8, nonce: u64, price: u128) -> Result<Admitted, String> {
    let bytes = Bytes::from(vec![from; 100]);
    pool.admit(transaction(from, nonce, price, 0), bytes, rich(0)).map_err(|e| e.to_string())
}

fn chosen(pool: &Pool) -> Vec<(Address, u64)> {
    let all = pool.executable(usize::MAX, 10, &HashSet::new());
    all.iter().map(|pooled| (pooled.sender(), pooled.nonce())).collect()
}

#[test]
fn a_gap_waits_until_it_is_filled() {
    let mut pool = pool(RULES, Limits::default());
    assert_eq!(admit(&mut pool, 0, 1, 0).unwrap().readiness, Readiness::Queued);
    assert!(!pool.has_executable());
    assert_eq!(pool.next_nonce(&sender(0)), Some(0));
    assert_eq!(admit(&mut pool, 0, 0, 0).unwrap().readiness, Readiness::Executable);
    assert_eq!(pool.next_nonce(&sender(0)), Some(2));
    assert_eq!(chosen(&pool), vec![(sender(0), 0), (sender(0), 1)]);
}

#[test]
fn texts_are_those_of_geth() {
    let mut pool = pool(RULES, Limits::default());
    let account = Account { nonce: 5, balance: U256::from(10) };
    let mut refuse = |nonce, price, value| {
        let transaction = transaction(0, nonce, price, value);
        pool.admit(transaction, Bytes::new(), account).err().map(|error| error.to_string())
    };
    assert_eq!(refuse(4, 0, 0).unwrap(), "nonce too low: next nonce 5, tx nonce 4");
    assert_eq!(
        refuse(5, 0, 11).unwrap(),
        "insufficient funds for gas * price + value: balance 10, tx cost 11, overshot 1"
    );
    assert_eq!(refuse(5, 1, 6), None);
    assert_eq!(refuse(5, 1, 6).unwrap(), "already known");
    assert_eq!(
        refuse(6, 0, 5).unwrap(),
        "insufficient funds for gas * price + value: balance 10, queued cost 6, tx cost 5, \
         overshot 1"
    );
    assert_eq!(refuse(5, 1, 7).unwrap(), "replacement transaction underpriced");
    assert_eq!(refuse(5, 2, 7), None);
}

#[test]
fn a_paid_replacement_offers_a_tenth_more() {
    let mut pool = pool(PAID, Limits::default());
    admit(&mut pool, 0, 0, 100).unwrap();
    assert_eq!(admit(&mut pool, 0, 0, 109), Err("replacement transaction underpriced".into()));
    // The tip is capped at 5 here, so it is not outbid whatever the cap is.
    assert_eq!(admit(&mut pool, 0, 0, 200), Err("replacement transaction underpriced".into()));
}

#[test]
fn prices_decide_where_gas_is_paid_for() {
    let mut pool = pool(PAID, Limits::default());
    assert_eq!(admit(&mut pool, 0, 0, 9).unwrap().readiness, Readiness::Queued);
    assert!(!pool.has_executable());
    assert_eq!(admit(&mut pool, 0, 1, 50).unwrap().readiness, Readiness::Executable);
    assert_eq!(chosen(&pool), vec![], "the first of the sender is below the base fee");
    admit(&mut pool, 1, 0, 12).unwrap();
    admit(&mut pool, 2, 0, 14).unwrap();
    assert_eq!(chosen(&pool), vec![(sender(2), 0), (sender(1), 0)]);
    pool.set_base_fee(13);
    assert!(pool.has_executable());
    pool.set_base_fee(15);
    assert!(!pool.has_executable());
}

#[test]
fn a_sender_has_a_limit() {
    let mut pool = pool(RULES, Limits { sender: 3, ..Limits::default() });
    for nonce in 0..3 {
        admit(&mut pool, 0, nonce, 0).unwrap();
    }
    let refused = admit(&mut pool, 0, 3, 0).unwrap_err();
    assert_eq!(refused, "account limit exceeded: 3 pending transactions of one sender");
    admit(&mut pool, 0, 2, 1).unwrap();
    admit(&mut pool, 1, 0, 0).unwrap();
}

#[test]
fn a_flood_gives_way_to_others() {
    let mut pool = pool(RULES, Limits { count: 6, ..Limits::default() });
    for nonce in 0..6 {
        admit(&mut pool, 0, nonce, 0).unwrap();
    }
    assert_eq!(
        admit(&mut pool, 0, 6, 0).unwrap_err(),
        "txpool is full: 6 transactions, 268435456 bytes"
    );
    for other in 1..4 {
        admit(&mut pool, other, 0, 0).unwrap();
    }
    assert_eq!(pool.len(), 6);
    assert_eq!(pool.next_nonce(&sender(0)), Some(3), "the last of the greatest left");
}

#[test]
fn dead_senders_cannot_clog_the_pool() {
    let mut pool = pool(RULES, Limits { count: 4, ..Limits::default() });
    for dead in 0..4 {
        admit(&mut pool, dead, 9, 0).unwrap();
    }
    assert!(admit(&mut pool, 9, 5, 0).unwrap_err().starts_with("txpool is full"));
    for nonce in 0..4 {
        admit(&mut pool, 9, nonce, 0).unwrap();
    }
    assert_eq!(pool.counts(), (4, 0));
}

#[test]
fn bytes_are_bounded() {
    let mut pool = pool(RULES, Limits { bytes: 5_000, ..Limits::default() });
    for from in 0..20 {
        let _refused_when_full = admit(&mut pool, from, 0, 0);
        assert!(pool.bytes() <= 5_000);
    }
    assert_eq!(pool.len(), 4);
}

#[test]
fn gossip_goes_on_where_it_stopped() {
    let mut pool = pool(RULES, Limits::default());
    for from in 0..5 {
        admit(&mut pool, from, 0, 0).unwrap();
    }
    let (first, sent) = pool.since(0, 250);
    assert_eq!((first, sent.len()), (2, 2));
    let gone = *transaction(3, 0, 0, 0).tx_hash();
    pool.remove(&gone).unwrap();
    let (second, sent) = pool.since(first, usize::MAX);
    assert_eq!((second, sent.len()), (5, 2));
    assert_eq!(pool.since(second, usize::MAX), (5, vec![]));
}

#[test]
fn what_a_block_on_the_way_holds_is_left_out() {
    let mut pool = pool(RULES, Limits::default());
    for nonce in 0..3 {
        admit(&mut pool, 0, nonce, 0).unwrap();
    }
    let excluded = HashSet::from([*transaction(0, 0, 0, 0).tx_hash()]);
    let left = pool.executable(9, 10, &excluded);
    assert_eq!(left.iter().map(|pooled| pooled.nonce()).collect::<Vec<_>>(), vec![1, 2]);
    assert_eq!(pool.executable(2, 10, &HashSet::new()).len(), 2);
}

type Change = fn(&mut TxEip1559);

#[test]
fn what_can_never_be_valid_is_refused_before_its_signature_is_looked_at() {
    use alloy_eips::eip2718::Encodable2718 as _;
    let check = |change: &dyn Fn(&mut TxEip1559)| {
        let mut body = TxEip1559 {
            chain_id: 7,
            gas_limit: 21_000,
            to: TxKind::Call(sender(0)),
            ..TxEip1559::default()
        };
        change(&mut body);
        let signed = Signed::new_unhashed(body, Signature::test_signature());
        decode(&TxEnvelope::Eip1559(signed).encoded_2718(), &RULES)
            .map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
    };
    assert_eq!(check(&|_| ()), "accepted");
    let cases: &[(Change, &str)] = &[
        (|tx| tx.chain_id = 1, "invalid sender: invalid chain id for signer: have 1 want 7"),
        (|tx| tx.gas_limit = 20_000, "intrinsic gas too low: gas 20000, minimum needed 21000"),
        (
            |tx| (tx.input, tx.gas_limit) = (vec![1; 10].into(), 21_160),
            "insufficient gas for floor data gas cost: gas 21160, minimum needed 21400",
        ),
        (
            |tx| (tx.to, tx.gas_limit) = (TxKind::Create, 52_999),
            "intrinsic gas too low: gas 52999, minimum needed 53000",
        ),
        (
            |tx| (tx.to, tx.input) = (TxKind::Create, vec![0; 49_153].into()),
            "max initcode size exceeded: code size 49153 limit 49152",
        ),
        (|tx| tx.gas_limit = 30_000_001, "exceeds block gas limit"),
        (
            |tx| tx.gas_limit = 16_777_217,
            "transaction gas limit too high (cap: 16777216, tx: 16777217)",
        ),
        (
            |tx| tx.max_priority_fee_per_gas = 1,
            "max priority fee per gas higher than max fee per gas",
        ),
        (|tx| tx.nonce = u64::MAX, "nonce has max value"),
        (
            |tx| tx.input = vec![0; 140_000].into(),
            "oversized data: transaction size 140106, limit 131072",
        ),
    ];
    for (change, expect) in cases {
        assert_eq!(check(change), *expect);
    }
    for (bytes, expect) in [
        (&[][..], "typed transaction too short"),
        (&[2], "typed transaction too short"),
        (&[0x80], "rlp: expected input list for types.LegacyTx"),
        (&[0xf8], "rlp: value size exceeds available input length"),
        (&[0xc1, 0x80], "rlp: too few elements for types.LegacyTx"),
        (&[0xc0, 0x80], "rlp: input contains more than one value"),
        (
            &[3, 0xc0],
            "transaction type not supported: blob transactions have no place on this network",
        ),
        (&[9, 0xc0], "transaction type not supported"),
        (&[2, 0xc0], "rlp: too few elements for types.DynamicFeeTx"),
    ] {
        assert_eq!(decode(bytes, &RULES).unwrap_err().to_string(), expect);
    }
}

/// What the pool is, said as simply as possible.
#[derive(Debug, Default)]
struct Model {
    accounts: HashMap<u8, Account>,
    /// (sender, nonce, price, value, arrival)
    transactions: Vec<(u8, u64, u128, u64, u64)>,
    arrivals: u64,
}

impl Model {
    fn account(&self, from: u8) -> Account {
        self.accounts.get(&from).copied().unwrap_or(Account { nonce: 0, balance: U256::from(9) })
    }

    fn admit(&mut self, from: u8, nonce: u64, price: u128, value: u64) -> bool {
        let account = self.account(from);
        let same = |held: &(u8, u64, u128, u64, u64)| held.0 == from && held.1 == nonce;
        let others: u64 =
            self.transactions.iter().filter(|t| t.0 == from && t.1 != nonce).map(|t| t.3).sum();
        let outbid = self.transactions.iter().find(|t| same(t)).is_none_or(|t| price > t.2);
        if nonce < account.nonce || U256::from(others + value) > account.balance || !outbid {
            return false;
        }
        self.transactions.retain(|t| !same(t));
        self.arrivals += 1;
        self.transactions.push((from, nonce, price, value, self.arrivals));
        true
    }

    fn set_account(&mut self, from: u8, account: Account) {
        self.accounts.insert(from, account);
        self.transactions.retain(|t| {
            t.0 != from || (t.1 >= account.nonce && U256::from(t.3) <= account.balance)
        });
    }

    fn ready(&self, from: u8) -> Vec<(u8, u64, u128, u64, u64)> {
        let account = self.account(from);
        let (mut next, mut spent, mut ready) = (account.nonce, 0, Vec::new());
        while let Some(t) = self.transactions.iter().find(|t| t.0 == from && t.1 == next) {
            spent += t.3;
            if U256::from(spent) > account.balance {
                break;
            }
            next += 1;
            ready.push(*t);
        }
        ready
    }

    /// Always the earliest arrival among the senders' next ones.
    fn executable(&self) -> Vec<(Address, u64)> {
        let mut queues: Vec<_> = (0..4).map(|from| self.ready(from)).collect();
        let mut order = Vec::new();
        while let Some(queue) =
            queues.iter_mut().filter(|queue| !queue.is_empty()).min_by_key(|queue| queue[0].4)
        {
            let next = queue.remove(0);
            order.push((sender(next.0), next.1));
        }
        order
    }
}

#[derive(Clone, Debug)]
enum Step {
    Admit { from: u8, nonce: u64, price: u128, value: u64 },
    Block { from: u8, nonce: u64, balance: u64 },
    Remove { index: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_u8, 0..7_u64, 0..3_u128, 0..4_u64)
            .prop_map(|(from, nonce, price, value)| Step::Admit { from, nonce, price, value }),
        2 => (0..4_u8, 0..5_u64, 0..12_u64)
            .prop_map(|(from, nonce, balance)| Step::Block { from, nonce, balance }),
        1 => (0..20_usize).prop_map(|index| Step::Remove { index }),
    ]
}

proptest! {
    #[test]
    fn the_pool_does_what_the_model_does(steps in prop::collection::vec(step(), 1..80)) {
        let mut pool = pool(RULES, Limits::default());
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Admit { from, nonce, price, value } => {
                    let transaction = transaction(from, nonce, price, value);
                    let admitted = pool.admit(transaction, Bytes::new(), model.account(from));
                    prop_assert_eq!(admitted.is_ok(), model.admit(from, nonce, price, value));
                }
                Step::Block { from, nonce, balance } => {
                    // An account's nonce never falls.
                    let nonce = nonce.max(model.account(from).nonce);
                    let account = Account { nonce, balance: U256::from(balance) };
                    pool.refresh(sender(from), account);
                    model.set_account(from, account);
                }
                Step::Remove { index } => {
                    if let Some(gone) = model.transactions.get(index).copied() {
                        model.transactions.remove(index);
                        let hash = *transaction(gone.0, gone.1, gone.2, gone.3).tx_hash();
                        prop_assert!(pool.remove(&hash).is_some());
                    }
                }
            }
            prop_assert_eq!(pool.len(), model.transactions.len());
            prop_assert_eq!(chosen(&pool), model.executable());
            prop_assert_eq!(pool.has_executable(), !model.executable().is_empty());
            let footprints: usize = pool.by_hash.values().map(|held| held.footprint()).sum();
            prop_assert_eq!(pool.bytes(), footprints);
            prop_assert_eq!(pool.arrivals.len(), pool.len());
            prop_assert_eq!(pool.counts().0, model.executable().len());
        }
    }
}
