//! Which accounts and slots a call touches, as an access list (EIP-2930) for it.

use alloy_eips::eip2930::AccessList;
use revm_inspectors::access_list::AccessListInspector;

use super::call::{
    Attend, CallError, CallLimits, CallOutcome, CallRequest, CallSite, inspect, outcome,
};
use super::cancel::Cancel;
use super::trace::flaw_of_call;

/// How often a list is tried before one that still changes is taken.
const MOST_ROUNDS: usize = 16;

/// The list, and what the call does with it. With another list a call uses other gas and may go
/// another way, so it is tried with each until none is new, as Geth does.
pub(crate) fn access_list(
    site: CallSite<'_>,
    request: &CallRequest,
    limits: CallLimits<'_>,
) -> Result<(AccessList, CallOutcome), CallError> {
    let mut request = request.clone();
    let mut rounds = 0;
    loop {
        rounds += 1;
        let inspector = AccessListInspector::new(request.access_list.clone());
        let watching = (Cancel::new(limits.cancel), inspector);
        let (found, ended) = inspect(site, &request, limits, watching, |evm, ended| {
            Ok((evm.inspector.1.access_list(), ended.result))
        })?;
        if found == request.access_list || rounds == MOST_ROUNDS {
            let is_flawed = ended.is_halt();
            let flaw = if is_flawed { flaw_of_call(site, &request, limits)? } else { None };
            return Ok((found, outcome(ended, flaw.as_ref())));
        }
        request.access_list = found;
    }
}

impl Attend for AccessListInspector {}
