//! What happens to a command: facts, or a refusal.

use super::command::{Command, Context, Poison, Refusal};
use super::effect::{AgentOutcome, EffectEnd, EffectKey};
use super::evolve::evolve;
use super::fact::Fact;
use super::handler::{Input, Moment};
use super::react::{self, Answer};
use super::record::{EncodedRecord, Record};
use super::registry::AnyHandler;
use super::state::{RunStatus, State};
use crate::event::{CorrelationId, Event, Incoming, LifeState};
use crate::governance::{Judgement, Verdict};
use crate::limits;

/// A command taken into the state: its record, and the bytes to append before anybody is answered.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What it left.
    pub record: Record,
    /// The same as bytes, linked to the record before.
    pub encoded: EncodedRecord,
}

/// Decides a command and takes its record into the state.
///
/// If the refusal [spoils the state](Refusal::spoils_the_state), or the record cannot be appended, the state is to be
/// thrown away and read anew.
pub fn take(
    state: &mut State,
    correlation: &CorrelationId,
    command: &Command,
    context: &Context<'_>,
) -> Result<Turn, Refusal> {
    let facts = decide(state, correlation, command, context)?;
    let record = Record { sequence: state.sequence + 1, at: context.now, facts };
    let encoded = record.encode(state.digest);
    evolve(state, &record, context.definitions).map_err(|error| Refusal::Broken { why: error.to_string() })?;
    state.digest = encoded.digest;
    Ok(Turn { record, encoded })
}

/// What happens to a command. Pure.
pub fn decide(
    state: &State,
    correlation: &CorrelationId,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Fact>, Refusal> {
    let at = Place { state, correlation, context };
    match command {
        Command::Submit { event, emitted } => at.submit(event, *emitted),
        Command::Return { event } => at.come_back(*event),
        Command::EffectEnded { key, end } => at.effect_ended(key, end),
    }
}

/// Whether governance has a say over a command: over new events, unless they are skipped anyway.
pub fn is_governed(state: &State, command: &Command) -> bool {
    match command {
        Command::Submit { event, .. } => !state.skips() && state.known().get(event.identity()).is_none(),
        // Skipped or not: what it had booked is given back.
        Command::Return { event } => state.open().contains_key(event),
        Command::EffectEnded { .. } => false,
    }
}

struct Place<'a> {
    state: &'a State,
    correlation: &'a CorrelationId,
    context: &'a Context<'a>,
}

impl Place<'_> {
    fn submit(&self, incoming: &Incoming, emitted: bool) -> Result<Vec<Fact>, Refusal> {
        if let Some(known) = self.state.known().get(incoming.identity()) {
            return Err(Refusal::Known { sequence: known.sequence });
        }
        if self.state.open().len() >= limits::OPEN_EVENTS {
            return Err(Refusal::TooManyOpen { open: self.state.open().len(), limit: limits::OPEN_EVENTS });
        }
        let bytes = self.state.open_bytes;
        if bytes > limits::OPEN_BYTES {
            return Err(Refusal::OpenTooLarge { bytes, limit: limits::OPEN_BYTES });
        }
        let sequence = self.state.sequence + 1;
        let mut facts = Vec::with_capacity(4);
        if sequence == 1 {
            facts.push(Fact::Opened { correlation: self.correlation.clone() });
        }
        facts.push(Fact::Received {
            format: incoming.format(),
            raw: incoming.raw().clone(),
            identity: incoming.identity(),
            made_id: incoming.made_id().map(str::to_string),
            emitted,
        });
        facts.extend(self.judge_and_handle(sequence, incoming.event())?);
        Ok(facts)
    }

    fn come_back(&self, sequence: u64) -> Result<Vec<Fact>, Refusal> {
        let over = || Refusal::Over { what: format!("event {sequence}") };
        let open = self.state.open().get(&sequence).ok_or_else(over)?;
        if open.state != LifeState::Deferred || open.until.is_some_and(|until| until > self.context.now) {
            return Err(over());
        }
        let broken = |error: crate::event::EventError| Refusal::Broken { why: error.to_string() };
        let incoming = open.event().map_err(broken)?;
        let mut facts = vec![moved(sequence, LifeState::Pending, "its time has come")];
        facts.extend(open.booking.clone().map(|booking| Fact::Released { booking }));
        facts.extend(self.judge_and_handle(sequence, incoming.event())?);
        Ok(facts)
    }

    fn judge_and_handle(&self, sequence: u64, event: &Event) -> Result<Vec<Fact>, Refusal> {
        if self.state.skips() {
            return Ok(vec![moved(sequence, LifeState::Discarded, "skipped: its workflow has failed")]);
        }
        let free = Judgement::free(self.context.now, None);
        let judgement = self.context.judgement.as_ref().unwrap_or(&free);
        let mut facts = Vec::with_capacity(2);
        if !judgement.decisions.is_empty() || judgement.verdict != Verdict::Accepted {
            facts.push(Fact::Judged { event: sequence, judgement: judgement.clone() });
        }
        match &judgement.verdict {
            Verdict::Accepted => facts.extend(self.handle(sequence, event)?),
            Verdict::Deferred { reason, .. } | Verdict::Waiting { reason } => {
                facts.push(moved(sequence, LifeState::Deferred, reason))
            }
            Verdict::Discarded { reason } => facts.push(moved(sequence, LifeState::Discarded, reason)),
            Verdict::Escalated { reason } => {
                facts.push(moved(sequence, LifeState::Escalated, reason));
                let poison = self.context.poison.clone();
                facts.extend(poison.map(|poison| parked(format!("event {}", event.id), poison)));
            }
        }
        Ok(facts)
    }

    fn handle(&self, sequence: u64, event: &Event) -> Result<Vec<Fact>, Refusal> {
        let input = format!("event {}", event.id);
        let mut facts = Vec::new();
        let handler = match (self.running()?, &self.context.poison) {
            (Some(handler), _) => handler,
            // It has killed its workflow too often: nobody is asked again, and no run begins with it.
            (None, Some(poison)) => return Ok(poisoned(sequence, input, poison.clone()).into()),
            // A run that completed takes no more; what comes after it is recorded like in a ledger.
            (None, None) if self.state.run().is_some() => {
                return Ok(vec![moved(sequence, LifeState::Processed, "recorded")]);
            }
            (None, None) => match self.context.definitions.starting_on(&event.kind) {
                None => return Ok(vec![moved(sequence, LifeState::Processed, "recorded")]),
                Some((name, version, handler)) => {
                    facts.push(Fact::Started { definition: name.to_string(), version });
                    handler
                }
            },
        };
        let answer = self.ask(handler, Input::Event(event))?;
        match answer {
            Ok(reaction) => {
                facts.push(moved(sequence, LifeState::Processed, "handled"));
                facts.extend(reaction);
            }
            Err(poison) => {
                facts.extend(poisoned(sequence, input, poison));
            }
        }
        Ok(facts)
    }

    fn effect_ended(&self, key: &EffectKey, end: &EffectEnd) -> Result<Vec<Fact>, Refusal> {
        if !self.state.owed().contains_key(key) {
            return Err(Refusal::Over { what: format!("step {key}") });
        }
        let mut facts = vec![Fact::Ended { key: key.clone(), end: end.clone() }];
        // Effects are owed by a run alone, and given up with it: there is one, and it runs.
        let Some(handler) = self.running()? else { return Ok(facts) };
        match self.ask(handler, input_of(key, end))? {
            Ok(reaction) => facts.extend(reaction),
            Err(poison) => facts.push(parked(format!("the end of step {key}"), poison)),
        }
        Ok(facts)
    }

    /// The handler of the run, if there is one and it runs.
    fn running(&self) -> Result<Option<&dyn AnyHandler>, Refusal> {
        let Some(run) = self.state.run().filter(|run| run.status == RunStatus::Running) else { return Ok(None) };
        let unknown = || Refusal::UnknownDefinition { name: run.definition.clone(), version: run.version };
        self.context.definitions.get(&run.definition, run.version).map(Some).ok_or_else(unknown)
    }

    /// The facts that follow by the handler, or why the input must be parked.
    fn ask(&self, handler: &dyn AnyHandler, input: Input<'_>) -> Result<Result<Vec<Fact>, Poison>, Refusal> {
        if let Some(poison) = &self.context.poison {
            return Ok(Err(poison.clone()));
        }
        let moment = Moment { now: self.context.now, correlation: self.correlation };
        let answer: Answer = react::ask(handler, self.state, input, &moment)?;
        // What a pure function refuses once, it refuses always: there is nothing to try again.
        Ok(answer.map_err(|error| Poison { attempts: 1, error: error.0 }))
    }
}

fn input_of<'a>(key: &'a EffectKey, end: &'a EffectEnd) -> Input<'a> {
    let step = key.step.as_str();
    match end {
        EffectEnd::Agent(outcome) => Input::Agent { step, outcome },
        EffectEnd::TimerFired => Input::Timer { step },
        EffectEnd::Sent { .. } => Input::Sent { step, refused: None },
        EffectEnd::NotSent { reason } => Input::Sent { step, refused: Some(reason) },
    }
}

fn moved(event: u64, to: LifeState, reason: &str) -> Fact {
    Fact::Moved { event, to, reason: reason.to_string(), by: None }
}

fn poisoned(event: u64, input: String, poison: Poison) -> [Fact; 2] {
    [moved(event, LifeState::Escalated, &format!("poison: {}", poison.error)), parked(input, poison)]
}

fn parked(input: String, poison: Poison) -> Fact {
    Fact::Parked { input, attempts: poison.attempts, error: poison.error }
}

impl AgentOutcome {
    /// Whether the agent gave a result.
    pub fn is_done(&self) -> bool {
        matches!(self, AgentOutcome::Done(_))
    }
}
