//! Traces: that they are Geth's, and how much of them is kept.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U64};
use alloy_rpc_types::BlockOverrides;
use alloy_rpc_types::state::StateOverride;
use serde::Deserialize;
use serde_json::Value;
use windlass_chain::{
    At, CallRequest, Chain, GethDebugTracingOptions, Overrides, Trace, TraceError,
};

use crate::common::{burner, deploy, deployer, free, limits, open, token_deployer};

/// A call of a program, and what Geth's tracers tell of it: `tests/e2e/differential/vectors.mjs` made it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    request: Request,
    state_overrides: StateOverride,
    block_overrides: BlockOverrides,
    traces: Vec<Told>,
}

#[derive(Deserialize)]
struct Request {
    from: Address,
    to: Address,
    gas: U64,
    data: Bytes,
}

#[derive(Deserialize)]
struct Told {
    options: GethDebugTracingOptions,
    expect: Value,
}

fn check(chain: &Chain, vector: Vector) -> usize {
    let Vector { name, request, state_overrides, block_overrides, traces } = vector;
    let overrides = Overrides { state: state_overrides, block: block_overrides };
    let call = CallRequest {
        from: request.from,
        to: Some(request.to),
        gas: Some(request.gas.to()),
        input: request.data,
        overrides: Arc::new(overrides),
        ..CallRequest::default()
    };
    for Told { options, expect } in &traces {
        let trace = chain.trace_call(At::Latest, &call, options, limits());
        let trace = trace.unwrap_or_else(|error| panic!("{name}: {error}"));
        let told = serde_json::to_value(trace).unwrap();
        assert_eq!(&told, expect, "{name}: {:?}\n{told}\n{expect}", options.tracer);
    }
    traces.len()
}

#[test]
fn calls_are_traced_as_geth_traces_them() {
    let chain = open(&free());
    let vectors = include_str!("../vectors/traces.json").lines();
    let count: usize = vectors.map(|line| check(&chain, serde_json::from_str(line).unwrap())).sum();
    assert_eq!(count, 186);
}

#[test]
fn a_trace_that_keeps_too_much_is_ended() {
    let chain = open(&free());
    let burner_at = deploy(&chain, &deployer(&burner()));
    let call = CallRequest { to: Some(burner_at), ..CallRequest::default() };
    let options = GethDebugTracingOptions::default();
    let ended = chain.trace_call(At::Latest, &call, &options, limits());
    assert!(matches!(ended, Err(TraceError::TooLarge { .. })), "{ended:?}");
    // One that stops by itself is whole.
    let token_at = deploy(&chain, &token_deployer(1_000));
    let call = CallRequest { to: Some(token_at), ..CallRequest::default() };
    let trace = chain.trace_call(At::Latest, &call, &options, limits()).unwrap();
    assert!(matches!(trace, Trace::Steps(steps) if !steps.struct_logs.is_empty()));
}
