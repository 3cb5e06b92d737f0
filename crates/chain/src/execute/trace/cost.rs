//! What an instruction costs, worked out before it runs and in the order in which Geth does it
//! (`core/vm/gas_table.go` and `operations_acl.go` of go-ethereum).
//!
//! The EVM here and Geth agree on what an instruction that succeeds costs. One that fails has a cost
//! only in the words of whoever traces it: as far as that was known when something was lacking. Which
//! lack is seen first is also a matter of order: the stack's height, the constant part of the cost, how
//! much memory is asked for, and then the rest, whose errors count as a lack of gas.

use alloy_primitives::{Address, U256};
use revm::bytecode::opcode as op;
use revm::context_interface::Cfg;
use revm::context_interface::cfg::GasParams;
use revm::context_interface::context::SStoreResult;
use revm::interpreter::Interpreter;
use revm::interpreter::instructions::{GasTable, gas_table_spec};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps, MemoryTr, RuntimeFlag};
use revm::primitives::hardfork::SpecId;

use super::flaw::{Flaw, Metering};
use super::opcode;
use super::view::{Context, View, is_cold, is_slot_cold};
use crate::chain::ChainError;

/// The most words that a stack holds.
const STACK_LIMIT: usize = 1_024;
/// The most memory whose cost Geth works out, in bytes.
const MOST_MEMORY: u64 = 0x1f_ffff_ffe0;
/// What a creation costs whatever it creates, and since EIP-150 a destruction.
const CREATE_GAS: u64 = 32_000;
const SELFDESTRUCT_GAS: u64 = 5_000;

/// What an instruction is about to do.
#[derive(Debug, Default)]
pub(super) struct Metered {
    /// What it costs; if it fails, as far as that was known.
    pub(super) cost: u64,
    /// What it fails for before it begins.
    pub(super) flaw: Option<Flaw>,
    /// How much more gas will be given back in the end, or less.
    pub(super) refund: i64,
}

/// The prices of a block's rules.
#[derive(Debug)]
pub(super) struct Tariff {
    pub(super) spec: SpecId,
    constant: GasTable,
    prices: GasParams,
}

impl Tariff {
    pub(super) fn new(spec: SpecId) -> Self {
        Self { spec, constant: gas_table_spec(spec), prices: GasParams::new_spec(spec) }
    }

    fn has(&self, spec: SpecId) -> bool {
        self.spec.is_enabled_in(spec)
    }

    /// What Geth charges for an instruction before it looks at its operands.
    fn constant(&self, byte: u8) -> u64 {
        match byte {
            op::EXP | op::LOG0..=op::LOG4 => 0,
            op::SLOAD if self.has(SpecId::BERLIN) => 0,
            op::SELFDESTRUCT if self.has(SpecId::BERLIN) => SELFDESTRUCT_GAS,
            op::SELFDESTRUCT => 0,
            op::CREATE | op::CREATE2 => CREATE_GAS,
            other => self.listed(other),
        }
    }

    fn listed(&self, byte: u8) -> u64 {
        u64::from(self.constant[usize::from(byte)])
    }

    /// What keeping so much code costs whoever creates it.
    pub(super) fn deposit(&self, length: usize) -> u64 {
        self.prices.code_deposit_cost(length)
    }
}

/// Why a cost could not be worked out.
enum Stop {
    Lack(Metering),
    Chain(ChainError),
}

impl From<Metering> for Stop {
    fn from(lack: Metering) -> Self {
        Self::Lack(lack)
    }
}

impl From<ChainError> for Stop {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

/// What the next instruction costs, and whether it fails for that.
pub(super) fn meter(
    tariff: &Tariff,
    interpreter: &Interpreter<EthInterpreter>,
    context: &Context<'_>,
) -> Result<Metered, ChainError> {
    let byte = interpreter.bytecode.opcode();
    let failed = |cost, flaw| Ok(Metered { cost, flaw: Some(flaw), refund: 0 });
    let Some((takes, leaves)) = opcode::stack(byte, tariff.spec) else {
        // It has no cost: it fails when it is run.
        return Ok(Metered::default());
    };
    let cost = tariff.constant(byte);
    let have = interpreter.stack.len();
    let limit = STACK_LIMIT + takes - leaves;
    if have < takes {
        return failed(cost, Flaw::Underflow { have, need: takes });
    }
    if have > limit {
        return failed(cost, Flaw::StackLimit { have, limit });
    }
    let Some(left) = interpreter.gas.remaining().checked_sub(cost) else {
        return failed(cost, Flaw::OutOfGas);
    };
    if !has_dynamic_cost(byte) {
        return Ok(Metered { cost, ..Metered::default() });
    }
    let stack = interpreter.stack.data().as_slice();
    let mut meter = Meter {
        tariff,
        byte,
        stack,
        left,
        memory: count(interpreter.memory.size()),
        size: 0,
        is_static: interpreter.runtime_flag.is_static(),
        address: interpreter.input.target_address(),
        context,
        refund: 0,
    };
    let Some(size) = meter.size() else { return failed(cost, Flaw::Overflow) };
    meter.size = size;
    let (dynamic, refund) = match meter.dynamic() {
        Ok(dynamic) => (dynamic, meter.refund),
        Err(Stop::Lack(lack)) => return failed(cost, Flaw::Metering(lack)),
        Err(Stop::Chain(error)) => return Err(error),
    };
    let flaw = (dynamic > left).then_some(Flaw::OutOfGas);
    Ok(Metered { cost: cost.saturating_add(dynamic), flaw, refund })
}

/// Whether what an instruction costs depends on more than on which it is.
fn has_dynamic_cost(byte: u8) -> bool {
    matches!(
        byte,
        op::EXP
            | op::KECCAK256
            | op::BALANCE
            | op::CALLDATACOPY
            | op::CODECOPY
            | op::EXTCODESIZE
            | op::EXTCODECOPY
            | op::RETURNDATACOPY
            | op::EXTCODEHASH
            | op::MLOAD
            | op::MSTORE
            | op::MSTORE8
            | op::SLOAD
            | op::SSTORE
            | op::MCOPY
            | op::LOG0
            ..=op::LOG4
                | op::CREATE
                | op::CALL
                | op::CALLCODE
                | op::RETURN
                | op::DELEGATECALL
                | op::CREATE2
                | op::STATICCALL
                | op::REVERT
                | op::SELFDESTRUCT
    )
}

struct Meter<'m, 'a> {
    tariff: &'m Tariff,
    byte: u8,
    stack: &'m [U256],
    /// Gas left behind the constant part.
    left: u64,
    /// How much memory there is, in bytes.
    memory: u64,
    /// How much of it is used, in bytes.
    size: u64,
    is_static: bool,
    address: Address,
    context: &'m Context<'a>,
    refund: i64,
}

impl Meter<'_, '_> {
    /// A word of the stack, counted from its top.
    fn back(&self, place: usize) -> U256 {
        let at = self.stack.len().checked_sub(place + 1);
        at.and_then(|at| self.stack.get(at)).copied().unwrap_or_default()
    }

    fn address_at(&self, place: usize) -> Address {
        Address::from_word(self.back(place).into())
    }

    /// How far into the memory the instruction reaches, in whole words of bytes; `None` if no number
    /// says that.
    fn size(&self) -> Option<u64> {
        let span = |offset: U256, length: usize| end(offset, self.back(length));
        let reach = match self.byte {
            op::KECCAK256 | op::RETURN | op::REVERT | op::LOG0..=op::LOG4 => span(self.back(0), 1)?,
            op::CALLDATACOPY | op::CODECOPY | op::RETURNDATACOPY => span(self.back(0), 2)?,
            op::EXTCODECOPY => span(self.back(1), 3)?,
            op::MCOPY => span(self.back(0).max(self.back(1)), 2)?,
            op::MLOAD | op::MSTORE => end(self.back(0), U256::from(32))?,
            op::MSTORE8 => end(self.back(0), U256::ONE)?,
            op::CREATE | op::CREATE2 => span(self.back(1), 2)?,
            op::CALL | op::CALLCODE => span(self.back(5), 6)?.max(span(self.back(3), 4)?),
            op::DELEGATECALL | op::STATICCALL => span(self.back(4), 5)?.max(span(self.back(2), 3)?),
            _ => 0,
        };
        reach.div_ceil(32).checked_mul(32)
    }

    fn expansion(&self) -> Result<u64, Metering> {
        if self.size > MOST_MEMORY {
            return Err(Metering::Overflow);
        }
        let words = |bytes: u64| self.tariff.prices.memory_cost(length(bytes / 32));
        Ok(if self.size > self.memory { words(self.size) - words(self.memory) } else { 0 })
    }

    /// A length that has been found to be in memory.
    fn length_at(&self, place: usize) -> usize {
        length(u64::try_from(self.back(place)).unwrap_or(u64::MAX))
    }

    /// What comes to the constant part.
    fn dynamic(&mut self) -> Result<u64, Stop> {
        let prices = &self.tariff.prices;
        Ok(match self.byte {
            op::EXP => self.tariff.listed(op::EXP) + prices.exp_cost(self.back(1)),
            op::KECCAK256 => self.expansion()? + prices.keccak256_cost(self.length_at(1)),
            op::CALLDATACOPY | op::CODECOPY | op::RETURNDATACOPY | op::MCOPY => {
                self.expansion()? + prices.copy_cost(self.length_at(2))
            }
            op::EXTCODECOPY => {
                let copied = self.expansion()? + prices.extcodecopy(self.length_at(3));
                copied.saturating_add(self.access(0))
            }
            op::BALANCE | op::EXTCODESIZE | op::EXTCODEHASH => self.access(0),
            op::LOG0..=op::LOG4 => {
                let data = u64::try_from(self.back(1)).ok().ok_or(Metering::Overflow)?;
                let logged = prices.log_cost(self.byte - op::LOG0, data);
                let base = self.tariff.listed(self.byte);
                self.expansion()?.saturating_add(base).saturating_add(logged)
            }
            op::SLOAD if self.tariff.has(SpecId::BERLIN) => self.load(),
            op::SSTORE => self.store()?,
            op::CREATE | op::CREATE2 => self.create()?,
            op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL => self.call()?,
            op::SELFDESTRUCT => self.selfdestruct()?,
            op::MLOAD | op::MSTORE | op::MSTORE8 | op::RETURN | op::REVERT => self.expansion()?,
            _ => 0,
        })
    }

    /// What looking at an account costs that was not looked at before.
    fn access(&self, place: usize) -> u64 {
        let is_cold = is_cold(self.context, self.address_at(place));
        if is_cold { self.tariff.prices.cold_account_additional_cost() } else { 0 }
    }

    fn load(&self) -> u64 {
        let prices = &self.tariff.prices;
        let is_cold = is_slot_cold(self.context, self.address, self.back(0));
        let warm = prices.warm_storage_read_cost();
        if is_cold { warm + prices.cold_storage_additional_cost() } else { warm }
    }

    fn store(&mut self) -> Result<u64, Stop> {
        let prices = &self.tariff.prices;
        if self.is_static {
            return Err(Metering::Static.into());
        }
        let is_istanbul = self.tariff.has(SpecId::ISTANBUL);
        if is_istanbul && self.left <= prices.call_stipend() {
            return Err(Metering::Sentry.into());
        }
        let (slot, new_value) = (self.back(0), self.back(1));
        let (present_value, original_value) = View::of(self.context).slot(self.address, slot)?;
        let values = SStoreResult { original_value, present_value, new_value };
        let is_cold = is_slot_cold(self.context, self.address, slot);
        self.refund = prices.sstore_refund(is_istanbul, &values);
        let dynamic = prices.sstore_dynamic_gas(is_istanbul, &values, is_cold);
        Ok(prices.sstore_static_gas() + dynamic)
    }

    fn create(&self) -> Result<u64, Stop> {
        let prices = &self.tariff.prices;
        if self.is_static {
            return Err(Metering::Static.into());
        }
        let mut cost = self.expansion()?;
        let code = self.length_at(2);
        if self.tariff.has(SpecId::SHANGHAI) {
            let limit = self.context.cfg.max_initcode_size();
            if code > limit {
                return Err(Metering::InitCodeSize { size: code, limit }.into());
            }
            cost += prices.initcode_cost(code);
        }
        if self.byte == op::CREATE2 {
            cost += prices.keccak256_cost(code);
        }
        Ok(cost)
    }

    /// What a call costs, what it hands on among it.
    fn call(&mut self) -> Result<u64, Stop> {
        let prices = &self.tariff.prices;
        let takes_value = matches!(self.byte, op::CALL | op::CALLCODE);
        let has_value = takes_value && !self.back(2).is_zero();
        if self.byte == op::CALL && self.is_static && has_value {
            return Err(Metering::Static.into());
        }
        let callee = self.address_at(1);
        let mut left = Left(self.left);
        if is_cold(self.context, callee) {
            left.take(prices.cold_account_additional_cost())?;
        }
        let transfer = if has_value { prices.transfer_value_cost() } else { 0 };
        let mut own = self.expansion()?.saturating_add(transfer);
        if self.byte == op::CALL {
            if left.0 < own {
                return Err(Metering::OutOfGas.into());
            }
            let view = View::of(self.context);
            if view.is_vacant(callee, self.tariff.spec)? {
                let counts_value = self.tariff.has(SpecId::SPURIOUS_DRAGON);
                own += prices.new_account_cost(counts_value, has_value);
            }
        }
        left.take(own)?;
        let delegate = if self.tariff.has(SpecId::PRAGUE) {
            View::of(self.context).delegate(callee)?
        } else {
            None
        };
        if let Some(delegate) = delegate {
            let is_cold = is_cold(self.context, delegate);
            let cold = if is_cold { prices.cold_account_additional_cost() } else { 0 };
            left.take(prices.warm_storage_read_cost() + cold)?;
        }
        let asked = u64::try_from(self.back(0)).unwrap_or(u64::MAX);
        let handed = if self.tariff.has(SpecId::TANGERINE) {
            asked.min(prices.call_stipend_reduction(left.0))
        } else {
            asked
        };
        Ok((self.left - left.0).saturating_add(handed))
    }

    fn selfdestruct(&mut self) -> Result<u64, Stop> {
        let prices = &self.tariff.prices;
        if self.is_static {
            return Err(Metering::Static.into());
        }
        let heir = self.address_at(0);
        let is_cold = self.tariff.has(SpecId::BERLIN) && is_cold(self.context, heir);
        if is_cold && self.left < prices.selfdestruct_cold_cost() {
            return Err(Metering::OutOfGas.into());
        }
        let view = View::of(self.context);
        let own = view.account(self.address)?;
        let is_vacant = view.is_vacant(heir, self.tariff.spec)?;
        let counts_value = self.tariff.has(SpecId::SPURIOUS_DRAGON);
        let is_new = is_vacant && (!counts_value || !own.balance.is_zero());
        self.refund = prices.selfdestruct_refund();
        let earlier = self.tariff.listed(op::SELFDESTRUCT);
        let base = if self.tariff.has(SpecId::BERLIN) { 0 } else { earlier };
        Ok(base + prices.selfdestruct_cost(is_new, is_cold))
    }
}

/// Gas that a call has left while its cost is worked out.
struct Left(u64);

impl Left {
    fn take(&mut self, gas: u64) -> Result<(), Metering> {
        self.0 = self.0.checked_sub(gas).ok_or(Metering::OutOfGas)?;
        Ok(())
    }
}

/// Where a span of memory ends; nothing is nowhere.
fn end(offset: U256, length: U256) -> Option<u64> {
    let length = u64::try_from(length).ok()?;
    if length == 0 {
        return Some(0);
    }
    u64::try_from(offset).ok()?.checked_add(length)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn length(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
