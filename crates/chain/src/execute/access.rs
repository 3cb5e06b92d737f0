//! Which accounts and slots a call touches, as an access list (EIP-2930) for it.

use alloy_eips::eip2930::AccessList;
use revm_inspectors::access_list::AccessListInspector;

use super::call::{CallError, CallLimits, CallOutcome, CallRequest, CallSite, inspect, outcome};
use super::cancel::Cancel;
use super::last::Last;

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
        let watching = (Cancel::new(limits.cancel), (inspector, Last::default()));
        let (found, ended) = inspect(site, &request, limits, watching, |evm, ended| {
            let (inspector, last) = &evm.inspector.1;
            Ok((inspector.access_list(), outcome(ended.result, Some(*last))))
        })?;
        if found == request.access_list || rounds == MOST_ROUNDS {
            return Ok((found, ended));
        }
        request.access_list = found;
    }
}
