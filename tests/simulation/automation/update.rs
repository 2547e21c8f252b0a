//! Updates: what an effect asks of an entity, compared with what is known of it within the turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use regie_core::entity::{LatestFields, Update, event_id, refused_type};
use regie_core::event::{EntityRef, Identity};
use regie_core::workflow::{self as core, Command, EffectEnd};
use regie_core::{Json, Timestamp};

use crate::simulation::four::Bug;
use crate::simulation::memory::{Asker, Item, Key, Out, Outcome, Reason, Task};
use crate::simulation::turn::{Step, Taking};
use crate::simulation::world::World;

impl World {
    /// An update goes out.
    pub(crate) fn update(&mut self, key: Key, update: Box<Update>) {
        let to = update.correlation();
        let mut asked = update.clone();
        if self.four.has(Bug::UpdatesTwice) {
            asked.id = Some(self.memory.number().to_string());
        }
        self.memory.out.insert(key.clone(), Out::Updating(update));
        self.enter(&to, Task::Command(Arc::new(Command::Update(asked))), Asker::Update(key));
    }

    /// A turn takes it: by the event that tells the difference, if there is one.
    pub(crate) fn take_update(&mut self, taking: &mut Taking, item: &Item, update: &Update) -> Step {
        let identity = Identity::of(regie_core::entity::UPDATE_SOURCE, &event_id(update, 0));
        if let Some(known) = taking.life.state.known().get(identity) {
            taking.tell(item, Outcome::Known(known));
            return Step::Taken;
        }
        let (mut fields, mut last) = self.fields_of(&update.entity);
        // What this very turn has added counts too.
        for event in taking.turn.done.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Recorded(event, _) if event.entity.as_ref() == Some(&update.entity) => Some(event),
            _ => None,
        }) {
            fields.tell(event, u64::MAX);
            last = fields.last();
        }
        let at = self.now.max(taking.life.state.last_at).max(last.unwrap_or(Timestamp::MIN));
        let catalogue = self.program.definitions.catalogue();
        let events = core::expand(&taking.life.state, update, &values(&fields), catalogue, at);
        match events.expect("an update that can be told").pop() {
            None => {
                taking.tell(item, Outcome::Done);
                Step::Taken
            }
            Some(event) => self.command(taking, item, &Arc::new(core::emitted(event))),
        }
    }

    fn fields_of(&self, entity: &EntityRef) -> (LatestFields, Option<Timestamp>) {
        let mut fields = LatestFields::default();
        for (position, incoming) in self.disk.log.about(entity) {
            fields.tell(incoming.event(), *position);
        }
        let last = fields.last();
        (fields, last)
    }

    /// What became of an update that is out.
    pub(crate) fn tell_updater(&mut self, key: Key, outcome: &Outcome, first: u64) {
        let Some(Out::Updating(update)) = self.memory.out.remove(&key) else { panic!("{key:?} updates nothing") };
        let position = match outcome {
            Outcome::Recorded(_, at) => first + *at as u64,
            Outcome::Known(known) => known.position,
            Outcome::Done => 0,
            Outcome::Refused(Reason::Store) => {
                self.memory.out.insert(key, Out::UpdateAgain(update));
                return;
            }
            Outcome::Refused(reason) => panic!("an update is refused: {reason:?}"),
        };
        let end = match position {
            0 => EffectEnd::Updated { first: 0, events: 0 },
            first if self.model.kind_at(first) == refused_type(&update.entity.kind) => {
                self.tally.count("rules: an update is refused");
                EffectEnd::NotSent { reason: "a field is not what it was expected to be".into() }
            }
            first => EffectEnd::Updated { first, events: 1 },
        };
        self.tally.count(if position == 0 { "rules: an update of nothing" } else { "rules: an update is recorded" });
        self.end(key, end);
    }
}

fn values(fields: &LatestFields) -> BTreeMap<String, Json> {
    fields.values()
}
