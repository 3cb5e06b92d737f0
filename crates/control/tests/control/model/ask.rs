//! What users ask for in a sequence, and whether the answer is right.

use windlass_control::{
    Control,
    service::{Action, Actor, Granted, RequestMeta, authorize},
    world::Clock as _,
};
use windlass_model::{
    ErrorCode, Problem,
    api::Accepted,
    budget::Extension,
    network::NodesRequest,
    spec::{Manifest, NodeLimits},
};

use super::{
    reference::{Asked, FIRST_LIMIT, Life, Says, State, answers, closure},
    run::{Finding, Play},
    step::Verb,
};

/// A request, which is the same one however often it is sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    number: u8,
    network: usize,
    verb: Verb,
    /// The time to live in the spec that is applied.
    ttl_s: u32,
    /// When it was sent first.
    at_ms: u64,
    if_version: Option<u64>,
}

impl Play<'_> {
    pub(super) fn granted(&self, action: Action) -> Granted {
        let organization = self.organization.as_ref().expect("it is known from the beginning");
        let actor =
            Actor { id: "token:test".to_owned(), organizations: vec![organization.clone()] };
        authorize(&actor, action, organization).expect("it is the actor's own")
    }

    pub(super) fn request(
        &mut self,
        network: usize,
        verb: Verb,
        if_version: Option<u64>,
    ) -> Request {
        self.requests += 1;
        let known = self.states[network].iter().find_map(State::life);
        let verb = match verb {
            Verb::Apply { validators: 0, memory_mib } => {
                Verb::Apply { validators: known.map_or(3, Life::founders), memory_mib }
            }
            other => other,
        };
        let ttl_s = match verb {
            Verb::Create { ttl_s, .. } => ttl_s,
            _ => known.map_or(0, |life| life.ttl_s),
        };
        // The platform ends it by itself.
        self.acts_by_itself |= ttl_s > 0;
        let (number, at_ms) = (self.requests, self.world.clock.now_ms());
        Request { number, network, verb, ttl_s, at_ms, if_version }
    }

    /// Asks, and compares the answer with what the model takes for right.
    pub(super) async fn asked(
        &mut self,
        control: &Control,
        request: &Request,
    ) -> Result<Says, Finding> {
        let mut states = closure(&self.states[request.network], self.weather).into_iter();
        let sleeps = states.any(|state| state.life().is_some_and(Life::sleeps));
        if sleeps && matches!(request.verb, Verb::Add | Verb::Remove { .. }) {
            self.acts_by_itself = true;
        }
        let answer = self.send(control, request).await;
        self.judge(request, answer)
    }

    /// Compares an answer with what is right in the states in which the network may have been.
    fn judge(
        &mut self,
        request: &Request,
        answer: Result<Accepted, Box<Problem>>,
    ) -> Result<Says, Finding> {
        self.watch_the_clock();
        let states = closure(&self.states[request.network], self.weather);
        let asked = Asked { verb: request.verb, ttl_s: request.ttl_s, at_ms: request.at_ms };
        let right: Vec<(Says, State)> = states
            .iter()
            .flat_map(|state| answers(state, asked, self.weather))
            .filter(|(says, _)| self.is_said(*says, &answer))
            .collect();
        let Some((says, _)) = right.first() else {
            let Request { network, verb, .. } = request;
            let said = match &answer {
                Ok(accepted) => {
                    format!("accepted with {:?}", accepted.operation.as_ref().map(|one| one.kind))
                }
                Err(problem) => format!("refused as {}: {}", problem.code.as_str(), problem.detail),
            };
            let detail = format!("n{network}, asked for {verb:?}, {said}; it may be {states:#?}");
            return Err(Finding::new("answer", detail));
        };
        let says = *says;
        let mut next = Vec::new();
        for (_, state) in right {
            let state = match &answer {
                Ok(told) => state.told(told.network.end.as_ref(), self.since(request)),
                Err(_) => Some(state),
            };
            next.extend(state.filter(|state| !next.contains(state)));
        }
        if next.is_empty() {
            let told = answer.map(|told| told.network.end);
            return Err(Finding::new("ends", format!("{request:?}: {told:?} of {states:#?}")));
        }
        self.states[request.network] = next;
        if let Ok(accepted) = answer {
            self.ids[request.network] = Some(accepted.network.id);
            let operation = accepted.operation.map(|one| one.id);
            self.seen.extend(operation.clone());
            self.accepted.push((request.clone(), operation));
        }
        Ok(says)
    }

    /// How long ago it was sent first, in milliseconds.
    fn since(&self, request: &Request) -> u64 {
        self.world.clock.now_ms().saturating_sub(request.at_ms)
    }

    fn is_said(&self, says: Says, answer: &Result<Accepted, Box<Problem>>) -> bool {
        let operation = answer.as_ref().map(|accepted| accepted.operation.as_ref());
        match (says, operation) {
            (Says::Begins(kind), Ok(Some(one))) => one.kind == kind && !self.seen.contains(&one.id),
            (Says::Continues, Ok(Some(one))) => self.acts_by_itself || self.seen.contains(&one.id),
            (Says::Nothing, Ok(None)) => true,
            (Says::Refuses(code), Err(problem)) => problem.code == code && !problem.hint.is_empty(),
            _ => false,
        }
    }

    async fn send(&self, control: &Control, request: &Request) -> Result<Accepted, Box<Problem>> {
        let name = named(request.network);
        let meta = RequestMeta {
            idempotency_key: Some(format!("request {}", request.number)),
            request_hash: [request.number; 32],
            if_version: request.if_version,
            now_ms: self.world.clock.now_ms(),
        };
        self.send_with(control, (&name, request.verb, request.ttl_s), meta).await
    }

    async fn send_with(
        &self,
        control: &Control,
        (name, verb, ttl_s): (&str, Verb, u32),
        meta: RequestMeta,
    ) -> Result<Accepted, Box<Problem>> {
        let (change, destroy) = (self.granted(Action::Change), self.granted(Action::Destroy));
        match verb {
            Verb::Create { validators, .. } => {
                let manifest = manifest(name, validators, (FIRST_LIMIT, ttl_s));
                let create = self.granted(Action::Create);
                Box::pin(control.declare(&create, manifest, meta)).await
            }
            Verb::Stop => control.stop(&change, name, meta).await,
            Verb::Start => control.start(&change, name, meta).await,
            Verb::Sleep => control.sleep(&change, name, meta).await,
            Verb::Wake => control.wake(&change, name, meta).await,
            Verb::Destroy => control.destroy(&destroy, name, meta).await,
            Verb::Extend { by_s } => {
                let extension = Extension::ByS(by_s);
                Box::pin(control.extend(&change, name, extension, meta)).await
            }
            Verb::Add => {
                let request = NodesRequest { member: "default".to_owned(), count: 1 };
                Box::pin(control.add_nodes(&change, name, request, meta)).await
            }
            Verb::Remove { ordinal } => {
                let node = format!("validator-{ordinal}");
                Box::pin(control.remove_node(&destroy, (name, &node), meta)).await
            }
            Verb::Apply { validators, memory_mib } => {
                let manifest = manifest(name, validators, (memory_mib, ttl_s));
                Box::pin(control.apply(&change, name, manifest, meta)).await
            }
        }
    }

    /// Two users change the spec of what they saw: the second is told.
    pub(super) async fn conflict(
        &mut self,
        control: &Control,
        network: usize,
    ) -> Result<(), Finding> {
        if self.conflict.is_none() {
            let read = self.granted(Action::Read);
            let Ok(seen) = control.network(&read, &named(network)).await else { return Ok(()) };
            let (version, limit) = (Some(seen.resource_version), seen.spec.node_limits.memory_mib);
            let mut to = |more| {
                let verb = Verb::Apply { validators: 0, memory_mib: limit + more };
                self.request(network, verb, version)
            };
            let both = (to(1), to(2));
            self.conflict = Some((both.0, both.1, None));
        }
        self.disturbed[network] = true;
        let Some((first, second, said)) = self.conflict.clone() else { return Ok(()) };
        let mine = match said {
            Some(said) => said,
            None => self.versioned(control, &first).await?,
        };
        self.conflict = Some((first, second.clone(), Some(mine)));
        let theirs = self.versioned(control, &second).await?;
        if matches!((mine, theirs), (Says::Begins(_), Says::Begins(_))) {
            let detail = format!("n{network}: two users changed version {:?}", second.if_version);
            return Err(Finding::new("conflict", detail));
        }
        self.conflict = None;
        Ok(())
    }

    /// As [`Self::asked`]; the platform may have changed the object itself since it was seen.
    async fn versioned(&mut self, control: &Control, request: &Request) -> Result<Says, Finding> {
        match self.send(control, request).await {
            Err(problem) if problem.code == ErrorCode::VersionConflict => {
                Ok(Says::Refuses(problem.code))
            }
            answer => self.judge(request, answer),
        }
    }

    pub(super) async fn replay(&mut self, control: &Control, back: usize) -> Result<(), Finding> {
        let Some((request, operation)) = self.accepted.iter().rev().nth(back).cloned() else {
            return Ok(());
        };
        let answer = self.send(control, &request).await;
        match &answer {
            Ok(again) if again.operation.as_ref().map(|one| &one.id) == operation.as_ref() => {
                Ok(())
            }
            _ => Err(Finding::new(
                "replay",
                format!("{request:?} was {operation:?}, then {answer:?}"),
            )),
        }
    }

    pub(super) async fn reuse(&mut self, control: &Control, back: usize) -> Result<(), Finding> {
        let Some((request, _)) = self.accepted.iter().rev().nth(back).cloned() else {
            return Ok(());
        };
        let meta = RequestMeta {
            idempotency_key: Some(format!("request {}", request.number)),
            request_hash: [0; 32],
            if_version: None,
            now_ms: self.world.clock.now_ms(),
        };
        let name = named(request.network);
        match self.send_with(control, (&name, Verb::Stop, 0), meta).await {
            Err(problem) if problem.code == ErrorCode::IdempotencyKeyReused => Ok(()),
            other => Err(Finding::new("reuse", format!("{request:?}, another: {other:?}"))),
        }
    }
}

pub(super) fn named(network: usize) -> String {
    format!("n{network}")
}

fn manifest(name: &str, validators: u32, (memory_mib, ttl_s): (u32, u32)) -> Manifest {
    Manifest {
        name: Some(name.parse().expect("a valid name")),
        validators: Some(validators),
        ttl_s: Some(ttl_s),
        node_limits: Some(NodeLimits { memory_mib, ..NodeLimits::default() }),
        ..Manifest::default()
    }
}
