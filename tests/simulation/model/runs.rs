//! The runs of rules: which there must be, what each does, and what of that stands in the journal.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::entity::{Update, event_id};
use regie_core::event::{CorrelationId, emitted_id};
use regie_core::limits;
use regie_core::workflow::{AgentOutcome, EffectEnd, Fact, Record};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Model;
use super::event::Entity;
use super::thread::{Event, Thread};
use super::world::History;
use crate::simulation::automation::words::{Deed, Holds, NO_RULES, Ruled, Watch, Watches};

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

/// Which run: the rule, the position of its trigger, its subject.
type Key = (String, u64, Option<Entity>);

/// A run that must be.
struct Due<'h> {
    watch: &'static Watch,
    /// Up to its trigger.
    history: History<'h>,
    /// Whether its condition cannot be told.
    fails: bool,
    /// How much may come of each thing that it does.
    share: usize,
}

/// When each rule was last looked at for each subject.
#[derive(Default)]
struct Looks {
    /// The event by which its condition was told last.
    told: BTreeMap<(&'static str, Option<Entity>), usize>,
    /// Where it could not be told the last time.
    failing: BTreeSet<(&'static str, Option<Entity>)>,
}

/// A rule that is set off for a subject, or whose condition cannot be told.
type Found = (&'static Watch, Option<Entity>, bool);

impl Looks {
    /// Another text is another rule; one that was gone in between, too.
    fn go_on_under(&mut self, before: &Watches, now: &Watches) {
        let of = |watches: &Watches, name: &str| watches.rules.iter().find(|watch| watch.name == name).copied();
        let is_same = |name: &str| of(now, name).is_some_and(|watch| of(before, name) == Some(watch));
        self.told.retain(|(name, _), _| is_same(name));
        self.failing.retain(|(name, _)| is_same(name));
    }

    fn look(
        &mut self,
        watch: &'static Watch,
        subject: Option<Entity>,
        (nth, history): (usize, History<'_>),
    ) -> Option<Found> {
        let key = (watch.name, subject.clone());
        let Some(holds) = history.holds(watch, subject.as_ref()) else {
            return self.failing.insert(key).then_some((watch, subject, true));
        };
        self.failing.remove(&key);
        let last = self.told.insert(key, nth);
        let held = last.is_some_and(|last| history.until(last).holds(watch, subject.as_ref()) == Some(true));
        let is_undo = history.events[nth].seen.metadata.contains_key("undo");
        (holds && !is_undo && (watch.when == Holds::Always || !held)).then_some((watch, subject, false))
    }
}

/// How much may come of each thing that an event's runs do: what may come of it in all, shared out, less the thing itself.
fn share(event: &Event, found: &[Found]) -> usize {
    let does = found.iter().filter(|(.., fails)| !fails).map(|(watch, ..)| watch.does.len()).sum::<usize>();
    let is_of_rules = ["regie:rule", "regie:update"].contains(&&*event.seen.source);
    let told = event.seen.metadata.get("run_share").filter(|_| is_of_rules);
    let whole = told.map_or(limits::RULE_EVENTS, |told| told.parse().expect("a number"));
    assert!(does <= whole, "more comes of an event than this simulation has rules for");
    (whole / does.max(1)).saturating_sub(1)
}

/// What the journal tells of rules.
#[derive(Default)]
pub(super) struct Rules {
    /// The sets that came into force, by position.
    sets: Vec<(u64, &'static Ruled)>,
    /// The set under which each turn was appended, by its records.
    turns: BTreeMap<(CorrelationId, u64), &'static str>,
    records: u64,
}

pub(super) const RUN: &str = "regie/run/";

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

    /// Users' events that are processed, in the order in which they are.
    fn history(&self) -> Vec<&Event> {
        let events = self.processed.values().filter(|(correlation, _)| !correlation.is_own());
        events.map(|(correlation, sequence)| &self.threads[correlation].events[sequence]).collect()
    }

    /// The runs are those that the rules' words say, each once, and each does what they say. Tells how many there are because
    /// something is no number.
    pub(super) fn assert_runs(&self) -> u64 {
        let events = self.history();
        let mut due = self.due(&events);
        let failing = due.iter().filter(|((.., subject), due)| due.fails && subject.is_some()).count() as u64;
        for (id, thread) in self.threads_of(RUN) {
            let told: Told = serde_json::from_str(&thread.events[&1].raw)
                .and_then(|event: Value| serde_json::from_value(event["payload"].clone()))
                .expect("a run");
            assert_eq!(told.id, id);
            let key = (told.rule.clone(), told.trigger.position, told.subject.clone());
            let due = due.remove(&key).unwrap_or_else(|| panic!("a run that nothing sets off, or twice: {told:?}"));
            let trigger = due.history.events.last().expect("its trigger");
            assert_eq!((&told.trigger.id, &told.trigger.source), (&trigger.seen.id, &trigger.seen.source));
            let digest = self.rules.at(trigger.by()).ruled().set.digest().expect("rules");
            assert_eq!(told.rules, digest.to_string());
            let cause = format!("{}#{}", trigger.seen.source, trigger.seen.id);
            assert_eq!(thread.events[&1].seen.causation_id.as_ref(), Some(&cause), "the cause of run {id}");
            assert_acts(&told, &due, &cause);
            self.assert_stands(&told, thread);
        }
        assert!(due.is_empty(), "runs that were never recorded: {:?}", due.keys().collect::<Vec<_>>());
        failing
    }

    /// The runs that there must be.
    fn due<'h>(&self, events: &'h [&'h Event]) -> BTreeMap<Key, Due<'h>> {
        let mut all = BTreeMap::new();
        let mut looks = Looks::default();
        let mut before = NO_RULES;
        let mut sets = self.rules.sets.iter().peekable();
        for (nth, event) in events.iter().enumerate() {
            while let Some((_, ruled)) = sets.next_if(|(since, _)| *since < event.by()) {
                looks.go_on_under(before, ruled.watches);
                before = ruled.watches;
            }
            let history = History { events, moves: before.moves }.until(nth);
            let mut found = Vec::new();
            for watch in before.rules.iter().filter(|watch| watch.is_on(&event.seen.kind)) {
                let subjects = history.subjects(watch).into_iter();
                found.extend(subjects.filter_map(|subject| looks.look(watch, subject, (nth, history))));
            }
            let share = share(event, &found);
            all.extend(found.into_iter().map(|(watch, subject, fails)| {
                let key = (watch.name.to_string(), event.position, subject);
                (key, Due { watch, history, fails, share })
            }));
        }
        all
    }

    /// Every act of a run that completed stands once; of one that failed, what was done is put back.
    fn assert_stands(&self, told: &Told, thread: &Thread) {
        let failed = thread.run.as_ref().and_then(|run| run.failed);
        let waits = thread.events[&1].state.is_end();
        let is_parked = thread.stuck || !waits || thread.run.is_none();
        assert!(told.error.is_some() || failed.is_some() || is_parked, "the run {} never ends", told.id);
        let (mut may_have_changed, mut all_done) = (false, true);
        for (nth, act) in (0..).zip(&told.acts) {
            let ended = thread.ended.iter().filter(|(key, _)| key.step == format!("act-{nth}"));
            let end = ended.max_by_key(|(key, _)| key.attempt).map(|(_, end)| end);
            let standing = self.standing(act, &emitted_id(&told.id, "act", nth));
            let wanted = end.and_then(position_of).is_some();
            // A refusal may be recorded; an end may be lost with a workflow that is parked.
            let may_stand = end.is_none() || matches!(end, Some(EffectEnd::NotSent { .. }));
            assert!(standing.is_some() == wanted || may_stand, "act {nth} of run {}: {standing:?}", told.id);
            if let Some(event) = standing {
                let cause = format!("{}#{}", told.trigger.source, told.trigger.id);
                assert_eq!(event.seen.causation_id, Some(cause), "the cause of act {nth} of run {}", told.id);
                assert_eq!(event.seen.metadata.get("run"), Some(&told.id));
                may_have_changed |= wanted && (act.get("update").is_some() || !event.seen.changes.is_empty());
            }
            all_done &= is_done(end);
            assert!(failed.is_none() || end.is_some(), "act {nth} of the run {} has not ended, and that has", told.id);
        }
        match failed {
            Some(false) => assert!(all_done, "an act of the completed run {} is not done", told.id),
            Some(true) => {
                assert!(!all_done, "the run {} fails for nothing", told.id);
                self.assert_back(&told.id, thread, may_have_changed);
            }
            None => {}
        }
    }

    /// The event that an act came to: by its identity, which no two events have.
    fn standing(&self, act: &Value, id: &str) -> Option<&Event> {
        let (correlation, identity) = match act.get("update") {
            Some(update) => {
                let update: Update = serde_json::from_value(update.clone()).expect("an update");
                (update.correlation(), ("regie:update".to_string(), event_id(&update, 0)))
            }
            None => {
                let to = act.get("emit")?["correlation_id"].as_str().expect("a correlation");
                (to.into(), ("regie:rule".to_string(), id.to_string()))
            }
        };
        let thread = self.threads.get(&correlation)?;
        thread.events.get(thread.identities.get(&identity)?)
    }
}

pub(super) fn position_of(end: &EffectEnd) -> Option<u64> {
    match end {
        EffectEnd::Sent { position, .. } => Some(*position),
        EffectEnd::Updated { first, events: 1.. } => Some(*first),
        _ => None,
    }
}

pub(super) fn is_done(end: Option<&EffectEnd>) -> bool {
    let done = matches!(end, Some(EffectEnd::Agent(AgentOutcome::Done(_))));
    done || matches!(end, Some(EffectEnd::Sent { .. } | EffectEnd::Updated { .. }))
}

/// What a run does is what the words of its rule say.
fn assert_acts(told: &Told, due: &Due<'_>, cause: &str) {
    let Due { watch, history, fails, share } = *due;
    let needs_one = watch.does.iter().any(|deed| !matches!(deed, Deed::Call(_) | Deed::Emit(..)));
    assert_eq!(told.error.is_some(), fails || told.subject.is_none() && needs_one, "{:?}", told.error);
    if told.error.is_some() {
        return assert!(told.acts.is_empty(), "a run that cannot be made out does something");
    }
    assert_eq!(told.acts.len(), watch.does.len());
    let subject = json!(told.subject);
    for (deed, act) in watch.does.iter().zip(&told.acts) {
        let shares = ["emit", "update"].into_iter().filter_map(|what| act.get(what)?["metadata"].get("run_share"));
        shares
            .for_each(|told| assert_eq!(*told, json!(share.to_string()), "its share of what may come of its trigger"));
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
