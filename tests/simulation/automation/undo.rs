//! People put back what runs did, or are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use regie_core::Json;
use regie_core::automation::{
    RULE_SOURCE, RULE_UNDONE, Recorded, Told, Undo, UndoAsk, UndoRefusal, undo, undo_correlation,
};
use regie_core::event::{EntityRef, Event, Principal, emitted_id};
use regie_core::workflow::Command;

use crate::simulation::four::Bug;
use crate::simulation::memory::{Asker, Task};
use crate::simulation::model::Verdict;
use crate::simulation::world::World;

impl World {
    /// Somebody puts back a run, most often one that there is.
    pub(crate) fn a_person_undoes(&mut self) {
        let runs = self.model.runs();
        if runs.is_empty() && !self.dice.one_in(6) {
            return;
        }
        let run = match runs.is_empty() || self.dice.one_in(12) {
            true => "nobody".to_string(),
            false => self.dice.pick(&runs).clone(),
        };
        let force = self.dice.one_in(3);
        let planned = self.planned(&run, force || self.four.has(Bug::UndoesOverLater));
        let verdict = match &planned {
            Ok(_) => Verdict::Undone,
            Err(UndoRefusal::Unknown { .. }) => Verdict::Unknown,
            Err(UndoRefusal::Undone { .. }) => Verdict::UndoneBefore,
            Err(UndoRefusal::Nothing { .. }) => Verdict::Nothing,
            Err(UndoRefusal::Later(_)) => Verdict::Later,
            Err(other) => panic!("an undo is refused: {other}"),
        };
        self.tally.count(match verdict {
            Verdict::Undone if force => "undo: by force",
            Verdict::Undone => "undo: done",
            Verdict::Unknown => "undo: no such run",
            Verdict::UndoneBefore => "undo: undone before",
            Verdict::Nothing => "undo: of nothing",
            Verdict::Later => "undo: refused for later changes",
        });
        self.model.undoes(&run, force, verdict);
        if let Ok(undo) = planned {
            let event = Event::new(RULE_UNDONE, undo_correlation(&undo.run))
                .id(emitted_id(&undo.run, "undo", 1))
                .source(RULE_SOURCE)
                .actor(undo.by.clone())
                .payload(Json::of(&undo))
                .build()
                .expect("a good event");
            let correlation = event.event().correlation_id.clone();
            self.enter(&correlation, Task::Command(Arc::new(Command::Submit { event, emitted: true })), Asker::Nobody);
        }
    }

    fn planned(&mut self, run: &str, force: bool) -> Result<Undo, UndoRefusal> {
        let found: Vec<_> =
            self.model.positions_of(run).into_iter().map(|at| (self.model.incoming_at(at), at)).collect();
        let events: Vec<Recorded<'_>> = found
            .iter()
            .map(|(incoming, position)| Recorded { event: incoming.event(), position: *position })
            .collect();
        let mut fields = BTreeMap::new();
        for entity in events.iter().filter_map(|recorded| recorded.event.entity.clone()) {
            let told = self.told(&entity);
            fields.insert(entity, told);
        }
        let by = Principal::user("eva");
        let is_known = self.model.has_run(run);
        let is_undone = self.disk.knows(&undo_correlation(run));
        let ask = UndoAsk { run, is_known, is_undone, by: &by, why: "eva says so", force, now: self.now };
        undo(&ask, &events, |entity, field| fields.get(entity)?.get(field).cloned())
    }

    /// Each field of an entity as it is now, and who told it.
    fn told(&self, entity: &EntityRef) -> BTreeMap<String, Told> {
        let mut fields: BTreeMap<String, Told> = BTreeMap::new();
        for (position, incoming) in self.disk.log.about(entity) {
            let (event, position) = (incoming.event(), *position);
            for (field, change) in &event.changes {
                let at = (event.timestamp, position);
                if fields.get(field).is_none_or(|known| (known.at, known.position) <= at) {
                    let name = format!("{}#{}", event.source, event.id);
                    let value = change.after.clone();
                    let told = Told { event: name, position, at: event.timestamp, value };
                    fields.insert(field.clone(), told);
                }
            }
        }
        fields
    }
}
