//! A turn: known? govern, decide, append, and only then answers and effects. What the actors do with messages and futures
//! is done here in steps, between which the dice may do anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, Incoming, LifeState};
use regie_core::governance::{Judgement, Ruling, Who};
use regie_core::limits;
use regie_core::reasoning::Ask;
use regie_core::workflow::{
    self as core, Command, Context, Effect, EffectKey, Fact, Owed, Refusal, State, is_governed,
};
use regie_journal::{Placed, SetInForce, Tip, Wake};

use crate::simulation::four::Bug;
use crate::simulation::memory::{
    Append, AppendError, Item, Life, Outcome, Paused, Reason, Stage, Task, ToPolicies, Turn,
};
use crate::simulation::world::World;

/// A workflow while it takes its turn: nobody else can touch it.
pub(crate) struct Taking {
    pub(crate) correlation: CorrelationId,
    pub(crate) life: Life,
    pub(crate) turn: Turn,
}

impl Taking {
    pub(crate) fn tell(&mut self, item: &Item, outcome: Outcome) {
        tell(self, item, outcome);
    }
}

/// What became of one item.
pub(crate) enum Step {
    Taken,
    /// It must wait for the next turn.
    NextTurn,
    /// It waits for the policies.
    Asks(Box<Paused>),
    /// It killed the workflow.
    Died(String),
}

/// What goes out: effects, the questions about each event, and when a timer is next due.
type Owes = (Vec<(EffectKey, Effect)>, Vec<(u64, Vec<Ask>)>, Option<Timestamp>);

impl World {
    /// Begins a turn with all that has come.
    pub(crate) fn begin(&mut self, correlation: &CorrelationId) {
        let mut life = self.life_of(correlation);
        let before = Tip { sequence: life.state.sequence, digest: life.state.digest };
        let rest = std::mem::take(&mut life.inbox);
        let (records, done) = (Vec::new(), Vec::new());
        let in_force = self.program.in_force.clone();
        self.model.begins_turn(correlation, in_force.policies);
        let turn = Turn {
            in_force,
            before,
            rest,
            records,
            done,
            ask: None,
            governed: false,
            watched: None,
            changes: Vec::new(),
            stage: Stage::Taking,
        };
        self.take_all(Taking { correlation: correlation.clone(), life, turn });
    }

    /// Goes on with a turn whose answer from the policies has come.
    pub(crate) fn resume(&mut self, correlation: &CorrelationId) {
        let mut taking = self.taking_of(correlation);
        let Stage::Asking(paused) = std::mem::replace(&mut taking.turn.stage, Stage::Taking) else {
            panic!("{correlation} does not ask");
        };
        let Paused { item, now, mut draft, counts, ruling } = *paused;
        let Ruling { decisions, stopped, at } = ruling.expect("an answer");
        if counts {
            draft.decisions.extend(decisions);
            draft.verdict = stopped.unwrap_or(draft.verdict);
            draft.at = at;
        }
        let Task::Command(command) = item.task.clone() else { panic!("only commands are judged") };
        match self.decide(&mut taking, &item, &command, (now, Some(draft), false)) {
            Step::Died(why) => self.dies_of(taking, item.ticket, why),
            _ if item.alone => self.append(taking),
            _ => self.take_all(taking),
        }
    }

    fn take_all(&mut self, mut taking: Taking) {
        while let Some(item) = taking.turn.rest.pop_front() {
            let full = taking.turn.records.len() >= limits::TURN_COMMANDS;
            let alone = item.alone && !taking.turn.done.is_empty();
            match if full || alone { Step::NextTurn } else { self.take_item(&mut taking, &item) } {
                Step::Taken if item.alone => break,
                Step::Taken => {}
                Step::NextTurn => {
                    taking.turn.rest.push_front(item);
                    break;
                }
                Step::Asks(paused) => {
                    taking.turn.stage = Stage::Asking(paused);
                    return self.put_back(taking);
                }
                Step::Died(why) => return self.dies_of(taking, item.ticket, why),
            }
        }
        self.append(taking);
    }

    fn take_item(&mut self, taking: &mut Taking, item: &Item) -> Step {
        match &item.task {
            Task::Command(command) => match &**command {
                Command::Update(update) => self.take_update(taking, item, update),
                _ => self.command(taking, item, command),
            },
            Task::Due => {
                self.spread(taking, item);
                Step::Taken
            }
        }
    }

    /// What is due becomes commands of the same ticket; the last one answers it.
    fn spread(&mut self, taking: &mut Taking, item: &Item) {
        // By the clock, as its timer: where that was set back, the workflow's own time is ahead of those who judge.
        let now = self.now;
        let due = self.four.pending(&taking.life.state).into_iter().filter(|owed| owed.due() <= now);
        let commands: Vec<Command> = due.filter_map(|owed| owed.command()).collect();
        let last = commands.len();
        if last == 0 {
            return tell(taking, item, Outcome::Done);
        }
        let items = commands.into_iter().enumerate().map(|(nth, command)| Item {
            task: Task::Command(Arc::new(command)),
            poison: item.poison.clone().filter(|_| nth == 0),
            more_follow: nth + 1 < last,
            ..item.clone()
        });
        items.rev().for_each(|item| taking.turn.rest.push_front(item));
    }

    pub(crate) fn command(&mut self, taking: &mut Taking, item: &Item, command: &Arc<Command>) -> Step {
        if is_known(taking, item, command) {
            return Step::Taken;
        }
        let now = self.now.max(taking.life.state.last_at);
        let asked_before = taking.turn.ask.is_some();
        // Where no policy is left, what was booked or asked under earlier ones still has to be settled.
        let has_say = !taking.turn.in_force.set.is_empty() || !matches!(**command, Command::Submit { .. });
        let governed = has_say && is_governed(&taking.life.state, command);
        let judged = match governed.then(|| self.judge(taking, item, command, now)) {
            None => None,
            Some(Ok(judged)) => Some(judged),
            Some(Err(step)) => return step,
        };
        let (judgement, command) = judged.map_or((None, Arc::clone(command)), |(it, command)| (Some(it), command));
        self.decide(taking, item, &command, (now, judgement, asked_before))
    }

    /// Decides a judged command and takes its record into the state.
    fn decide(
        &mut self,
        taking: &mut Taking,
        item: &Item,
        command: &Arc<Command>,
        (now, judgement, asked_before): (Timestamp, Option<Judgement>, bool),
    ) -> Step {
        let now = judgement.as_ref().map_or(now, |judgement| judgement.at.max(now));
        taking.turn.governed |= judgement.as_ref().is_some_and(|judgement| !judgement.decisions.is_empty());
        let stamped = stamped(command, now);
        let definitions = &self.program.definitions;
        let context = Context { now, judgement, definitions, poison: item.poison.clone() };
        self.tally.count(name_of(command));
        let earlier = || taking.life.state.open().get(&command.about()?)?.event().ok();
        let earlier = earlier();
        match self.four.take(&mut taking.life.state, &taking.correlation, &stamped, &context) {
            Ok(turn) => self.taken(taking, item, &stamped, (turn, earlier)),
            Err(refusal) if refusal.spoils_the_state() => return Step::Died(self.expected_death(&refusal)),
            Err(refusal) => {
                // A reservation that another command of this turn holds stands or falls with that one.
                if !asked_before && let Some(ask) = taking.turn.ask.take() {
                    self.give_up(&taking.correlation, ask);
                }
                let over = matches!(refusal, Refusal::Over { .. });
                tell(taking, item, if over { Outcome::Done } else { Outcome::Refused(Reason::Core(refusal)) });
            }
        }
        Step::Taken
    }

    /// A command has left a record; it may have had an event processed that came in earlier.
    fn taken(
        &self,
        taking: &mut Taking,
        item: &Item,
        command: &Command,
        (turn, earlier): (core::Turn, Option<Incoming>),
    ) {
        let processes = |fact: &Fact| matches!(fact, Fact::Moved { to: LifeState::Processed, .. });
        let is_processed = turn.record.facts.iter().any(processes);
        let at = taking.turn.records.len();
        taking.turn.records.push(turn);
        let event = match command {
            Command::Submit { event, .. } => Some(event.clone()),
            _ => earlier.filter(|_| is_processed),
        };
        if let Some(event) = &event {
            taking.turn.watched = taking.turn.watched.or_else(|| self.ruled.over(event.event()));
            taking.turn.changes.extend(is_processed.then(|| event.shared()));
        }
        match command {
            Command::Submit { event, .. } => {
                taking.turn.governed |= !taking.correlation.is_own();
                taking.turn.done.push((item.ticket, Outcome::Recorded(event.shared(), at)));
            }
            Command::Reasoned { event, .. } => {
                taking.life.asked.remove(event); // it may be asked about again in this very turn
                tell(taking, item, Outcome::Done);
            }
            _ => tell(taking, item, Outcome::Done),
        }
    }

    /// Handlers panic where their scripts say so; nothing else may spoil a state.
    fn expected_death(&mut self, refusal: &Refusal) -> String {
        let text = refusal.to_string();
        let what = match refusal {
            Refusal::Panicked { .. } if text.contains("the puppet panics") => "handler: panics in decide",
            Refusal::Broken { .. } if text.contains("the puppet blows up") => "handler: panics in evolve",
            _ => panic!("a state is spoiled: {text}"),
        };
        self.tally.count(what);
        text
    }

    /// The turn's records go to the journal, if there are any.
    fn append(&mut self, mut taking: Taking) {
        if taking.turn.records.is_empty() {
            return self.stands(taking, 0);
        }
        if taking.turn.records.len() > 1 {
            self.tally.count("turn: several commands");
        }
        let (first, records) = (taking.turn.before.sequence + 1, taking.turn.records.len() as u64);
        let watched = taking.turn.watched.map(|set| set.text.as_str());
        let turn = regie_journal::Turn {
            correlation: taking.correlation.clone(),
            expected: taking.turn.before,
            at: taking.turn.records[0].record.at,
            records: taking.turn.records.iter().map(|turn| turn.encoded.clone()).collect(),
            wake: self.four.next_due(&taking.life.state).map_or(Wake::Never, Wake::At),
            sets: self.sets(&taking),
        };
        self.model.appends(&taking.correlation, first..first + records, watched);
        let append = Append { turn, ask: taking.turn.ask, freed: freed_in(&taking) };
        let lane = self.memory.lane(&taking.correlation);
        lane.appends.push_back(append);
        lane.came += 1;
        taking.turn.stage = Stage::Appending;
        if self.four.has(Bug::LetsOutEarly) {
            let (effects, ..) = self.owed(&mut taking.life);
            self.let_out(&taking.correlation, effects);
        }
        if self.four.has(Bug::AnswersEarly) {
            let first = self.model.position() + 1;
            let outcomes = outcomes(&mut taking.turn, &taking.life.state);
            self.tell_all(&taking.correlation, outcomes, (&taking.turn.records, first));
        }
        self.put_back(taking);
    }

    /// The sets that have a say over the turn: they are recorded with it.
    fn sets(&self, taking: &Taking) -> Vec<Arc<SetInForce>> {
        let policies = taking.turn.in_force.record.clone().filter(|_| taking.turn.governed);
        let rules = taking.turn.watched.filter(|_| !self.four.has(Bug::ForgetsRules));
        policies.into_iter().chain(rules.cloned()).collect()
    }

    /// The journal's answer to a turn is there.
    pub(crate) fn deliver(&mut self, correlation: &CorrelationId) {
        let mut taking = self.taking_of(correlation);
        let Stage::Placed(placed) = std::mem::replace(&mut taking.turn.stage, Stage::Taking) else {
            panic!("{correlation} waits for no append");
        };
        match placed {
            Ok(Placed { first }) => {
                taking.life.state.placed(taking.turn.before.sequence + 1, first);
                self.stands(taking, first);
            }
            Err(AppendError::Store) => self.failed(taking, Reason::Store),
            Err(AppendError::Conflict(conflict)) => panic!("the state of {correlation} was stale: {conflict:?}"),
        }
    }

    /// What was taken stands, from that position on: timers and effects first, then answers.
    fn stands(&mut self, taking: Taking, first: u64) {
        let Taking { correlation, mut life, mut turn } = taking;
        let (effects, questions, due) = self.owed(&mut life);
        let outcomes = outcomes(&mut turn, &life.state);
        let over = first > 0 && life.state.run().is_some() && life.state.has_ended();
        turn.rest.into_iter().rev().for_each(|item| life.inbox.push_front(item));
        self.maybe_save(&correlation, &life.state);
        self.slot(&correlation).life = Some(life);
        self.set_timer(&correlation, due, first > 0);
        self.let_out(&correlation, effects);
        questions.into_iter().for_each(|(event, asks)| self.ask_reasoners((correlation.clone(), event), asks));
        self.tell_all(&correlation, outcomes, (&turn.records, first));
        if over {
            self.give_up_calls(&correlation);
        }
    }

    fn tell_all(
        &mut self,
        correlation: &CorrelationId,
        outcomes: Vec<(u64, Outcome)>,
        (records, first): (&[core::Turn], u64),
    ) {
        for (ticket, outcome) in outcomes {
            self.tell(correlation, ticket, outcome, (records, first));
        }
    }

    /// Effects and questions that are not out yet, and the next instant after those.
    fn owed(&mut self, life: &mut Life) -> Owes {
        let (mut effects, mut questions, mut due) = (Vec::new(), Vec::new(), None);
        for owed in self.four.pending(&life.state) {
            match owed {
                Owed::Effect { key, effect } if life.out.insert(key.clone()) => effects.push((key, effect)),
                Owed::Reason { event, asks } if life.asked.insert(event) => questions.push((event, asks)),
                Owed::Effect { .. } | Owed::Reason { .. } => {}
                later => due = due.or(Some(later.due())),
            }
        }
        let still = life.state.owed();
        life.out.retain(|key| still.contains_key(key));
        let open = life.state.open();
        life.asked.retain(|event| open.get(event).is_some_and(|open| !open.asks.is_empty()));
        (effects, questions, due)
    }

    /// Nothing stands: every task is told, and the state is read anew.
    fn failed(&mut self, taking: Taking, reason: Reason) {
        let Taking { correlation, turn, .. } = taking;
        if let Some(ask) = turn.ask {
            self.give_up(&correlation, ask);
        }
        let undone = turn.rest.iter().map(|item| item.ticket);
        let tickets: BTreeSet<u64> = turn.done.iter().map(|(ticket, _)| *ticket).chain(undone).collect();
        for ticket in tickets {
            self.tell(&correlation, ticket, Outcome::Refused(reason.clone()), (&[], 0));
        }
        self.raise_fence(&correlation);
    }

    /// A task has killed its workflow, and is blamed.
    fn dies_of(&mut self, taking: Taking, ticket: u64, why: String) {
        let Taking { correlation, turn, .. } = taking;
        if let Some(ask) = turn.ask {
            self.give_up(&correlation, ask);
        }
        let slot = self.slot(&correlation);
        slot.last_error = why;
        slot.held.iter_mut().filter(|held| held.ticket == ticket).for_each(|held| held.attempts += 1);
        self.model.died(&correlation);
        self.raise_fence(&correlation);
    }

    /// What is reserved for an ask is given up, unless it is settled already.
    pub(crate) fn give_up(&mut self, correlation: &CorrelationId, ask: regie_core::governance::AskId) {
        let lane = self.memory.lane(correlation);
        if lane.asked.remove(&ask).is_some() {
            lane.to_policies.push_back(ToPolicies::Settle(ask, None));
        }
    }

    fn life_of(&mut self, correlation: &CorrelationId) -> Life {
        self.slot(correlation).life.take().expect("a live workflow")
    }

    fn taking_of(&mut self, correlation: &CorrelationId) -> Taking {
        let mut life = self.life_of(correlation);
        let turn = life.turn.take().expect("a turn under way");
        Taking { correlation: correlation.clone(), life, turn }
    }

    fn put_back(&mut self, taking: Taking) {
        let Taking { correlation, mut life, turn } = taking;
        life.turn = Some(turn);
        self.slot(&correlation).life = Some(life);
    }
}

/// What there is to tell: what is known since this very turn has its position by now.
fn outcomes(turn: &mut Turn, state: &State) -> Vec<(u64, Outcome)> {
    let told = std::mem::take(&mut turn.done).into_iter();
    let placed = told.map(|(ticket, outcome)| match outcome {
        Outcome::Known(known) if known.position == 0 => {
            let here = state.known().by_sequence(known.sequence).expect("remembered since this turn");
            (ticket, Outcome::Known(here))
        }
        outcome => (ticket, outcome),
    });
    placed.collect()
}

fn tell(taking: &mut Taking, item: &Item, outcome: Outcome) {
    if !item.more_follow {
        taking.turn.done.push((item.ticket, outcome));
    }
}

/// Whether the event is known; if so it is told.
fn is_known(taking: &mut Taking, item: &Item, command: &Command) -> bool {
    let Command::Submit { event, .. } = command else { return false };
    let Some(known) = taking.life.state.known().get(event.identity()) else { return false };
    let open = taking.life.state.open().get(&known.sequence);
    let other = open.is_some_and(|open| open.raw() != event.raw());
    tell(taking, item, if other { Outcome::Refused(Reason::OtherContent) } else { Outcome::Known(known) });
    true
}

/// An event that came without a timestamp takes the time at which it is recorded.
fn stamped(command: &Arc<Command>, at: Timestamp) -> Arc<Command> {
    match &**command {
        Command::Submit { event, emitted } if event.event().timestamp == Timestamp::MIN => {
            let mut event = event.clone();
            event.stamp(at);
            Arc::new(Command::Submit { event, emitted: *emitted })
        }
        _ => Arc::clone(command),
    }
}

/// Places at concurrency limits that the turn's records free.
fn freed_in(taking: &Taking) -> Vec<(String, String, Who)> {
    let facts = taking.turn.records.iter().flat_map(|turn| &turn.record.facts);
    let freed = facts.filter_map(|fact| match fact {
        Fact::Freed { policy, key, event } => Some((policy.clone(), key.clone(), (taking.correlation.clone(), *event))),
        _ => None,
    });
    freed.collect()
}

fn name_of(command: &Command) -> &'static str {
    use regie_core::workflow::EffectEnd;
    match command {
        Command::Submit { emitted: true, .. } => "command: send arrives",
        Command::Return { .. } => "command: return",
        Command::Resolve { .. } => "command: a person decides",
        Command::Lapse { .. } => "command: nobody has decided",
        Command::Reasoned { .. } => "command: reasoners answer",
        Command::EffectEnded { end: EffectEnd::TimerFired, .. } => "command: timer",
        Command::EffectEnded { end: EffectEnd::Agent(_), .. } => "command: agent's end",
        Command::Operate { .. } => "command: an operation",
        Command::Migrate(_) => "command: a migration",
        Command::EffectEnded { end: EffectEnd::Ran { .. }, .. } => "command: another workflow's end",
        Command::EffectEnded { end: EffectEnd::Traced { .. }, .. } => "command: what a run changed",
        Command::EffectEnded { .. } => "command: send's end",
        _ => "command: submit",
    }
}
