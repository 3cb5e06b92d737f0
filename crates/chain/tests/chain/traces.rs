//! Traces, and how much of them is kept.

use windlass_chain::{At, CallRequest, GethDebugTracingOptions, Trace, TraceError};

use crate::common::{burner, deploy, deployer, free, limits, open, token_deployer};

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
