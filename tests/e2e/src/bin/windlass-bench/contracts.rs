//! The contracts that the benchmark `chain` puts under load: a token, a market of two of them, and one
//! that makes many accounts.

use std::fs;

use alloy_primitives::{Address, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;
use futures::future::join_all;
use serde_json::Value;
use windlass_e2e::{Account, Call, Endpoint, root};

/// How many holders one transaction gives tokens to.
const HOLDERS_EACH: usize = 400;
/// How many accounts one transaction makes, and how many transactions are under way.
const ACCOUNTS_EACH: usize = 380;
const FUNDERS: usize = 16;
const FUNDING_GAS: u64 = 14_950_000;
/// What an account is given, in wei.
pub(crate) const FUNDS: u64 = 1_000;
/// Sends 1,000 wei to each account of its input, a word each.
const DISPERSER: &str = "5f5b5f5f5f5f6103e885355af15060200136811060015700";
/// All tokens there are: a market holds less than 2^112 of them.
const SUPPLY: u128 = 1_000_000_000_000_000_000_000_000_000_000;
/// What a holder and a market are given.
pub(crate) const HOLDING: u64 = 1_000_000_000_000_000_000;
const LIQUIDITY: u128 = 1_000_000_000_000_000_000_000_000;
/// The code of Pair.sol.
const PAIR: &str = include_str!("Pair.hex");

/// A call with its arguments in ABI.
pub(crate) fn input(signature: &str, arguments: &[u8]) -> Bytes {
    let selector = &keccak256(signature)[..4];
    [selector, arguments].concat().into()
}

/// `transfer(address,uint256)`.
pub(crate) fn transfer(token: Address, to: Address) -> Call {
    let arguments = (to, U256::ONE).abi_encode_params();
    at(token, input("transfer(address,uint256)", &arguments), 80_000)
}

/// `approve(address,uint256)`, without a limit.
pub(crate) fn approve(token: Address, spender: Address) -> Call {
    let arguments = (spender, U256::MAX).abi_encode_params();
    at(token, input("approve(address,uint256)", &arguments), 80_000)
}

/// `swap(uint256,address)`.
pub(crate) fn swap(pair: Address, to: Address) -> Call {
    let arguments = (U256::from(1_000_000), to).abi_encode_params();
    at(pair, input("swap(uint256,address)", &arguments), 200_000)
}

/// A token of which each holder has the same.
pub(crate) async fn token(endpoint: &Endpoint, rich: &mut Account, holders: &[Address]) -> Address {
    let file = root().join("contracts/build/Token.json");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; `npm run build` in contracts/ makes it", file.display())
    });
    let artifact: Value = serde_json::from_str(&text).expect("it is JSON");
    let code = artifact["bytecode"].as_str().expect("it has code").trim_start_matches("0x");
    let arguments = ("Bench", "BENCH", U256::from(SUPPLY)).abi_encode_params();
    let token = deploy(endpoint, rich, code, &arguments, 0).await;
    for holders in holders.chunks(HOLDERS_EACH) {
        let arguments = (holders.to_vec(), U256::from(HOLDING)).abi_encode_params();
        let give = input("distribute(address[],uint256)", &arguments);
        transact(endpoint, rich, at(token, give, FUNDING_GAS)).await;
    }
    token
}

/// A market of two tokens.
pub(crate) async fn pair(endpoint: &Endpoint, rich: &mut Account, tokens: [Address; 2]) -> Address {
    let pair = deploy(endpoint, rich, PAIR.trim(), &tokens.abi_encode_params(), 0).await;
    for token in tokens {
        let arguments = (pair, U256::from(LIQUIDITY)).abi_encode_params();
        let give = input("transfer(address,uint256)", &arguments);
        transact(endpoint, rich, at(token, give, 100_000)).await;
    }
    transact(endpoint, rich, at(pair, input("sync()", &[]), 200_000)).await;
    pair
}

/// Makes accounts by transactions, where a genesis would be too large to declare.
pub(crate) async fn fund(
    endpoint: &Endpoint,
    rich: &mut Account,
    addresses: &[Address],
    chain_id: u64,
) {
    let code = hex::decode(DISPERSER).expect("it is hex");
    let length = u8::try_from(code.len()).expect("it is short");
    let init = [&[0x60, length, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3][..], &code].concat();
    let value = FUNDS * u64::try_from(addresses.len()).expect("they are few");
    let disperser = deploy(endpoint, rich, &hex::encode(init), &[], value).await;
    let share = addresses.len().div_ceil(FUNDERS).max(1);
    join_all(addresses.chunks(share).map(async |addresses| {
        let mut funder = Account::new(chain_id);
        for some in addresses.chunks(ACCOUNTS_EACH) {
            let words: Vec<[u8; 32]> = some.iter().map(|address| address.into_word().0).collect();
            let call = at(disperser, words.concat().into(), FUNDING_GAS);
            transact(endpoint, &mut funder, call).await;
        }
    }))
    .await;
}

fn at(to: Address, input: Bytes, gas: u64) -> Call {
    Call { to: Some(to), value: U256::ZERO, input, gas }
}

async fn deploy(
    endpoint: &Endpoint,
    rich: &mut Account,
    code: &str,
    arguments: &[u8],
    value: u64,
) -> Address {
    let mut init = hex::decode(code).expect("code is hex");
    init.extend(arguments);
    let deploy = Call { to: None, value: U256::from(value), input: init.into(), gas: 5_000_000 };
    let receipt = transact(endpoint, rich, deploy).await;
    serde_json::from_value(receipt["contractAddress"].clone()).expect("it is deployed")
}

async fn transact(endpoint: &Endpoint, account: &mut Account, call: Call) -> Value {
    let receipt = endpoint.receipt(&account.send(endpoint, call).await).await;
    assert_eq!(receipt["status"], "0x1", "a transaction failed: {receipt}");
    receipt
}
