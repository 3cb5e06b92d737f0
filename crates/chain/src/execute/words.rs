//! Traces in Geth's words: what the tracers tell in revm's, or tell where Geth is silent.

use alloy_rpc_types::trace::geth::{CallFrame, GethTrace, StructLog};
use revm::bytecode::OpCode;

/// The same trace as Geth tells it.
pub(crate) fn geth_words(mut trace: GethTrace) -> GethTrace {
    match &mut trace {
        GethTrace::Default(frame) => frame.struct_logs.iter_mut().for_each(step),
        GethTrace::CallTracer(frame) => {
            call(frame);
            number(frame, &mut 0);
        }
        _ => {}
    }
    trace
}

/// Geth leaves out what is empty, what a failed instruction would have written, and why it failed where
/// that was not seen before it began: for lack of gas, or by the height of the stack.
fn step(step: &mut StructLog) {
    step.refund_counter = step.refund_counter.filter(|refund| *refund > 0);
    step.return_data = step.return_data.take().filter(|data| !data.is_empty());
    step.memory = step.memory.take().filter(|words| !words.is_empty());
    let Some(error) = step.error.take() else { return };
    step.storage = None;
    step.error = failure(&error, step);
}

/// Why an instruction failed, which the tracer tells as revm's name for it: `Some(OutOfGas)`.
fn failure(name: &str, step: &StructLog) -> Option<String> {
    let name = name.strip_prefix("Some(").and_then(|name| name.strip_suffix(')')).unwrap_or(name);
    let text = match name {
        "CallNotAllowedInsideStatic" | "StateChangeDuringStaticCall" => "write protection",
        "InvalidOperandOOG" => "gas uint64 overflow",
        "MemoryLimitOOG" | "MemoryOOG" | "OutOfGas" | "PrecompileOOG" => "out of gas",
        "InvalidFEOpcode" | "InvalidJump" | "NotActivated" | "OpcodeNotFound" | "OutOfOffset" => {
            return None;
        }
        "ReentrancySentryOOG" => "out of gas: not enough gas for reentrancy sentry",
        "StackOverflow" | "StackUnderflow" => return Some(height(name, step)),
        other => other,
    };
    Some(text.to_owned())
}

/// revm calls it an overflow, too, where there is nothing to copy.
fn height(name: &str, step: &StructLog) -> String {
    let mut known = (0..=u8::MAX).filter_map(OpCode::new);
    let needed = known.find(|code| code.as_str() == step.op).map(|code| code.inputs());
    match (&step.stack, needed) {
        (Some(stack), Some(needed)) if stack.len() < usize::from(needed) => {
            format!("stack underflow ({} <=> {needed})", stack.len())
        }
        _ if name == "StackUnderflow" => "stack underflow".to_owned(),
        _ => "stack limit reached 1024 (1023)".to_owned(),
    }
}

/// What a failed call or one within it logged is not told.
fn call(frame: &mut CallFrame) {
    frame.error = frame.error.take().map(|error| match error.as_str() {
        "out of gas: invalid operand" => "gas uint64 overflow".to_owned(),
        "out of gas: out of memory" => "out of gas".to_owned(),
        _ => error,
    });
    if frame.error.is_some() {
        silence(frame);
    }
    frame.calls.iter_mut().for_each(call);
}

fn silence(frame: &mut CallFrame) {
    frame.logs.clear();
    frame.calls.iter_mut().for_each(silence);
}

/// Numbers the logs that remain as they came: `position` says behind how many calls one did.
fn number(frame: &mut CallFrame, next: &mut u64) {
    let mut logs = frame.logs.iter_mut().peekable();
    for (at, inner) in frame.calls.iter_mut().enumerate() {
        while let Some(log) =
            logs.next_if(|log| log.position.is_some_and(|place| place <= count(at)))
        {
            log.index = Some(take(next));
        }
        number(inner, next);
    }
    for log in logs {
        log.index = Some(take(next));
    }
}

fn count(calls: usize) -> u64 {
    u64::try_from(calls).unwrap_or(u64::MAX)
}

fn take(next: &mut u64) -> u64 {
    let taken = *next;
    *next += 1;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_as_geth_tells_them() {
        let pop = StructLog { op: "POP".into(), stack: Some(Vec::new()), ..StructLog::default() };
        for (name, expect) in [
            ("Some(OutOfGas)", Some("out of gas")),
            ("Some(InvalidOperandOOG)", Some("gas uint64 overflow")),
            ("Some(StackUnderflow)", Some("stack underflow (0 <=> 1)")),
            ("Some(InvalidJump)", None),
            ("Some(Unheard)", Some("Unheard")),
        ] {
            assert_eq!(failure(name, &pop).as_deref(), expect);
        }
    }
}
