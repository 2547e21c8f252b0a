//! What one policy says to one ask, before anything is reserved.

use super::super::ask::{Ask, Who};
use super::super::concurrency::{Concurrency, ConcurrencyRuling};
use super::super::cooldown::{Comer, Cooldown, CooldownRuling};
use super::super::debounce::{Debounce, DebounceRule, DebounceRuling};
use super::super::decision::{Booking, Grant, PolicyDecision, PolicyOutcome};
use super::super::kind::{CooldownMode, PolicyKind};
use super::super::policy::Policy;
use super::super::rate::{Rate, RateRule, RateRuling};
use super::super::window::{Window, WindowRule, WindowRuling};
use super::state::KeyState;
use crate::{Json, Timestamp};

/// A policy's name and one of its keys.
pub(super) type Place = (String, String);

pub(super) struct Look {
    pub(super) decision: PolicyDecision,
    pub(super) says: Says,
    pub(super) place: Place,
    /// The slot here to which the event comes back.
    pub(super) own: Option<Timestamp>,
    /// Whether so many may book that there is no end to it: places that are not counted.
    pub(super) uncounted: bool,
}

pub(super) enum Says {
    /// The event may go on, and takes this.
    Free(Option<Grant>),
    /// It is stopped for good; why, if not for the policy's own reason.
    Discards(Option<String>),
    /// It comes back then, or once it is told to, and books this. Where it decides alone the others are not looked at.
    Defers { grant: Grant, until: Option<Timestamp>, alone: bool },
    /// Only a reservation stands in its way.
    Unclear,
}

impl Look {
    pub(super) fn is_free(&self) -> bool {
        matches!(self.says, Says::Free(_))
    }

    /// Whether those after it need not be looked at, if all before it are free.
    pub(super) fn ends_it(&self) -> bool {
        matches!(self.says, Says::Discards(_) | Says::Defers { alone: true, .. })
    }

    /// Looks at a policy's key as it stands.
    pub(super) fn at(policy: &Policy, state: &KeyState, place: Place, (ask, now): (&Ask, Timestamp)) -> Self {
        let comer = match &ask.returning {
            None => Comer::New,
            Some(booking) if booking.policy == place.0 && booking.key == place.1 => Comer::Back(booking.slot),
            Some(booking) => Comer::Promised(booking.slot),
        };
        let mut decision = policy.decision(PolicyOutcome::Passed, now);
        decision.observed.insert("key".into(), Json::of(&place.1));
        let mut eye = Eye { decision, place: &place, who: &ask.who, now, comer };
        let says = match (state, &policy.kind) {
            (KeyState::Cooldown(key), PolicyKind::Cooldown { window, mode, .. }) => eye.cooldown(key, *window, *mode),
            (KeyState::Window(key), PolicyKind::Window { rule, mode, .. }) => eye.window(key, rule, *mode),
            (KeyState::Rate(key), PolicyKind::Rate { rule, mode, .. }) => eye.rate(key, rule, *mode),
            (KeyState::Debounce(key), PolicyKind::Debounce { rule, .. }) => eye.debounce(key, rule),
            (KeyState::Concurrency(key), PolicyKind::Concurrency { limit, .. }) => eye.concurrency(key, *limit),
            _ => Says::Free(None),
        };
        let own = if let Comer::Back(slot) = comer { Some(slot) } else { None };
        let uncounted = matches!(&policy.kind, PolicyKind::Window { rule, .. } if rule.at_most.is_none());
        Self { decision: eye.decision, says, place, own, uncounted }
    }
}

/// What is looked at, and by whom.
struct Eye<'a> {
    decision: PolicyDecision,
    place: &'a Place,
    who: &'a Who,
    now: Timestamp,
    comer: Comer,
}

impl Eye<'_> {
    fn cooldown(&mut self, key: &Cooldown, window: std::time::Duration, mode: CooldownMode) -> Says {
        self.saw("window_ms", &(window.as_millis() as u64));
        match key.rule(window, self.now, self.comer) {
            CooldownRuling::Free { counts_at } => Says::Free(Some(Grant::Taken { key: self.key(), at: counts_at })),
            CooldownRuling::Closed { ends, slot } => {
                self.saw("window_ends", &ends);
                self.remaining(ends);
                self.stops(mode, slot)
            }
            CooldownRuling::Unclear => Says::Unclear,
        }
    }

    fn window(&mut self, key: &Window, rule: &WindowRule, mode: CooldownMode) -> Says {
        if let Some(session) = rule.calendar.is_open(self.now) {
            self.saw("opened", &session.session);
            self.saw("closes", &session.end);
            if let Some(most) = rule.at_most {
                self.saw("count", &key.used(&session).min(u64::from(most)));
            }
        }
        if let Some(most) = rule.at_most {
            self.saw("at_most", &most);
        }
        match key.rule(rule, self.now, self.comer) {
            WindowRuling::Free { opening, .. } => {
                Says::Free(rule.at_most.map(|_| Grant::Placed { key: self.key(), opening }))
            }
            WindowRuling::Closed { opens, slot } => {
                if let Some(opens) = opens {
                    self.saw("opens", &opens);
                    self.remaining(opens);
                }
                match slot {
                    Some(slot) => self.stops(mode, slot),
                    None if opens.is_none() => self.discards("it does not open again"),
                    None => self.discards("no opening to come has a place"),
                }
            }
            WindowRuling::Unclear => Says::Unclear,
        }
    }

    fn rate(&mut self, key: &Rate, rule: &RateRule, mode: CooldownMode) -> Says {
        self.saw("rate", &rule.rate);
        self.saw("per_ms", &(rule.per.as_millis() as u64));
        self.saw("burst", &rule.burst);
        if let Some(arrival) = key.arrival() {
            self.saw("arrival", &arrival.instant());
        }
        match key.rule(rule, self.now, self.comer) {
            RateRuling::Free { at, booked } => {
                Says::Free(Some(Grant::Spent { key: self.key(), at, interval: rule.interval(), booked }))
            }
            RateRuling::Closed { ends, slot } => {
                self.remaining(ends);
                self.stops(mode, slot)
            }
            RateRuling::Unclear => Says::Unclear,
        }
    }

    fn debounce(&mut self, key: &Debounce, rule: &DebounceRule) -> Says {
        self.saw("wait_ms", &(rule.wait.as_millis() as u64));
        match key.rule(rule, self.now, (self.comer, self.who)) {
            DebounceRuling::Free => Says::Free(None),
            DebounceRuling::Overtaken => Says::Discards(Some("debounced".into())),
            DebounceRuling::Put { slot, first, nth } => {
                self.saw("first", &first);
                self.saw("nth", &nth);
                self.remaining(slot);
                Says::Defers {
                    grant: Grant::Burst { booking: self.booking(slot), first, nth },
                    until: Some(slot),
                    alone: true,
                }
            }
            DebounceRuling::Unclear => Says::Unclear,
        }
    }

    fn concurrency(&mut self, key: &Concurrency, limit: u32) -> Says {
        self.saw("limit", &limit);
        self.saw("held", &(key.held() as u64));
        match key.rule(limit, self.now, self.comer) {
            ConcurrencyRuling::Free => Says::Free(Some(Grant::Held { key: self.key() })),
            ConcurrencyRuling::Closed { since } => {
                self.saw("waiting", &(key.bookings() as u64));
                Says::Defers { grant: Grant::Booked(self.booking(since)), until: None, alone: false }
            }
            ConcurrencyRuling::Unclear => Says::Unclear,
        }
    }

    /// Who comes back to the place that it booked here was promised that: it is not discarded, whatever the mode is by now.
    fn stops(&self, mode: CooldownMode, slot: Timestamp) -> Says {
        match (mode, self.comer) {
            (CooldownMode::Discard, Comer::New | Comer::Promised(_)) => Says::Discards(None),
            _ => Says::Defers { grant: Grant::Booked(self.booking(slot)), until: Some(slot), alone: false },
        }
    }

    fn discards(&self, why: &str) -> Says {
        Says::Discards(Some(format!("{}; {why}", self.decision.reason)))
    }

    fn booking(&self, slot: Timestamp) -> Booking {
        Booking { policy: self.place.0.clone(), key: self.key(), slot }
    }

    fn key(&self) -> String {
        self.place.1.clone()
    }

    fn saw<T: serde::Serialize + ?Sized>(&mut self, what: &str, value: &T) {
        self.decision.observed.insert(what.into(), Json::of(value));
    }

    fn remaining(&mut self, until: Timestamp) {
        self.decision.remaining_ms = Some(until.since(self.now).as_micros().div_ceil(1_000) as u64);
    }
}
