//! Effects that go out, and what comes back: agents that work, fail, hang and repeat themselves; sends; timers.

use std::sync::Arc;
use std::time::Duration;

use regie_core::event::{CorrelationId, Incoming, Origin};
use regie_core::workflow::{self as core, AgentOutcome, Command, Effect, EffectEnd, EffectKey};
use regie_core::{Json, Timestamp};

use crate::simulation::four::Bug;
use crate::simulation::memory::{Asker, Key, Out, Outcome, Reason, Task};
use crate::simulation::script::{CLERK, Given};
use crate::simulation::subscription::AGENT;
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
                _ => panic!("a timer does not go out"),
            }
        }
    }

    /// An agent begins; how it will end is drawn now.
    fn call(&mut self, key: Key, agent: &str, timeout_ms: Option<u64>) {
        let limit = timeout_ms.unwrap_or(AGENT_LIMIT_MS).min(AGENT_LIMIT_MS);
        let takes = self.dice.between(0, 500) as u64;
        let outcome = match self.dice.below(8) {
            _ if agent != CLERK && agent != AGENT => AgentOutcome::Refused("there is no such agent".into()),
            _ if takes > limit => AgentOutcome::TimedOut { after_ms: limit },
            0 => AgentOutcome::Failed("it could not".into()),
            1 => AgentOutcome::Panicked("it blew up".into()),
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
            Asker::Timer if passing => {
                self.memory.timers.entry(correlation.clone()).or_insert(Timestamp::MIN);
            }
            Asker::Timer | Asker::Promise(_) | Asker::Nobody => {}
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
