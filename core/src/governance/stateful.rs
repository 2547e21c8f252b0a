//! All keys of all policies with state: what the policy actor owns.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::ask::{Ask, AskId, Ruling};
use super::cooldown::{Comer, Cooldown, CooldownRuling};
use super::decision::{Booking, Grant, PolicyDecision, PolicyOutcome, Verdict};
use super::policy::{CooldownMode, Policy, PolicyKind, PolicySet};
use crate::limits;
use crate::workflow::Fact;
use crate::{Json, Timestamp};

/// A policy's name and one of its keys.
type Place = (String, String);

/// An answered ask.
pub type Settled = (AskId, Ruling);

/// The state of all policies that hold any: the fold of the grants that the journal holds, and the reservations on top.
#[derive(Debug, Default)]
pub struct Governor {
    keys: HashMap<Place, Key>,
    /// What each answered ask holds until its event commits.
    held: HashMap<AskId, Held>,
    /// How long each policy's windows are: what the journal tells of policies that are no more is passed over.
    windows: HashMap<String, Duration>,
    /// Where each ask waits that is not answered yet.
    waits: HashMap<AskId, Place>,
    swept_at: usize,
}

#[derive(Debug, Default)]
struct Key {
    cooldown: Cooldown,
    window: Duration,
    waiting: VecDeque<Ask>,
}

#[derive(Debug, Default)]
struct Held {
    places: Vec<Place>,
    returning: Option<Booking>,
}

/// What one policy says to one ask, before anything is reserved.
struct Look {
    decision: PolicyDecision,
    ruling: CooldownRuling,
    mode: CooldownMode,
    place: Place,
    returning: bool,
}

impl Look {
    fn is_free(&self) -> bool {
        matches!(self.ruling, CooldownRuling::Free { .. })
    }

    /// Whether it stops the event for good. Not one that comes back to the place that it booked here: that was promised.
    fn discards(&self) -> bool {
        !self.is_free() && self.mode == CooldownMode::Discard && !self.returning
    }

    /// The slot that it would book.
    fn slot(&self) -> Option<Timestamp> {
        match self.ruling {
            CooldownRuling::Closed { slot, .. } if !self.discards() => Some(slot),
            _ => None,
        }
    }
}

impl Governor {
    /// The empty state of a set's policies.
    pub fn new(set: &PolicySet) -> Self {
        let windows = set.windows().map(|(name, window)| (name.to_string(), window)).collect();
        Self { windows, ..Self::default() }
    }

    /// Asks all policies at once. Nothing is answered yet if only a reservation stands in the way: the answer then comes
    /// from a later [`Governor::settle`]. What is answered holds its reservations until it is settled.
    pub fn ask(&mut self, ask: Ask, now: Timestamp) -> Option<Settled> {
        self.sweep(now);
        let mut looks = Vec::with_capacity(ask.wants.len());
        for want in &ask.wants {
            let Some(policy) = ask.set.policy(want.policy) else { continue };
            let Some(look) = self.look(policy, &want.key, &ask, now) else { continue };
            if look.ruling == CooldownRuling::Unclear {
                self.waits.insert(ask.id, look.place.clone());
                self.keys.entry(look.place).or_default().waiting.push_back(ask);
                return None;
            }
            let decided = look.discards() && looks.iter().all(Look::is_free);
            looks.push(look);
            if decided {
                break; // whatever the others say: they are not looked at, and nobody waits for them
            }
        }
        let id = ask.id;
        Some((id, self.answer(ask, looks, now)))
    }

    /// An ask's event has committed, or will not: what it reserved is final or given up. Gives the answers of those who
    /// waited for that.
    pub fn settle(&mut self, id: AskId, committed: bool, now: Timestamp) -> Vec<Settled> {
        let held = self.held.remove(&id).unwrap_or_default();
        let mut freed: Vec<Place> = Vec::new();
        for place in held.places {
            if let Some(key) = self.keys.get_mut(&place) {
                if committed { key.cooldown.commit(id) } else { key.cooldown.release(id) }
            }
            freed.push(place);
        }
        if let Some(booking) = held.returning.filter(|_| committed) {
            freed.push(self.unbook(booking));
        }
        self.ask_again(&freed, now)
    }

    /// Drops an ask that nobody waits for any more, whether it has been answered or not.
    pub fn forget(&mut self, id: AskId, now: Timestamp) -> Vec<Settled> {
        if let Some(key) = self.waits.remove(&id).and_then(|place| self.keys.get_mut(&place)) {
            key.waiting.retain(|ask| ask.id != id);
        }
        self.settle(id, false, now)
    }

    /// Folds a fact of the journal: the state that a restart finds again.
    pub fn replay(&mut self, fact: &Fact) {
        match fact {
            Fact::Judged { judgement, .. } => {
                let grants = judgement.decisions.iter().filter_map(|it| it.grant.as_ref().map(|grant| (it, grant)));
                grants.for_each(|(decision, grant)| match grant {
                    Grant::Taken { key, at } => self.was_taken(&decision.policy, key, *at),
                    Grant::Booked(booking) => self.was_booked(booking),
                });
            }
            Fact::Released { booking } => {
                self.unbook(booking.clone());
            }
            _ => {}
        }
    }

    /// A committed acceptance, as the journal has it.
    pub fn was_taken(&mut self, policy: &str, key: &str, at: Timestamp) {
        if let Some(key) = self.known_key(policy, key) {
            key.cooldown.was_taken(at);
        }
    }

    /// A committed booking, as the journal has it.
    pub fn was_booked(&mut self, booking: &Booking) {
        if let Some(key) = self.known_key(&booking.policy, &booking.key) {
            key.cooldown.was_booked(booking.slot);
        }
    }

    fn known_key(&mut self, policy: &str, key: &str) -> Option<&mut Key> {
        let window = *self.windows.get(policy)?;
        let known = self.keys.entry((policy.into(), key.into())).or_default();
        known.window = window;
        Some(known)
    }

    /// Takes the committed state of policies that it does not know yet. What it knows goes on as it is: nobody has asked it
    /// about the others, so that nothing of theirs has changed since that was read.
    pub fn learn(&mut self, read: Governor) {
        let known = std::mem::take(&mut self.windows);
        self.keys.extend(read.keys.into_iter().filter(|((policy, _), _)| !known.contains_key(policy)));
        self.windows = known;
        self.windows.extend(read.windows);
    }

    /// Keys that are remembered.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    fn unbook(&mut self, booking: Booking) -> Place {
        let place = (booking.policy, booking.key);
        if let Some(key) = self.keys.get_mut(&place) {
            key.cooldown.unbook(booking.slot);
        }
        place
    }

    fn look(&mut self, policy: &Policy, key_text: &str, ask: &Ask, now: Timestamp) -> Option<Look> {
        let PolicyKind::Cooldown { window, mode, .. } = policy.kind else { return None };
        let place = (policy.name.clone(), key_text.to_string());
        let key = self.keys.entry(place.clone()).or_default();
        key.window = window;
        let comer = match &ask.returning {
            None => Comer::New,
            Some(booking) if booking.policy == place.0 && booking.key == place.1 => Comer::Back(booking.slot),
            Some(booking) => Comer::Promised(booking.slot),
        };
        let ruling = key.cooldown.rule(window, now, comer);
        let mut decision = policy.decision(PolicyOutcome::Passed, now);
        decision.observed.insert("key".into(), Json::of(key_text));
        decision.observed.insert("window_ms".into(), Json::of(&(window.as_millis() as u64)));
        if let CooldownRuling::Closed { ends, .. } = ruling {
            decision.remaining_ms = Some(ends.since(now).as_micros().div_ceil(1_000) as u64);
            decision.observed.insert("window_ends".into(), Json::of(&ends));
        }
        Some(Look { decision, ruling, mode, place, returning: matches!(comer, Comer::Back(_)) })
    }

    /// The first that stops wins; of several that defer, the latest time.
    fn answer(&mut self, ask: Ask, mut looks: Vec<Look>, now: Timestamp) -> Ruling {
        let mut held = Held { places: Vec::new(), returning: ask.returning };
        let stop = looks.iter().position(|look| matches!(look.ruling, CooldownRuling::Closed { .. }));
        let stopped = match stop {
            None => {
                looks.iter_mut().for_each(|look| self.take(look, ask.id, &mut held));
                None
            }
            Some(at) if looks[at].discards() => {
                looks[at].decision.outcome = PolicyOutcome::Discarded;
                Some(Verdict::Discarded { reason: looks[at].decision.reason.clone() })
            }
            Some(_) => Some(self.defer(&mut looks, ask.id, &mut held)),
        };
        self.held.insert(ask.id, held);
        Ruling { decisions: looks.into_iter().map(|look| look.decision).collect(), stopped, at: now }
    }

    fn take(&mut self, look: &mut Look, id: AskId, held: &mut Held) {
        let CooldownRuling::Free { counts_at } = look.ruling else { return };
        if let Some(key) = self.keys.get_mut(&look.place) {
            key.cooldown.take(counts_at, id);
            look.decision.grant = Some(Grant::Taken { key: look.place.1.clone(), at: counts_at });
            held.places.push(look.place.clone());
        }
    }

    fn defer(&mut self, looks: &mut [Look], id: AskId, held: &mut Held) -> Verdict {
        for look in looks.iter_mut().filter(|look| !look.is_free()) {
            look.decision.outcome = if look.discards() { PolicyOutcome::Discarded } else { PolicyOutcome::Deferred };
        }
        let latest = looks.iter_mut().filter(|look| look.slot().is_some()).max_by_key(|look| look.slot());
        let Some((look, slot)) = latest.and_then(|look| look.slot().map(|slot| (look, slot))) else {
            return Verdict::Discarded { reason: "no policy that defers has a slot".into() };
        };
        let reason = look.decision.reason.clone();
        let key = self.keys.entry(look.place.clone()).or_default();
        // A return gives a place up for the one that it takes: what was promised is not broken because the key is full.
        if key.cooldown.bookings() >= limits::BOOKINGS && !look.returning {
            look.decision.outcome = PolicyOutcome::Discarded;
            return Verdict::Discarded { reason: format!("{reason}; {} are waiting already", limits::BOOKINGS) };
        }
        key.cooldown.book(slot, id);
        held.places.push(look.place.clone());
        let booking = Booking { policy: look.place.0.clone(), key: look.place.1.clone(), slot };
        look.decision.grant = Some(Grant::Booked(booking));
        Verdict::Deferred { until: slot, reason }
    }

    fn ask_again(&mut self, places: &[Place], now: Timestamp) -> Vec<Settled> {
        let mut answers = Vec::new();
        for place in places {
            let waiting = self.keys.get_mut(place).map(|key| std::mem::take(&mut key.waiting)).unwrap_or_default();
            for ask in waiting {
                self.waits.remove(&ask.id);
                answers.extend(self.ask(ask, now));
            }
        }
        answers
    }

    /// Forgets keys that cannot matter any more, whenever there are twice as many as after the last time.
    fn sweep(&mut self, now: Timestamp) {
        if self.keys.len() >= (self.swept_at * 2).max(1_024) {
            self.keys.retain(|_, key| !key.waiting.is_empty() || !key.cooldown.is_spent(key.window, now));
            self.swept_at = self.keys.len();
            self.keys.shrink_to(2 * self.swept_at);
        }
    }
}
