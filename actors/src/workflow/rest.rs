//! What is left of a turn once it stands: what became of its tasks, and what is owed.

use regie_core::Timestamp;
use regie_core::workflow::{self as core, Effect, EffectKey, Owed};

use super::done::{Done, Told};
use super::messages::{Outcome, Question};
use super::turn::Taking;
use crate::refused::Reason;

impl Taking {
    /// What became of each task.
    pub(super) fn outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let known = self.body.state.known();
        let tell = |told: Told| match told {
            Told::Outcome(outcome) => outcome,
            // Of this very turn: remembered, and placed by now.
            Told::KnownHere(sequence) => {
                let here = known.by_sequence(sequence);
                let position = here.map_or(0, |event| event.position);
                Outcome::Known { position, sequence, state: here.map(|event| event.state), new: false }
            }
            // Answered above, or with the last part; only a failed turn has any left.
            Told::Recorded(..) | Told::Part(..) => Outcome::Refused(Reason::Lost),
        };
        let whole = |done: &Done| !matches!(done.told, Told::Part(..));
        let done = std::mem::take(&mut self.done).into_iter().filter(whole);
        done.map(|done| (done.ticket, tell(done.told))).collect()
    }

    /// Whether this program lacks the definition of the run: what that owes waits for one that has it, for nobody here could
    /// take its ends, and what it sends might come to where nothing begins.
    fn lacks_definition(&self) -> bool {
        let run = self.body.state.run();
        let definitions = self.body.lacking.as_ref().unwrap_or(&self.links.definitions);
        run.is_some_and(|run| !definitions.has(&run.definition, run.version))
    }

    /// Effects and questions that are not out yet, and the next instant after those.
    pub(super) fn owed(&mut self) -> (Vec<(EffectKey, Effect)>, Vec<Question>, Option<Timestamp>) {
        if self.body.state.owed().is_empty() && self.body.state.open().is_empty() {
            self.body.out.clear();
            self.body.asked.clear();
            return (Vec::new(), Vec::new(), None);
        }
        let mut due: Option<Timestamp> = None;
        let (mut effects, mut questions) = (Vec::new(), Vec::new());
        let holds = self.lacks_definition();
        for owed in core::pending(&self.body.state) {
            match owed {
                Owed::Effect { .. } if holds => {}
                Owed::Effect { key, effect } if self.body.out.insert(key.clone()) => effects.push((key, effect)),
                Owed::Reason { event, asks } if self.body.asked.insert(event) => {
                    let open = self.body.state.open().get(&event);
                    let incoming = open.and_then(|open| open.event().ok());
                    questions.extend(incoming.map(|incoming| Question { event, incoming, asks }));
                }
                Owed::Effect { .. } | Owed::Reason { .. } => {}
                later => due = due.or(Some(later.due())),
            }
        }
        let still = self.body.state.owed();
        self.body.out.retain(|key| still.contains_key(key));
        let open = self.body.state.open();
        self.body.asked.retain(|event| open.get(event).is_some_and(|open| !open.asks.is_empty()));
        (effects, questions, due)
    }
}
