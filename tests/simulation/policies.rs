//! Governance: policies without state within the turn, those with state by one ask over a lane.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::event::Incoming;
use regie_core::governance::{Ask, AskId, Booking, Governor, Judgement, Preliminary, Settled, Verdict, Want, Who};
use regie_core::workflow::Command;
use regie_journal::Grants;

use crate::simulation::disk::Disk;
use crate::simulation::memory::{Item, Paused, Stage, ToPolicies};
use crate::simulation::program::Program;
use crate::simulation::turn::{Step, Taking};
use crate::simulation::world::World;

impl World {
    /// What governance says of a command, or what must happen first.
    pub(crate) fn judge(
        &mut self,
        taking: &mut Taking,
        item: &Item,
        command: &Command,
        now: Timestamp,
    ) -> Result<Judgement, Step> {
        let set = Arc::clone(&self.program.set);
        let mut judgement = Judgement::free(now, set.digest());
        let who = who(taking, command);
        let Some((mut incoming, returning)) = judged(taking, command) else { return Ok(judgement) };
        if taking.life.state.skips() {
            return self.give_back(taking, item, (who, returning), judgement);
        }
        incoming.stamp(now);
        let preliminary = catch_unwind(AssertUnwindSafe(|| set.preliminary(incoming.event(), now)));
        let Preliminary { decisions, stopped, wants } = match (preliminary, &item.poison) {
            (Ok(preliminary), _) => preliminary,
            (Err(_), Some(poison)) => {
                let reason = format!("poison: {}", poison.error);
                Preliminary { stopped: Some(Verdict::Escalated { reason }), ..Preliminary::default() }
            }
            (Err(_), None) => {
                self.tally.count("policy: condition panics");
                return Err(Step::Died("a policy's condition panicked".into()));
            }
        };
        let asks = !wants.is_empty() || returning.is_some();
        if taking.turn.ask.is_some() && asks {
            return Err(Step::NextTurn);
        }
        judgement.decisions = decisions;
        match stopped {
            None if asks => {
                let id = self.ask(taking, |id| Ask { id, who, set, wants, returning });
                Err(waits(taking, item, (id, judgement, true)))
            }
            None => Ok(judgement),
            Some(stopped) => {
                judgement.verdict = stopped;
                self.give_back(taking, item, (who, returning), judgement)
            }
        }
    }

    /// The place that an event had booked is given back with the commit: an ask that wants nothing carries that.
    fn give_back(
        &mut self,
        taking: &mut Taking,
        item: &Item,
        (who, returning): (Who, Option<Booking>),
        judgement: Judgement,
    ) -> Result<Judgement, Step> {
        if returning.is_none() {
            return Ok(judgement);
        }
        if taking.turn.ask.is_some() {
            return Err(Step::NextTurn);
        }
        let set = Arc::clone(&self.program.set);
        let id = self.ask(taking, |id| Ask { id, who, set, wants: Vec::new(), returning });
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
        }
    }

    /// What the policies have in memory says the same to a newcomer at any key as what the journal says of them.
    pub(crate) fn assert_policies(&mut self) {
        let mut read = governor(&self.program, &mut self.disk);
        let Grants { taken, booked, .. } = self.disk.reader().grants().expect("grants");
        let booked = booked.into_iter().map(|it| it.booking.key);
        let keys: BTreeSet<String> = taken.into_iter().map(|taken| taken.key).chain(booked).collect();
        for (key, policy) in keys.iter().flat_map(|key| (0..self.program.set.len()).map(move |policy| (key, policy))) {
            let (id, set) = (AskId(self.memory.number()), Arc::clone(&self.program.set));
            let ask = Ask {
                id,
                who: ("nobody".into(), 1),
                set,
                wants: vec![Want { policy, key: key.clone() }],
                returning: None,
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

/// The event that a command is about, by its record.
fn who(taking: &Taking, command: &Command) -> Who {
    let event = if let Command::Return { event } = command { *event } else { taking.life.state.sequence + 1 };
    (taking.correlation.clone(), event)
}

/// The event that a command is about, and the place that it comes back to.
fn judged(taking: &Taking, command: &Command) -> Option<(Incoming, Option<Booking>)> {
    match command {
        Command::Submit { event, .. } => Some((event.clone(), None)),
        Command::Return { event } => {
            let open = taking.life.state.open().get(event)?;
            Some((open.event().expect("it was read before"), open.booking.clone()))
        }
        _ => None,
    }
}

fn waits(taking: &mut Taking, item: &Item, (id, draft, counts): (AskId, Judgement, bool)) -> Step {
    taking.turn.ask = Some(id);
    let (item, now) = (item.clone(), draft.at);
    Step::Asks(Box::new(Paused { item, now, draft, counts, ruling: None }))
}

/// The state of the policies, as the journal has it.
pub(crate) fn governor(program: &Program, disk: &mut Disk) -> Governor {
    let mut governor = Governor::new(&program.set);
    disk.reader().grants().expect("grants").tell(&mut governor);
    governor
}
