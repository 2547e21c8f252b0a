//! The moves of a machine, in one turn.

use std::any::Any;
use std::collections::VecDeque;

use super::model::{Deed, End, Happening, MachineData, MachineState, Raw, Table, Transition, Trigger};
use super::standing::{Again, MachineFact, Standing};
use crate::entity::Update;
use crate::event::EventBuilder;
use crate::workflow::step::{Act, Doing, Happened, StepError, StepErrorKind};
use crate::workflow::{HandlerError, Moment, RunEnd};
use crate::{Timestamp, limits};

/// What an event or an update under way is named by, before a number and its name.
pub(super) const SEND: &str = "~send/";

/// Something that is asked of the loop, besides what the steps ask.
pub(super) enum Ask {
    Timer(String, Timestamp),
    Send(String, EventBuilder),
    Update(String, Update),
}

/// How the run goes on after this turn, if not as before.
pub(super) enum Next {
    Ends(RunEnd),
    PutsBack(RunEnd),
}

/// The machine within one turn: what happens to it, and what is asked.
pub(super) struct Turn<'a, S, D> {
    pub(super) table: &'a Table<S, D>,
    pub(super) moment: &'a Moment<'a>,
    /// As it stands by now; its steps are in `doing`.
    pub(super) stand: Standing<S, D>,
    pub(super) doing: Doing<'a>,
    pub(super) facts: Vec<MachineFact<S, D>>,
    pub(super) asks: Vec<Ask>,
    /// Timers of states that were left.
    pub(super) left: Vec<String>,
    /// Steps that failed, and what a retry would do.
    failures: VecDeque<(StepError, Again)>,
    /// The data as it was before the first action, as text.
    pub(super) before: Option<String>,
    /// Whether a transition was taken: what waits may have a place now.
    pub(super) took: bool,
    pub(super) next: Option<Next>,
    pub(super) halts: Option<(String, u32, String)>,
}

type Moved = Result<(), HandlerError>;
type Found<'a, S, D> = Option<(&'a Transition<S, D>, Box<dyn Any>)>;

impl<'a, S: MachineState, D: MachineData> Turn<'a, S, D> {
    pub(super) fn new(table: &'a Table<S, D>, stand: &Standing<S, D>, moment: &'a Moment<'a>) -> Self {
        Self {
            table,
            moment,
            stand: stand.clone(),
            doing: Doing::new(&stand.steps, &table.steps, moment),
            facts: Vec::new(),
            asks: Vec::new(),
            left: Vec::new(),
            failures: VecDeque::new(),
            before: None,
            took: false,
            next: None,
            halts: None,
        }
    }

    /// Whether no transition is taken any more.
    pub(super) fn is_over(&self) -> bool {
        self.stand.ending.is_some() || self.next.is_some() || self.doing.steps.unwinding().is_some()
    }

    pub(super) fn state(&self) -> &S {
        self.stand.state.as_ref().unwrap_or(&self.table.initial)
    }

    pub(super) fn note(&mut self, fact: MachineFact<S, D>) {
        self.stand.follow(&fact);
        self.facts.push(fact);
    }

    /// The first transition of the state that fits and whose guards hold, with what happened as it reads it.
    pub(super) fn find(&self, happening: Happening<'_>) -> Result<Found<'a, S, D>, String> {
        for way in self.table.transitions(self.state()).filter(|way| way.trigger.fits(happening)) {
            let happened = (way.read)(happening)?;
            let raw = Raw { happened: &*happened, moment: self.moment };
            if way.guards.iter().all(|guard| (guard.holds)(&self.stand.data, raw)) {
                return Ok(Some((way, happened)));
            }
        }
        Ok(None)
    }

    /// Takes a transition.
    pub(super) fn take(&mut self, way: &'a Transition<S, D>, happened: &dyn Any) -> Moved {
        let (from, to) = (self.state().clone(), way.to.first());
        let did = done_by(self.table, &from, way);
        let guards = way.guards.iter().map(|guard| guard.name.clone()).collect();
        let on = way.trigger.to_string();
        let timers = self.timers();
        self.note(MachineFact::Took { from: from.clone(), to: to.cloned(), on, guards, did });
        self.took = true;
        if to.is_some() {
            self.leave(&from, timers)?;
        }
        self.perform(&way.deeds, happened)?;
        to.map_or(Ok(()), |to| self.enter(to))
    }

    fn leave(&mut self, state: &S, timers: Vec<String>) -> Moved {
        if let Some(plan) = self.table.states.get(state) {
            self.perform(&plan.exit, &())?;
        }
        self.left.extend(timers);
        self.asks.retain(|ask| !matches!(ask, Ask::Timer(..)));
        Ok(())
    }

    pub(super) fn enter(&mut self, state: &S) -> Moved {
        let Some(plan) = self.table.states.get(state) else { return Ok(()) };
        self.perform(&plan.entry, &())?;
        match plan.ends.first() {
            Some(End::Completes(output)) => {
                let end = RunEnd::Completed { output: output(&self.stand.data) };
                self.note(MachineFact::Ending { end });
            }
            Some(End::Fails(error)) => {
                let end = RunEnd::Failed { error: error(&self.stand.data) };
                self.note(MachineFact::Ending { end });
            }
            None => self.set_timers(),
        }
        Ok(())
    }

    fn perform(&mut self, deeds: &'a [Deed<D>], happened: &dyn Any) -> Moved {
        let raw = Raw { happened, moment: self.moment };
        deeds.iter().try_for_each(|deed| self.do_one(deed, raw))
    }

    fn do_one(&mut self, deed: &Deed<D>, raw: Raw<'_>) -> Moved {
        match deed {
            Deed::Act { act, .. } => self.change(|data| act(data, raw)),
            Deed::Start { step, input } => {
                let input = input(&self.stand.data, raw);
                self.start(Again { step: step.clone(), input })?;
            }
            Deed::Send { name, event } => {
                let event = event(&self.stand.data, raw);
                let name = self.sends(name);
                self.asks.push(Ask::Send(name, event));
            }
            Deed::Update { name, update } => {
                let update = update(&self.stand.data, raw);
                let name = self.sends(name);
                self.asks.push(Ask::Update(name, update));
            }
            Deed::GiveUp { step } => {
                let is_its_call = |act: &Act| matches!(act, Act::Call { step: called, .. } if called == step);
                self.doing.acts.retain(|act| !is_its_call(act)); // asked for in this very turn
                self.doing.give_up(step);
            }
        }
        Ok(())
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut D)) {
        if self.before.is_none() {
            self.before = serde_json::to_string(&self.stand.data).ok();
        }
        change(&mut self.stand.data);
    }

    pub(super) fn start(&mut self, again: Again) -> Moved {
        let Again { step, input } = &again;
        if self.doing.steps.under_way().contains_key(step) {
            return Err(HandlerError(format!("step '{step}' is to start, and is under way already")));
        }
        let Some(plan) = self.table.steps.get(step) else {
            return Err(HandlerError(format!("there is no step '{step}'")));
        };
        if self.stand.results.contains_key(step) {
            self.note(MachineFact::Taken { step: step.clone() }); // what it gave last time
        }
        let limit = plan.timeout.map(super::rules::millis);
        if let Happened::Failed { error, .. } = self.doing.begin(step, &plan.agent, input.clone(), limit) {
            self.failures.push_back((error, again));
        }
        Ok(())
    }

    /// The name under which something is sent: as few as can be, for the loop remembers each.
    fn sends(&mut self, name: &str) -> String {
        let mut number = 1;
        while self.stand.sending.contains(&format!("{SEND}{number}/{name}")) {
            number += 1;
        }
        let name = format!("{SEND}{number}/{name}");
        self.note(MachineFact::Sends { name: name.clone() });
        name
    }

    /// What came of a step that gave a result.
    pub(super) fn step_done(&mut self, step: &str, result: &crate::Json) -> Moved {
        match self.find(Happening::Done { step, result }) {
            _ if self.is_over() => {}
            Ok(Some((way, happened))) => self.take(way, &*happened)?,
            Ok(None) if self.table.takes_result(step) => {
                self.note(MachineFact::Waits { step: step.into(), result: result.clone() });
            }
            Ok(None) => {}
            Err(why) => self.unreadable(step, &why),
        }
        Ok(())
    }

    /// What a step gave cannot be read: that is a failure, and the step is done all the same.
    fn unreadable(&mut self, step: &str, why: &str) {
        let message = format!("what it gave cannot be read: {why}");
        let error = StepError { kind: StepErrorKind::Error, code: None, message, is_final: true };
        self.failures.push_back((error, Again { step: step.into(), input: crate::Json::null() }));
    }

    pub(super) fn step_failed(&mut self, error: StepError, again: Option<Again>, step: &str) -> Moved {
        if self.is_over() {
            return Ok(());
        }
        match self.find(Happening::Failed { step, error: &error }) {
            Ok(Some((way, happened))) => self.take(way, &*happened),
            _ => {
                self.note(MachineFact::Broke { error: error.clone() });
                self.stop(RunEnd::Failed { error: format!("step '{step}' failed: {error}") }, again);
                Ok(())
            }
        }
    }

    /// What follows by itself: from steps that could not begin, from results that have a taker now, and from an end.
    pub(super) fn settle(&mut self) -> Moved {
        for moves in 0.. {
            let facts = self.facts.len() + self.doing.facts.len();
            if (moves > limits::MACHINE_MOVES || facts > limits::MACHINE_FACTS) && !self.is_over() {
                self.failures.clear();
                let error = format!("it made {moves} moves without waiting for anything");
                self.stop(RunEnd::Failed { error }, None);
            } else if let Some((error, again)) = self.failures.pop_front() {
                self.step_failed(error, None, &again.step)?;
            } else if self.is_over() || !self.take_result()? {
                break;
            }
        }
        // While what was done is put back, the saga says when it ends.
        if self.next.is_none()
            && self.doing.steps.unwinding().is_none()
            && self.stand.sending.is_empty()
            && let Some(end) = self.stand.ending.clone()
        {
            self.conclude(end);
        }
        Ok(())
    }

    fn take_result(&mut self) -> Result<bool, HandlerError> {
        for (step, result) in self.stand.results.clone() {
            match self.find(Happening::Done { step: &step, result: &result }) {
                Ok(None) => continue,
                Ok(Some((way, happened))) => {
                    self.note(MachineFact::Taken { step });
                    self.take(way, &*happened)?;
                }
                Err(why) => {
                    self.note(MachineFact::Taken { step: step.clone() });
                    self.unreadable(&step, &why);
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn conclude(&mut self, end: RunEnd) {
        match end {
            RunEnd::Completed { .. } => self.next = Some(Next::Ends(end)),
            end => self.stop(end, None),
        }
    }

    /// It goes on no more: what was done is put back, and then it ends like that. Where there is nothing to put back, it may
    /// be begun anew from what failed.
    pub(super) fn stop(&mut self, then: RunEnd, failed: Option<Again>) {
        let mut under_way: Vec<_> = self.doing.steps.under_way().iter().collect();
        under_way.sort_by_key(|(_, it)| it.since);
        let again = under_way.iter().map(|(step, it)| Again { step: (*step).clone(), input: it.input.clone() });
        let may_retry = failed.is_some();
        let again: Vec<Again> = failed.into_iter().chain(again).collect();
        again.iter().for_each(|again| self.doing.give_up(&again.step));
        if may_retry && self.doing.steps.done().next().is_none() && !self.stand.sending.is_empty() {
            return self.ends_once_sent(then, again);
        }
        // All that was asked is given up with the rest.
        self.doing.acts.clear();
        self.asks.clear();
        if self.doing.steps.done().next().is_some() {
            let happened = self.doing.unwind(then.clone());
            self.next = Some(Next::PutsBack(then));
            return self.put_back(happened);
        }
        if may_retry {
            self.note(MachineFact::Stopped { again });
        }
        self.next = Some(Next::Ends(then));
    }

    /// What is on its way gets there before the machine fails: a retry does not send it.
    fn ends_once_sent(&mut self, end: RunEnd, again: Vec<Again>) {
        self.left.extend(self.timers());
        self.asks.retain(|ask| !matches!(ask, Ask::Timer(..)));
        self.note(MachineFact::Fails { again });
        self.note(MachineFact::Ending { end });
    }

    /// What came of putting something back.
    pub(super) fn put_back(&mut self, happened: Happened) {
        match happened {
            Happened::Unwound => self.next = Some(Next::Ends(self.doing.ending())),
            Happened::Stuck { step, attempts, error } => self.halts = Some((step, attempts, error)),
            _ => {}
        }
    }
}

/// What a transition does, by name and in order.
fn done_by<S: MachineState, D>(table: &Table<S, D>, from: &S, way: &Transition<S, D>) -> Vec<String> {
    let plan = |state: &S| table.states.get(state);
    let to = way.to.first();
    let exit = to.and_then(|_| plan(from)).map_or(&[][..], |plan| &plan.exit);
    let entry = to.and_then(plan).map_or(&[][..], |plan| &plan.entry);
    exit.iter().chain(&way.deeds).chain(entry).map(ToString::to_string).collect()
}

impl<S: MachineState, D> Table<S, D> {
    /// The types of events that a state has transitions for.
    pub(super) fn kinds(&self, state: &S) -> Vec<crate::event::Pattern> {
        let events = self.transitions(state).filter_map(|way| match &way.trigger {
            Trigger::Event(pattern) => Some(pattern.clone()),
            _ => None,
        });
        events.collect()
    }
}
