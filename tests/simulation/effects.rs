//! Effects that go out, and what comes back: agents that work, fail, hang and repeat themselves; sends; timers.

use std::sync::Arc;
use std::time::Duration;

use regie_core::event::{CorrelationId, Incoming, Origin, Principal, emitted_id};
use regie_core::workflow::{self as core, AgentOutcome, Command, Effect, EffectEnd, EffectKey, Refusal};
use regie_core::{Json, Timestamp};

use crate::simulation::four::Bug;
use crate::simulation::memory::{Asker, Key, Out, Outcome, Reason, Task};
use crate::simulation::script::{CLERK, Given};
use crate::simulation::subscription::AGENT;
use crate::simulation::workflows::words::workflow_of;
use crate::simulation::world::World;

/// How long an agent may take unless its call says less.
const AGENT_LIMIT_MS: u64 = 400;

impl World {
    /// Lets out what is not out already: a workflow that was read anew asks again for what its earlier life let out.
    pub(crate) fn let_out(&mut self, correlation: &CorrelationId, effects: Vec<(EffectKey, Effect)>) {
        for (key, effect) in effects {
            let key = (correlation.clone(), key);
            if self.memory.out.contains_key(&key) {
                continue;
            }
            self.model.begins(&key, &effect);
            match effect {
                Effect::Call { agent, timeout_ms, .. } => self.call(key, &agent, timeout_ms),
                Effect::Send { event } => self.send(key, event),
                Effect::Update(update) => self.update(key, update),
                Effect::Trace => drop(self.memory.out.insert(key, Out::Trace)),
                Effect::Run { event } => self.begin_other(key, event),
                Effect::Report { to, key: of, end } => {
                    let end = end.map_or_else(|reason| EffectEnd::NotSent { reason }, |end| EffectEnd::Ran { end });
                    self.tell_other(key, to, Arc::new(Command::EffectEnded { key: of, end }));
                }
                Effect::Operate { on, operation, why } => {
                    let id = emitted_id(&key.0, &key.1.step, key.1.attempt);
                    let by = Principal { kind: "workflow".into(), id: key.0.to_string() };
                    self.tell_other(key, on, Arc::new(Command::Operate { operation, id, by, why }));
                }
                _ => panic!("a timer does not go out"),
            }
        }
    }

    /// An agent begins; how it will end is drawn now.
    fn call(&mut self, key: Key, agent: &str, timeout_ms: Option<u64>) {
        let limit = timeout_ms.unwrap_or(AGENT_LIMIT_MS).min(AGENT_LIMIT_MS);
        let takes = self.dice.between(0, 500) as u64;
        let of_workflow = workflow_of(&key.0).is_some();
        let outcome = match self.dice.below(8) {
            _ if of_workflow && self.calm => AgentOutcome::Done(Json::of(&self.given)),
            _ if agent != CLERK && agent != AGENT => AgentOutcome::Refused("there is no such agent".into()),
            _ if takes > limit => AgentOutcome::TimedOut { after_ms: limit },
            0 => AgentOutcome::Failed("it could not".into()),
            1 => AgentOutcome::Panicked("it blew up".into()),
            2 if of_workflow => {
                let is_final = self.dice.one_in(2);
                AgentOutcome::Rejected { code: Some("no".into()), message: "it will not".into(), is_final }
            }
            _ if of_workflow => {
                self.given += 1;
                AgentOutcome::Done(Json::of(&self.given))
            }
            _ => {
                self.given += 1;
                let then = if self.dice.one_in(3) { self.clients.script(&mut self.dice, 1) } else { Vec::new() };
                AgentOutcome::Done(Json::of(&Given { number: self.given, then }))
            }
        };
        self.tally.count(match outcome {
            AgentOutcome::Done(_) => "agent: done",
            AgentOutcome::TimedOut { .. } => "agent: timed out",
            AgentOutcome::Refused(_) => "agent: refused",
            AgentOutcome::Panicked(_) => "agent: panicked",
            AgentOutcome::Rejected { is_final: true, .. } => "agent: rejected for good",
            _ => "agent: failed",
        });
        self.model.will_give(&key, &outcome);
        let ends = self.now.after(Duration::from_millis(takes.min(limit)));
        self.memory.out.insert(key, Out::Call { ends, outcome });
    }

    pub(crate) fn send(&mut self, key: Key, event: Arc<str>) {
        let incoming = Incoming::read(event.as_bytes(), Origin::File).expect("what is sent can be read");
        let to = incoming.event().correlation_id.clone();
        self.memory.out.insert(key.clone(), Out::Sending(event));
        self.enter(&to, Task::Command(Arc::new(Command::Submit { event: incoming, emitted: true })), Asker::Send(key));
    }

    /// An effect's end goes to its workflow as a command.
    pub(crate) fn end(&mut self, key: Key, end: EffectEnd) {
        if self.dice.one_in(6) {
            self.memory.told.push((key.clone(), end.clone()));
        }
        self.memory.out.insert(key.clone(), Out::Ending(end.clone()));
        self.enter_end(key.clone(), end, Asker::End(key));
    }

    /// An end is told that was told before, or that of an attempt that there is not.
    pub(crate) fn tell_stale_end(&mut self) {
        let nth = self.dice.below(self.memory.told.len());
        let (mut key, end) = self.memory.told.swap_remove(nth);
        if self.dice.one_in(3) {
            key.1.attempt += 1_000; // more than any step is tried
            self.tally.count("agent: end of another attempt");
        } else {
            self.tally.count("agent: end told twice");
        }
        self.enter_end(key, end, Asker::Nobody);
    }

    /// An event is called back that is not due, is over, or was never there.
    pub(crate) fn tell_stale_return(&mut self) {
        let all: Vec<CorrelationId> = self.memory.slots.keys().cloned().collect();
        if !all.is_empty() {
            self.tally.count("command: return of any event");
            let (correlation, event) = (self.dice.pick(&all).clone(), self.dice.between(1, 12) as u64);
            self.enter(&correlation, Task::Command(Arc::new(Command::Return { event })), Asker::Nobody);
        }
    }

    fn enter_end(&mut self, (correlation, key): Key, end: EffectEnd, asker: Asker) {
        self.enter(&correlation, Task::Command(Arc::new(Command::EffectEnded { key, end })), asker);
    }

    /// What is out goes on: a call ends, a refused send or end is tried again.
    pub(crate) fn go_on(&mut self, key: Key) {
        match self.memory.out.remove(&key).expect("it is out") {
            Out::Call { outcome, .. } => self.end(key, EffectEnd::Agent(outcome)),
            Out::SendAgain(event) => self.send(key, event),
            Out::EndAgain(end) => self.end(key, end),
            Out::UpdateAgain(update) => self.update(key, update),
            Out::Trace => self.trace(key),
            Out::BeginAgain(event) => self.begin_other(key, event),
            Out::TellAgain(to, command) => self.tell_other(key, to, command),
            waiting => panic!("{waiting:?} waits for its workflow"),
        }
    }

    /// Gives up what a workflow that is over still has under way.
    pub(crate) fn give_up_calls(&mut self, correlation: &CorrelationId) {
        let calls = self.memory.out.iter_mut().filter(|((whose, _), _)| whose == correlation);
        for (_, out) in calls.filter(|(_, out)| matches!(out, Out::Call { .. })) {
            *out = Out::EndAgain(EffectEnd::Agent(AgentOutcome::Failed("the call was lost".into())));
            self.tally.count("agent: given up with its workflow");
        }
    }

    /// Tells whoever asked what became of a task.
    pub(crate) fn tell(
        &mut self,
        correlation: &CorrelationId,
        ticket: u64,
        outcome: Outcome,
        (records, first): (&[core::Turn], u64),
    ) {
        let held = &mut self.slot(correlation).held;
        let Some(at) = held.iter().position(|held| held.ticket == ticket) else { return };
        let held = held.remove(at).expect("just found");
        let passing = matches!(&outcome, Outcome::Refused(Reason::Store));
        match held.asker {
            Asker::Client(client) => self.tell_client(client, outcome, (records, first)),
            Asker::End(key) if passing => {
                let Some(Out::Ending(end)) = self.memory.out.remove(&key) else { panic!("no end of {key:?} is told") };
                self.memory.out.insert(key, Out::EndAgain(end));
            }
            // Taken, or refused for good: then it stays owed, and a program that has what it lacks goes on.
            Asker::End(key) => drop(self.memory.out.remove(&key)),
            Asker::Send(key) => self.tell_sender(key, outcome, (records, first)),
            Asker::Cursor(life, through, since) => self.tell_cursor((life, through, since), &outcome),
            Asker::Letter(life, position) => self.tell_letter(life, position, &outcome),
            Asker::Update(key) => self.tell_updater(key, &outcome, first),
            Asker::Run(life, event) => self.tell_automation(life, event, &outcome),
            Asker::Question(who) => {
                let is_taken = !matches!(outcome, Outcome::Refused(_));
                self.told_question(who, (passing, is_taken));
            }
            Asker::Promise(promise) if passing => self.memory.promises.push(promise),
            Asker::Person { event, approved } => self.tell_person((correlation, event), approved, (&outcome, records)),
            Asker::Operator(operation, id) => self.tell_operator(correlation, (operation, &id), &outcome),
            Asker::Begins(key) => self.told_beginning(key, outcome),
            Asker::Other(key) => self.told_other(key, &outcome),
            Asker::Timer if passing => {
                self.memory.timers.entry(correlation.clone()).or_insert(Timestamp::MIN);
            }
            Asker::Timer | Asker::Promise(_) | Asker::Nobody => {}
        }
    }

    /// Has a workflow run elsewhere. Once its event is recorded there, that one owes this one its end.
    fn begin_other(&mut self, key: Key, event: Arc<str>) {
        let incoming = Incoming::read(event.as_bytes(), Origin::File).expect("what is sent can be read");
        let to = incoming.event().correlation_id.clone();
        self.memory.out.insert(key.clone(), Out::Beginning(event));
        self.enter(
            &to,
            Task::Command(Arc::new(Command::Submit { event: incoming, emitted: true })),
            Asker::Begins(key),
        );
    }

    fn told_beginning(&mut self, key: Key, outcome: Outcome) {
        match outcome {
            Outcome::Refused(Reason::Store) => {
                let Some(Out::Beginning(event)) = self.memory.out.remove(&key) else {
                    panic!("{key:?} begins nothing")
                };
                self.memory.out.insert(key, Out::BeginAgain(event));
            }
            Outcome::Refused(reason) => self.end(key, EffectEnd::NotSent { reason: format!("{reason:?}") }),
            _ => drop(self.memory.out.remove(&key)),
        }
    }

    /// Another workflow is told something, again and again until it takes that or has no use for it.
    fn tell_other(&mut self, key: Key, to: CorrelationId, command: Arc<Command>) {
        self.memory.out.insert(key.clone(), Out::Telling(to.clone(), Arc::clone(&command)));
        self.enter(&to, Task::Command(command), Asker::Other(key));
    }

    fn told_other(&mut self, key: Key, outcome: &Outcome) {
        match outcome {
            Outcome::Refused(Reason::Store) => {
                let Some(Out::Telling(to, command)) = self.memory.out.remove(&key) else {
                    panic!("{key:?} tells nothing")
                };
                self.memory.out.insert(key, Out::TellAgain(to, command));
            }
            // It stays owed: a program that has that definition goes on with it.
            Outcome::Refused(Reason::Core(Refusal::UnknownDefinition { .. })) => drop(self.memory.out.remove(&key)),
            _ => self.end(key, EffectEnd::Told),
        }
    }

    fn tell_sender(&mut self, key: Key, outcome: Outcome, (records, first): (&[core::Turn], u64)) {
        let (position, answer) = match outcome {
            Outcome::Recorded(event, at) => {
                let position = first + at as u64;
                (position, core::first_answer(&event, &records[at].record, position))
            }
            Outcome::Known(known) => {
                let Some(Out::Sending(event)) = self.memory.out.get(&key) else { panic!("{key:?} sends nothing") };
                let incoming = Incoming::read(event.as_bytes(), Origin::File).expect("what is sent can be read");
                let stored = self.disk.record(known.position);
                (known.position, self.four.answer_again(incoming.event(), &stored.record, (known.position, known)))
            }
            Outcome::Refused(Reason::Store) => {
                let Some(Out::Sending(event)) = self.memory.out.remove(&key) else { panic!("{key:?} sends nothing") };
                self.memory.out.insert(key, Out::SendAgain(event));
                return;
            }
            Outcome::Refused(reason) => return self.end(key, EffectEnd::NotSent { reason: format!("{reason:?}") }),
            Outcome::Done => panic!("a send is a submit"),
        };
        let state = answer.event_state.expect("a recorded event has a state");
        self.end(key, EffectEnd::Sent { position, state });
    }

    /// Notes the next instant at which something of a workflow is due; the same instant again, if its turn has taken
    /// something, for the timer may have fired.
    pub(crate) fn set_timer(&mut self, correlation: &CorrelationId, due: Option<Timestamp>, has_moved: bool) {
        let now = self.now;
        let again = has_moved && due.is_some_and(|due| due <= now) && !self.four.has(Bug::FiresOnce);
        let slot = self.slot(correlation);
        if slot.due != due || again {
            slot.due = due;
            self.memory.timers.remove(correlation);
            self.memory.timers.extend(due.map(|due| (correlation.clone(), due)));
        }
    }

    /// Wakes a workflow of which something is due.
    pub(crate) fn fire(&mut self, correlation: &CorrelationId) {
        self.memory.timers.remove(correlation);
        self.enter(correlation, Task::Due, Asker::Timer);
    }
}
