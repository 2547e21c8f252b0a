//! Faults, and how a process begins: deaths and their fences, crashes, commits that fail, snapshots that cannot be relied on.

use std::time::Duration;

use regie_core::event::CorrelationId;
use regie_core::governance::AskId;
use regie_core::workflow::State;
use regie_journal::{Snapshot, StoreError, Tip};

use crate::simulation::clients::Submission;
use crate::simulation::disk::Fault;
use crate::simulation::four::Bug;
use crate::simulation::memory::{AppendError, Life, Memory, Slot, Stage, ToPolicies};
use crate::simulation::policies::governor;
use crate::simulation::program::{KINDS, Kind, Program};
use crate::simulation::world::World;

impl World {
    /// The process is gone in this instant, with everything in memory; another begins, perhaps with another program.
    pub(crate) fn crash(&mut self) {
        self.tally.count("process: crashes");
        if self.memory.lanes.iter().any(|lane| !lane.appends.is_empty()) {
            self.tally.count("process: crashes with appends queued");
        }
        self.count_lost_calls();
        self.count_lost_questions();
        if self.dice.one_in(4) {
            self.tally.count("process: clock set back");
            self.now = self.now.before(Duration::from_millis(self.dice.between(1, 400) as u64));
            self.model.clock_was_set();
        }
        let mut kind = self.program.kind;
        if self.dice.one_in(2) {
            self.tally.count("process: another program");
            kind = *self.dice.pick(KINDS);
        }
        self.start(kind);
    }

    /// A process begins, from the journal alone.
    pub(crate) fn start(&mut self, kind: Kind) {
        self.say(|| format!("a process begins: {kind:?}"));
        self.disk.open_anew();
        self.program = Program::new(kind);
        self.model.starts(kind);
        self.memory = Memory::new(governor(&self.program.in_force.set, &mut self.disk));
        self.keep_promises();
        self.rules_begin();
        if !self.plain {
            self.subscription_begins();
        }
        let wakes = self.assert_wakes();
        self.memory.timers = wakes.into_iter().map(|(due, correlation)| (correlation, due)).collect();
        self.clients.all.iter_mut().for_each(Submission::try_anew);
    }

    /// A live workflow dies, whatever it is at; everything that it was to do is blamed.
    pub(crate) fn kill_one(&mut self) {
        let Some(correlation) = self.draw(|slot| slot.life.is_some()) else { return };
        self.say(|| format!("{correlation} dies"));
        let slot = self.slot(&correlation);
        let life = slot.life.take().expect("it lives");
        slot.held.iter_mut().for_each(|held| held.attempts += 1);
        slot.last_error = "it was killed".into();
        self.tally.count(match life.turn.map(|turn| turn.stage) {
            None | Some(Stage::Taking) => "workflow: dies idle",
            Some(Stage::Asking(_)) => "workflow: dies while it asks",
            Some(Stage::Appending) => "workflow: dies while it appends",
            Some(Stage::Placed(_)) => "workflow: dies before it has answered",
        });
        self.model.died(&correlation);
        self.raise_fence(&correlation);
    }

    /// An idle workflow leaves memory.
    pub(crate) fn let_one_go(&mut self) {
        let Some(correlation) = self.draw(|slot| slot.life.is_some() && slot.held.is_empty()) else { return };
        if !self.memory.has_out(&correlation) {
            self.tally.count("workflow: let go");
            self.say(|| format!("{correlation} leaves memory"));
            self.memory.slots.remove(&correlation);
        }
    }

    fn draw(&mut self, wanted: impl Fn(&Slot) -> bool) -> Option<CorrelationId> {
        let found = self.memory.slots.iter().filter(|(_, slot)| wanted(slot));
        let found: Vec<CorrelationId> = found.map(|(correlation, _)| correlation.clone()).collect();
        if found.is_empty() { None } else { Some(self.dice.pick(&found).clone()) }
    }

    /// A workflow is to be read anew once everything that was appended before has committed or failed.
    pub(crate) fn raise_fence(&mut self, correlation: &CorrelationId) {
        let came = self.memory.lane(correlation).came;
        let slot = self.slot(correlation);
        slot.life = None;
        slot.fence = Some(came);
        if self.four.has(Bug::SkipsTheFence) {
            self.pass_fence(correlation);
        }
    }

    /// What the dead workflow had reserved is given up.
    pub(crate) fn pass_fence(&mut self, correlation: &CorrelationId) {
        self.slot(correlation).fence = None;
        let lane = self.memory.lane(correlation);
        let left: Vec<AskId> =
            lane.asked.iter().filter(|(_, whose)| *whose == correlation).map(|(id, _)| *id).collect();
        for ask in left {
            lane.asked.remove(&ask);
            lane.to_policies.push_back(ToPolicies::Settle(ask, None));
        }
    }

    /// A workflow comes to life, from the journal.
    pub(crate) fn wake(&mut self, correlation: &CorrelationId) {
        let (state, told) = self.disk.wake(correlation, self.four, &self.program);
        self.tally.count(if told > 0 { "workflow: read from a snapshot" } else { "workflow: read from its records" });
        let slot = self.slot(correlation);
        slot.life = Some(Life::new(state, &slot.held, &slot.last_error));
    }

    /// The journal takes what has queued up, some of it, in one step.
    pub(crate) fn commit(&mut self) {
        let mut appends = Vec::new();
        for lane in &mut self.memory.lanes {
            let many = self.dice.below(4).min(lane.appends.len());
            appends.extend(lane.appends.drain(..many));
        }
        if appends.is_empty() {
            return;
        }
        if appends.len() > 1 {
            self.tally.count("commit: several turns");
        }
        let fault = self.fault();
        let turns: Vec<_> = appends.iter().map(|append| append.turn.clone()).collect();
        let committed = self.disk.append(&turns, fault);
        self.say(|| format!("{fault:?}: {:?}", committed.as_ref().map(|committed| committed.head.position)));
        self.model.read(self.disk.rows_after(self.model.position()));
        let results: Vec<Result<_, AppendError>> = match committed {
            Ok(committed) => committed.placed.into_iter().map(|it| it.map_err(AppendError::Conflict)).collect(),
            Err(error) => {
                self.count_failure(&error, fault);
                appends.iter().map(|_| Err(AppendError::Store)).collect()
            }
        };
        for (append, result) in appends.into_iter().zip(results) {
            let correlation = append.turn.correlation;
            let lane = self.memory.lane(&correlation);
            lane.settled += 1;
            if let Some(ask) = append.ask.filter(|ask| lane.asked.remove(ask).is_some()) {
                lane.to_policies.push_back(ToPolicies::Settle(ask, result.as_ref().ok().map(|it| it.first)));
            }
            if result.is_ok() && !self.four.has(Bug::KeepsSeats) {
                let freed = append.freed.into_iter().map(|(policy, key, who)| ToPolicies::Freed(policy, key, who));
                lane.to_policies.extend(freed);
            }
            let life = self.slot(&correlation).life.as_mut();
            if let Some(turn) = life.and_then(|life| life.turn.as_mut())
                && matches!(turn.stage, Stage::Appending)
            {
                turn.stage = Stage::Placed(result);
            }
        }
    }

    fn fault(&mut self) -> Fault {
        const FAULTS: [(usize, Fault); 5] = [
            (94, Fault::None),
            (2, Fault::Before),
            (2, Fault::Full),
            (1, Fault::UnknownNotWritten),
            (1, Fault::UnknownWritten),
        ];
        if self.calm { Fault::None } else { self.dice.weighted(&FAULTS) }
    }

    fn count_failure(&mut self, error: &StoreError, fault: Fault) {
        self.tally.count(match fault {
            Fault::Before => "store: fails before it writes",
            Fault::Full => "store: full",
            Fault::UnknownNotWritten => "store: unknown, and not written",
            Fault::UnknownWritten => "store: unknown, and written",
            Fault::None => "store: latched",
        });
        assert_eq!(error.is_unknown(), self.disk.is_latched());
    }

    /// Now and then a snapshot is taken. It is kept, or lost, or kept late, or cannot be relied on.
    pub(crate) fn maybe_save(&mut self, correlation: &CorrelationId, state: &State) {
        if !self.dice.one_in(8) {
            return;
        }
        let Some(mut body) = state.save(&self.program.definitions) else { return };
        let mut tip = Tip { sequence: state.sequence, digest: state.digest };
        let drawn = self.dice.below(10);
        match drawn {
            0 => {
                self.tally.count("snapshot: damaged");
                let at = self.dice.below(body.len());
                body.truncate(at);
            }
            1 => {
                self.tally.count("snapshot: of another state");
                tip.digest = tip.digest.chain(b"another");
                tip.sequence += self.dice.below(2) as u64;
            }
            2 => return self.tally.count("snapshot: lost"),
            _ => {}
        }
        let snapshot = Snapshot { correlation: correlation.clone(), tip, body };
        if drawn < 6 { self.disk.keep(snapshot) } else { self.late.push(snapshot) }
    }

    /// A snapshot is kept that was taken before, perhaps long ago.
    pub(crate) fn keep_late_snapshot(&mut self) {
        if !self.late.is_empty() {
            self.tally.count("snapshot: kept late");
            let nth = self.dice.below(self.late.len());
            let snapshot = self.late.swap_remove(nth);
            self.disk.keep(snapshot);
        }
    }
}
