//! What happens to a command: facts, or a refusal.

use std::borrow::Cow;
use std::cell::RefCell;

use super::command::{Command, Context, Poison, Refusal};
use super::effect::EffectKey;
use super::evolve::evolve_keeping;
use super::fact::Fact;
use super::handler::{Fate, Input, Moment};
use super::own;
use super::parent;
use super::react::{self, Answer, Answered, Asked, Kept};
use super::record::{EncodedRecord, Record};
use super::registry::AnyHandler;
use super::run::RunStatus;
use super::state::{OpenEvent, State};
use super::waiting::{self, cut};
use crate::event::{CorrelationId, Event, EventError, Incoming, LifeState, Principal, check_name};
use crate::governance::{Grant, Judgement, Lapse, Verdict};
use crate::limits;
use crate::reasoning::Reasoning;

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
    let at = Place { state, correlation, context, kept: RefCell::default() };
    let facts = at.decide(command)?;
    let kept = at.kept.into_inner();
    let record = Record { sequence: state.sequence + 1, at: context.now, facts };
    let encoded = record.encode(state.digest);
    let evolved = evolve_keeping(state, &record, context.definitions, kept);
    evolved.map_err(|error| Refusal::Broken { why: error.to_string() })?;
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
    Place { state, correlation, context, kept: RefCell::default() }.decide(command)
}

/// Whether governance has a say over a command: over new events, unless they are skipped anyway.
pub fn is_governed(state: &State, command: &Command) -> bool {
    match command {
        // The runtime's own acts were decided on already.
        Command::Submit { event, .. } if event.event().correlation_id.is_own() => false,
        Command::Submit { event, .. } => !state.skips() && state.known().get(event.identity()).is_none(),
        // Skipped or not: what it had booked is given back. One that is not deferred comes to nothing.
        // One that waited for its run has been let go on already.
        Command::Return { event } => {
            let is_put_off = |open: &OpenEvent| open.state == LifeState::Deferred && open.awaits.is_none();
            state.open().get(event).is_some_and(|open| is_put_off(open))
        }
        Command::Reasoned { event, .. } => state.open().get(event).is_some_and(|open| !open.asks.is_empty()),
        // A person's verdict stands for the policies': it spends nothing of theirs.
        Command::Resolve { .. }
        | Command::Lapse { .. }
        | Command::EffectEnded { .. }
        | Command::Update(_)
        | Command::Operate { .. }
        | Command::Migrate(_) => false,
    }
}

/// Where and when it is decided.
pub(super) struct Place<'a> {
    pub(super) state: &'a State,
    pub(super) correlation: &'a CorrelationId,
    pub(super) context: &'a Context<'a>,
    /// What a definition noted, as it was.
    kept: RefCell<Vec<Kept>>,
}

impl Place<'_> {
    fn decide(&self, command: &Command) -> Result<Vec<Fact>, Refusal> {
        let mut facts = match command {
            Command::Submit { event, emitted } => self.submit(event, *emitted),
            Command::Return { event } => self.come_back(*event),
            Command::EffectEnded { key, end } => self.effect_ended(key, end),
            Command::Resolve { event, approved, by, why } => self.resolve(*event, *approved, by, why),
            Command::Lapse { event } => self.lapse(*event),
            Command::Reasoned { event, reasonings } => self.reasoned(*event, reasonings),
            Command::Operate { operation, id, by, why } => self.operate(*operation, id, (by, why)),
            Command::Migrate(migration) => self.migrate(migration),
            Command::Update(_) => Err(Refusal::Broken { why: "an update is expanded before it is decided".into() }),
        }?;
        self.free_places(&mut facts);
        let event = self.event_of(command)?;
        self.farewells(&mut facts, (event.as_deref(), command.about()));
        Ok(facts)
    }

    fn submit(&self, incoming: &Incoming, emitted: bool) -> Result<Vec<Fact>, Refusal> {
        if let Some(known) = self.state.known().get(incoming.identity()) {
            return Err(Refusal::Known { sequence: known.sequence });
        }
        waiting::check_room(self.state)?;
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
        if facts.iter().any(|fact| matches!(fact, Fact::Awaits { .. })) {
            waiting::check_room_to_wait(self.state)?;
        }
        Ok(facts)
    }

    fn come_back(&self, sequence: u64) -> Result<Vec<Fact>, Refusal> {
        let over = || Refusal::Over { what: format!("event {sequence}") };
        let open = self.state.open().get(&sequence).ok_or_else(over)?;
        if open.state != LifeState::Deferred || open.until.is_some_and(|until| until > self.context.now) {
            return Err(over());
        }
        if open.awaits.is_some() && waiting::first_recalled(self.state) != Some(sequence) {
            return Err(over()); // or not its turn yet: it is owed as before
        }
        let broken = |error: crate::event::EventError| Refusal::Broken { why: error.to_string() };
        let incoming = open.event().map_err(broken)?;
        let why = if open.awaits.is_some() { "its workflow may take it now" } else { "its time has come" };
        let mut facts = vec![moved(sequence, LifeState::Pending, why)];
        facts.extend(open.booking.clone().map(|booking| Fact::Released { booking }));
        facts.extend(self.judge_and_handle(sequence, incoming.event())?);
        Ok(facts)
    }

    fn reasoned(&self, sequence: u64, reasonings: &[Reasoning]) -> Result<Vec<Fact>, Refusal> {
        let over = || Refusal::Over { what: format!("the reasoning about event {sequence}") };
        let open = self.state.open().get(&sequence).filter(|open| !open.asks.is_empty()).ok_or_else(over)?;
        let incoming = open.event().map_err(|error| Refusal::Broken { why: error.to_string() })?;
        let mut facts = vec![Fact::Reasoned { event: sequence, reasonings: reasonings.to_vec() }];
        facts.extend(self.judge_and_handle(sequence, incoming.event())?);
        Ok(facts)
    }

    fn judge_and_handle(&self, sequence: u64, event: &Event) -> Result<Vec<Fact>, Refusal> {
        if self.state.skips() {
            return Ok(vec![moved(sequence, LifeState::Discarded, &self.skipped())]);
        }
        if let Some(reason) = own::escalation(event) {
            return Ok(vec![moved(sequence, LifeState::Escalated, &reason)]);
        }
        let free = Judgement::free(self.context.now, None);
        let judgement = self.context.judgement.as_ref().unwrap_or(&free);
        let mut facts = Vec::with_capacity(2);
        if !judgement.decisions.is_empty() || judgement.verdict != Verdict::Accepted {
            facts.push(Fact::Judged { event: sequence, judgement: judgement.clone() });
        }
        match &judgement.verdict {
            Verdict::Accepted => facts.extend(self.handle(sequence, event, None)?),
            Verdict::Deferred { reason, .. } | Verdict::Waiting { reason } => {
                facts.push(moved(sequence, LifeState::Deferred, reason));
            }
            Verdict::Asking { .. } => {}
            Verdict::Discarded { reason } => facts.push(moved(sequence, LifeState::Discarded, reason)),
            Verdict::Escalated { reason } | Verdict::EscalatedUntil { reason, .. } => {
                facts.push(moved(sequence, LifeState::Escalated, reason));
                let poison = self.context.poison.clone();
                facts.extend(poison.map(|poison| parked(format!("event {}", event.id), poison)));
            }
        }
        Ok(facts)
    }

    /// An event goes on: to its handler, if there is one. Whoever let it go on is named with its move.
    fn handle(&self, sequence: u64, event: &Event, approval: Option<&Approval<'_>>) -> Result<Vec<Fact>, Refusal> {
        if let Some(why) = self.unwanted(Some(sequence)) {
            return Ok(waiting::unwanted(sequence, why, approval));
        }
        let input = format!("event {}", event.id);
        let processed = |reason: &str| match approval {
            None => moved(sequence, LifeState::Processed, reason),
            Some(approval) => approval.moved(sequence, LifeState::Processed),
        };
        let poisoned = |poison: Poison| match approval {
            None => poisoned(sequence, input.clone(), poison).to_vec(),
            // It is escalated, and stays so; who let it go on is told all the same.
            Some(approval) => vec![parked(format!("{input} ({approval})"), poison)],
        };
        let mut facts = Vec::new();
        let handler = match (self.running()?, &self.context.poison) {
            (Some(_), _) if waiting::first_recalled(self.state).is_some_and(|first| first < sequence) => {
                return Ok(waiting::queued(sequence, event, approval));
            }
            (Some(handler), _) => handler,
            // It has killed its workflow too often: nobody is asked again, and no run begins with it.
            (None, Some(poison)) => return Ok(poisoned(poison.clone())),
            // A run that completed takes no more; what comes after it is recorded like in a ledger.
            (None, None) if self.state.run().is_some() => {
                return Ok(vec![processed("recorded")]);
            }
            (None, None) => match self.context.definitions.starting_on(&event.kind, self.correlation.is_own()) {
                None => return Ok(vec![processed("recorded")]),
                Some((name, version, handler)) => {
                    facts.push(Fact::Started { definition: name.to_string(), version });
                    handler
                }
            },
        };
        // Handlers see the latest version alone.
        let event = match self.context.definitions.catalogue().bring_up(event) {
            Ok(event) => event,
            Err(error) => return Ok(poisoned(Poison { attempts: 1, error: error.to_string() })),
        };
        let answer = self.ask_whole(handler, Asked::Input(Input::Event(&event)), None)?;
        match answer {
            Ok(Answered { fate: Fate::Refused(reason), .. }) => {
                return Ok(waiting::refused(sequence, &reason, approval));
            }
            Ok(Answered { fate, facts: reaction, .. }) => {
                match fate {
                    Fate::Kept(reason) => facts.extend(waiting::kept(sequence, &event, &reason, approval)),
                    Fate::PassedOver(reason) => facts.push(processed(cut(&reason))),
                    Fate::Handled | Fate::Refused(_) => facts.push(processed("handled")),
                }
                facts.extend(reaction);
            }
            // No run begins with it: another event would be taken for its first. Let go on, it may begin one yet.
            Err(poison) => return Ok(poisoned(poison)),
        }
        Ok(facts)
    }

    fn resolve(&self, sequence: u64, approved: bool, by: &Principal, why: &str) -> Result<Vec<Fact>, Refusal> {
        check_signed(by, why)?;
        let state = self.state.open().get(&sequence).map(|open| open.state);
        if state != Some(LifeState::Escalated) {
            let state = state.or_else(|| self.state.known().by_sequence(sequence).map(|known| known.state));
            return Err(Refusal::NotEscalated { event: sequence, state });
        }
        self.decided(sequence, approved, &Approval { by: Some(by), why })
    }

    fn lapse(&self, sequence: u64) -> Result<Vec<Fact>, Refusal> {
        let over = || Refusal::Over { what: format!("the escalation of event {sequence}") };
        let open = self.state.open().get(&sequence).filter(|open| open.state == LifeState::Escalated);
        let open = open.ok_or_else(over)?;
        if open.until.is_none_or(|until| until > self.context.now) {
            return Err(over());
        }
        let approved = open.lapse.ok_or_else(over)? == Lapse::Approve;
        let mut facts = self.decided(sequence, approved, &Approval { by: None, why: "nobody decided in time" })?;
        if !facts.iter().any(|fact| matches!(fact, Fact::Moved { event, .. } if *event == sequence)) {
            facts.push(Fact::Kept { event: sequence }); // or its time would be up for ever
        }
        Ok(facts)
    }

    /// An escalated event is let go on, or stopped.
    fn decided(&self, sequence: u64, approved: bool, approval: &Approval<'_>) -> Result<Vec<Fact>, Refusal> {
        if !approved {
            return Ok(vec![approval.moved(sequence, LifeState::Discarded)]);
        }
        if self.state.skips() {
            let reason = format!("{}; {}", self.skipped(), approval.why);
            let by = approval.by.cloned();
            return Ok(vec![Fact::Moved { event: sequence, to: LifeState::Discarded, reason, by }]);
        }
        let open = self.state.open().get(&sequence).ok_or(Refusal::NotEscalated { event: sequence, state: None })?;
        let incoming = open.event().map_err(|error| Refusal::Broken { why: error.to_string() })?;
        self.handle(sequence, incoming.event(), Some(approval))
    }

    /// The event that a command is about, if it says for whom it begins a workflow: others are not read again for that.
    fn event_of<'c>(&self, command: &'c Command) -> Result<Option<Cow<'c, Event>>, Refusal> {
        if let Command::Submit { event, .. } = command {
            return Ok(Some(Cow::Borrowed(event.event())));
        }
        let open = command.about().and_then(|event| self.state.open().get(&event));
        let Some(open) = open.filter(|open| open.raw().contains(parent::METADATA)) else { return Ok(None) };
        let incoming = open.event().map_err(|error| Refusal::Broken { why: error.to_string() })?;
        Ok(Some(Cow::Owned(incoming.event().clone())))
    }

    /// An event holds its places at concurrency limits while the run goes on that it belongs to; without one just for its
    /// own turn.
    fn free_places(&self, facts: &mut Vec<Fact>) {
        let held = self.state.places.iter().map(|held| (held.event, held.policy.clone(), held.key.clone()));
        let mut places: Vec<(u64, String, String)> = held.collect();
        for fact in facts.iter() {
            if let Fact::Judged { event, judgement } = fact {
                places.extend(judgement.decisions.iter().filter_map(|decision| match &decision.grant {
                    Some(Grant::Held { key }) => Some((*event, decision.policy.clone(), key.clone())),
                    _ => None,
                }));
            }
        }
        if places.is_empty() {
            return;
        }
        let runs = self.state.run().is_some_and(|run| !run.status.is_over());
        let begins = facts.iter().any(|fact| matches!(fact, Fact::Started { .. }));
        let ends = facts.iter().any(|fact| matches!(fact, Fact::Finished { .. }));
        if ends || !(runs || begins) {
            facts.extend(places.into_iter().map(|(event, policy, key)| Fact::Freed { policy, key, event }));
        }
    }

    /// The handler of the run, if there is one and it is not over.
    pub(super) fn running(&self) -> Result<Option<&dyn AnyHandler>, Refusal> {
        match self.state.run() {
            Some(run) if !run.status.is_over() => self.definition().map(Some),
            _ => Ok(None),
        }
    }

    /// The handler of the run, be it over or not.
    pub(super) fn definition(&self) -> Result<&dyn AnyHandler, Refusal> {
        let run = self.state.run().ok_or_else(|| Refusal::Broken { why: "there is no run".into() })?;
        let unknown = || Refusal::UnknownDefinition { name: run.definition.clone(), version: run.version };
        self.context.definitions.get(&run.definition, run.version).ok_or_else(unknown)
    }

    /// When and where it is.
    pub(super) fn moment(&self) -> Moment<'_> {
        Moment { now: self.context.now, correlation: self.correlation }
    }

    /// Why the workflow is not wanted any more that an event was to begin, if it is not.
    pub(super) fn unwanted(&self, event: Option<u64>) -> Option<&str> {
        self.state.open().get(&event?)?.unwanted.as_deref()
    }

    /// Why later events of a run are skipped.
    fn skipped(&self) -> String {
        let how = match self.state.run().map(|run| &run.status) {
            Some(RunStatus::Cancelled { .. }) => "was cancelled",
            Some(RunStatus::Terminated { .. }) => "was terminated",
            Some(RunStatus::Compensating { .. }) => "is being put back",
            _ => "has failed",
        };
        format!("skipped: its workflow {how}")
    }

    /// The facts that follow by the handler, or why the input must be parked. `ended` is still owed in the state, and is not
    /// any more.
    pub(super) fn ask(
        &self,
        handler: &dyn AnyHandler,
        asked: Asked<'_>,
        ended: Option<&EffectKey>,
    ) -> Result<Result<Vec<Fact>, Poison>, Refusal> {
        Ok(self.ask_whole(handler, asked, ended)?.map(|answered| answered.facts))
    }

    /// The same, with what becomes of the event that it is asked about.
    fn ask_whole(
        &self,
        handler: &dyn AnyHandler,
        asked: Asked<'_>,
        ended: Option<&EffectKey>,
    ) -> Result<Result<Answered, Poison>, Refusal> {
        if let Some(poison) = &self.context.poison {
            return Ok(Err(poison.clone()));
        }
        let mut answer: Answer = react::ask(handler, (self.state, ended), asked, &self.moment())?;
        if let Ok(answered) = &mut answer {
            self.kept.borrow_mut().append(&mut answered.kept);
        }
        // What a pure function refuses once, it refuses always: there is nothing to try again.
        Ok(answer.map_err(|error| Poison { attempts: 1, error: error.0 }))
    }
}

/// Who let an escalated event go on, or stopped it, and why.
pub(super) struct Approval<'a> {
    pub(super) by: Option<&'a Principal>,
    pub(super) why: &'a str,
}

impl std::fmt::Display for Approval<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.by {
            Some(by) => write!(f, "approved by {by}: {}", self.why),
            None => f.write_str(self.why),
        }
    }
}

impl Approval<'_> {
    fn moved(&self, event: u64, to: LifeState) -> Fact {
        Fact::Moved { event, to, reason: self.why.to_string(), by: self.by.cloned() }
    }
}

/// Who does something is named, and why.
///
/// # Errors
/// Which of the two is blank, too long, or has control characters.
pub fn check_signed(by: &Principal, why: &str) -> Result<(), Refusal> {
    let unsigned = |error| Err(Refusal::Unsigned(error));
    check_name("by", &by.kind).and_then(|()| check_name("by", &by.id)).or_else(unsigned)?;
    let is_wrong = |said: String| unsigned(EventError::wrong("why", said));
    match why.len() {
        _ if why.trim().is_empty() => is_wrong("it is blank".into()),
        _ if why.contains(char::is_control) => is_wrong("it holds a control character".into()),
        bytes if bytes > limits::REASON_BYTES => {
            is_wrong(format!("it has {bytes} bytes; at most {} are taken", limits::REASON_BYTES))
        }
        _ => Ok(()),
    }
}

pub(super) fn moved(event: u64, to: LifeState, reason: &str) -> Fact {
    Fact::Moved { event, to, reason: reason.to_string(), by: None }
}

fn poisoned(event: u64, input: String, poison: Poison) -> [Fact; 2] {
    [moved(event, LifeState::Escalated, &format!("poison: {}", poison.error)), parked(input, poison)]
}

pub(super) fn parked(input: String, poison: Poison) -> Fact {
    Fact::Parked { input, attempts: poison.attempts, error: poison.error }
}
