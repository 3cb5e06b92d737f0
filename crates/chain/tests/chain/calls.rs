//! Calls and estimates on a ledger's states.

use crate::common::{
    NOBODY, burner, counter, deploy, deployer, factory, free, hex, limits, open, reverter, wallet,
};
use alloy_primitives::{Address, Bytes, U256};
use windlass_chain::{At, CallRequest, CallResult, EstimateError, Overrides};

fn call(to: Address, input: &[u8]) -> CallRequest {
    CallRequest {
        from: wallet(9).address,
        to: Some(to),
        input: Bytes::copy_from_slice(input),
        ..CallRequest::default()
    }
}

#[test]
fn calls_answer_as_geth_does() {
    let chain = open(&free());
    let counter_at = deploy(&chain, &deployer(&counter()));
    let reverter_at = deploy(&chain, &deployer(&reverter()));
    let burner_at = deploy(&chain, &deployer(&burner()));
    let run = |request: &CallRequest| chain.call(At::Latest, request, limits()).unwrap();
    let counted = run(&call(counter_at, &[]));
    assert_eq!(
        counted.result,
        CallResult::Success { output: U256::from(1).to_be_bytes::<32>().into() }
    );
    assert_eq!(counted.logs.len(), 1);
    assert_eq!(run(&call(counter_at, &[])), counted, "a call changes nothing");
    assert_eq!(
        run(&call(reverter_at, &[])).result,
        CallResult::Revert { output: Bytes::from(hex("deadbeef")) }
    );
    assert!(matches!(
        run(&call(burner_at, &[])).result,
        CallResult::Halt { ref reason, out_of_gas: true } if reason == "out of gas"
    ));
    // A contract as the caller, a creation, a value that the caller lacks.
    let from_contract = CallRequest { from: counter_at, ..call(counter_at, &[]) };
    assert_eq!(run(&from_contract).result, counted.result);
    let create = CallRequest { to: None, input: deployer(&counter()).into(), ..call(NOBODY, &[]) };
    assert_eq!(run(&create).result, CallResult::Success { output: counter().into() });
    let rich = CallRequest { value: U256::from(1), ..call(NOBODY, &[]) };
    assert!(chain.call(At::Latest, &rich, limits()).is_err());
}

#[test]
fn a_brief_call_answers_what_any_call_does_or_nothing() {
    let chain = open(&free());
    let place = |code: &[u8]| deploy(&chain, &deployer(code));
    let (counter, reverter, burner) = (place(&counter()), place(&reverter()), place(&burner()));
    let factory = place(&factory());
    // SSTORE to ten slots; GAS, returned.
    let spender =
        place(&(0_u8..10).flat_map(|slot| [0x60, 1, 0x60, slot, 0x55]).collect::<Vec<_>>());
    let gauge = place(&hex("5a 5f52 6020 5ff3"));
    // Calls another contract, and returns whether that succeeded.
    let asking = |other: Address, gas: &str| {
        let other = alloy_primitives::hex::encode(other);
        place(&hex(&format!("5f5f5f5f5f 73{other} 62{gas} f1 5f52 6020 5ff3")))
    };
    let both = |request: &CallRequest| {
        let brief = chain.call_briefly(At::Latest, request).unwrap();
        (brief, chain.call(At::Latest, request, limits()).unwrap())
    };
    for to in [NOBODY, counter, reverter, asking(reverter, "0fffff"), asking(counter, "0fffff")] {
        let (brief, any) = both(&call(to, &[7; 40]));
        assert_eq!(brief, Some(any), "{to}");
    }
    // A precompiled contract that refuses its input.
    let refused = asking(Address::with_last_byte(9), "00ffff");
    let others = [asking(gauge, "00ffff"), asking(burner, "00ffff"), refused];
    for to in [burner, gauge, factory, spender].into_iter().chain(others) {
        assert_eq!(both(&call(to, &[])).0, None, "{to}");
    }
    // What fails for want of gas in there would succeed with all of it.
    let (brief, any) = both(&call(asking(spender, "0fffff"), &[]));
    let yes = CallResult::Success { output: U256::from(1).to_be_bytes::<32>().into() };
    assert_eq!((brief, any.result), (None, yes));
    let paid = CallRequest { gas_price: Some(0), ..call(counter, &[]) };
    let created = CallRequest { to: None, ..call(counter, &[]) };
    let mut other = Overrides::default();
    other.block.number = Some(U256::from(9));
    let elsewhere = CallRequest { overrides: other.into(), ..call(counter, &[]) };
    for request in [paid, created, elsewhere] {
        assert_eq!(both(&request).0, None, "{request:?}");
    }
    let past = chain.call_briefly(At::Number(chain.tip().number - 1), &call(counter, &[]));
    assert_eq!(past.unwrap(), None);
    chain.call_briefly(At::Latest, &call(counter, &vec![1; 30_000])).unwrap_err();
}

#[test]
fn a_call_that_burns_gas_can_be_cancelled() {
    let chain = open(&free());
    let burner_at = deploy(&chain, &deployer(&burner()));
    let cancel = std::sync::atomic::AtomicBool::new(true);
    let limits = windlass_chain::CallLimits { cancel: Some(&cancel), ..limits() };
    let error = chain.call(At::Latest, &call(burner_at, &[]), limits).unwrap_err();
    assert!(matches!(error, windlass_chain::CallError::Cancelled));
}

#[test]
fn estimates_suffice_and_failures_carry_their_reason() {
    let chain = open(&free());
    let counter_at = deploy(&chain, &deployer(&counter()));
    let reverter_at = deploy(&chain, &deployer(&reverter()));
    let burner_at = deploy(&chain, &deployer(&burner()));
    let estimate = |request: &CallRequest| chain.estimate_gas(At::Latest, request, limits());
    assert_eq!(estimate(&call(NOBODY, &[])).unwrap(), 21_000);
    for request in [
        call(counter_at, &[]),
        CallRequest { to: None, input: deployer(&counter()).into(), ..call(NOBODY, &[]) },
    ] {
        let gas = estimate(&request).unwrap();
        let run = |gas| {
            let request = CallRequest { gas: Some(gas), ..request.clone() };
            chain.call(At::Latest, &request, limits()).unwrap().result
        };
        assert!(matches!(run(gas), CallResult::Success { .. }));
        let used = chain.call(At::Latest, &request, limits()).unwrap().gas_used;
        assert!(gas <= used + used / 10 + 5_000, "{gas} for {used}");
    }
    match estimate(&call(reverter_at, &[])) {
        Err(EstimateError::Revert { output }) => assert_eq!(output, Bytes::from(hex("deadbeef"))),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        estimate(&call(burner_at, &[])),
        Err(EstimateError::Allowance { allowance: 16_777_216 })
    ));
}
