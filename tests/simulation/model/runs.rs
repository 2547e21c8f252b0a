//! The runs of rules: which there must be, what each does, and what of that stands in the journal.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::event::{CorrelationId, emitted_id};
use regie_core::workflow::{AgentOutcome, EffectEnd, Fact, Record};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Model;
use super::event::{Entity, Seen};
use super::thread::{Event, Thread};
use super::world::History;
use crate::simulation::automation::words::{Deed, Holds, NO_RULES, Ruled, Watch, Watches};

/// What a person who puts back a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Undone,
    Unknown,
    UndoneBefore,
    Nothing,
    Later,
}

/// A run as its event tells it.
#[derive(Clone, Debug, Deserialize)]
struct Told {
    id: String,
    rule: String,
    rules: String,
    subject: Option<Entity>,
    trigger: Trigger,
    acts: Vec<Value>,
    error: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Trigger {
    source: String,
    id: String,
    position: u64,
}

/// A run that must be: the rule, the position of its trigger, its subject.
type Due = (String, u64, Option<Entity>);

/// What the journal tells of rules.
#[derive(Default)]
pub(super) struct Rules {
    /// The sets that came into force, by position.
    sets: Vec<(u64, &'static Ruled)>,
    /// The set under which each turn was appended, by its records.
    turns: BTreeMap<(CorrelationId, u64), &'static str>,
    records: u64,
}

const RUN: &str = "regie/run/";
const UNDO: &str = "regie/undo/";

impl Rules {
    fn at(&self, position: u64) -> &'static Watches {
        let last = self.sets.iter().rev().find(|(since, _)| *since < position);
        last.map_or(NO_RULES, |(_, ruled)| ruled.watches)
    }
}

impl Model {
    /// A record of `regie/rules`.
    pub(super) fn rule_set(&mut self, record: &Record) {
        self.rules.records += 1;
        assert_eq!(record.sequence, self.rules.records);
        for fact in &record.facts {
            if let Fact::RuleSet { digest, text, .. } = fact {
                let ruled = Watches::of(*digest);
                assert_eq!(*text, ruled.record.text);
                self.rules.sets.push((self.position, ruled));
            }
        }
    }

    /// A turn goes to the journal with the rules that watch for one of its events.
    pub(crate) fn appends(
        &mut self,
        correlation: &CorrelationId,
        records: std::ops::Range<u64>,
        text: Option<&'static str>,
    ) {
        for sequence in records {
            let key = (correlation.clone(), sequence);
            match text {
                Some(text) => drop(self.rules.turns.insert(key, text)),
                None => drop(self.rules.turns.remove(&key)),
            }
        }
    }

    /// What a turn was appended under is in force where it stands.
    pub(super) fn assert_ruled(&self, correlation: &CorrelationId, record: &Record) {
        if let Some(text) = self.rules.turns.get(&(correlation.clone(), record.sequence)) {
            let in_force = self.rules.sets.last().map(|(_, ruled)| ruled.record.text.as_str());
            assert_eq!(in_force, Some(*text), "an event stands under other rules than those that watch for it");
        }
    }

    /// The rules that were recorded last.
    pub(crate) fn ruled(&self) -> &'static Ruled {
        self.rules.sets.last().map_or(NO_RULES.ruled(), |(_, ruled)| ruled)
    }

    fn threads_of(&self, prefix: &'static str) -> impl Iterator<Item = (&str, &Thread)> {
        let from = self.threads.range(CorrelationId::from(prefix)..);
        from.map_while(move |(correlation, thread)| Some((correlation.strip_prefix(prefix)?, thread)))
    }

    /// The runs that there are.
    pub(crate) fn runs(&self) -> Vec<String> {
        self.threads_of(RUN).map(|(id, _)| id.to_string()).collect()
    }

    pub(crate) fn has_run(&self, run: &str) -> bool {
        self.threads.contains_key(&*format!("{RUN}{run}"))
    }

    /// Where the events stand that a run is told to have come to.
    pub(crate) fn positions_of(&self, run: &str) -> Vec<u64> {
        let Some(thread) = self.threads.get(&*format!("{RUN}{run}")) else { return Vec::new() };
        let ended = thread.ended.values().filter_map(position_of);
        let mine = ended.filter(|at| self.event_at(*at).1.seen.metadata.get("run").is_some_and(|of| of == run));
        mine.collect::<BTreeSet<u64>>().into_iter().collect()
    }

    /// Users' events, in the journal's order.
    fn history(&self) -> Vec<&Event> {
        let events = self.received.values().filter(|(correlation, _)| !correlation.is_own());
        events.map(|(correlation, sequence)| &self.threads[correlation].events[sequence]).collect()
    }

    /// A person who wants a run put back is told so.
    pub(crate) fn undoes(&self, run: &str, force: bool, verdict: Verdict) {
        let mine = self.positions_of(run);
        let events = self.history();
        let history = History { events: &events, moves: false };
        let changed = mine.iter().flat_map(|at| {
            let seen = &self.event_at(*at).1.seen;
            seen.changes.keys().filter_map(move |field| Some((seen.entity.as_ref()?, field.as_str())))
        });
        let changed: BTreeSet<(&Entity, &str)> = changed.collect();
        let is_later = |(entity, field): &(&Entity, &str)| {
            !mine.contains(&history.teller(entity, field).expect("it was told").position)
        };
        let has_later = changed.iter().any(is_later);
        let is_right = match verdict {
            Verdict::Unknown => !self.has_run(run),
            Verdict::UndoneBefore => self.threads.contains_key(&*format!("{UNDO}{run}")),
            Verdict::Nothing => changed.is_empty(),
            Verdict::Later => !force && has_later,
            Verdict::Undone => !changed.is_empty() && (force || !has_later),
        };
        assert!(is_right, "who puts back the run {run} is told {verdict:?}");
    }

    /// The runs are those that the rules' words say, each once, and each does what they say.
    pub(super) fn assert_runs(&self) {
        let events = self.history();
        let mut due = self.due(&events);
        for (id, thread) in self.threads_of(RUN) {
            let told: Told = serde_json::from_str(&thread.events[&1].raw)
                .and_then(|event: Value| serde_json::from_value(event["payload"].clone()))
                .expect("a run");
            assert_eq!(told.id, id);
            let key = (told.rule.clone(), told.trigger.position, told.subject.clone());
            let (watch, history) =
                due.remove(&key).unwrap_or_else(|| panic!("a run that nothing sets off, or twice: {told:?}"));
            let trigger = history.events.last().expect("its trigger");
            assert_eq!((&told.trigger.id, &told.trigger.source), (&trigger.seen.id, &trigger.seen.source));
            let digest = self.rules.at(trigger.position).ruled().set.digest().expect("rules");
            assert_eq!(told.rules, digest.to_string());
            let cause = format!("{}#{}", trigger.seen.source, trigger.seen.id);
            assert_eq!(thread.events[&1].seen.causation_id.as_ref(), Some(&cause), "the cause of run {id}");
            assert_acts(&told, watch, history, &cause);
            self.assert_stands(&told, thread, &events);
        }
        assert!(due.is_empty(), "runs that were never recorded: {:?}", due.keys().collect::<Vec<_>>());
    }

    /// The runs that there must be, with the history up to each one's trigger.
    fn due<'h>(&self, events: &'h [&'h Event]) -> BTreeMap<Due, (&'static Watch, History<'h>)> {
        let mut due = BTreeMap::new();
        // The event by which a rule was last looked at for a subject.
        let mut looked: BTreeMap<(&str, Option<Entity>), usize> = BTreeMap::new();
        let mut before = NO_RULES;
        let mut sets = self.rules.sets.iter().peekable();
        for (nth, event) in events.iter().enumerate() {
            while let Some((_, ruled)) = sets.next_if(|(since, _)| *since < event.position) {
                // Another text is another rule; one that was gone in between, too.
                let is_same = |name: &str| {
                    let of = |watches: &Watches| watches.rules.iter().find(|watch| watch.name == name).copied();
                    of(ruled.watches).is_some_and(|watch| of(before) == Some(watch))
                };
                looked.retain(|(name, _), _| is_same(name));
                before = ruled.watches;
            }
            let history = History { events, moves: before.moves }.until(nth);
            for watch in before.rules.iter().filter(|watch| watch.is_on(&event.seen.kind)) {
                for subject in history.subjects(watch) {
                    let last = looked.insert((watch.name, subject.clone()), nth);
                    let held =
                        last.is_some_and(|last| history.until(last).holds(watch, subject.as_ref()) == Some(true));
                    let is_new = watch.when == Holds::Always || !held;
                    let holds = history.holds(watch, subject.as_ref()).unwrap_or(true);
                    if holds && is_new && !event.seen.metadata.contains_key("undo") {
                        due.insert((watch.name.to_string(), event.position, subject), (watch, history));
                    }
                }
            }
        }
        due
    }

    /// Every act of a run that completed stands once; of one that failed, what was done is put back.
    fn assert_stands(&self, told: &Told, thread: &Thread, events: &[&Event]) {
        let failed = thread.run.as_ref().and_then(|run| run.failed);
        let waits = thread.events[&1].state.is_end();
        let is_parked = thread.parked || !waits || thread.run.is_none();
        assert!(told.error.is_some() || failed.is_some() || is_parked, "the run {} never ends", told.id);
        let mut changed = Vec::new();
        for (nth, act) in (0..).zip(&told.acts) {
            let ended = thread.ended.iter().filter(|(key, _)| key.step == format!("act-{nth}"));
            let end = ended.max_by_key(|(key, _)| key.attempt).map(|(_, end)| end);
            let id = emitted_id(&told.id, "act", nth);
            let by_id = |event: &&&Event| match act.get("update") {
                Some(_) => event.seen.metadata.get("update") == Some(&id),
                None => event.seen.id == id && event.seen.source == "regie:rule",
            };
            let standing: Vec<&&Event> = events.iter().filter(by_id).collect();
            let wanted = usize::from(end.and_then(position_of).is_some());
            // A refusal may be recorded; an end may be lost with a workflow that is parked.
            let may_stand = end.is_none() || matches!(end, Some(EffectEnd::NotSent { .. }));
            assert!(
                standing.len() == wanted || may_stand && standing.len() <= 1,
                "act {nth} of run {}: {standing:?}",
                told.id
            );
            for event in &standing {
                let cause = format!("{}#{}", told.trigger.source, told.trigger.id);
                assert_eq!(event.seen.causation_id, Some(cause), "the cause of act {nth} of run {}", told.id);
                assert_eq!(event.seen.metadata.get("run"), Some(&told.id));
            }
            match failed {
                Some(false) => assert!(is_done(end), "act {nth} of the completed run {} is not done: {end:?}", told.id),
                Some(true) => changed.extend(standing.iter().filter(|event| !event.seen.changes.is_empty()).copied()),
                None => {}
            }
        }
        if failed == Some(true) {
            self.assert_back(told, thread, &changed);
        }
    }

    /// What a failed run had changed is put back, and nothing else; where somebody has changed it since, it may stay.
    fn assert_back(&self, told: &Told, thread: &Thread, changed: &[&Event]) {
        let backs = || thread.ended.iter().filter(|(key, _)| !key.step.starts_with("act-")).map(|(_, end)| end);
        assert!(changed.is_empty() || backs().next().is_some(), "nothing of the failed run {} is put back", told.id);
        let is_mine =
            |entity, field| changed.iter().any(|it| it.seen.entity == entity && it.seen.changes.contains_key(field));
        for at in backs().filter_map(position_of) {
            let Seen { metadata, entity, changes, .. } = &self.event_at(at).1.seen;
            assert_eq!(metadata.get("undo"), Some(&told.id));
            assert!(
                changes.keys().all(|field| is_mine(entity.clone(), field)),
                "more than the run {} did is put back",
                told.id
            );
        }
    }

    /// What people put back is put back whole, or was refused; and a field becomes what it was before the run.
    pub(super) fn assert_undone(&self) {
        for (run, thread) in self.threads_of(UNDO) {
            let mut before: BTreeMap<(Option<&Entity>, &str), &Value> = BTreeMap::new();
            for at in self.positions_of(run) {
                let seen = &self.event_at(at).1.seen;
                for (field, change) in &seen.changes {
                    before.entry((seen.entity.as_ref(), field)).or_insert(&change.before);
                }
            }
            let is_whole = thread.run.as_ref().is_some_and(|run| run.failed == Some(false));
            for end in thread.ended.values() {
                assert!(is_done(Some(end)) || !is_whole, "the undo of {run} is done, and by half: {end:?}");
                let Some(at) = position_of(end) else { continue };
                let seen = &self.event_at(at).1.seen;
                assert_eq!(seen.metadata.get("undo").map(String::as_str), Some(run));
                for (field, change) in &seen.changes {
                    let before = before[&(seen.entity.as_ref(), field.as_str())];
                    assert_eq!(change.after, *before, "{field} is not put back by the undo of {run}");
                }
            }
        }
    }
}

fn position_of(end: &EffectEnd) -> Option<u64> {
    match end {
        EffectEnd::Sent { position, .. } => Some(*position),
        EffectEnd::Updated { first, events: 1.. } => Some(*first),
        _ => None,
    }
}

fn is_done(end: Option<&EffectEnd>) -> bool {
    let done = matches!(end, Some(EffectEnd::Agent(AgentOutcome::Done(_))));
    done || matches!(end, Some(EffectEnd::Sent { .. } | EffectEnd::Updated { .. }))
}

/// What a run does is what the words of its rule say.
fn assert_acts(told: &Told, watch: &Watch, history: History<'_>, cause: &str) {
    let needs_one =
        watch.when != Holds::Always || watch.does.iter().any(|deed| !matches!(deed, Deed::Call(_) | Deed::Emit(..)));
    assert_eq!(told.error.is_some(), told.subject.is_none() && needs_one, "{:?}", told.error);
    if told.error.is_some() {
        return assert!(told.acts.is_empty(), "a run that cannot be made out does something");
    }
    assert_eq!(told.acts.len(), watch.does.len());
    let subject = json!(told.subject);
    for (deed, act) in watch.does.iter().zip(&told.acts) {
        match *deed {
            Deed::Emit(kind, to, change) => {
                let emit = &act["emit"];
                assert_eq!((&emit["type"], &emit["correlation_id"]), (&json!(kind), &json!(to)));
                assert_eq!((&emit["entity"], &emit["causation_id"]), (&subject, &json!(cause)));
                let before = |field| told.subject.as_ref().map_or(Value::Null, |subject| history.field(subject, field));
                let change = change.map(|(field, after)| (json!(after), before(field), field));
                let found = change.as_ref().map(|(.., field)| &emit["changes"][field]);
                let found = found.map(|change| (change["after"].clone(), change["before"].clone()));
                assert_eq!(found, change.map(|(after, before, _)| (after, before)), "{emit}");
            }
            Deed::Set(field, value) => {
                assert_eq!((&act["update"]["fields"], &act["update"]["entity"]), (&json!({ field: value }), &subject));
            }
            Deed::Count(field) => {
                let things = told.subject.as_ref().map_or(0, |group| history.things(group).len());
                assert_eq!((&act["update"]["fields"], &act["update"]["entity"]), (&json!({ field: things }), &subject));
            }
            Deed::Call(agent) => assert_eq!(act["call"]["agent"], agent),
        }
    }
}
