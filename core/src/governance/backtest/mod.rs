//! Trying a set of policies on history: what it would have said of each event, on the event-time clock and without a journal.
//!
//! It asks the same functions as the runtime, and keeps to the same order: what is due by an event's timestamp comes back
//! before that event is judged, and a late stamp never turns time back. An event counts once, by its first verdict; its return
//! is judged anew and takes its slot, but does not count again.

mod entities;
mod ledger;
mod report;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use self::entities::Entities;
use self::ledger::Ledger;
pub use self::report::{Counts, Example, Fate, First, PolicyReport, Report, Tally, TypeReport};
use super::ask::{Ask, AskId, Ruling, Want};
use super::condition::ENTITY;
use super::decision::{Booking, Grant, Judgement, PolicyDecision, Verdict};
use super::set::PolicySet;
use super::stateful::Governor;
use super::stateless::{Preliminary, Seen};
use super::surroundings::ledger_seen;
use crate::Timestamp;
use crate::event::{CorrelationId, Event, Identity, Incoming};
use crate::reasoning::Reasoning;

/// What becomes of an event of the history.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// It is judged.
    Judged(Judgement),
    /// It is known already, by its correlation, source and id.
    Known,
    /// It could not come in at all, whatever the policies say.
    Refused(String),
}

/// A set of policies at work on history.
#[derive(Debug)]
pub struct Backtest {
    set: Arc<PolicySet>,
    governor: Governor,
    now: Option<Timestamp>,
    numbers: HashMap<CorrelationId, usize>,
    ledgers: Vec<Ledger>,
    known: HashSet<(usize, Identity)>,
    /// What waits for its instant, in the order in which the runtime would take it.
    due: BTreeMap<(Timestamp, CorrelationId, u64), Due>,
    /// None where no condition looks at entities.
    entities: Option<Entities>,
    asks: u64,
}

/// What an instant brings.
#[derive(Debug)]
enum Due {
    /// A deferred event comes back.
    Return(Box<Life>),
    /// Nobody has decided about an escalated one: it leaves, one way or the other, and the policies are not asked.
    Lapse { number: usize, bytes: usize },
}

/// An event whose life is not over.
#[derive(Debug)]
struct Life {
    number: usize,
    event: Arc<Event>,
    bytes: usize,
    /// The sequence of the record that received it.
    sequence: u64,
    booking: Option<Booking>,
    booked_by: Option<String>,
    deferrals: u32,
    /// What the history holds of reasoners.
    said: Vec<Reasoning>,
    /// What of that they have said so far, with the signals that count.
    heard: Vec<Reasoning>,
}

impl Backtest {
    /// Nothing has happened yet.
    pub fn new(set: Arc<PolicySet>) -> Self {
        let looks_at_entities = set.policies().any(|policy| policy.kind.uses(ENTITY));
        Self {
            governor: Governor::new(&set),
            set,
            now: None,
            numbers: HashMap::new(),
            ledgers: Vec::new(),
            known: HashSet::new(),
            due: BTreeMap::new(),
            entities: looks_at_entities.then(Entities::default),
            asks: 0,
        }
    }

    /// The set that is tried.
    pub fn set(&self) -> &Arc<PolicySet> {
        &self.set
    }

    /// The next event of the history, and what reasoners are known to have said of it: nobody is asked.
    pub fn take(&mut self, incoming: &Incoming, said: &[Reasoning]) -> Taken {
        let event = incoming.event();
        if let Err(error) = event.check_free() {
            return Taken::Refused(error.to_string());
        }
        self.reach(event.timestamp);
        let number = self.number(&event.correlation_id);
        if self.known.contains(&(number, incoming.identity())) {
            return Taken::Known;
        }
        if let Some(why) = self.ledgers[number].is_full() {
            return Taken::Refused(why);
        }
        self.known.insert((number, incoming.identity()));
        let mut life = Life {
            number,
            event: incoming.shared(),
            bytes: incoming.raw().len(),
            sequence: self.ledgers[number].records + 1,
            booking: None,
            booked_by: None,
            deferrals: 0,
            said: said.to_vec(),
            heard: Vec::new(),
        };
        let judgement = self.judge(&mut life);
        if let Some(entities) = &mut self.entities {
            entities.see(incoming.event());
        }
        self.ledgers[number].opened(life.bytes);
        self.follow(life, &judgement);
        Taken::Judged(judgement)
    }

    /// An event before the history's part that is tried: entities know of it, and no policy is asked.
    pub fn witness(&mut self, event: &Event) {
        if let Some(entities) = &mut self.entities {
            entities.see(event);
        }
    }

    /// How many events are deferred and have not come back yet.
    pub fn waiting(&self) -> usize {
        self.due.values().filter(|due| matches!(due, Due::Return(_))).count()
    }

    /// Lets everything that is due by an instant happen, then turns the clock there; never back.
    fn reach(&mut self, at: Timestamp) {
        if self.now.is_some_and(|now| at <= now) {
            return;
        }
        while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= at) {
            let ((due, ..), what) = first.remove_entry();
            self.now = Some(due);
            match what {
                Due::Return(mut life) => {
                    let judgement = self.judge(&mut life);
                    self.follow(*life, &judgement);
                }
                Due::Lapse { number, bytes } => {
                    self.ledgers[number].records += 1;
                    self.ledgers[number].closed(bytes);
                }
            }
        }
        self.now = Some(at);
    }

    fn number(&mut self, correlation: &CorrelationId) -> usize {
        if let Some(number) = self.numbers.get(correlation) {
            return *number;
        }
        self.ledgers.push(Ledger::default());
        self.numbers.insert(correlation.clone(), self.ledgers.len() - 1);
        self.ledgers.len() - 1
    }

    /// What becomes of an event after it was judged.
    fn follow(&mut self, mut life: Life, judgement: &Judgement) {
        let ledger = &mut self.ledgers[life.number];
        ledger.records += 1;
        let place = |due: Timestamp| (due, life.event.correlation_id.clone(), life.sequence);
        match &judgement.verdict {
            Verdict::Accepted | Verdict::Discarded { .. } => ledger.closed(life.bytes),
            Verdict::Deferred { until, .. } => {
                let place = place(*until);
                life.deferrals += u32::from(!judgement.is_promised(life.booked_by.as_deref()));
                life.booking = judgement.booking().cloned();
                life.booked_by = life.booking.as_ref().map(|booking| booking.policy.clone());
                self.due.insert(place, Due::Return(Box::new(life)));
            }
            Verdict::EscalatedUntil { until, .. } => {
                let what = Due::Lapse { number: life.number, bytes: life.bytes };
                self.due.insert(place(*until), what);
            }
            // It waits for somebody of whom the history tells nothing, or for a place, and those are free again at once.
            Verdict::Escalated { .. } | Verdict::Waiting { .. } | Verdict::Asking { .. } => {}
        }
    }

    fn judge(&mut self, life: &mut Life) -> Judgement {
        let now = self.now.unwrap_or(Timestamp::MIN);
        let mut judgement = Judgement::free(now, self.set.digest());
        let may_defer = life.deferrals < self.set.most_deferrals();
        let Preliminary { decisions, stopped, wants } = self.stateless(life, (now, may_defer));
        judgement.decisions = decisions;
        let returning = life.booking.take();
        if let Some(stopped) = stopped {
            if returning.is_some() {
                self.ask(life, Vec::new(), (returning, true), now); // gives the place back
            }
            judgement.verdict = stopped;
        } else if !wants.is_empty() || returning.is_some() {
            let ruling = self.ask(life, wants, (returning, may_defer), now);
            judgement.decisions.extend(ruling.decisions);
            judgement.verdict = ruling.stopped.unwrap_or(Verdict::Accepted);
        }
        judgement
    }

    /// What the policies without state say, once those reasoners have answered whose answers are known.
    fn stateless(&self, life: &mut Life, (now, may_defer): (Timestamp, bool)) -> Preliminary {
        let event = Arc::clone(&life.event);
        let needs = self.set.needs(&event);
        let ledger = &self.ledgers[life.number];
        let workflow = needs.workflow.then(|| ledger_seen(&event.correlation_id, ledger.records, ledger.open));
        let entity = self.entities.as_ref().filter(|_| needs.entity).map(|entities| entities.seen(&event));
        let (workflow, entity) = (workflow.as_ref(), entity.as_ref());
        let seen = Seen { event: &event, now, workflow, entity, said: &life.heard, answered: false, may_defer };
        let mut before = self.set.judge(&seen);
        if !matches!(before.stopped, Some(Verdict::Asking { .. })) {
            return before;
        }
        let seen = Seen { said: &[], answered: true, ..seen };
        let heard = self.set.sift(&seen, life.said.iter().map(whole).collect());
        let mut after = self.set.judge(&Seen { said: &heard, ..seen });
        life.heard = heard;
        before.decisions.append(&mut after.decisions);
        Preliminary { decisions: before.decisions, ..after }
    }

    /// Asks the policies with state, and commits at once what they grant.
    fn ask(
        &mut self,
        life: &Life,
        wants: Vec<Want>,
        (returning, may_defer): (Option<Booking>, bool),
        now: Timestamp,
    ) -> Ruling {
        self.asks += 1;
        let (id, who) = (AskId(self.asks), (life.event.correlation_id.clone(), life.sequence));
        let ask = Ask { id, who: who.clone(), set: Arc::clone(&self.set), wants, returning, may_defer };
        // Nothing stays reserved here, so that no ask has to wait for another.
        let Some((_, ruling)) = self.governor.ask(ask, now) else {
            return Ruling { decisions: Vec::new(), stopped: None, at: now };
        };
        self.governor.settle(id, Some(id.0 + 1), now);
        // How long work took, the events do not tell: each is over with its own turn, as without a handler.
        for (policy, key) in ruling.decisions.iter().filter_map(held) {
            self.governor.freed(policy, key, &who, now);
        }
        self.governor.take_promises();
        ruling
    }
}

fn held(decision: &PolicyDecision) -> Option<(&str, &str)> {
    match &decision.grant {
        Some(Grant::Held { key }) => Some((&decision.policy, key)),
        _ => None,
    }
}

/// What a reasoner said, with the signals that other filters than ours dropped at the time.
fn whole(said: &Reasoning) -> Reasoning {
    let mut whole = said.clone();
    whole.signals.extend(whole.filtered.drain(..).map(|filtered| filtered.signal));
    whole
}
