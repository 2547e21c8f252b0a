//! Governance: policies without state within the turn, those with state by one ask over a lane; and other policies that come
//! into force meanwhile.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use regie_core::Timestamp;
use regie_core::event::Incoming;
use regie_core::governance::{
    Ask, AskId, Booking, Governor, Judgement, PolicySet, Preliminary, Seen, Settled, Verdict, Want, Who,
};
use regie_core::reasoning::Reasoning;
use regie_core::workflow::Command;
use regie_journal::Grants;

use crate::simulation::disk::Disk;
use crate::simulation::four::Bug;
use crate::simulation::memory::{Asker, Item, Paused, Reading, Stage, Task, ToPolicies};
use crate::simulation::rules::{NONE, OTHER, USUAL};
use crate::simulation::turn::{Step, Taking};
use crate::simulation::world::World;

/// An event that is to be judged.
struct Subject {
    who: Who,
    incoming: Incoming,
    /// The place that it comes back to.
    returning: Option<Booking>,
    /// What reasoners have said of it, and whether they just have.
    said: Vec<Reasoning>,
    just_said: bool,
    /// Whether the turn's policies asked them: then what was looked at before is not looked at again.
    answered: bool,
    may_defer: bool,
}

impl World {
    /// What governance says of a command, with what of it counts, or what must happen first.
    pub(crate) fn judge(
        &mut self,
        taking: &mut Taking,
        item: &Item,
        command: &Arc<Command>,
        now: Timestamp,
    ) -> Result<(Judgement, Arc<Command>), Step> {
        if self.four.has(Bug::JudgesByHalfASet) {
            taking.turn.in_force = self.program.in_force.clone();
        }
        let set = Arc::clone(&taking.turn.in_force.set);
        let mut judgement = Judgement::free(now, set.digest());
        let Some(mut subject) = self.subject(taking, command) else { return Ok((judgement, Arc::clone(command))) };
        if taking.life.state.skips() {
            return Ok((self.give_back(taking, item, subject, judgement)?, Arc::clone(command)));
        }
        subject.incoming.stamp(now);
        let (command, preliminary) = self.stateless(&set, &mut subject, (command, item, now))?;
        let item = &Item { task: Task::Command(Arc::clone(&command)), ..item.clone() };
        let Preliminary { decisions, stopped, wants } = preliminary;
        let asks = !wants.is_empty() || subject.returning.is_some();
        if taking.turn.ask.is_some() && asks {
            return Err(Step::NextTurn);
        }
        judgement.decisions = decisions;
        // Who is stopped asks the others only by a bug that was put in.
        let asks = if stopped.is_some() { !wants.is_empty() } else { asks };
        judgement.verdict = stopped.clone().unwrap_or(judgement.verdict);
        if asks {
            let Subject { who, returning, may_defer, .. } = subject;
            let id = self.ask(taking, |id| Ask { id, who, set, wants, returning, may_defer });
            return Err(waits(taking, item, (id, judgement, true)));
        }
        if stopped.is_some() {
            judgement = self.give_back(taking, item, subject, judgement)?;
        }
        Ok((judgement, command))
    }

    /// What the policies without state say, over what counts of what reasoners have just said.
    fn stateless(
        &mut self,
        set: &PolicySet,
        subject: &mut Subject,
        (command, item, now): (&Arc<Command>, &Item, Timestamp),
    ) -> Result<(Arc<Command>, Preliminary), Step> {
        let command_of = |said: &[Reasoning]| match &**command {
            Command::Reasoned { event, .. } => Arc::new(Command::Reasoned { event: *event, reasonings: said.to_vec() }),
            _ => Arc::clone(command),
        };
        if subject.just_said && !self.four.has(Bug::BelievesAll) {
            let seen = Seen { answered: subject.answered, ..Seen::alone(subject.incoming.event(), now) };
            subject.said = set.sift(&seen, std::mem::take(&mut subject.said));
        }
        match (self.preliminary(set, subject, now), &item.poison) {
            (Some(preliminary), _) => Ok((command_of(&subject.said), preliminary)),
            (None, Some(poison)) => {
                let reason = format!("poison: {}", poison.error);
                let stopped = Some(Verdict::Escalated { reason });
                Ok((command_of(&[]), Preliminary { stopped, ..Preliminary::default() }))
            }
            (None, None) => {
                self.tally.count("policy: condition panics");
                Err(Step::Died("a policy's condition panicked".into()))
            }
        }
    }

    /// Nothing if one of them panics.
    fn preliminary(&self, set: &PolicySet, subject: &Subject, now: Timestamp) -> Option<Preliminary> {
        let Subject { answered, may_defer, .. } = *subject;
        let seen = Seen { said: &subject.said, answered, may_defer, ..Seen::alone(subject.incoming.event(), now) };
        let mut preliminary = catch_unwind(AssertUnwindSafe(|| set.judge(&seen))).ok()?;
        if self.four.has(Bug::SpendsOnVeto) && matches!(preliminary.stopped, Some(Verdict::Discarded { .. })) {
            let mut free = subject.incoming.event().clone();
            free.metadata.remove("ban");
            preliminary.wants = set.judge(&Seen { event: &free, ..seen }).wants;
        }
        Some(preliminary)
    }

    /// The place that an event had booked is given back with the commit: an ask that wants nothing carries that.
    fn give_back(
        &mut self,
        taking: &mut Taking,
        item: &Item,
        Subject { who, returning, .. }: Subject,
        judgement: Judgement,
    ) -> Result<Judgement, Step> {
        if returning.is_none() {
            return Ok(judgement);
        }
        if taking.turn.ask.is_some() {
            return Err(Step::NextTurn);
        }
        let set = Arc::clone(&taking.turn.in_force.set);
        let id = self.ask(taking, |id| Ask { id, who, set, wants: Vec::new(), returning, may_defer: true });
        Err(waits(taking, item, (id, judgement, false)))
    }

    /// The event that a command would have judged; nothing where there is none.
    fn subject(&self, taking: &Taking, command: &Command) -> Option<Subject> {
        let set = &taking.turn.in_force.set;
        let may_defer = |deferrals| deferrals < set.most_deferrals() || self.four.has(Bug::DefersForEver);
        let (event, answer) = match command {
            Command::Submit { event, .. } => {
                let who = (taking.correlation.clone(), taking.life.state.sequence + 1);
                let (incoming, returning, said) = (event.clone(), None, Vec::new());
                let [just_said, answered] = [false; 2];
                return Some(Subject { who, incoming, returning, said, just_said, answered, may_defer: may_defer(0) });
            }
            Command::Return { event } => (*event, None),
            Command::Reasoned { event, reasonings } => (*event, Some(reasonings)),
            _ => return None,
        };
        let open = taking.life.state.open().get(&event)?;
        let mut said = open.reasonings.clone();
        if let Some(answer) = answer {
            said.retain(|old| answer.iter().all(|new| new.policy != old.policy));
            said.extend_from_slice(answer);
        }
        let incoming = open.event().expect("it was read before");
        let just_said = answer.is_some();
        let answered = just_said && (open.asked_under == set.digest() || self.four.has(Bug::TrustsEarlierSets));
        let (who, returning, may_defer) =
            ((taking.correlation.clone(), event), open.booking.clone(), may_defer(open.deferrals));
        Some(Subject { who, incoming, returning, said, just_said, answered, may_defer })
    }

    fn ask(&mut self, taking: &Taking, ask: impl FnOnce(AskId) -> Ask) -> AskId {
        let id = AskId(self.memory.number());
        let lane = self.memory.lane(&taking.correlation);
        lane.asked.insert(id, taking.correlation.clone());
        lane.to_policies.push_back(ToPolicies::Ask(ask(id)));
        id
    }

    /// The policies take the next message of a lane.
    pub(crate) fn policies_take(&mut self, lane: usize) {
        let now = self.now;
        match self.memory.lanes[lane].to_policies.pop_front().expect("a message") {
            ToPolicies::Ask(ask) => {
                let id = ask.id;
                self.memory.unanswered.insert(id);
                match self.four.ask(&mut self.memory.governor, ask, now) {
                    Some(settled) => self.answered(vec![settled]),
                    None => self.tally.count("policy: waits for a reservation"),
                }
            }
            ToPolicies::Settle(ask, committed) => {
                if committed.is_none() {
                    self.tally.count("policy: reservation given up");
                }
                let governor = &mut self.memory.governor;
                let settled = match self.memory.unanswered.remove(&ask) {
                    true => governor.forget(ask, now),
                    false => self.four.settle(governor, ask, committed, now),
                };
                self.answered(settled);
            }
            ToPolicies::Freed(policy, key, who) => {
                let settled = self.memory.governor.freed(&policy, &key, &who, now);
                self.answered(settled);
                if self.memory.read.is_some() {
                    self.tally.count("policy: a place is freed while others are read");
                }
            }
        }
        self.keep_promises();
    }

    /// Those who wait and have a place now are called back.
    pub(crate) fn keep_promises(&mut self) {
        let promises = self.memory.governor.take_promises();
        self.memory.promises.extend(promises);
    }

    /// One of them is.
    pub(crate) fn call_back_again(&mut self) {
        let nth = self.dice.below(self.memory.promises.len());
        let promise = self.memory.promises.swap_remove(nth);
        self.tally.count("policy: a place is free");
        let (correlation, event) = (promise.correlation.clone(), promise.event);
        self.enter(&correlation, Task::Command(Arc::new(Command::Return { event })), Asker::Promise(promise));
    }

    /// Somebody changes the policies; what is known of the new ones is read first.
    pub(crate) fn read_other_policies(&mut self) {
        if self.memory.read.is_none() {
            let policies = self.dice.weighted(&[(4, USUAL), (4, OTHER), (1, NONE)]);
            let in_force = policies.in_force();
            self.memory.governor.begins_to_learn();
            let governor = governor(&in_force.set, &mut self.disk);
            let done = self.now.after(Duration::from_millis(self.dice.between(0, 150) as u64));
            self.memory.read = Some(Reading { done, in_force, governor });
        }
    }

    /// They come into force: turns that begin from now on are judged by them.
    pub(crate) fn enact(&mut self) {
        let Reading { in_force, governor, .. } = self.memory.read.take().expect("policies that were read");
        self.tally.count("policy: others come into force");
        self.say(|| format!("policies: {}", in_force.policies.most_deferrals));
        let settled = self.memory.governor.learn(governor, self.now);
        self.answered(settled);
        self.model.enacts(in_force.policies);
        self.program.kind.policies = in_force.policies;
        self.program.in_force = in_force;
        self.keep_promises();
    }

    /// What the policies have in memory says the same to a newcomer at any key as what the journal says of them.
    pub(crate) fn assert_policies(&mut self) {
        let set = Arc::clone(&self.program.in_force.set);
        let mut read = governor(&set, &mut self.disk);
        let Grants { taken, placed, spent, booked, held, .. } = self.disk.reader().grants().expect("grants");
        let mut keys: BTreeSet<String> = taken.into_iter().map(|it| it.key).collect();
        keys.extend(booked.into_iter().map(|it| it.booking.key).chain(placed.into_iter().map(|it| it.key)));
        keys.extend(spent.into_iter().map(|it| it.key).chain(held.into_iter().map(|it| it.key)));
        for (key, policy) in keys.iter().flat_map(|key| (0..set.len()).map(move |policy| (key, policy))) {
            let id = AskId(self.memory.number());
            let ask = Ask {
                id,
                who: ("nobody".into(), 1),
                set: Arc::clone(&set),
                wants: vec![Want { policy, key: key.clone() }],
                returning: None,
                may_defer: true,
            };
            let live = self.memory.governor.ask(ask.clone(), self.now);
            assert_eq!(live, read.ask(ask, self.now), "what the policies know of '{key}' is not what the journal says");
        }
    }

    /// An answer reaches the turn that waits for it, if that is still there.
    fn answered(&mut self, settled: Vec<Settled>) {
        for (id, ruling) in settled {
            self.memory.unanswered.remove(&id);
            let whose = self.memory.lanes.iter().find_map(|lane| lane.asked.get(&id)).cloned();
            let life = whose.and_then(|whose| self.memory.slots.get_mut(&whose)?.life.as_mut());
            if let Some(turn) = life.and_then(|life| life.turn.as_mut())
                && let (Some(asked), Stage::Asking(paused)) = (turn.ask, &mut turn.stage)
                && asked == id
            {
                paused.ruling = Some(ruling);
            }
        }
    }
}

fn waits(taking: &mut Taking, item: &Item, (id, draft, counts): (AskId, Judgement, bool)) -> Step {
    taking.turn.ask = Some(id);
    let (item, now) = (item.clone(), draft.at);
    Step::Asks(Box::new(Paused { item, now, draft, counts, ruling: None }))
}

/// The state of some policies, as the journal has it.
pub(crate) fn governor(set: &PolicySet, disk: &mut Disk) -> Governor {
    let mut governor = Governor::new(set);
    disk.reader().grants().expect("grants").tell(&mut governor);
    governor
}
