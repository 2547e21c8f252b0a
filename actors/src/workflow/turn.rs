//! A turn: known? govern, decide, append, and only then answers and effects.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, Incoming, LifeState};
use regie_core::governance::AskId;
use regie_core::limits;
use regie_core::workflow::{self as core, Command, Context, Fact, Record, Refusal};
use regie_journal::{Placed, SetInForce, StoreError, Tip, Turn, Wake};
use tokio::sync::oneshot;

use super::Body;
use super::done::{Done, Told};
use super::messages::{Ends, Item, Links, Outcome, Report, Task};
use super::told::{ended_in, freed_in, gives_up, judged_in, run_end_in, told};
use super::view::{view, whole_view};
use crate::faults::FaultPoint;
use crate::in_force::InForce;
use crate::lane::{Append, AppendError};
use crate::refused::Reason;
use crate::tally::Tally;

/// What a command moves, before it is taken: its event's type and state, and the event if it came in earlier.
type Before = (Option<(Arc<str>, LifeState)>, Option<Incoming>);

/// What a turn leaves behind.
pub(super) struct Finished {
    /// The state; none where it must be read anew.
    pub(super) body: Option<Body>,
    /// What to tell the shard.
    pub(super) report: Report,
    /// What it did not come to.
    pub(super) rest: VecDeque<Item>,
}

/// Takes what there is, as much as one turn takes.
pub(super) async fn run(links: Rc<Links>, correlation: CorrelationId, body: Body, items: VecDeque<Item>) -> Finished {
    let before = Tip { sequence: body.state.sequence, digest: body.state.digest };
    let in_force = Arc::clone(&links.in_force.borrow());
    let mut taking = Taking {
        links,
        in_force,
        correlation,
        body,
        rest: items,
        records: Vec::new(),
        bytes: 0,
        as_of: None,
        done: Vec::new(),
        ask: None,
        changes: Vec::new(),
        untold: None,
        governed: false,
        watched: None,
        tally: Tally::default(),
    };
    match taking.take_all().await {
        Ok(()) => taking.append(before).await,
        Err(Stop::Died(ticket, error)) => taking.died(ticket, error),
        Err(Stop::Failed(error)) => taking.failed(error),
    }
}

pub(super) struct Taking {
    pub(super) links: Rc<Links>,
    /// The policies of this turn.
    pub(super) in_force: Arc<InForce>,
    pub(super) correlation: CorrelationId,
    pub(super) body: Body,
    rest: VecDeque<Item>,
    pub(super) records: Vec<core::Turn>,
    bytes: usize,
    /// In event time, when what it takes entered.
    as_of: Option<Timestamp>,
    pub(super) done: Vec<Done>,
    /// The one reservation of this turn.
    pub(super) ask: Option<AskId>,
    /// Events that it has received and that change an entity, and when.
    pub(super) changes: Vec<(Incoming, Timestamp)>,
    /// What became of a part of a task.
    pub(super) untold: Option<Outcome>,
    /// Whether a new event was judged under the set in force.
    governed: bool,
    /// The rules that watch for a new event of it.
    pub(super) watched: Option<Arc<SetInForce>>,
    tally: Tally,
}

/// Why a turn comes to nothing.
pub(super) enum Stop {
    /// A task panicked: its ticket, and what it said.
    Died(u64, String),
    /// Something that it needs is not there now.
    Failed(StoreError),
}

impl Taking {
    async fn take_all(&mut self) -> Result<(), Stop> {
        while let Some(mut item) = self.rest.pop_front() {
            let full = self.records.len() >= limits::TURN_COMMANDS || self.bytes >= limits::TURN_BYTES;
            // In event time a turn has one time: what entered at another is another turn.
            let other_time = !self.records.is_empty() && item.as_of != self.as_of;
            let alone = other_time || item.alone && !self.done.is_empty();
            let taken = if full || alone { Ok(false) } else { self.take(&mut item).await };
            if !matches!(taken, Ok(true)) {
                self.rest.push_front(item);
                return taken.map(|_| ());
            }
            self.as_of = item.as_of;
            if item.alone {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes one task; says no where it must wait for the next turn.
    async fn take(&mut self, item: &mut Item) -> Result<bool, Stop> {
        match item.task.clone() {
            Task::Look { whole } => {
                let state = &self.body.state;
                let view = if whole { whole_view(state, &self.links.definitions) } else { view(state) };
                self.tell(item, Outcome::View(Box::new(view)));
            }
            Task::Due => self.spread(item),
            Task::Command(command) => match &*command {
                Command::Update(update) => return self.update(item, update).await,
                _ => return self.command(item, &command).await,
            },
        }
        Ok(true)
    }

    pub(super) fn tell(&mut self, item: &Item, outcome: Outcome) {
        if item.more_follow {
            self.untold = Some(outcome);
        } else {
            self.done.push(Done { ticket: item.ticket, told: Told::Outcome(outcome) });
        }
    }

    /// What is due becomes commands of the same ticket; the last one answers it. Due by the clock, as its timer is: where that was
    /// set back, the workflow's own time is ahead of those who judge, who would put an event off to an instant that is past.
    fn spread(&mut self, item: &Item) {
        let now = item.as_of.unwrap_or_else(|| self.links.clock.now());
        let due = core::pending(&self.body.state).into_iter().filter(|owed| owed.due() <= now);
        let commands: Vec<Command> = due.filter_map(|owed| owed.command()).collect();
        let count = commands.len();
        if count == 0 {
            return self.tell(item, Outcome::Done);
        }
        // What killed the workflow is the first that is still owed: those before it are committed.
        let items = commands.into_iter().enumerate().map(|(at, command)| Item {
            ticket: item.ticket,
            task: Task::Command(Arc::new(command)),
            as_of: item.as_of,
            alone: item.alone,
            poison: item.poison.clone().filter(|_| at == 0),
            more_follow: at + 1 < count,
            begun: false,
        });
        items.rev().for_each(|item| self.rest.push_front(item));
    }

    pub(super) fn now(&self, item: &Item) -> Timestamp {
        item.as_of.unwrap_or_else(|| self.links.clock.now()).max(self.body.state.last_at)
    }

    pub(super) async fn command(&mut self, item: &Item, command: &Arc<Command>) -> Result<bool, Stop> {
        if self.known(item, command).await || self.is_unfounded(item, command).await? {
            return Ok(true);
        }
        let (now, asked_before) = (self.now(item), self.ask);
        let (mut judgement, mut said) = (None, None);
        // Where no policy is left, what was booked or asked under earlier ones still has to be settled.
        let has_say = !self.in_force.set.is_empty() || !matches!(**command, Command::Submit { .. });
        if has_say && core::is_governed(&self.body.state, command) {
            match self.judge(item, command, now).await? {
                Some(judged) => {
                    self.governed |= !judged.judgement.decisions.is_empty();
                    (judgement, said) = (Some(judged.judgement), judged.said);
                }
                None => return Ok(false),
            }
        }
        let at = judgement.as_ref().map_or(now, |judged| judged.at.max(now));
        self.links.faults.maybe(FaultPoint::Decide, &self.correlation);
        let before = (self.moving(command, at), self.earlier(command));
        let definitions = Arc::clone(self.body.lacking.as_ref().unwrap_or(&self.links.definitions));
        let context = Context { now: at, judgement, definitions: &definitions, poison: item.poison.clone() };
        // Handlers alone are foreign code, and see when an event was.
        let foreign = !definitions.is_empty();
        let stamped = if foreign { stamp(command, at) } else { None };
        let sifted = said.and_then(|reasonings| {
            let event = command.about()?;
            Some(Arc::new(Command::Reasoned { event, reasonings }))
        });
        let command = stamped.as_ref().or(sifted.as_ref()).unwrap_or(command);
        let began = foreign.then(|| self.links.holder.takes(&self.correlation));
        let taken = core::take(&mut self.body.state, &self.correlation, command, &context);
        if let Some(began) = began {
            let definition = self.body.state.run().map(|run| run.definition.as_str());
            let definition = definition.filter(|name| !core::is_own_name(name));
            self.links.holder.has_decided(began, definition);
        }
        match taken {
            Ok(turn) => self.taken(item, command, turn, before),
            Err(refusal) => self.refused(item, refusal, asked_before)?,
        }
        Ok(true)
    }

    fn taken(&mut self, item: &Item, command: &Command, turn: core::Turn, (before, earlier): Before) {
        let to_processed = |fact: &Fact| matches!(fact, Fact::Moved { to: LifeState::Processed, .. });
        let processed = turn.record.facts.iter().any(to_processed);
        let about = command.about();
        if let Command::Reasoned { event, .. } = command {
            self.body.asked.remove(event); // it may be asked about again in this very turn
        }
        // The runtime's own acts stay outside counts.
        if !self.correlation.is_own() {
            self.tally.count(&turn.record, |sequence| match about {
                Some(event) if event != sequence => None,
                _ => before.clone(),
            });
            if let Some(run) = self.body.state.run().filter(|run| !core::is_own_name(&run.definition)) {
                self.tally.count_run(&turn.record, run);
            }
        }
        self.bytes += turn.encoded.bytes.len();
        let (at, now) = (self.records.len(), turn.record.at);
        self.records.push(turn);
        match command {
            Command::Submit { event, .. } => {
                self.governed |= !self.correlation.is_own();
                self.watched = self.watched.take().or_else(|| self.links.rules.borrow().over(event.event()).cloned());
                if processed {
                    self.changed(event, now);
                }
                let told = if item.more_follow { Told::Part } else { Told::Recorded };
                self.done.push(Done { ticket: item.ticket, told: told(event.shared(), at) });
            }
            _ => {
                self.gone_on(earlier.filter(|_| processed), now);
                self.tell(item, Outcome::Done);
            }
        }
    }

    /// The type of the event that a command moves, and the state that it is in.
    fn moving(&self, command: &Command, at: Timestamp) -> Option<(Arc<str>, LifeState)> {
        match command {
            Command::Submit { event, .. } => Some((event.event().kind.as_str().into(), LifeState::Pending)),
            _ => {
                let open = self.body.state.open().get(&command.about()?)?;
                debug_assert!(!matches!(command, Command::Return { .. }) || at >= open.until.unwrap_or(at));
                Some((open.event().ok()?.event().kind.as_str().into(), open.state))
            }
        }
    }

    fn refused(&mut self, item: &Item, refusal: Refusal, asked_before: Option<AskId>) -> Result<(), Stop> {
        if refusal.spoils_the_state() {
            return Err(Stop::Died(item.ticket, refusal.to_string()));
        }
        // A reservation that another command of this turn holds stands or falls with that one.
        if asked_before.is_none()
            && let Some(ask) = self.ask.take()
        {
            self.give_up(ask);
        }
        let outcome = match refusal {
            // An effect's end or a return that comes twice: there is nothing left to do.
            Refusal::Over { .. } => Outcome::Done,
            refusal => Outcome::Refused(refusal.into()),
        };
        self.tell(item, outcome);
        Ok(())
    }

    /// Why an event is not the known one, if that is open and so at hand; one whose life is over is compared by its shard.
    fn other_content(&self, sequence: u64, event: &Incoming) -> Option<Reason> {
        let open = self.body.state.open().get(&sequence).filter(|open| open.raw() != event.raw())?;
        Some(Reason::other_content(event, open.raw()))
    }

    /// Whether the event is known, to its state or to the index; if so it is told.
    async fn known(&mut self, item: &Item, command: &Command) -> bool {
        let Command::Submit { event, .. } = command else { return false };
        let identity = event.identity();
        if let Some(known) = self.body.state.known().get(identity) {
            let told = match known.position {
                _ if let Some(reason) = self.other_content(known.sequence, event) => {
                    Told::Outcome(Outcome::Refused(reason))
                }
                0 => Told::KnownHere(known.sequence),
                position => {
                    let (sequence, state) = (known.sequence, Some(known.state));
                    Told::Outcome(Outcome::Known { position, sequence, state, new: false })
                }
            };
            match told {
                Told::Outcome(outcome) => self.tell(item, outcome),
                told => self.done.push(Done { ticket: item.ticket, told }),
            }
            return true;
        }
        if !self.body.state.known().has_forgotten() {
            return false;
        }
        let correlation = self.correlation.clone();
        match self.links.readers.run(move |reader| reader.find(&correlation, identity)).await {
            Ok(None) => false,
            Ok(Some(position)) => {
                self.tell(item, Outcome::Known { position, sequence: 0, state: None, new: false });
                true
            }
            Err(error) => {
                self.tell(item, Outcome::Refused(error.into()));
                true
            }
        }
    }

    fn died(self, ticket: u64, error: String) -> Finished {
        if let Some(ask) = self.ask {
            self.give_up(ask);
        }
        Finished { body: None, report: Report::Died { ticket, error }, rest: VecDeque::new() }
    }

    async fn append(mut self, before: Tip) -> Finished {
        if self.records.is_empty() {
            return self.stands(before, 0);
        }
        let records = std::mem::take(&mut self.records);
        let (records, encoded): (Vec<Record>, Vec<_>) =
            records.into_iter().map(|turn| (turn.record, turn.encoded)).unzip();
        let records: Arc<[Record]> = records.into();
        self.tally.turns = 1;
        let policies = self.in_force.record.clone().filter(|_| self.governed);
        let sets = policies.into_iter().chain(self.watched.take()).collect();
        let turn = Turn {
            correlation: self.correlation.clone(),
            expected: before,
            at: records[0].at,
            records: encoded,
            wake: core::next_due(&self.body.state).map_or(Wake::Never, Wake::At),
            sets,
        };
        let (reply, placed) = oneshot::channel();
        let (tally, freed) = (std::mem::take(&mut self.tally), freed_in(&self.correlation, &records));
        let append = Append { turn, told: told(&records, &self.done), ask: self.ask, freed, tally, reply };
        let placed = match self.links.lane.try_send(append) {
            Ok(()) => placed.await,
            Err(_) => return self.failed(StoreError::Failed { why: "the lane to the journal is full or gone".into() }),
        };
        self.links.faults.maybe(FaultPoint::Appended, &self.correlation);
        match placed {
            Ok(Ok(Placed { first })) => {
                self.body.state.placed(before.sequence + 1, first);
                self.log(&records);
                self.answer(&records, first);
                self.stands_with(before, first, &records)
            }
            Ok(Err(AppendError::Store(error))) => self.failed(error),
            Ok(Err(AppendError::Conflict(conflict))) => {
                let error = format!("its state was stale: the journal is at sequence {}", conflict.found.sequence);
                let ticket = self.done.first().map_or(0, |done| done.ticket);
                Finished { body: None, report: Report::Died { ticket, error }, rest: VecDeque::new() }
            }
            Err(_) => self.failed(StoreError::Failed { why: "the lane to the journal is gone".into() }),
        }
    }

    /// Answers become what the records tell, now that their positions are known.
    fn answer(&mut self, records: &[Record], first: u64) {
        for done in &mut self.done {
            if let Told::Recorded(event, at) = &done.told {
                let result = core::first_answer(event, &records[*at], first + *at as u64);
                done.told = Told::Outcome(Outcome::Recorded(Box::new(result), records[*at].sequence));
            }
        }
    }

    fn stands_with(self, before: Tip, first: u64, records: &[Record]) -> Finished {
        let last = first + records.len() as u64 - 1;
        let still = gives_up(records).then(|| self.body.state.owed().keys().cloned().collect());
        let mut finished = self.stands(before, last);
        if let Report::Turn { ended, judged, still_owed, run_end, .. } = &mut finished.report {
            *run_end = run_end_in(records);
            *ended = ended_in(records);
            *judged = judged_in(records);
            *still_owed = still;
        }
        finished
    }

    fn stands(mut self, _: Tip, position: u64) -> Finished {
        self.body.state.forget_known(self.links.readers.readers().indexed());
        let outcomes = self.outcomes();
        let (effects, questions, due) = self.owed();
        let state = &self.body.state;
        let over = (position > 0 && state.has_ended()).then(|| Box::new(view(state)));
        let (ended, judged, still_owed) = (Vec::new(), Vec::new(), None);
        let run_end = Ends::No;
        let report =
            Report::Turn { outcomes, effects, questions, due, position, ended, judged, still_owed, over, run_end };
        Finished { body: Some(self.body), report, rest: self.rest }
    }

    /// Nothing stands: every task is told, and the state is read anew.
    fn failed(mut self, error: StoreError) -> Finished {
        if let Some(ask) = self.ask.take() {
            self.give_up(ask); // settled already if its append was answered
        }
        let undone = self.rest.iter().map(|item| item.ticket);
        let tickets: BTreeSet<u64> = self.done.iter().map(|done| done.ticket).chain(undone).collect();
        let refused = |ticket| (ticket, Outcome::Refused(Reason::Journal(error.clone())));
        let report = Report::Failed { outcomes: tickets.into_iter().map(refused).collect() };
        Finished { body: None, report, rest: VecDeque::new() }
    }
}

/// An event that came without a timestamp takes the time at which it is recorded.
fn stamp(command: &Arc<Command>, at: Timestamp) -> Option<Arc<Command>> {
    match &**command {
        Command::Submit { event, emitted } if event.event().timestamp == Timestamp::MIN => {
            let mut event = event.clone();
            event.stamp(at);
            Some(Arc::new(Command::Submit { event, emitted: *emitted }))
        }
        _ => None,
    }
}
