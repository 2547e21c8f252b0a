//! A naive model of the policies with state: whole histories instead of a state, searches instead of arithmetic.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::Timestamp;
use regie_core::governance::{AskId, Grant, PolicyOutcome, Ruling, Verdict};

pub(crate) use super::governor_key::{Key, Look, Rule};

/// What an ask asks for: policies by place, and its key at each.
pub(crate) type Wants = Vec<(usize, String)>;

/// A booking: policy, key and slot.
pub(crate) type Place = (usize, String, i64);

/// Who asks, to which place it comes back, and when.
#[derive(Clone, Copy)]
pub(crate) struct Comes<'a> {
    pub(crate) who: u64,
    pub(crate) returning: Option<&'a Place>,
    pub(crate) now: i64,
}

/// What must be answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    Waits,
    /// What it takes at each: an instant, where there is one.
    Goes {
        takes: Vec<Option<i64>>,
    },
    Discarded {
        by: usize,
    },
    Deferred {
        by: usize,
        slot: i64,
        timed: bool,
    },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) rules: Vec<Rule>,
    pub(crate) keys: BTreeMap<(usize, String), Key>,
}

impl Model {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self { rules, keys: BTreeMap::new() }
    }

    /// What must be answered to an ask now.
    pub(crate) fn expect(&self, wants: &Wants, comes: Comes<'_>) -> Expected {
        // Nobody of a burst comes back before all of it is settled, whatever it wants.
        let burst = comes.returning.filter(|place| matches!(self.rules[place.0], Rule::Debounce { .. }));
        if burst.is_some_and(|place| self.at(place).is_some_and(|key| key.is_unsettled(comes.who))) {
            return Expected::Waits;
        }
        let mut looks: Vec<(usize, Look)> = Vec::new();
        for (policy, key) in wants {
            let own = comes.returning.filter(|place| place.0 == *policy && place.1 == *key).map(|place| place.2);
            let promised = comes.returning.map(|place| place.2);
            let key = self.keys.get(&(*policy, key.clone())).cloned().unwrap_or_default();
            let rule = &self.rules[*policy];
            let mut look = key.look(rule, comes.now, (own, promised, comes.who));
            if look == Look::Unclear {
                return Expected::Waits;
            }
            if matches!(look, Look::Closed { .. }) && !rule.defers() && own.is_none() {
                look = Look::Discards;
            }
            let ends = look == Look::Discards || matches!((&look, rule), (Look::Closed { .. }, Rule::Debounce { .. }));
            let decided = ends && looks.iter().all(|(_, look)| matches!(look, Look::Free(_)));
            looks.push((*policy, look));
            if decided {
                break;
            }
        }
        if let Some((by, Look::Discards)) = looks.iter().find(|(_, look)| !matches!(look, Look::Free(_))) {
            return Expected::Discarded { by: *by };
        }
        let closed = looks.iter().filter_map(|(policy, look)| match look {
            Look::Closed { slot, timed } => Some((*policy, *slot, *timed)),
            _ => None,
        });
        // One that waits without a time yields to those that know one.
        if let Some((by, slot, timed)) = closed.max_by_key(|(_, slot, timed)| timed.then_some(*slot)) {
            return Expected::Deferred { by, slot, timed };
        }
        let takes = looks.iter().map(|(_, look)| if let Look::Free(takes) = look { *takes } else { None });
        Expected::Goes { takes: takes.collect() }
    }

    /// Reserves what an answer gives.
    pub(crate) fn reserve(&mut self, id: AskId, wants: &Wants, (expected, comes): (&Expected, Comes<'_>)) {
        match expected {
            Expected::Goes { takes } => {
                for ((policy, key), at) in wants.iter().zip(takes) {
                    let Some(at) = *at else { continue };
                    self.key(*policy, key).take(at, (comes.who, id));
                }
            }
            Expected::Deferred { by, slot, .. } => {
                let key = wants.iter().find(|(policy, _)| policy == by).map(|(_, key)| key.clone()).unwrap_or_default();
                // Who waits without a time, and must go on waiting, keeps its place.
                if comes.returning == Some(&(*by, key.clone(), *slot)) {
                    return;
                }
                let now = comes.now;
                self.key(*by, &key).book(*slot, (comes.who, id), now);
            }
            _ => {}
        }
    }

    /// An ask commits, or does not; `kept` if it is put off to the very place that it came back to.
    pub(crate) fn settle(&mut self, id: AskId, committed: bool, (returning, who, kept): (Option<&Place>, u64, bool)) {
        self.keys.values_mut().for_each(|key| key.settle(id, committed));
        if let Some((policy, key, slot)) = returning.filter(|_| committed && !kept) {
            self.key(*policy, key).booked.retain(|it| it.who != who || it.slot != *slot);
        }
    }

    /// A crash: reservations are gone.
    pub(crate) fn crash(&mut self) {
        self.keys.values_mut().for_each(Key::crash);
    }

    fn at(&self, place: &Place) -> Option<&Key> {
        self.keys.get(&(place.0, place.1.clone()))
    }

    /// Whether any reservation stands at one of these places, or where one has booked.
    pub(crate) fn is_reserved(&self, wants: &Wants, returning: Option<&Place>) -> bool {
        let wanted = wants.iter().filter_map(|want| self.keys.get(want));
        wanted.chain(returning.and_then(|place| self.at(place))).any(Key::is_reserved)
    }

    pub(crate) fn key(&mut self, policy: usize, key: &str) -> &mut Key {
        self.keys.entry((policy, key.to_string())).or_default()
    }

    /// Who must have been told by now that a place is free: where nothing is reserved.
    pub(crate) fn must_be_told(&self) -> BTreeSet<u64> {
        let mut told = BTreeSet::new();
        for ((policy, _), key) in self.keys.iter().filter(|(_, key)| !key.is_reserved()) {
            let Rule::Concurrency { limit } = self.rules[*policy] else { continue };
            let mut waiting: Vec<_> = key.booked.iter().map(|it| (it.slot, it.who)).collect();
            waiting.sort_unstable();
            told.extend(waiting.into_iter().take(limit.saturating_sub(key.taken.len())).map(|(_, who)| who));
        }
        told
    }
}

/// Holds an answer against what was expected; names are `p0`, `p1` and so on.
pub(crate) fn assert_answer(expected: &Expected, ruling: &Ruling, wants: &Wants) {
    let grants = || ruling.decisions.iter().filter_map(|it| Some((it.policy.clone(), it.grant.as_ref()?)));
    let taken: Vec<i64> = grants().filter_map(|(_, grant)| instant(grant)).collect();
    match (expected, &ruling.stopped) {
        (Expected::Goes { takes }, None) => {
            assert_eq!(taken, takes.iter().flatten().copied().collect::<Vec<_>>(), "{wants:?}");
        }
        (Expected::Discarded { by }, Some(Verdict::Discarded { .. })) => {
            let last = ruling.decisions.last().expect("the one that discards");
            assert_eq!((last.policy.as_str(), last.outcome), (format!("p{by}").as_str(), PolicyOutcome::Discarded));
            assert_eq!(grants().count(), 0, "what is stopped spends nothing");
        }
        (Expected::Deferred { by, slot, timed }, Some(verdict)) => {
            match verdict {
                Verdict::Deferred { until, .. } => assert!(*timed && until.micros() == *slot, "{until}, not {slot}"),
                Verdict::Waiting { .. } => assert!(!timed, "it knows a time"),
                other => panic!("expected {expected:?}, found {other:?}"),
            }
            let booked: Vec<_> = grants().map(|(policy, grant)| (policy, grant.booking().map(|it| it.slot))).collect();
            assert_eq!(booked, [(format!("p{by}"), Some(Timestamp::from_micros(*slot)))], "wants {wants:?}");
        }
        (expected, found) => panic!("expected {expected:?}, found {found:?}"),
    }
}

/// The instant that an acceptance takes; who holds a place takes it at no instant.
fn instant(grant: &Grant) -> Option<i64> {
    match grant {
        Grant::Taken { at, .. } | Grant::Spent { at, .. } => Some(at.micros()),
        Grant::Placed { opening, .. } => Some(opening.micros()),
        Grant::Held { .. } => Some(0),
        _ => None,
    }
}
