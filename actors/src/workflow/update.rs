//! Updates within a turn, and what events claim of entities that are checked.

use std::sync::Arc;

use regie_core::entity::{
    Found, LatestFields, OfUpdate, UPDATE_SOURCE, Update, check_claims, digest, event_id, is_checked, read_until,
    refused_type,
};
use regie_core::event::{EntityRef, Identity, Incoming, LifeState};
use regie_core::workflow::{Command, emitted, expand};
use regie_core::{Timestamp, limits};

use super::done::{Done, Told};
use super::govern::PATIENCE;
use super::messages::{Item, Outcome};
use super::turn::{Stop, Taking};
use crate::entities::{Folded, Planned};
use crate::refused::Reason;
use crate::updated::received;

/// The first event of an update that is known.
struct First {
    position: u64,
    /// 0 where only the index knew it.
    sequence: u64,
    state: Option<LifeState>,
}

impl Taking {
    /// Takes an update: its events, each judged as any other, in this one turn. Says no where it waits for the next turn: with
    /// all of it, or, because policies with state have a say in several of its events, with the rest of it.
    pub(super) async fn update(&mut self, item: &mut Item, update: &Update) -> Result<bool, Stop> {
        let events = match self.first_of(update).await? {
            Some(First { position: 0, .. }) => return Ok(false), // of this very turn
            Some(first) => match self.rest_of(update, &first).await? {
                Ok(rest) if rest.is_empty() => return Ok(self.tell_known(item, first)),
                Ok(rest) => rest,
                Err(reason) => {
                    self.tell(item, Outcome::Refused(reason));
                    return Ok(true);
                }
            },
            None => match self.whole(item, update).await? {
                Ok(events) => events,
                Err(outcome) => {
                    self.tell(item, outcome);
                    return Ok(true);
                }
            },
        };
        if !self.records.is_empty() && self.records.len() + events.len() > limits::TURN_COMMANDS {
            return Ok(false);
        }
        self.take_parts(item, update, events).await
    }

    async fn take_parts(&mut self, item: &mut Item, update: &Update, events: Vec<Incoming>) -> Result<bool, Stop> {
        let part = Item { more_follow: true, ..item.clone() };
        let at = self.records.len();
        for event in events {
            let before = self.records.len();
            self.untold = None;
            if !self.command(&part, &Arc::new(emitted(event))).await? {
                item.begun |= self.records.len() > at;
                return Ok(false);
            }
            match self.untold.take() {
                _ if self.records.len() > before => {}
                // Nothing of it stands yet: it is refused as a whole.
                Some(outcome) if before == at && !item.begun => {
                    self.tell(item, outcome);
                    return Ok(true);
                }
                _ => return Err(Stop::Died(item.ticket, "a part of an update was not taken".into())),
            }
        }
        match self.first_of(update).await? {
            Some(first) if first.position > 0 => Ok(self.tell_known(item, first)),
            _ => {
                let received = self.done.iter().filter_map(Done::received).find(|(nth, _)| *nth == at);
                let event = received.map(|(_, event)| Arc::clone(event));
                let told = event.map_or(Told::Outcome(Outcome::Done), |event| Told::Recorded(event, at));
                self.done.push(Done { ticket: item.ticket, told });
                Ok(true)
            }
        }
    }

    fn tell_known(&mut self, item: &Item, first: First) -> bool {
        let First { position, sequence, state } = first;
        self.tell(item, Outcome::Known { position, sequence, state, new: item.begun });
        true
    }

    /// The events of an update that is new; or what is told at once.
    async fn whole(&mut self, item: &Item, update: &Update) -> Result<Result<Vec<Incoming>, Outcome>, Stop> {
        let (fields, read) = self.fields(&update.entity).await?;
        // What an update tells is the latest, whatever was stamped before.
        let at = self.now(item).max(fields.last().unwrap_or(Timestamp::MIN));
        let found = Found { fields: fields.values(), read };
        let catalogue = self.links.definitions.catalogue();
        Ok(match expand(&self.body.state, update, &found, catalogue, at) {
            Ok(events) if events.is_empty() => Err(Outcome::Done),
            Ok(events) => Ok(events),
            Err(refusal) => Err(Outcome::Refused(refusal.into())),
        })
    }

    /// The first event of an update, if it is known to the state or to the index.
    async fn first_of(&self, update: &Update) -> Result<Option<First>, Stop> {
        self.find(Identity::of(UPDATE_SOURCE, &event_id(update, 0))).await
    }

    async fn find(&self, identity: Identity) -> Result<Option<First>, Stop> {
        let known = self.body.state.known();
        if let Some(known) = known.get(identity) {
            let (position, sequence, state) = (known.position, known.sequence, Some(known.state));
            return Ok(Some(First { position, sequence, state }));
        }
        if !known.has_forgotten() {
            return Ok(None);
        }
        let correlation = self.correlation.clone();
        let found = self.links.readers.run(move |reader| reader.find(&correlation, identity)).await;
        let first = |position| First { position, sequence: 0, state: None };
        Ok(found.map_err(Stop::Failed)?.map(first))
    }

    /// What is still to be taken of an update whose first event stands: nothing, unless a turn of several was cut off. Or why
    /// it is not the same update.
    async fn rest_of(&self, update: &Update, first: &First) -> Result<Result<Vec<Incoming>, Reason>, Stop> {
        let position = first.position;
        let stored = self.links.readers.run(move |reader| reader.record(position)).await.map_err(Stop::Failed)?;
        let Some(event) = stored.and_then(|stored| received(&stored.record)) else { return Ok(Ok(Vec::new())) };
        let Some(of) = OfUpdate::read(event.event()) else { return Ok(Ok(Vec::new())) };
        if of.digest != digest(update).to_string() {
            return Ok(Err(Reason::other_update(update, &of)));
        }
        let mut missing = Vec::new();
        for nth in 1..of.events as usize {
            let id = event_id(update, nth);
            if self.find(Identity::of(UPDATE_SOURCE, &id)).await?.is_none() {
                missing.push(id);
            }
        }
        if missing.is_empty() || event.event().kind == refused_type(&update.entity.kind) {
            return Ok(Ok(Vec::new()));
        }
        // By what was known when it was planned the same plan comes of it again; but what waited then, and has gone on
        // since, is known now too.
        let read = read_until(event.event()).unwrap_or(position - 1);
        let planned = Planned { correlation: self.correlation.clone(), first: position, read };
        let (least, entity, catalogue) =
            (self.links.head(), update.entity.clone(), self.links.definitions.catalogue().clone());
        let folded = self.links.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            Folded::read_planned(reader, &entity, &planned, &catalogue)
        });
        let found = Found { fields: folded.await.map_err(Stop::Failed)?.fields.values(), read };
        let at = event.event().timestamp;
        Ok(match expand(&self.body.state, update, &found, self.links.definitions.catalogue(), at) {
            Ok(events) => Ok(events.into_iter().filter(|it| missing.contains(&it.event().id)).collect()),
            Err(refusal) => Err(refusal.into()),
        })
    }

    /// An entity's fields by all that was committed before now and what this turn has added, and where the last event of the
    /// journal stands that they rest on.
    async fn fields(&self, entity: &EntityRef) -> Result<(LatestFields, u64), Stop> {
        let folded = self.folded(entity).await?;
        let read = folded.as_ref().map_or(0, |folded| folded.position());
        let mut fields = folded.map(|folded| folded.fields.clone()).unwrap_or_default();
        let catalogue = self.links.definitions.catalogue();
        for (event, at) in &self.changes {
            let mut event = event.clone();
            event.stamp(*at);
            let event = catalogue.bring_up_shared(event.shared()).ok();
            let about_it = event.filter(|event| event.entity.as_ref() == Some(entity));
            about_it.into_iter().for_each(|event| fields.tell(&event, u64::MAX));
        }
        Ok((fields, read))
    }

    /// Notes an event that this turn has received, if it changes an entity.
    pub(super) fn changed(&mut self, incoming: &Incoming, at: Timestamp) {
        if incoming.event().entity.is_none() || incoming.event().changes.is_empty() {
            return;
        }
        self.changes.push((incoming.clone(), at));
    }

    /// Whether an event claims of a checked entity what is not so; if it does, that is told.
    pub(super) async fn is_unfounded(&mut self, item: &Item, command: &Command) -> Result<bool, Stop> {
        let Command::Submit { event, emitted } = command else { return Ok(false) };
        let catalogue = self.links.definitions.catalogue();
        if !is_checked(event.event(), catalogue) || *emitted && OfUpdate::read(event.event()).is_some() {
            return Ok(false);
        }
        // What there is no way up for is refused before it enters.
        let Ok(event) = catalogue.bring_up_shared(event.shared()) else { return Ok(false) };
        let Some(entity) = &event.entity else { return Ok(false) };
        let (fields, _) = self.fields(entity).await?;
        let Err(breach) = check_claims(&event, &fields) else { return Ok(false) };
        self.tell(item, Outcome::Refused(Reason::Breach(breach)));
        Ok(true)
    }
}
