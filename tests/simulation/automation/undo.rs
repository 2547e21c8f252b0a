//! People put back what runs did, or are refused; and again, where something of it was refused the time before.

use std::sync::Arc;

use regie_core::Json;
use regie_core::automation::{
    RULE_SOURCE, RULE_UNDONE, Undo, UndoAsk, UndoRefusal, run_correlation, undo, undo_correlation,
};
use regie_core::event::{CorrelationId, Event, Principal, emitted_id};
use regie_core::workflow::{Command, Fact, RunEnd};
use regie_journal::StoredRecord;

use crate::simulation::four::Bug;
use crate::simulation::memory::{Asker, Task};
use crate::simulation::model::Verdict;
use crate::simulation::world::World;

/// What has become of a run, or of an undo.
#[derive(Clone, Copy, PartialEq)]
enum Came {
    UnderWay,
    Done,
    Failed,
}

fn came(records: &[StoredRecord]) -> Came {
    let facts = records.iter().flat_map(|stored| &stored.record.facts);
    // What was parked may have been taken up again by a person.
    let mut told = facts.filter_map(|fact| match fact {
        Fact::Started { .. } => Some(Came::UnderWay),
        Fact::Finished { end: RunEnd::Completed { .. } } => Some(Came::Done),
        Fact::Finished { end: RunEnd::Failed { .. } } | Fact::Parked { .. } => Some(Came::Failed),
        _ => None,
    });
    told.next_back().unwrap_or(Came::UnderWay)
}

/// What is done about an ask.
enum Next {
    Wait,
    Undo(Undo),
}

impl World {
    /// Somebody puts back a run, most often one that there is.
    pub(crate) fn a_person_undoes(&mut self) {
        let runs = self.model.runs();
        if runs.is_empty() && !self.dice.one_in(6) {
            return;
        }
        let failed = self.model.half_undone();
        let run = match runs.is_empty() || self.dice.one_in(12) {
            true => "nobody".to_string(),
            false if !failed.is_empty() && self.dice.one_in(2) => self.dice.pick(&failed).clone(),
            false => self.dice.pick(&runs).clone(),
        };
        self.undoes(&run);
    }

    pub(crate) fn undoes(&mut self, run: &str) {
        let force = self.dice.one_in(3);
        let planned = self.planned(run, force || self.four.has(Bug::UndoesOverLater));
        let verdict = match &planned {
            Ok(Next::Wait) => Verdict::UnderWay,
            Ok(Next::Undo(_)) => Verdict::Undone,
            Err(UndoRefusal::Unknown { .. }) => Verdict::Unknown,
            Err(UndoRefusal::Undone { .. }) => Verdict::UndoneBefore,
            Err(UndoRefusal::Nothing { .. }) => Verdict::Nothing,
            Err(UndoRefusal::Later(later)) => Verdict::Later(later.len()),
            Err(other) => panic!("an undo is refused: {other}"),
        };
        self.tally.count(match verdict {
            Verdict::Undone if force => "undo: by force",
            Verdict::Undone => "undo: begun",
            Verdict::UnderWay => "undo: something is under way",
            Verdict::Unknown => "undo: no such run",
            Verdict::UndoneBefore => "undo: undone before",
            Verdict::Nothing => "undo: of nothing",
            Verdict::Later(_) => "undo: refused for later changes",
        });
        let undo = if let Ok(Next::Undo(undo)) = planned { Some(undo) } else { None };
        self.model.undoes(run, force, (verdict, undo.as_ref()));
        if let Some(undo) = undo {
            if let (true, Some(update)) = (self.dice.one_in(3), undo.updates.last()) {
                let field = self.dice.pick(&update.fields.keys().collect::<Vec<_>>()).to_string();
                self.submit_change(&update.entity, &field);
            }
            self.records_undo(&undo);
        }
    }

    fn records_undo(&mut self, undo: &Undo) {
        if undo.attempt > 1 {
            self.tally.count("undo: another attempt");
        }
        let event = Event::new(RULE_UNDONE, undo_correlation(&undo.run, undo.attempt))
            .id(emitted_id(&undo.run, "undo", undo.attempt))
            .source(RULE_SOURCE)
            .actor(undo.by.clone())
            .payload(Json::of(undo))
            .build()
            .expect("a good event");
        let correlation = event.event().correlation_id.clone();
        self.enter(&correlation, Task::Command(Arc::new(Command::Submit { event, emitted: true })), Asker::Nobody);
    }

    /// How it is undone, if it is: first what is under way has to end, of the run and of earlier undos.
    fn planned(&mut self, run: &str, force: bool) -> Result<Next, UndoRefusal> {
        let own = self.records_of(&run_correlation(run)).unwrap_or_default();
        let does_something =
            own.iter().flat_map(|stored| &stored.record.facts).any(|fact| matches!(fact, Fact::Owes { .. }));
        if does_something && came(&own) == Came::UnderWay {
            return Ok(Next::Wait);
        }
        let correlations = (1..).map(|attempt| undo_correlation(run, attempt));
        let attempts: Vec<Came> =
            correlations.map_while(|it: CorrelationId| Some(came(&self.records_of(&it)?))).collect();
        let last = attempts.last().copied();
        if last == Some(Came::UnderWay) {
            return Ok(Next::Wait);
        }
        let changed = self.traced(run);
        if last.is_some() && self.four.has(Bug::TakesTriedForUndone) {
            return Err(UndoRefusal::Undone { run: run.to_string() });
        }
        let is_undone = last == Some(Came::Done);
        let attempt = attempts.len() as u32 + 1;
        let by = Principal::user("eva");
        let ask = UndoAsk {
            run,
            is_known: changed.is_some(),
            is_undone,
            waits: None, // who asks while something waits asks again here: more attempts are tried so
            attempt,
            by: &by,
            why: "eva says so",
            force,
        };
        undo(&ask, &changed.unwrap_or_default()).map(Next::Undo)
    }
}
