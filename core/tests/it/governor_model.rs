//! A naive model of the cooldowns: whole histories instead of a state, searches instead of arithmetic.

use std::collections::BTreeMap;

use regie_core::governance::{AskId, Grant, PolicyOutcome, Ruling, Verdict};

use super::helpers::at;

/// A policy of the model; all times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) window: i64,
    pub(crate) defers: bool,
}

/// What an ask asks for: policies by place, and its key at each.
pub(crate) type Wants = Vec<(usize, String)>;

/// A booking: policy, key and slot.
pub(crate) type Place = (usize, String, i64);

/// What must be answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    Waits,
    Goes { counts: Vec<i64> },
    Discarded { by: usize },
    Deferred { by: usize, slot: i64 },
}

/// An instant, and the ask that only reserves it.
type Instant = (i64, Option<AskId>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    pub(crate) taken: Vec<Instant>,
    pub(crate) booked: Vec<Instant>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) rules: Vec<Rule>,
    pub(crate) keys: BTreeMap<(usize, String), Key>,
}

enum Look {
    Free(i64),
    Closed(i64),
    Unclear,
}

impl Model {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self { rules, keys: BTreeMap::new() }
    }

    /// What must be answered to an ask now.
    pub(crate) fn expect(&self, wants: &Wants, returning: Option<&Place>, now: i64) -> Expected {
        let mut looks: Vec<(usize, bool, Look)> = Vec::new();
        for (policy, key) in wants {
            let own = returning.filter(|place| place.0 == *policy && place.1 == *key).map(|place| place.2);
            let promised = returning.map(|place| place.2);
            let key = self.keys.get(&(*policy, key.clone())).cloned().unwrap_or_default();
            let look = key.look(self.rules[*policy].window, now, (own, promised));
            if matches!(look, Look::Unclear) {
                return Expected::Waits;
            }
            let discards = matches!(look, Look::Closed(_)) && !self.rules[*policy].defers && own.is_none();
            if discards && looks.iter().all(|(.., look)| matches!(look, Look::Free(_))) {
                return Expected::Discarded { by: *policy };
            }
            looks.push((*policy, discards, look));
        }
        let slots = looks.iter().filter(|(_, discards, _)| !discards).filter_map(|(policy, _, look)| match look {
            Look::Closed(slot) => Some((*policy, *slot)),
            _ => None,
        });
        if let Some((by, slot)) = slots.max_by_key(|(_, slot)| *slot) {
            return Expected::Deferred { by, slot };
        }
        let counts = looks.iter().filter_map(|(.., look)| if let Look::Free(at) = look { Some(*at) } else { None });
        Expected::Goes { counts: counts.collect() }
    }

    /// Reserves what an answer gives.
    pub(crate) fn reserve(&mut self, id: AskId, wants: &Wants, expected: &Expected) {
        match expected {
            Expected::Goes { counts } => {
                for ((policy, key), at) in wants.iter().zip(counts) {
                    self.key(*policy, key).taken.push((*at, Some(id)));
                }
            }
            Expected::Deferred { by, slot } => {
                let key = wants.iter().find(|(policy, _)| policy == by).map(|(_, key)| key.clone());
                self.key(*by, &key.unwrap_or_default()).booked.push((*slot, Some(id)));
            }
            _ => {}
        }
    }

    pub(crate) fn settle(&mut self, id: AskId, committed: bool, returning: Option<&Place>) {
        for key in self.keys.values_mut() {
            for list in [&mut key.taken, &mut key.booked] {
                list.retain(|(_, by)| committed || *by != Some(id));
                list.iter_mut().filter(|(_, by)| *by == Some(id)).for_each(|(_, by)| *by = None);
            }
        }
        if let Some((policy, key, slot)) = returning.filter(|_| committed) {
            self.key(*policy, key).booked.retain(|(booked, by)| booked != slot || by.is_some());
        }
    }

    /// A crash: reservations are gone.
    pub(crate) fn crash(&mut self) {
        for key in self.keys.values_mut() {
            key.taken.retain(|(_, by)| by.is_none());
            key.booked.retain(|(_, by)| by.is_none());
        }
    }

    /// Whether any reservation stands at one of these places.
    pub(crate) fn is_reserved(&self, wants: &Wants) -> bool {
        wants
            .iter()
            .filter_map(|want| self.keys.get(want))
            .any(|key| key.taken.iter().chain(&key.booked).any(|(_, by)| by.is_some()))
    }

    fn key(&mut self, policy: usize, key: &str) -> &mut Key {
        self.keys.entry((policy, key.to_string())).or_default()
    }
}

impl Key {
    fn look(&self, window: i64, now: i64, (own, promised): (Option<i64>, Option<i64>)) -> Look {
        let counts = own.filter(|slot| now < slot + window).unwrap_or(now);
        let committed = |list: &[Instant]| list.iter().filter(|(_, by)| by.is_none()).map(|(at, _)| *at).collect();
        let (taken, booked): (Vec<i64>, Vec<i64>) = (committed(&self.taken), committed(&self.booked));
        let overdue =
            if own.is_none() { self.booked.iter().filter(|(slot, _)| *slot <= now).count() as i64 } else { 0 };
        if let Some(last) = taken.iter().filter(|taken| counts - **taken < window).max() {
            return Look::Closed(self.slot(last + window * (1 + overdue), window, own));
        }
        if own.is_none() {
            // One that was promised elsewhere yields to those who were promised no later alone.
            let stands = |slot: i64| slot < now + window && promised.is_none_or(|promised| slot <= promised);
            if let Some(first) = booked.iter().filter(|slot| stands(**slot)).min() {
                return Look::Closed(self.slot(now.max(*first) + window * overdue.max(1), window, own));
            }
            if self.booked.iter().any(|(slot, _)| stands(*slot)) {
                return Look::Unclear;
            }
        }
        let blocked = self.taken.iter().any(|(taken, by)| by.is_some() && (taken - counts).abs() < window);
        if blocked { Look::Unclear } else { Look::Free(counts) }
    }

    /// The earliest instant from `from` on that is a window away from every other booking.
    fn slot(&self, from: i64, window: i64, own: Option<i64>) -> i64 {
        let others: Vec<i64> = self.booked.iter().map(|(slot, _)| *slot).filter(|slot| Some(*slot) != own).collect();
        let candidates = others.iter().map(|slot| slot + window).chain([from]).filter(|slot| *slot >= from);
        let fits = candidates.filter(|slot| others.iter().all(|other| (other - slot).abs() >= window));
        fits.min().unwrap_or(from)
    }
}

/// Holds an answer against what was expected; names are `p0`, `p1` and so on.
pub(crate) fn assert_answer(expected: &Expected, ruling: &Ruling, wants: &Wants) {
    let taken = |ruling: &Ruling| -> Vec<i64> {
        let grants = ruling.decisions.iter().filter_map(|decision| decision.grant.as_ref());
        grants
            .filter_map(|grant| if let Grant::Taken { at, .. } = grant { Some(at.micros() / 1_000) } else { None })
            .collect()
    };
    match (expected, &ruling.stopped) {
        (Expected::Goes { counts }, None) => assert_eq!(&taken(ruling), counts),
        (Expected::Discarded { by }, Some(Verdict::Discarded { .. })) => {
            let last = ruling.decisions.last().expect("the one that discards");
            assert_eq!((last.policy.as_str(), last.outcome), (format!("p{by}").as_str(), PolicyOutcome::Discarded));
            assert!(ruling.decisions.iter().all(|decision| decision.grant.is_none()), "what is stopped spends nothing");
        }
        (Expected::Deferred { by, slot }, Some(Verdict::Deferred { until, .. })) => {
            assert_eq!(*until, at(*slot), "wants {wants:?}, by p{by}");
            assert_eq!(taken(ruling), Vec::<i64>::new(), "what is stopped spends nothing");
            let booked = ruling.decisions.iter().filter(|decision| decision.grant.is_some());
            assert_eq!(booked.map(|decision| decision.policy.clone()).collect::<Vec<_>>(), [format!("p{by}")]);
        }
        (expected, found) => panic!("expected {expected:?}, found {found:?}"),
    }
}
