//! People: they decide of events that wait for them, and of some that do not.

use std::sync::Arc;

use regie_core::event::{CorrelationId, LifeState, Principal};
use regie_core::workflow::{self as core, Command, Fact, Refusal};

use crate::simulation::memory::{Asker, Outcome, Reason, Task};
use crate::simulation::world::World;

impl World {
    /// Somebody approves or rejects an event, most often one that waits for that.
    pub(crate) fn a_person_decides(&mut self) {
        let mut waiting = self.model.escalated();
        // Letters are few: half of the time they come first.
        if waiting.iter().any(|(correlation, _)| correlation.is_own()) && self.dice.one_in(2) {
            waiting.retain(|(correlation, _)| correlation.is_own());
        }
        let all: Vec<CorrelationId> = self.memory.slots.keys().cloned().collect();
        let (correlation, event) = match waiting.is_empty() || self.dice.one_in(6) {
            false => self.dice.pick(&waiting).clone(),
            true if all.is_empty() => return,
            true => (self.dice.pick(&all).clone(), self.dice.between(1, 14) as u64),
        };
        let approved = self.dice.one_in(2);
        let (by, why) = match self.dice.below(20) {
            0 => (Principal::user(""), "because"),
            1 => (Principal::user("eva"), " "),
            _ => (Principal::user("eva"), "eva says so"),
        };
        let command = Arc::new(Command::Resolve { event, approved, by, why: why.into() });
        // Now and then twice: the other one comes too late.
        for _ in 0..1 + usize::from(self.dice.one_in(5)) {
            self.enter(&correlation, Task::Command(Arc::clone(&command)), Asker::Person { event, approved });
        }
    }

    pub(crate) fn tell_person(
        &mut self,
        (correlation, event): (&CorrelationId, u64),
        approved: bool,
        (told, records): (&Outcome, &[core::Turn]),
    ) {
        // Their turn may have had it wait for a person after they were refused.
        let waits_since = || {
            let mut facts = records.iter().flat_map(|turn| &turn.record.facts);
            facts.any(|fact| matches!(fact, Fact::Moved { event: of, to: LifeState::Escalated, .. } if *of == event))
        };
        self.tally.count(match told {
            Outcome::Done if approved => "person: approves",
            Outcome::Done => "person: rejects",
            Outcome::Refused(Reason::Core(Refusal::NotEscalated { .. })) => {
                if !waits_since() {
                    self.model.does_not_wait(correlation, event);
                }
                "person: too late, or of no such event"
            }
            Outcome::Refused(Reason::Core(Refusal::Unsigned { .. })) => "person: without who or why",
            Outcome::Refused(Reason::Core(Refusal::UnknownDefinition { .. })) => "person: no such definition",
            Outcome::Refused(Reason::Store) => "person: store failed",
            other => panic!("a person is told {other:?}"),
        });
    }
}
