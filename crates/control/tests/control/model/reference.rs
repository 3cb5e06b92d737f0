//! The reference model: what each verb must answer, and in which states a network may be.
//!
//! The platform carries operations out while nobody looks, so one knows of a network only what it may
//! be: a set of states. Each answer narrows it to those in which that answer is right; where there is
//! none, the platform is wrong. Pure, and without any knowledge of how the platform works.

use std::collections::BTreeMap;

use windlass_model::{
    ErrorCode,
    budget::{End, EndStage},
    network::{Intent, NetworkState, OperationKind},
};

use super::step::Verb;
use crate::fake::Client;

/// The memory limit that a network is created with, in MiB.
pub(super) const FIRST_LIMIT: u32 = 512;

/// What a network may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    There(Life),
}

/// A network that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) intent: Intent,
    pub(super) state: NetworkState,
    /// What is under way.
    pub(super) kind: Option<OperationKind>,
    /// The node that a removal under way is about.
    pub(super) removes: Option<u32>,
    /// Ordinal → what the node is.
    pub(super) nodes: BTreeMap<u32, Place>,
    /// The ordinal of the next node that is added.
    pub(super) next: u32,
    pub(super) memory_mib: u32,
    /// 0 if it has no end.
    pub(super) ttl_s: u32,
    pub(super) end: Option<Ending>,
}

/// When a network's time is over, and whether it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// Unix milliseconds.
    pub(super) at_ms: u64,
    /// How long it is kept then.
    grace_ms: u64,
    pub(super) over: Option<Then>,
}

impl Ending {
    /// The grace is as long as the time that is left, between a minute and a day.
    fn new(now_ms: u64, at_ms: u64) -> Self {
        let grace_ms = at_ms.saturating_sub(now_ms).clamp(60_000, 86_400_000);
        Self { at_ms, grace_ms, over: None }
    }
}

/// What becomes of a network whose time is over when it is extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Resumes,
    /// It was stopped already.
    Stays,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Founder,
    Added,
    /// It is to go, as soon as its network runs.
    Leaving,
}

/// What is asked for, and what it depends on beside the network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) verb: Verb,
    /// The time to live in the spec that is applied.
    pub(super) ttl_s: u32,
    /// When, Unix milliseconds.
    pub(super) at_ms: u64,
}

/// What a verb is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// A new operation.
    Begins(OperationKind),
    /// The operation that is under way.
    Continues,
    /// It is so already.
    Nothing,
    Refuses(ErrorCode),
}

/// What is known beside the states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) client: Client,
    /// Something was killed, or failed, since everything came to rest: a node may not be known to answer.
    pub(super) shaken: bool,
    /// The latest time of day since everything came to rest, Unix milliseconds.
    pub(super) latest_ms: u64,
}

impl State {
    pub(super) fn life(&self) -> Option<&Life> {
        match self {
            Self::Absent => None,
            Self::There(life) => Some(life),
        }
    }

    /// The states that the platform may bring it to by itself.
    fn steps(&self, weather: Weather) -> Vec<Self> {
        let due = self.life().and_then(|life| life.due(weather.latest_ms));
        let mut steps = self.soon(weather);
        steps.extend(due);
        steps
    }

    /// Those that it brings it to at once.
    fn soon(&self, weather: Weather) -> Vec<Self> {
        let Self::There(life) = self else { return Vec::new() };
        let mut steps = vec![life.completed()];
        if life.intent == Intent::Running && life.nodes.values().any(|one| *one == Place::Leaving) {
            let mut left = life.clone();
            left.nodes.retain(|_, place| *place != Place::Leaving);
            steps.push(Self::There(left));
        }
        let usable = (life.state, life.kind) == (NetworkState::Usable, None);
        match (weather.client, life.intent) {
            (Client::Leaves, Intent::Running) if usable => {
                steps.push(life.under(OperationKind::Sleep));
            }
            (Client::Waits, Intent::Sleeping) => steps.push(life.under(OperationKind::Wake)),
            _ => {}
        }
        steps.retain(|step| step != self);
        steps
    }

    /// Whether the platform leaves it as it is, unless its time is over.
    pub(super) fn is_at_rest(&self, weather: Weather) -> bool {
        self.soon(weather).is_empty()
    }

    /// The same with the end that is told, if it can be that one: at this time, or so much later.
    pub(super) fn told(&self, told: Option<&End>, later_ms: u64) -> Option<Self> {
        let Self::There(life) = self else { return None };
        let end = match (life.end, told) {
            (None, None) => None,
            (Some(end), Some(told)) => {
                let right = end.at_ms..=end.at_ms.saturating_add(later_ms);
                let over = told.stage == EndStage::Over;
                // One whose end came has its grace from then on.
                let grace_ms = if over { end.grace_ms } else { told.grace_ms() };
                let same = end.over.is_some() == over
                    && right.contains(&told.at_ms)
                    && grace_ms.abs_diff(end.grace_ms) <= later_ms;
                same.then_some(())?;
                Some(Ending { at_ms: told.at_ms, grace_ms, ..end })
            }
            (None, Some(_)) | (Some(_), None) => return None,
        };
        Some(Self::There(Life { end, ..life.clone() }))
    }
}

/// These states and all that they may become while nobody asks for anything.
pub(super) fn closure(states: &[State], weather: Weather) -> Vec<State> {
    let mut all = states.to_vec();
    let mut at = 0;
    while let Some(state) = all.get(at).cloned() {
        for next in state.steps(weather) {
            if !all.contains(&next) {
                all.push(next);
            }
        }
        at += 1;
    }
    all
}

impl Life {
    fn created(validators: u32, memory_mib: u32, asked: Asked) -> State {
        let Asked { ttl_s, at_ms, .. } = asked;
        let end = Ending::new(at_ms, at_ms.saturating_add(u64::from(ttl_s) * 1_000));
        State::There(Self {
            intent: Intent::Running,
            state: NetworkState::Creating,
            kind: Some(OperationKind::Create),
            removes: None,
            nodes: (0..validators).map(|ordinal| (ordinal, Place::Founder)).collect(),
            next: validators,
            memory_mib,
            ttl_s,
            end: (ttl_s > 0).then_some(end),
        })
    }

    /// What comes of its time to live.
    fn due(&self, latest_ms: u64) -> Option<State> {
        let end = self.end.filter(|_| self.intent != Intent::Destroyed)?;
        if end.over.is_some() || self.state == NetworkState::Creating {
            let gone_ms = end.at_ms.saturating_add(end.grace_ms);
            return (latest_ms >= gone_ms).then(|| self.under(OperationKind::Destroy));
        }
        let stopped = self.intent == Intent::Stopped;
        let over = Some(if stopped { Then::Stays } else { Then::Resumes });
        let life = Self { end: Some(Ending { over, ..end }), ..self.clone() };
        let state = if stopped { State::There(life) } else { life.under(OperationKind::Stop) };
        (latest_ms >= end.at_ms).then_some(state)
    }

    /// Why nothing is done with it while it is stopped.
    fn halted(&self) -> ErrorCode {
        if self.end.is_some_and(|end| end.over.is_some()) {
            ErrorCode::NetworkEnded
        } else {
            ErrorCode::NetworkStopped
        }
    }

    pub(super) fn sleeps(&self) -> bool {
        self.intent == Intent::Sleeping
    }

    pub(super) fn founders(&self) -> u32 {
        self.nodes.values().map(|place| u32::from(*place == Place::Founder)).sum()
    }

    /// What is under way has come to its end.
    fn completed(&self) -> State {
        let state = match self.intent {
            Intent::Running => NetworkState::Usable,
            Intent::Sleeping => NetworkState::Sleeping,
            Intent::Stopped => NetworkState::Stopped,
            Intent::Destroyed => return State::Absent,
        };
        let mut life = Self { state, kind: None, removes: None, ..self.clone() };
        if let Some(ordinal) = self.removes {
            life.nodes.remove(&ordinal);
        }
        State::There(life)
    }

    /// An operation of this kind has begun.
    fn under(&self, kind: OperationKind) -> State {
        let (intent, state) = match kind {
            OperationKind::Stop => (Intent::Stopped, NetworkState::Stopping),
            OperationKind::Sleep => (Intent::Sleeping, NetworkState::Stopping),
            OperationKind::Start | OperationKind::Wake => (Intent::Running, NetworkState::Starting),
            OperationKind::Destroy => (Intent::Destroyed, NetworkState::Destroying),
            _ => (self.intent, self.state),
        };
        State::There(Self { intent, state, kind: Some(kind), removes: None, ..self.clone() })
    }
}

/// What a verb may be answered in a state, each with what it leads to.
pub(super) fn answers(state: &State, asked: Asked, weather: Weather) -> Vec<(Says, State)> {
    let verb = asked.verb;
    let refused = |code| vec![(Says::Refuses(code), state.clone())];
    let State::There(life) = state else {
        return match verb {
            Verb::Create { validators, .. } => {
                let born = Life::created(validators, FIRST_LIMIT, asked);
                vec![(Says::Begins(OperationKind::Create), born)]
            }
            Verb::Apply { validators, memory_mib } => {
                let born = Life::created(validators, memory_mib, asked);
                vec![(Says::Begins(OperationKind::Create), born)]
            }
            _ => refused(ErrorCode::NetworkNotFound),
        };
    };
    let begins = |kind| vec![(Says::Begins(kind), life.under(kind))];
    let says = |says| vec![(says, state.clone())];
    let (intent, usable) = (life.intent, life.state == NetworkState::Usable);
    let idle = usable && life.kind.is_none();
    match (verb, intent) {
        (Verb::Create { .. }, _) => refused(ErrorCode::NameTaken),
        (Verb::Destroy, Intent::Destroyed) => says(Says::Continues),
        (Verb::Destroy, _) => begins(OperationKind::Destroy),
        (Verb::Remove { ordinal }, _) => remove(life, ordinal, weather),
        (_, Intent::Destroyed) => refused(ErrorCode::NetworkBusy),
        (Verb::Stop, Intent::Stopped) if life.state == NetworkState::Stopped => says(Says::Nothing),
        (Verb::Stop, Intent::Stopped) => says(Says::Continues),
        (Verb::Stop, _) if life.state == NetworkState::Creating => refused(ErrorCode::NetworkBusy),
        (Verb::Stop, _) => begins(OperationKind::Stop),
        (Verb::Sleep | Verb::Wake | Verb::Add, Intent::Stopped) => refused(life.halted()),
        (Verb::Start, Intent::Stopped) if life.halted() == ErrorCode::NetworkEnded => {
            refused(ErrorCode::NetworkEnded)
        }
        (Verb::Extend { by_s }, _) => vec![extend(life, by_s, asked.at_ms)],
        (Verb::Sleep, Intent::Sleeping) if life.state == NetworkState::Sleeping => {
            says(Says::Nothing)
        }
        (Verb::Sleep, Intent::Sleeping) => says(Says::Continues),
        (Verb::Sleep, _) if idle => begins(OperationKind::Sleep),
        (Verb::Sleep, _) => refused(ErrorCode::NetworkBusy),
        (Verb::Wake, Intent::Sleeping) => begins(OperationKind::Wake),
        (Verb::Start, Intent::Stopped | Intent::Sleeping) => begins(OperationKind::Start),
        (Verb::Start | Verb::Wake, _) if idle => says(Says::Nothing),
        (Verb::Start | Verb::Wake, _) => says(Says::Continues),
        (Verb::Apply { validators, memory_mib }, _) => apply(life, validators, memory_mib),
        (Verb::Add, _) => add(life, weather),
    }
}

fn extend(life: &Life, by_s: u64, now_ms: u64) -> (Says, State) {
    let Some(end) = life.end else {
        return (Says::Refuses(ErrorCode::InvalidRequest), State::There(life.clone()));
    };
    let at_ms = end.at_ms.max(now_ms).saturating_add(by_s * 1_000);
    let longer = Life { end: Some(Ending::new(now_ms, at_ms)), ..life.clone() };
    if end.over == Some(Then::Resumes) {
        (Says::Begins(OperationKind::Start), longer.under(OperationKind::Start))
    } else {
        (Says::Nothing, State::There(longer))
    }
}

fn apply(life: &Life, validators: u32, memory_mib: u32) -> Vec<(Says, State)> {
    let same = |says| vec![(says, State::There(life.clone()))];
    if validators != life.founders() {
        return same(Says::Refuses(ErrorCode::ImmutableField));
    }
    if memory_mib == life.memory_mib {
        return same(if life.kind.is_some() { Says::Continues } else { Says::Nothing });
    }
    if life.state == NetworkState::Creating {
        return same(Says::Refuses(ErrorCode::NetworkBusy));
    }
    let kind = OperationKind::Update;
    vec![(Says::Begins(kind), Life { memory_mib, ..life.clone() }.under(kind))]
}

/// A network that sleeps is woken for some verbs: what it is then, and that it may not come about.
fn woken(
    life: &Life,
    weather: Weather,
    awake: impl Fn(&Life) -> Vec<(Says, State)>,
) -> Vec<(Says, State)> {
    let waking = life.under(OperationKind::Wake);
    let mut answers = Vec::new();
    for state in closure(&[waking], Weather { client: Client::Uses, ..weather }) {
        let usable = state.life().filter(|one| one.kind.is_none() || weather.shaken);
        answers.extend(usable.into_iter().flat_map(&awake));
        // Its time may be over meanwhile.
        match state.life() {
            None => answers.push((Says::Refuses(ErrorCode::NetworkNotFound), state.clone())),
            Some(life) if life.intent == Intent::Destroyed => {
                answers.push((Says::Refuses(ErrorCode::NetworkBusy), state.clone()));
            }
            Some(life) if life.intent == Intent::Stopped => {
                answers.push((Says::Refuses(life.halted()), state.clone()));
            }
            Some(_) => {}
        }
    }
    if weather.client == Client::Leaves {
        // It may have fallen asleep again meanwhile.
        let asleep = State::There(life.clone());
        answers.push((Says::Refuses(ErrorCode::NetworkSleeping), asleep.clone()));
        answers.push((Says::Refuses(ErrorCode::NetworkBusy), asleep));
    }
    answers
}

fn add(life: &Life, weather: Weather) -> Vec<(Says, State)> {
    if life.intent == Intent::Sleeping {
        return woken(life, weather, |life| add(life, weather));
    }
    let same = |code| (Says::Refuses(code), State::There(life.clone()));
    if life.intent == Intent::Stopped {
        return vec![same(life.halted())];
    }
    if life.kind.is_some() || life.state != NetworkState::Usable {
        return vec![same(ErrorCode::NetworkBusy)];
    }
    let mut grown = life.clone();
    grown.nodes.insert(life.next, Place::Added);
    grown.next += 1;
    let kind = OperationKind::AddNodes;
    let mut answers = vec![(Says::Begins(kind), grown.under(kind))];
    if weather.shaken {
        answers.push(same(ErrorCode::NetworkUnavailable));
    }
    answers
}

fn remove(life: &Life, ordinal: u32, weather: Weather) -> Vec<(Says, State)> {
    if life.intent == Intent::Sleeping {
        return woken(life, weather, |life| remove(life, ordinal, weather));
    }
    let same = |says| (says, State::There(life.clone()));
    let refused = |code| same(Says::Refuses(code));
    let Some(place) = life.nodes.get(&ordinal) else {
        return vec![refused(ErrorCode::NodeNotFound)];
    };
    let usable = life.state == NetworkState::Usable;
    if life.removes == Some(ordinal) && usable {
        return vec![same(Says::Continues)];
    }
    match (life.intent, life.kind) {
        (Intent::Stopped, _) => return vec![refused(life.halted())],
        (Intent::Running, None | Some(OperationKind::AddNodes)) if usable => {}
        _ => return vec![refused(ErrorCode::NetworkBusy)],
    }
    let mut answers = Vec::new();
    if weather.shaken || life.kind.is_some() {
        answers.push(refused(ErrorCode::NetworkUnavailable));
    }
    if life.nodes.len() == 1 {
        answers.push(refused(ErrorCode::InvalidRequest));
        return answers;
    }
    if *place == Place::Founder {
        answers.push(refused(ErrorCode::NodeVotes));
        if life.founders() == 1 {
            // Nobody else may have every block yet.
            answers.push(refused(ErrorCode::NetworkBusy));
        }
        return answers;
    }
    let kind = OperationKind::RemoveNode;
    let mut leaving = life.clone();
    leaving.nodes.insert(ordinal, Place::Leaving);
    if let State::There(left) = leaving.under(kind) {
        let left = Life { removes: Some(ordinal), ..left };
        answers.push((Says::Begins(kind), State::There(left)));
    }
    answers
}
