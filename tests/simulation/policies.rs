//! Governance: policies without state within the turn, those with state by one ask over a lane; and other policies that come
//! into force meanwhile.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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
use crate::simulation::memory::{Asker, Item, Paused, Stage, Task, ToPolicies};
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
    answered: bool,
    deferrals: u32,
}

impl World {
    /// What governance says of a command, or what must happen first.
    pub(crate) fn judge(
        &mut self,
        taking: &mut Taking,
        item: &Item,
        command: &Command,
        now: Timestamp,
    ) -> Result<Judgement, Step> {
        if self.four.has(Bug::JudgesByHalfASet) {
            taking.turn.in_force = self.program.in_force.clone();
        }
        let set = Arc::clone(&taking.turn.in_force.set);
        let mut judgement = Judgement::free(now, set.digest());
        let Some(mut subject) = subject(taking, command) else { return Ok(judgement) };
        if taking.life.state.skips() {
            return self.give_back(taking, item, subject, judgement);
        }
        subject.incoming.stamp(now);
        let may_defer = subject.deferrals < set.most_deferrals() || self.four.has(Bug::DefersForEver);
        let preliminary = self.stateless(&set, &subject, (now, may_defer));
        let Preliminary { decisions, stopped, wants } = match (preliminary, &item.poison) {
            (Some(preliminary), _) => preliminary,
            (None, Some(poison)) => {
                let reason = format!("poison: {}", poison.error);
                Preliminary { stopped: Some(Verdict::Escalated { reason }), ..Preliminary::default() }
            }
            (None, None) => {
                self.tally.count("policy: condition panics");
                return Err(Step::Died("a policy's condition panicked".into()));
            }
        };
        let Subject { who, returning, .. } = &subject;
        let asks = !wants.is_empty() || returning.is_some();
        if taking.turn.ask.is_some() && asks {
            return Err(Step::NextTurn);
        }
        judgement.decisions = decisions;
        let (who, returning) = (who.clone(), returning.clone());
        match stopped {
            None if asks => {
                let id = self.ask(taking, |id| Ask { id, who, set, wants, returning, may_defer });
                Err(waits(taking, item, (id, judgement, true)))
            }
            None => Ok(judgement),
            Some(stopped) if !wants.is_empty() => {
                // That is a bug which was put in: who is stopped asks the others all the same.
                judgement.verdict = stopped;
                let id = self.ask(taking, |id| Ask { id, who, set, wants, returning, may_defer });
                Err(waits(taking, item, (id, judgement, true)))
            }
            Some(stopped) => {
                judgement.verdict = stopped;
                self.give_back(taking, item, subject, judgement)
            }
        }
    }

    /// What the policies without state say; nothing if one of them panics.
    fn stateless(
        &self,
        set: &PolicySet,
        subject: &Subject,
        (now, may_defer): (Timestamp, bool),
    ) -> Option<Preliminary> {
        let (said, answered) = (&*subject.said, subject.answered);
        let seen = Seen { said, answered, may_defer, ..Seen::alone(subject.incoming.event(), now) };
        let mut preliminary = catch_unwind(AssertUnwindSafe(|| set.judge(&seen))).ok()?;
        if self.four.has(Bug::SpendsOnVeto) && matches!(preliminary.stopped, Some(Verdict::Discarded { .. })) {
            let mut free = subject.incoming.event().clone();
            free.metadata.remove("ban");
            let wants = set.judge(&Seen { event: &free, ..seen }).wants;
            preliminary.wants = wants;
        }
        Some(preliminary)
    }

    /// What reasoners have said as the turn's policies let it count.
    pub(crate) fn sifted(&self, taking: &Taking, command: &Arc<Command>, now: Timestamp) -> Arc<Command> {
        let Command::Reasoned { event, reasonings } = &**command else { return Arc::clone(command) };
        let Some(subject) = subject(taking, command).filter(|_| !taking.life.state.skips()) else {
            return Arc::clone(command);
        };
        if self.four.has(Bug::BelievesAll) {
            return Arc::clone(command);
        }
        let seen = Seen { answered: true, ..Seen::alone(subject.incoming.event(), now) };
        let reasonings = taking.turn.in_force.set.sift(&seen, reasonings.clone());
        Arc::new(Command::Reasoned { event: *event, reasonings })
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
                if !committed {
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
            let governor = governor(&in_force.set, &mut self.disk);
            self.memory.read = Some((in_force, governor));
        }
    }

    /// They come into force: turns that begin from now on are judged by them.
    pub(crate) fn enact(&mut self) {
        let (in_force, governor) = self.memory.read.take().expect("policies that were read");
        self.tally.count("policy: others come into force");
        self.say(|| format!("policies: {}", in_force.policies.most_deferrals));
        self.memory.governor.learn(governor);
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

/// The event that a command would have judged; nothing where there is none.
fn subject(taking: &Taking, command: &Command) -> Option<Subject> {
    let (event, answer) = match command {
        Command::Submit { event, .. } => {
            let who = (taking.correlation.clone(), taking.life.state.sequence + 1);
            let (incoming, said) = (event.clone(), Vec::new());
            return Some(Subject { who, incoming, returning: None, said, answered: false, deferrals: 0 });
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
    let (who, returning, answered) = ((taking.correlation.clone(), event), open.booking.clone(), answer.is_some());
    Some(Subject { who, incoming, returning, said, answered, deferrals: open.deferrals })
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
