//! The tracers, and what each is asked for and tells.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Log};
use alloy_rpc_types::trace::geth::{
    GethDebugBuiltInTracerType as Known, GethDebugTracerType as Wanted, GethDebugTracingOptions,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::TraceError;
use super::calls::{Call, CallTracer};
use super::flat::{FlatCall, FlatTracer};
use super::prestate::{Accounts, Difference, PrestateConfig, PrestateTracer};
use super::selectors::SelectorTracer;
use super::steps::{StepTracer, Steps};
use super::view::{Context, View};
use super::watch::{Ended, Entered, Exited, Opening, Step};
use crate::chain::ChainError;

/// What a tracer tells of an execution, as Geth's tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Trace {
    /// All instructions: what is told where no tracer is named.
    Steps(Steps),
    /// `callTracer`: the outermost call.
    Calls(Box<Call>),
    /// `flatCallTracer`: each call.
    FlatCalls(Vec<FlatCall>),
    /// `prestateTracer`: the accounts before.
    Accounts(Accounts),
    /// `prestateTracer` with `diffMode`.
    Difference(Difference),
    /// `4byteTracer`: how often each function was called, `0x<selector>-<bytes behind it>`.
    Selectors(BTreeMap<String, u64>),
    /// `muxTracer`: what each of its tracers tells.
    Several(BTreeMap<String, Self>),
    /// `noopTracer`.
    Nothing {},
}

/// A tracer at work.
#[derive(Clone, Debug)]
pub(crate) enum Tracer {
    Steps(StepTracer),
    Calls(CallTracer),
    FlatCalls(FlatTracer),
    Prestate(PrestateTracer, PrestateConfig),
    Selectors(SelectorTracer),
    Several(BTreeMap<String, Self>),
    Nothing,
}

impl Tracer {
    /// That which the options ask for.
    pub(crate) fn new(options: &GethDebugTracingOptions) -> Result<Self, TraceError> {
        // A name that is empty is none.
        match options.tracer.as_ref().filter(|tracer| !tracer.as_str().is_empty()) {
            Some(wanted) => Self::named(wanted, options.tracer_config.0.clone()),
            None => Ok(Self::Steps(StepTracer::new(options.config))),
        }
    }

    fn named(wanted: &Wanted, config: Value) -> Result<Self, TraceError> {
        let Wanted::BuiltInTracer(known) = wanted else {
            return Err(TraceError::Tracer("JS Tracer is not enabled".to_owned()));
        };
        Ok(match known {
            Known::CallTracer => Self::Calls(CallTracer::new(read(config)?)),
            Known::FlatCallTracer => Self::FlatCalls(FlatTracer::new(read(config)?)),
            Known::FourByteTracer => Self::Selectors(SelectorTracer::default()),
            Known::NoopTracer => Self::Nothing,
            Known::PreStateTracer => {
                let config: PrestateConfig = read(config)?;
                if config.diff_mode && config.include_empty {
                    let reason = "cannot use diffMode with includeEmpty";
                    return Err(TraceError::Tracer(reason.to_owned()));
                }
                Self::Prestate(PrestateTracer::new(config), config)
            }
            Known::MuxTracer => {
                let several: Map<String, Value> = read(config)?;
                let each = several.into_iter().map(|(name, config)| {
                    let wanted = Wanted::deserialize(Value::String(name.clone()));
                    let wanted = wanted.map_err(|error| TraceError::Tracer(error.to_string()))?;
                    Ok((name, Self::named(&wanted, config)?))
                });
                Self::Several(each.collect::<Result<_, TraceError>>()?)
            }
            _ => return Err(TraceError::Tracer("tracer not found".to_owned())),
        })
    }

    /// One that tells nothing: who only wants to know why an execution fails has it watched with this.
    pub(crate) fn nothing() -> Self {
        Self::Nothing
    }

    pub(super) fn begin(
        &mut self,
        opening: &Opening<'_>,
        precompiles: &[Address],
        view: View<'_, '_>,
    ) -> Result<(), ChainError> {
        let gas_limit = opening.tx.gas_limit;
        match self {
            Self::Calls(tracer) => tracer.begin(gas_limit),
            Self::FlatCalls(tracer) => {
                tracer.begin(gas_limit, precompiles.to_vec(), opening.place);
            }
            Self::Prestate(tracer, _) => tracer.begin(opening, view)?,
            Self::Selectors(tracer) => tracer.begin(precompiles.to_vec()),
            Self::Several(several) => {
                for tracer in several.values_mut() {
                    tracer.begin(opening, precompiles, view)?;
                }
            }
            Self::Steps(_) | Self::Nothing => {}
        }
        Ok(())
    }

    /// A call begins; the bytes that are kept of it, as for all that follows.
    pub(super) fn enter(&mut self, entered: &Entered<'_>) -> usize {
        match self {
            Self::Calls(tracer) => tracer.enter(entered),
            Self::FlatCalls(tracer) => tracer.enter(entered),
            Self::Selectors(tracer) => tracer.enter(entered),
            Self::Several(several) => several.values_mut().map(|one| one.enter(entered)).sum(),
            Self::Steps(_) | Self::Prestate(..) | Self::Nothing => 0,
        }
    }

    pub(super) fn exit(&mut self, exited: &Exited<'_>) -> usize {
        match self {
            Self::Steps(tracer) => {
                tracer.exit(exited);
                0
            }
            Self::Calls(tracer) => tracer.exit(exited),
            Self::FlatCalls(tracer) => tracer.exit(exited),
            Self::Several(several) => several.values_mut().map(|one| one.exit(exited)).sum(),
            Self::Prestate(..) | Self::Selectors(_) | Self::Nothing => 0,
        }
    }

    pub(super) fn step(
        &mut self,
        step: &Step<'_>,
        context: &Context<'_>,
    ) -> Result<usize, ChainError> {
        match self {
            Self::Steps(tracer) => tracer.step(step, context),
            Self::Prestate(tracer, _) => tracer.step(step, context),
            Self::Several(several) => several.values_mut().map(|one| one.step(step, context)).sum(),
            Self::Calls(_) | Self::FlatCalls(_) | Self::Selectors(_) | Self::Nothing => Ok(0),
        }
    }

    pub(super) fn log(&mut self, log: &Log, index: u64) -> usize {
        match self {
            Self::Calls(tracer) => tracer.log(log, index),
            Self::Several(several) => several.values_mut().map(|one| one.log(log, index)).sum(),
            Self::Steps(_)
            | Self::FlatCalls(_)
            | Self::Prestate(..)
            | Self::Selectors(_)
            | Self::Nothing => 0,
        }
    }

    /// The transaction is over.
    pub(super) fn end(
        &mut self,
        ended: &Ended<'_>,
        view: View<'_, '_>,
    ) -> Result<Trace, ChainError> {
        let lost = || ChainError::Execution("an execution made no call".to_owned());
        Ok(match self {
            Self::Steps(tracer) => Trace::Steps(tracer.end(ended)),
            Self::Calls(tracer) => Trace::Calls(Box::new(tracer.end(ended).ok_or_else(lost)?)),
            Self::FlatCalls(tracer) => {
                let outer = tracer.calls.end(ended).ok_or_else(lost)?;
                Trace::FlatCalls(tracer.list(&outer))
            }
            Self::Prestate(tracer, config) if config.diff_mode => {
                Trace::Difference(tracer.difference(ended.state, ended.spec, view)?)
            }
            Self::Prestate(tracer, _) => Trace::Accounts(tracer.accounts()),
            Self::Selectors(tracer) => Trace::Selectors(tracer.end()),
            Self::Several(several) => {
                let each = several.iter_mut();
                let told = each.map(|(name, one)| Ok((name.clone(), one.end(ended, view)?)));
                Trace::Several(told.collect::<Result<_, ChainError>>()?)
            }
            Self::Nothing => Trace::Nothing {},
        })
    }
}

/// What a tracer is configured with; nothing is the default.
fn read<T: DeserializeOwned + Default>(config: Value) -> Result<T, TraceError> {
    if config.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(config)
        .map_err(|error| TraceError::Tracer(format!("invalid tracer config: {error}")))
}
