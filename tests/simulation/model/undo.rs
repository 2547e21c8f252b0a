//! What runs changed and what is put back of it, found anew in the whole history each time; and what updates must come to.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::automation::{self, Undo};
use regie_core::entity::{Update, event_id};
use regie_core::event::{CorrelationId, Incoming, LifeState, emitted_id};
use regie_core::workflow::{self as core, Effect, EffectEnd, EffectKey, Fact};
use regie_core::{Json, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Model;
use super::event::{Entity, Seen};
use super::runs::{RUN, is_done, position_of};
use super::thread::{Event, Thread};

/// What a person who puts back a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Undone,
    UnderWay,
    Unknown,
    UndoneBefore,
    Nothing,
    /// With how many later changes.
    Later(usize),
}

/// What a run has changed of an entity and is not put back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Changed {
    entity: Entity,
    correlation: String,
    cause: String,
    fields: BTreeMap<String, Replaced>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Replaced {
    before: Value,
    after: Value,
    later: Vec<Later>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Later {
    event: String,
    position: u64,
}

/// What it knows of what is put back.
#[derive(Default)]
pub(super) struct Backs {
    /// What was looked up of each run, as text.
    traced: BTreeMap<String, Vec<String>>,
    /// Undos that were begun, as text.
    undos: BTreeSet<String>,
    /// Updates that went out, by id.
    asked: BTreeMap<String, Update>,
    /// Events that updates came to.
    planned: BTreeSet<String>,
}

const TRACE: &str = "trace";
const BACK: &str = "back-";
const UPDATE: &str = "regie:update";

fn plain<T: for<'de> Deserialize<'de>>(of: &impl Serialize) -> T {
    serde_json::from_str(Json::of(of).text()).expect("JSON")
}

fn name_of(seen: &Seen) -> String {
    format!("{}#{}", seen.source, seen.id)
}

fn told_at(event: &Event) -> (Timestamp, u64) {
    (event.timestamp, event.position)
}

impl Model {
    /// The undos of a run, in order.
    fn attempts(&self, run: &str) -> Vec<&Thread> {
        let names = (1..).map(|attempt| match attempt {
            1 => format!("regie/undo/{run}"),
            again => format!("regie/undo/{run}/{again}"),
        });
        names.map_while(|name| self.threads.get(&*name)).collect()
    }

    /// Runs whose last undo has failed.
    pub(crate) fn half_undone(&self) -> Vec<String> {
        let has_failed = |run: &String| self.attempts(run).last().is_some_and(|last| last.came() == Some(true));
        self.runs().into_iter().filter(has_failed).collect()
    }

    /// What a run has changed and is not put back, by all that is processed now.
    fn changed_by(&self, run: &str) -> Vec<Changed> {
        let thread = &self.threads[&*format!("{RUN}{run}")];
        let positions = |thread: &Thread, is_back: bool| -> Vec<u64> {
            let ended = thread.ended.iter().filter(|(key, _)| key.step.starts_with(BACK) == is_back);
            ended.filter_map(|(_, end)| position_of(end)).collect()
        };
        let own: BTreeSet<u64> = positions(thread, false).into_iter().collect();
        let mut back: BTreeSet<u64> = positions(thread, true).into_iter().collect();
        back.extend(self.attempts(run).into_iter().flat_map(|attempt| positions(attempt, false)));
        let entities: BTreeSet<&Entity> =
            own.iter().filter_map(|position| self.event_at(*position).1.seen.entity.as_ref()).collect();
        entities.into_iter().filter_map(|entity| self.changed_of(entity, &own, &back)).collect()
    }

    fn changed_of(&self, entity: &Entity, own: &BTreeSet<u64>, back: &BTreeSet<u64>) -> Option<Changed> {
        let about = self.processed_about(entity);
        let mine = || about.iter().copied().filter(|event| own.contains(&event.position));
        let names: BTreeSet<&String> = mine().flat_map(|event| event.seen.changes.keys()).collect();
        let mut fields = BTreeMap::new();
        for name in names {
            let tells = |event: &&Event| event.seen.changes.contains_key(name);
            let after = mine().filter(tells).max_by_key(|event| told_at(event)).expect("a change");
            let is_back = |event: &Event| back.contains(&event.position) && told_at(event) > told_at(after);
            if about.iter().copied().filter(tells).any(is_back) {
                continue; // what others have made of it after that is theirs
            }
            let first = mine().filter(tells).min_by_key(|event| event.position).expect("a change");
            let known = about.iter().copied().filter(|event| event.position < first.position).filter(tells);
            let known = known.max_by_key(|event| told_at(event)).map(|event| &event.seen.changes[name].after);
            let is_other = |event: &&Event| !own.contains(&event.position) && !back.contains(&event.position);
            let mut later: Vec<&Event> = about.iter().copied().filter(tells).filter(is_other).collect();
            later.retain(|event| told_at(event) > told_at(after));
            later.sort_by_key(|event| told_at(event));
            let replaced = Replaced {
                before: known.unwrap_or(&first.seen.changes[name].before).clone(),
                after: after.seen.changes[name].after.clone(),
                later: later.iter().map(|it| Later { event: name_of(&it.seen), position: it.position }).collect(),
            };
            fields.insert(name.clone(), replaced);
        }
        let first = mine().min_by_key(|event| event.position)?;
        let (correlation, cause) = (first.seen.correlation_id.clone(), name_of(&first.seen));
        (!fields.is_empty()).then(|| Changed { entity: entity.clone(), correlation, cause, fields })
    }

    /// It was looked up what a run has changed.
    pub(crate) fn traces(&mut self, run: &str, changed: &[automation::Changed]) {
        let found: Vec<Changed> = plain(&changed);
        assert_eq!(found, self.changed_by(run), "what the run {run} has changed");
        self.backs.traced.entry(run.to_string()).or_default().push(Json::of(&changed).text().to_string());
    }

    /// A person who wants a run put back is told so, and what does it is recorded.
    pub(crate) fn undoes(&mut self, run: &str, force: bool, (verdict, undo): (Verdict, Option<&Undo>)) {
        let attempts = self.attempts(run);
        let changed = if self.has_run(run) { self.changed_by(run) } else { Vec::new() };
        let later = changed.iter().flat_map(|it| it.fields.values()).map(|field| field.later.len()).sum();
        let last = attempts.last().map(|thread| thread.came());
        let own = self.threads.get(&*format!("{RUN}{run}"));
        let expected = match own {
            None => Verdict::Unknown,
            Some(own) if own.does_something() && own.came().is_none() => Verdict::UnderWay,
            Some(_) if last == Some(None) => Verdict::UnderWay,
            Some(_) if changed.is_empty() && last == Some(Some(false)) => Verdict::UndoneBefore,
            Some(_) if changed.is_empty() => Verdict::Nothing,
            Some(_) if later > 0 && !force => Verdict::Later(later),
            Some(_) => Verdict::Undone,
        };
        assert_eq!(verdict, expected, "who puts back the run {run} is told");
        let Some(undo) = undo else { return };
        let attempt = attempts.len() as u32 + 1;
        assert_eq!((undo.attempt, undo.force, undo.updates.len()), (attempt, force, changed.len()));
        for (nth, (changed, update)) in (0..).zip(changed.iter().zip(&undo.updates)) {
            assert_eq!(update.id.as_deref(), Some(&*emitted_id(run, &format!("undo {attempt}"), nth)));
            assert_puts_back(update, run, changed, force);
        }
        self.backs.undos.insert(Json::of(undo).text().to_string());
    }

    /// An update goes out.
    pub(super) fn asks_for(&mut self, effect: &Effect) {
        if let Effect::Update(update) = effect {
            self.backs.asked.insert(update.id.clone().expect("an id"), (**update).clone());
        }
    }

    /// An update is compared with what is known of its entity, by what is processed up to now or in its own turn before it.
    pub(crate) fn plans(
        &mut self,
        update: &Update,
        event: Option<&Incoming>,
        (correlation, records): (&CorrelationId, &[core::Turn]),
    ) {
        let id = update.id.as_ref().expect("an id");
        let update = self.backs.asked.get(id).unwrap_or_else(|| panic!("nobody asked for the update {id}"));
        let entity: Entity = plain(&update.entity);
        let within = self.processed_within(correlation, records);
        let mut told: Vec<((Timestamp, u64), &Seen)> =
            self.processed_about(&entity).into_iter().map(|event| (told_at(event), &event.seen)).collect();
        told.extend(
            within
                .iter()
                .filter(|(_, seen)| seen.entity.as_ref() == Some(&entity))
                .map(|(at, seen)| ((*at, u64::MAX), seen)),
        );
        let value = |field: &String| {
            let told = told.iter().filter(|(_, seen)| seen.changes.contains_key(field)).max_by_key(|(at, _)| *at);
            told.map(|(_, seen)| seen.changes[field].after.clone()).unwrap_or_default()
        };
        let fits = update.expected.iter().all(|(field, expected)| value(field) == plain::<Value>(expected));
        let asked = update.fields.iter().map(|(field, after)| (field.clone(), (value(field), plain::<Value>(after))));
        let differing: BTreeMap<String, (Value, Value)> =
            asked.filter(|(_, (before, after))| before != after).collect();
        let found = event.map(|event| (event.event(), Seen::read(event.raw())));
        match found {
            None => assert!(fits && differing.is_empty(), "the update {id} comes to nothing"),
            Some((event, seen)) if fits => {
                let changes = seen.changes.into_iter().map(|(name, change)| (name, (change.before, change.after)));
                assert_eq!(changes.collect::<BTreeMap<_, _>>(), differing, "what the update {id} comes to");
                assert_eq!(seen.kind, format!("orchestration.{}.updated", entity.kind));
                let mut told = told.iter().filter(|(_, seen)| !seen.changes.is_empty());
                assert!(told.all(|((at, _), _)| *at <= event.timestamp), "the update {id} is not the latest");
            }
            Some((_, seen)) => {
                assert_eq!(seen.kind, format!("orchestration.{}.validation_failed", entity.kind), "the update {id}");
            }
        }
        self.backs.planned.extend(event.map(|event| event.raw().to_string()));
    }

    /// What a turn has processed so far, in order.
    fn processed_within(&self, correlation: &CorrelationId, records: &[core::Turn]) -> Vec<(Timestamp, Seen)> {
        let mut received = BTreeMap::new();
        let mut found = Vec::new();
        for record in records.iter().map(|turn| &turn.record) {
            for fact in &record.facts {
                match fact {
                    Fact::Received { raw, .. } => {
                        let seen = Seen::read(raw);
                        received.insert(record.sequence, (seen.timestamp(record.at), seen));
                    }
                    Fact::Moved { event, to: LifeState::Processed, .. } => {
                        let earlier = || &self.threads[correlation].events[event];
                        let here = received.get(event).cloned();
                        found.push(here.unwrap_or_else(|| (earlier().timestamp, earlier().seen.clone())));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// What an update is recorded as is what it came to.
    pub(super) fn assert_planned(&self, event: &Event) {
        let is_planned = event.seen.source != UPDATE || self.backs.planned.contains(&event.raw);
        assert!(is_planned, "an update that was never compared: {}", event.raw);
    }

    /// An update is done where the event that it came to is not discarded, and tells no refusal.
    pub(super) fn assert_updated(&self, key: &EffectKey, update: &Update, end: &EffectEnd) {
        let identity = (UPDATE.to_string(), event_id(update, 0));
        let thread = self.threads.get(&update.correlation());
        let event = thread.and_then(|thread| thread.events.get(thread.identities.get(&identity)?));
        let fits = match (event, end) {
            (None, EffectEnd::Updated { first: 0, events: 0 }) => true,
            (Some(event), EffectEnd::Updated { first, events: 1 }) => {
                *first == event.position && !is_refused(event) && event.first.state != LifeState::Discarded
            }
            (None, EffectEnd::NotSent { .. }) => !(self.kind.has("guest", 1) && self.kind.has("puppet", 2)),
            (Some(event), EffectEnd::NotSent { .. }) => is_refused(event) || event.first.state == LifeState::Discarded,
            _ => false,
        };
        assert!(fits, "{key} ended by {end:?}, and it came to {event:?}");
    }

    /// What was looked up of a run is what its handler is told.
    pub(super) fn assert_traced(&self, correlation: &CorrelationId, changed: &Json) {
        let run = correlation.strip_prefix(RUN).expect("a run");
        let traced = self.backs.traced.get(run);
        assert!(traced.is_some_and(|all| all.iter().any(|it| it == changed.text())), "what nobody looked up of {run}");
    }

    /// Of a run that failed it is looked up what it may have changed, and all of that is put back, but what others changed.
    pub(super) fn assert_back(&self, run: &str, thread: &Thread, may_have_changed: bool) {
        let traced = thread.ended.iter().find_map(|(key, end)| match end {
            EffectEnd::Traced { changed } if key.step == TRACE => Some(changed),
            _ => None,
        });
        assert_eq!(traced.is_some(), may_have_changed, "whether it is looked up what the failed run {run} changed");
        let changed: Vec<Changed> = traced.map(plain).unwrap_or_default();
        let mut ended = thread.ended.keys().filter(|key| key.step.starts_with(BACK)).count();
        for (nth, mut changed) in (0..).zip(changed) {
            changed.fields.retain(|_, field| field.later.is_empty());
            let key = EffectKey { step: format!("{BACK}{nth}"), attempt: 1 };
            let begun = self.begun.get(&(CorrelationId::from(&*format!("{RUN}{run}")), key.clone()));
            match begun {
                None => assert!(changed.fields.is_empty(), "{changed:?} is not put back by the failed run {run}"),
                Some(Effect::Update(update)) => {
                    assert_puts_back(update, run, &changed, false);
                    assert!(thread.ended.contains_key(&key), "the run {run} has failed before {key} has ended");
                    ended -= 1;
                }
                Some(other) => panic!("{key} of the run {run} is {other:?}"),
            }
        }
        assert_eq!(ended, 0, "more than the run {run} did is put back");
    }

    /// What people put back is what was begun; an undo is done once all of it has ended well, and else has failed.
    pub(super) fn assert_undone(&mut self) {
        let (mut done, mut failed) = (0, 0);
        for run in self.runs() {
            let attempts = self.attempts(&run);
            for (nth, thread) in attempts.iter().enumerate() {
                let undo: Value = serde_json::from_str(&thread.events[&1].raw).expect("JSON");
                let undo: Undo = plain(&undo["payload"]);
                assert!(self.backs.undos.contains(Json::of(&undo).text()), "an undo of {run} that nobody asked for");
                let ended: Vec<&EffectEnd> = thread.ended.values().collect();
                match thread.run.as_ref().and_then(|run| run.failed) {
                    Some(has_failed) => {
                        assert_eq!(ended.len(), undo.updates.len(), "an undo of {run} ends before its updates");
                        let is_whole = ended.iter().all(|end| is_done(Some(end)));
                        assert_eq!(is_whole, !has_failed, "the undo {nth} of {run}: {ended:?}");
                        *(if has_failed { &mut failed } else { &mut done }) += 1;
                    }
                    None => assert!(thread.stuck, "the undo {nth} of {run} never ends"),
                }
                // What one that was done left to be put back, since its events wait or were discarded, `undoes` has looked at.
                let may_follow = nth + 1 == attempts.len() || thread.came().is_some();
                assert!(may_follow, "the run {run} is undone again beside its undo {nth}");
            }
        }
        self.tally.add_many("undo: done", done);
        self.tally.add_many("undo: failed", failed);
    }
}

fn is_refused(event: &Event) -> bool {
    event.seen.kind.ends_with(".validation_failed")
}

/// An update puts back what was changed of an entity: where the run's event went, caused by that, and only while what the run
/// made of it is there, unless by force.
fn assert_puts_back(update: &Update, run: &str, changed: &Changed, force: bool) {
    let Changed { entity, correlation, cause, fields } = changed;
    assert_eq!(
        (&plain::<Entity>(&update.entity), &*update.correlation(), update.cause.as_ref()),
        (entity, &**correlation, Some(cause))
    );
    assert_eq!(update.metadata.get("undo").map(String::as_str), Some(run));
    let before = fields.iter().map(|(name, field)| (name.clone(), field.before.clone())).collect();
    let after = fields.iter().map(|(name, field)| (name.clone(), field.after.clone()));
    let after = if force { BTreeMap::new() } else { after.collect() };
    let asked: (BTreeMap<String, Value>, BTreeMap<String, Value>) = (plain(&update.fields), plain(&update.expected));
    assert_eq!(asked, (before, after), "what the update puts back of the run {run}");
}

impl Thread {
    /// Whether its run has failed, or was parked; nothing while it is under way.
    fn came(&self) -> Option<bool> {
        let run = self.run.as_ref().and_then(|run| run.failed);
        run.or(self.stuck.then_some(true))
    }

    /// Whether its run has owed anything.
    fn does_something(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.attempts.is_empty())
    }
}
