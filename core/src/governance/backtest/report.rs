//! What trying a set came to: counts and examples, for each policy and event type.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::Taken;
use crate::Timestamp;
use crate::event::Event;
use crate::governance::decision::{Judgement, PolicyDecision, PolicyOutcome, Verdict};
use crate::governance::policy::Policy;
use crate::governance::{PolicyKind, PolicySet};

/// What an event's first verdict is, or what one policy said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It goes on.
    Accepted,
    /// It comes back later.
    Deferred,
    /// It is stopped.
    Discarded,
    /// A person decides.
    Escalated,
}

/// An event's first verdict, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct First {
    /// What it is.
    pub verdict: Fate,
    /// The policy that decided; none where the event goes on.
    pub by: Option<String>,
    /// When it comes back, if that is known.
    pub until: Option<Timestamp>,
}

/// How many events, each by its first verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// It had no say over them: another type, no key, or another policy stopped them before.
    pub not_subject: u64,
    /// Those of them that another policy stopped before this one was looked at.
    pub stopped_before: u64,
    /// It let them go on.
    pub accepted: u64,
    /// It put them off.
    pub deferred: u64,
    /// It stopped them.
    pub discarded: u64,
    /// It had a person decide.
    pub escalated: u64,
    /// The last three together.
    pub held_back: u64,
}

/// One event as an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its id.
    pub id: String,
    /// Its correlation.
    pub correlation_id: String,
    /// When it was.
    pub timestamp: Timestamp,
    /// The key by which the policy counts it, if it counts.
    pub key: Option<String>,
    /// How long the policy's window was still closed.
    pub remaining_ms: Option<u64>,
}

/// What one policy said of events of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TypeReport {
    /// How many.
    #[serde(flatten)]
    pub counts: Counts,
    /// The first few of each fate.
    pub examples: BTreeMap<Fate, Vec<Example>>,
    /// The ids of all by fate, in their order, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<BTreeMap<Fate, Vec<String>>>,
}

/// What one policy said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyReport {
    /// Its name.
    pub policy: String,
    /// Its kind.
    pub kind: &'static str,
    /// The types of events that it is about.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The short digest of its text.
    pub version: String,
    /// How many events of all types.
    #[serde(flatten)]
    pub counts: Counts,
    /// The same by type.
    pub types: BTreeMap<String, TypeReport>,
}

/// What a set said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Events that were judged.
    pub events: u64,
    /// Events that were known already, and passed over.
    pub known: u64,
    /// Events that could not come in.
    pub refused: u64,
    /// The timestamp of the earliest event that was judged.
    pub first: Option<Timestamp>,
    /// And of the latest.
    pub last: Option<Timestamp>,
    /// How many of each first verdict.
    pub verdicts: BTreeMap<Fate, u64>,
    /// What each policy said, in the order in which they are looked at.
    pub policies: Vec<PolicyReport>,
}

/// Counts what becomes of events.
#[derive(Debug)]
pub struct Tally {
    set: Arc<PolicySet>,
    with_ids: bool,
    report: Report,
    places: HashMap<String, usize>,
    types: HashMap<String, usize>,
    rows: Vec<Row>,
}

/// The events of one type.
#[derive(Debug)]
struct Row {
    kind: String,
    events: u64,
    /// The policies whose pattern fits, in the set's order.
    policies: Vec<Said>,
}

/// What a policy said of events of one type.
#[derive(Debug)]
struct Said {
    /// Its place in the set.
    place: usize,
    /// The number of the last event of which it said something.
    last: u64,
    report: TypeReport,
}

/// Examples of each fate.
const EXAMPLES: usize = 3;
/// Types that are counted one by one; the rest together.
const TYPES: usize = 10_000;
/// What the rest is called.
const OTHERS: &str = "(others)";

impl First {
    /// The verdict of a judgement.
    pub fn of(judgement: &Judgement) -> Self {
        let (verdict, until) = match &judgement.verdict {
            Verdict::Accepted | Verdict::Asking { .. } => (Fate::Accepted, None),
            Verdict::Deferred { until, .. } => (Fate::Deferred, Some(*until)),
            Verdict::Waiting { .. } => (Fate::Deferred, None),
            Verdict::Discarded { .. } => (Fate::Discarded, None),
            Verdict::Escalated { .. } | Verdict::EscalatedUntil { .. } => (Fate::Escalated, None),
        };
        // Of several that put an event off, the one whose place it has decided.
        let says = |decision: &&PolicyDecision| verdict != Fate::Accepted && Fate::of(decision.outcome) == verdict;
        let mut stops = judgement.decisions.iter().filter(says);
        let booking = stops.clone().find(|decision| decision.grant.is_some());
        let by = booking.or_else(|| stops.next()).map(|decision| decision.policy.clone());
        Self { verdict, by, until }
    }
}

impl Fate {
    fn of(outcome: PolicyOutcome) -> Self {
        match outcome {
            PolicyOutcome::Passed => Fate::Accepted,
            PolicyOutcome::Discarded => Fate::Discarded,
            PolicyOutcome::Deferred => Fate::Deferred,
            PolicyOutcome::Escalated => Fate::Escalated,
        }
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Accepted => "accepted",
            Fate::Deferred => "deferred",
            Fate::Discarded => "discarded",
            Fate::Escalated => "escalated",
        }
    }
}

impl Counts {
    fn add(&mut self, fate: Fate) {
        *match fate {
            Fate::Accepted => &mut self.accepted,
            Fate::Deferred => &mut self.deferred,
            Fate::Discarded => &mut self.discarded,
            Fate::Escalated => &mut self.escalated,
        } += 1;
        self.held_back += u64::from(fate != Fate::Accepted);
    }

    fn add_all(&mut self, other: &Counts) {
        self.not_subject += other.not_subject;
        self.stopped_before += other.stopped_before;
        self.accepted += other.accepted;
        self.deferred += other.deferred;
        self.discarded += other.discarded;
        self.escalated += other.escalated;
        self.held_back += other.held_back;
    }
}

impl TypeReport {
    fn add(&mut self, event: &Event, decision: &PolicyDecision) {
        let fate = Fate::of(decision.outcome);
        self.counts.add(fate);
        if let Some(ids) = &mut self.ids {
            ids.entry(fate).or_default().push(event.id.clone());
        }
        let examples = self.examples.entry(fate).or_default();
        if examples.len() < EXAMPLES {
            examples.push(Example {
                id: event.id.clone(),
                correlation_id: event.correlation_id.to_string(),
                timestamp: event.timestamp,
                key: decision.observed.get("key").and_then(|key| key.to().ok()),
                remaining_ms: decision.remaining_ms,
            });
        }
    }
}

impl Tally {
    /// Of nothing yet; with the ids of all events, if they are wanted.
    pub fn new(set: Arc<PolicySet>, with_ids: bool) -> Self {
        let places = set.policies().enumerate().map(|(at, policy)| (policy.name.clone(), at)).collect();
        let fates = [Fate::Accepted, Fate::Deferred, Fate::Discarded, Fate::Escalated];
        let (verdicts, policies) = (fates.map(|fate| (fate, 0)).into(), Vec::new());
        let report = Report { events: 0, known: 0, refused: 0, first: None, last: None, verdicts, policies };
        Self { set, with_ids, report, places, types: HashMap::new(), rows: Vec::new() }
    }

    /// Counts an event with what became of it; gives its first verdict, if it has one.
    pub fn add(&mut self, event: &Event, taken: &Taken) -> Option<First> {
        let judgement = match taken {
            Taken::Judged(judgement) => judgement,
            Taken::Known => {
                self.report.known += 1;
                return None;
            }
            Taken::Refused(_) => {
                self.report.refused += 1;
                return None;
            }
        };
        let first = First::of(judgement);
        let report = &mut self.report;
        report.events += 1;
        report.first = Some(report.first.map_or(event.timestamp, |first| first.min(event.timestamp)));
        report.last = Some(report.last.map_or(event.timestamp, |last| last.max(event.timestamp)));
        *report.verdicts.entry(first.verdict).or_default() += 1;
        self.count(event, judgement, first.verdict);
        Some(first)
    }

    fn count(&mut self, event: &Event, judgement: &Judgement, verdict: Fate) {
        let at = self.row(event);
        let row = &mut self.rows[at];
        row.events += 1;
        for decision in &judgement.decisions {
            let place = self.places.get(&decision.policy);
            let said = place.and_then(|place| row.policies.binary_search_by_key(place, |said| said.place).ok());
            if let Some(said) = said.map(|at| &mut row.policies[at]) {
                said.report.add(event, decision);
                said.last = row.events;
            }
        }
        for said in row.policies.iter_mut().filter(|said| said.last != row.events) {
            let stopped = verdict != Fate::Accepted;
            let would_decide = stopped && self.set.policy(said.place).is_some_and(|policy| would_decide(policy, event));
            said.report.counts.not_subject += 1;
            said.report.counts.stopped_before += u64::from(would_decide);
        }
    }

    /// The row of an event's type.
    fn row(&mut self, event: &Event) -> usize {
        if let Some(at) = self.types.get(&event.kind) {
            return *at;
        }
        if self.rows.len() > TYPES {
            return TYPES;
        }
        let others = self.rows.len() == TYPES;
        let fits = |policy: &Policy| others || policy.is_about(&event.kind);
        let ids = self.with_ids.then(BTreeMap::new);
        let places = self.set.policies().enumerate().filter(|(_, policy)| fits(policy)).map(|(at, _)| at);
        let said = |place| Said { place, last: 0, report: TypeReport { ids: ids.clone(), ..TypeReport::default() } };
        let policies = places.map(said).collect();
        let kind = if others { OTHERS.to_string() } else { event.kind.clone() };
        if !others {
            self.types.insert(kind.clone(), self.rows.len());
        }
        self.rows.push(Row { kind, events: 0, policies });
        self.rows.len() - 1
    }

    /// What it came to.
    pub fn report(self) -> Report {
        let mut reports: Vec<PolicyReport> = self.set.policies().map(PolicyReport::of).collect();
        for mut row in self.rows {
            let mut said: HashMap<usize, TypeReport> =
                row.policies.drain(..).map(|said| (said.place, said.report)).collect();
            for (at, report) in reports.iter_mut().enumerate() {
                let of_type = said.remove(&at).unwrap_or_else(|| TypeReport {
                    counts: Counts { not_subject: row.events, ..Counts::default() },
                    ids: self.with_ids.then(BTreeMap::new),
                    ..TypeReport::default()
                });
                report.counts.add_all(&of_type.counts);
                report.types.insert(row.kind.clone(), of_type);
            }
        }
        Report { policies: reports, ..self.report }
    }
}

impl PolicyReport {
    fn of(policy: &Policy) -> Self {
        Self {
            policy: policy.name.clone(),
            kind: policy.kind.word(),
            pattern: policy.pattern.to_string(),
            version: policy.version.clone(),
            counts: Counts::default(),
            types: BTreeMap::new(),
        }
    }
}

/// Whether a policy would have decided about an event, if it had been looked at.
fn would_decide(policy: &Policy, event: &Event) -> bool {
    match &policy.kind {
        PolicyKind::Veto { .. } | PolicyKind::Escalate { .. } => true,
        PolicyKind::Reason(_) | PolicyKind::Filter(_) | PolicyKind::Label(_) => false,
        kind => kind.key().is_some_and(|key| key.of(event).is_some()),
    }
}
