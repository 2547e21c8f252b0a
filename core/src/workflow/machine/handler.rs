//! A machine as a handler.

use super::Machine;
use super::builder::Ended;
use super::model::{Happening, MachineData, MachineState, Table, Unmatched, name_of};
use super::standing::{Again, MachineFact, Standing};
use super::turn::{Ask, Next, SEND, Turn};
use crate::event::{Event, EventBuilder, Pattern};
use crate::workflow::step::{Doing, Happened, StepError};
use crate::workflow::{
    AgentOutcome, Handler, HandlerError, Input, Moment, Operation, Reaction, Request, RunEnd, Unpark,
};

type Reacts<S, D> = Result<Reaction<MachineFact<S, D>>, HandlerError>;

impl<S: MachineState, D: MachineData> Handler for Machine<S, D> {
    type State = Standing<S, D>;
    type Fact = MachineFact<S, D>;

    fn name(&self) -> &str {
        &self.table.name
    }

    fn version(&self) -> u32 {
        self.table.version
    }

    fn diagram(&self, stand: Option<&Standing<S, D>>) -> Option<String> {
        let state = stand.and_then(|stand| stand.state.as_ref());
        Some(state.map_or_else(|| self.to_mermaid(), |state| self.to_mermaid_at(state)))
    }

    fn asks(&self) -> Vec<(String, String)> {
        let asked = self.table.steps.iter().flat_map(|(step, plan)| {
            let undo = plan.undo.iter().map(|undo| &undo.agent);
            std::iter::once(&plan.agent).chain(undo).map(move |agent| (step.clone(), agent.clone()))
        });
        asked.collect()
    }

    fn starts_on(&self) -> Pattern {
        self.table.starts_on.clone()
    }

    fn decide(&self, stand: &Standing<S, D>, input: Input<'_>, moment: &Moment<'_>) -> Reacts<S, D> {
        let mut turn = Turn::new(&self.table, stand, moment);
        turn.keep_time();
        match input {
            Input::Event(event) => return turn.event(event),
            Input::Agent { step, outcome } => turn.agent(step, outcome)?,
            Input::Timer { step } => turn.timer(step)?,
            Input::Sent { step, refused, .. } => turn.sent(step, refused)?,
            Input::Traced { .. } | Input::Ran { .. } => {}
        }
        turn.settle()?;
        Ok(turn.reaction())
    }

    fn operate(&self, stand: &Standing<S, D>, request: &Request<'_>, moment: &Moment<'_>) -> Reacts<S, D> {
        let mut turn = Turn::new(&self.table, stand, moment);
        let is_put_back = turn.doing.steps.unwinding().is_some();
        match request.operation {
            Operation::Cancel => {
                turn.doing.gave(request.gave);
                turn.stop(request.end(), None);
            }
            Operation::Retry => turn.retry()?,
            Operation::Unpark(Unpark::Abandon) => turn.next = Some(Next::Ends(turn.doing.abandon(request.why))),
            Operation::Unpark(how) if is_put_back => {
                let happened = match how {
                    Unpark::Skip => turn.doing.skip_undo(),
                    _ => turn.doing.retry_undo(),
                };
                turn.put_back(happened);
            }
            Operation::Unpark(Unpark::Skip) if !request.gave.is_empty() => turn.pass_over(request)?,
            _ => return Err(HandlerError("nothing of it is being put back".into())),
        }
        Ok(turn.reaction())
    }

    fn farewell(
        &self,
        stand: &Standing<S, D>,
        (end, noted): (&RunEnd, &[MachineFact<S, D>]),
        moment: &Moment<'_>,
    ) -> Vec<(String, EventBuilder)> {
        let now_broke =
            |fact: &MachineFact<S, D>| if let MachineFact::Broke { error } = fact { Some(error.clone()) } else { None };
        let error = noted.iter().find_map(now_broke).or_else(|| stand.broke.clone());
        let ended = Ended { end, error, state: stand, correlation: moment.correlation, now: moment.now };
        self.table.farewells.events(&ended)
    }

    fn fits(&self, stand: &Standing<S, D>) -> Result<(), String> {
        let steps = &self.table.steps;
        let undoable = |step: &str| steps.get(step).is_some_and(|plan| plan.undo.is_some());
        stand.steps.fits(|step| steps.contains_key(step), undoable)?;
        match stand.state.as_ref().filter(|state| !self.table.states.contains_key(state)) {
            Some(state) => Err(format!("there is no state {}, in which it is", name_of(state))),
            None => Ok(()),
        }
    }

    fn evolve(&self, stand: &mut Standing<S, D>, fact: MachineFact<S, D>) {
        stand.follow(&fact);
    }
}

impl<S: MachineState, D: MachineData> Turn<'_, S, D> {
    fn event(mut self, event: &Event) -> Reacts<S, D> {
        if self.stand.state.is_none() {
            self.begin(event)?;
        }
        match &self.stand.ending {
            Some(RunEnd::Completed { .. }) => return Ok(self.reaction().pass_over("recorded: its workflow ends")),
            Some(_) => return Ok(self.reaction().refuse("skipped: its workflow ends as failed")),
            None => {}
        }
        let found = self.find(Happening::Event(event)).map_err(|why| {
            let place = name_of(self.state());
            HandlerError(format!("the payload of '{}' cannot be read in state {place}: {why}", event.kind))
        })?;
        let Some((way, happened)) = found else { return self.unmatched(event) };
        self.take(way, &*happened)?;
        self.settle()?;
        Ok(self.reaction())
    }

    fn begin(&mut self, event: &Event) -> Result<(), HandlerError> {
        let (table, moment) = (self.table, self.moment);
        self.note(MachineFact::Began { state: table.initial.clone() });
        if let Some(beginning) = &table.beginning {
            self.change(|data| beginning(data, event, moment));
        }
        self.enter(&table.initial)
    }

    /// An event without a transition, by the definition's choice.
    fn unmatched(mut self, event: &Event) -> Reacts<S, D> {
        let why = no_way(self.table, self.state(), event);
        let choice = self.table.unmatched(&event.kind);
        self.settle()?;
        let reaction = self.reaction();
        Ok(match choice {
            Unmatched::Refuse => reaction.refuse(why),
            Unmatched::Keep => reaction.keep(why),
            Unmatched::Ignore => reaction.pass_over(format!("ignored: {why}")),
        })
    }

    fn agent(&mut self, step: &str, outcome: &AgentOutcome) -> Result<(), HandlerError> {
        let again = self.again(step);
        match self.doing.ended(step, outcome) {
            Happened::Done { step, result } => self.step_done(&step, &result),
            Happened::Failed { step, error } => self.step_failed(error, again, &step),
            happened => {
                self.put_back(happened);
                Ok(())
            }
        }
    }

    /// What steps gave could not be taken, and is passed over: they are done, and put back as such, and yet they failed.
    fn pass_over(&mut self, request: &Request<'_>) -> Result<(), HandlerError> {
        self.keep_time();
        let again: Vec<_> = request.gave.iter().map(|(step, _)| self.again(step)).collect();
        self.doing.gave(request.gave);
        for ((step, _), again) in request.gave.iter().zip(again) {
            self.step_failed(StepError::passed_over(request), again, step)?;
        }
        self.settle()
    }

    /// With what a step that is under way is started anew.
    fn again(&self, step: &str) -> Option<Again> {
        let under_way = self.doing.steps.under_way().get(step);
        under_way.map(|it| Again { step: step.into(), input: it.input.clone() })
    }

    fn timer(&mut self, timer: &str) -> Result<(), HandlerError> {
        if self.doing.woke(timer) || self.is_over() {
            return Ok(());
        }
        let Some(wait) = self.table.wait_of(timer, self.state()) else {
            self.time_by(timer);
            return Ok(());
        };
        match self.find(Happening::After(wait)) {
            Ok(Some((way, happened))) => self.take(way, &*happened),
            _ => Ok(()), // its guards say no: this wait is over, others may come
        }
    }

    fn sent(&mut self, name: &str, refused: Option<&str>) -> Result<(), HandlerError> {
        self.note(MachineFact::Sent { name: name.into() });
        let Some(why) = refused.map(ToString::to_string) else { return Ok(()) };
        let plain = name.strip_prefix(SEND).and_then(|rest| rest.split_once('/')).map_or(name, |(_, plain)| plain);
        let error = format!("'{plain}' was not sent: {why}");
        if let Some(ending) = &self.stand.ending {
            if matches!(ending, RunEnd::Completed { .. }) {
                self.note(MachineFact::Ending { end: RunEnd::Failed { error } });
            }
            return Ok(());
        }
        match self.find(Happening::NotSent { name: plain, why: &why }) {
            _ if self.is_over() => Ok(()),
            Ok(Some((way, happened))) => self.take(way, &*happened),
            _ => {
                self.stop(RunEnd::Failed { error }, None);
                Ok(())
            }
        }
    }

    /// A failed machine goes on with the steps that failed and that were under way then.
    fn retry(&mut self) -> Result<(), HandlerError> {
        let again = self.stand.again.clone();
        if again.is_empty() {
            let why = "no step of it failed for itself, or what it did was put back: begin it anew";
            return Err(HandlerError(why.into()));
        }
        self.note(MachineFact::GoesOn);
        self.set_timers();
        again.into_iter().try_for_each(|again| self.start(again))?;
        self.settle()
    }

    fn reaction(self) -> Reaction<MachineFact<S, D>> {
        let after = (self.before.is_some()).then(|| serde_json::to_string(&self.stand.data).ok()).flatten();
        let changed = self.before != after;
        let is_over = self.is_over();
        let mut facts = self.facts;
        if changed {
            facts.push(MachineFact::Changed { data: self.stand.data.clone() });
        }
        facts.extend(self.doing.facts.into_iter().map(MachineFact::Step));
        let mut reaction = facts.into_iter().fold(Reaction::none(), Reaction::note);
        reaction = self.left.iter().fold(reaction, |reaction, timer| reaction.give_up(timer));
        reaction = Doing::ask(self.doing.acts, reaction);
        for ask in self.asks {
            reaction = match ask {
                Ask::Timer(name, due) => reaction.timer(&name, due),
                Ask::Send(name, event) => reaction.send(&name, event),
                Ask::Update(name, update) => reaction.update(&name, update),
            };
        }
        if self.took && !is_over {
            let state = self.stand.state.as_ref().unwrap_or(&self.table.initial);
            reaction = reaction.recall(self.table.kinds(state));
        }
        if let Some((step, attempts, error)) = self.halts {
            reaction = reaction.halt(&step, attempts, error);
        }
        match self.next {
            Some(Next::Ends(end)) => reaction.end(end),
            Some(Next::PutsBack(then)) => reaction.compensate(then),
            None => reaction,
        }
    }
}

/// Why an event has no transition, naming both.
fn no_way<S: MachineState, D>(table: &Table<S, D>, state: &S, event: &Event) -> String {
    let fits = table.transitions(state).filter(|way| way.trigger.fits(Happening::Event(event)));
    let guards: Vec<&str> = fits.flat_map(|way| &way.guards).map(|guard| guard.name.as_str()).collect();
    let (kind, place) = (&event.kind, name_of(state));
    match guards.is_empty() {
        true => format!("'{kind}' has no transition in state {place}"),
        false => format!("'{kind}' has no transition in state {place} whose guards hold: {}", guards.join(", ")),
    }
}
