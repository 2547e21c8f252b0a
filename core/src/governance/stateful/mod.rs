//! All keys of all policies with state: what the policy actor owns.

mod journal;
mod learn;
mod look;
mod state;
mod stranded;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use self::learn::Late;
use self::look::{Look, Place, Says};
use self::state::KeyState;
use self::stranded::Stranded;
use super::ask::{Ask, AskId, Promise, Ruling, Who};
use super::decision::{Booking, Grant, PolicyOutcome, Verdict};
use super::kind::PolicyKind;
use super::policy::Policy;
use super::set::PolicySet;
use crate::{Digest, Timestamp, limits};

/// An answered ask.
pub type Settled = (AskId, Ruling);

/// The state of all policies that hold any: the fold of the grants that the journal holds, and the reservations on top.
#[derive(Debug, Default)]
pub struct Governor {
    keys: HashMap<Place, Key>,
    /// What each answered ask holds until its event commits.
    held: HashMap<AskId, Held>,
    /// What each policy does: what the journal tells of policies that are no more is passed over.
    kinds: HashMap<String, PolicyKind>,
    /// The set that they are of.
    set: Option<Digest>,
    /// Where each ask waits that is not answered yet.
    waits: HashMap<AskId, Place>,
    /// Keys of concurrency limits that have changed: somebody who waits there may have a place now.
    changed: BTreeSet<Place>,
    /// Who waits at limits that are in force no more.
    stranded: Stranded,
    /// What commits while a set is about to come into force: what is read for it may lack that.
    late: Option<Late>,
    /// Up to where in the journal this was read.
    read_to: u64,
    swept_at: usize,
}

#[derive(Debug)]
struct Key {
    state: KeyState,
    waiting: VecDeque<Ask>,
    /// Up to where it was read from the journal while others committed.
    read_to: u64,
}

#[derive(Debug)]
struct Held {
    who: Who,
    reserved: Vec<Reserved>,
    returning: Option<Booking>,
    /// Whether it waits without a time where it has booked.
    waits: bool,
}

impl Held {
    fn booked(&self) -> Option<&Booking> {
        self.reserved.iter().find_map(|it| it.grant.booking())
    }
}

#[derive(Debug)]
struct Reserved {
    place: Place,
    grant: Grant,
    /// The slot here to which the event came back.
    own: Option<Timestamp>,
}

impl Governor {
    /// The empty state of a set's policies.
    pub fn new(set: &PolicySet) -> Self {
        let kinds = set.stateful().map(|(name, kind)| (name.to_string(), kind.clone())).collect();
        Self { kinds, set: set.digest(), ..Self::default() }
    }

    /// This is what the journal tells up to a position.
    pub fn was_read_to(&mut self, position: u64) {
        self.read_to = position;
    }

    /// Asks all policies at once. Nothing is answered yet if only a reservation stands in the way: the answer then comes
    /// from a later [`Governor::settle`]. What is answered holds its reservations until it is settled.
    pub fn ask(&mut self, ask: Ask, now: Timestamp) -> Option<Settled> {
        self.sweep(now);
        if let Some(place) = self.unsettled_burst(&ask) {
            self.wait(place, ask);
            return None;
        }
        let mut looks = Vec::with_capacity(ask.wants.len());
        for want in &ask.wants {
            let Some(policy) = ask.set.policy(want.policy) else { continue };
            let Some(look) = self.look(policy, &want.key, &ask, now) else { continue };
            if matches!(look.says, Says::Unclear) {
                self.wait(look.place, ask);
                return None;
            }
            let decided = look.ends_it() && looks.iter().all(Look::is_free);
            looks.push(look);
            if decided {
                break; // whatever the others say: they are not looked at, and nobody waits for them
            }
        }
        let id = ask.id;
        Some((id, self.answer(ask, looks, now)))
    }

    /// Where one has booked that comes back to a burst in which others have only reserved places. It waits even if it wants
    /// nothing any more: with its place given back the burst may be forgotten, and theirs may be written before that.
    fn unsettled_burst(&self, ask: &Ask) -> Option<Place> {
        let booking = ask.returning.as_ref()?;
        let place = (booking.policy.clone(), booking.key.clone());
        let KeyState::Debounce(key) = &self.keys.get(&place)?.state else { return None };
        key.is_unsettled(&ask.who).then_some(place)
    }

    fn wait(&mut self, place: Place, ask: Ask) {
        self.waits.insert(ask.id, place.clone());
        if let Some(key) = self.keys.get_mut(&place) {
            key.waiting.push_back(ask);
        }
    }

    /// An ask's event has committed, at a position of the journal, or will not: what it reserved is final or given up. Gives
    /// the answers of those who waited for that.
    pub fn settle(&mut self, id: AskId, committed: Option<u64>, now: Timestamp) -> Vec<Settled> {
        self.settle_all(&[(id, committed)], now)
    }

    /// The same of several. Whoever waits is asked again once, when all of them are settled.
    pub fn settle_all(&mut self, settled: &[(AskId, Option<u64>)], now: Timestamp) -> Vec<Settled> {
        let mut freed = Vec::new();
        let mut once = HashSet::new();
        for (id, committed) in settled {
            let places = self.settle_one(*id, *committed);
            freed.extend(places.into_iter().filter(|place| once.insert(place.clone())));
        }
        self.ask_again(&freed, now)
    }

    fn settle_one(&mut self, id: AskId, committed: Option<u64>) -> Vec<Place> {
        let Some(held) = self.held.remove(&id) else { return Vec::new() };
        // What was read from the journal has it already.
        let is_known = |key: &Key| committed.is_some_and(|position| position <= key.read_to);
        for Reserved { place, .. } in &held.reserved {
            if let Some(key) = self.keys.get_mut(place) {
                let committed = committed.filter(|_| !is_known(key));
                key.state.settle(id, committed);
            }
            self.has_changed(place);
        }
        if let Some(booking) = held.booked().filter(|_| committed.is_some() && held.waits) {
            self.waits(booking, &held.who); // of a set that has gone out of force meanwhile, perhaps
        }
        let gives_up = committed.is_some() && held.booked() != held.returning.as_ref();
        if let Some((late, position)) = self.late.as_mut().zip(committed) {
            late.committed(position, &held);
        }
        let mut freed: Vec<Place> = Vec::new();
        freed.extend(held.reserved.into_iter().map(|it| it.place).filter(|place| self.is_waited_for(place)));
        if let Some(booking) = held.returning {
            let place = (booking.policy.clone(), booking.key.clone());
            match gives_up {
                true if self.keys.get(&place).is_some_and(is_known) => freed.push(place),
                true => freed.push(self.unbook(&booking, &held.who)),
                false => self.unpromise(&booking, &held.who),
            }
        }
        freed
    }

    fn is_waited_for(&self, place: &Place) -> bool {
        self.keys.get(place).is_some_and(|key| !key.waiting.is_empty())
    }

    /// Drops an ask that nobody waits for any more, whether it has been answered or not.
    pub fn forget(&mut self, id: AskId, now: Timestamp) -> Vec<Settled> {
        if let Some(key) = self.waits.remove(&id).and_then(|place| self.keys.get_mut(&place)) {
            let gone = key.waiting.iter().position(|ask| ask.id == id).and_then(|at| key.waiting.remove(at));
            if let Some((booking, who)) = gone.and_then(|ask| Some((ask.returning?, ask.who))) {
                self.unpromise(&booking, &who);
            }
        }
        self.settle(id, None, now)
    }

    /// The place of an event at a concurrency limit was freed, and that has committed.
    pub fn freed(&mut self, policy: &str, key: &str, who: &Who, now: Timestamp) -> Vec<Settled> {
        let place = (policy.to_string(), key.to_string());
        self.was_freed(&place, who);
        if let Some(late) = &mut self.late {
            late.freed(&place, who);
        }
        self.ask_again(&[place], now)
    }

    /// Those who waited and have a place now: each is to come back, and is told once. After a restart all are told again.
    /// Where the limit is no more, all who wait are told: nothing is in their way, and nobody else would ever tell them.
    pub fn take_promises(&mut self) -> Vec<Promise> {
        let mut told: Vec<Who> = self.stranded.take().collect();
        for place in std::mem::take(&mut self.changed) {
            let Some(Key { state: KeyState::Concurrency(key), .. }) = self.keys.get_mut(&place) else { continue };
            told.extend(key.promise(match self.kinds.get(&place.0) {
                Some(PolicyKind::Concurrency { limit, .. }) => *limit,
                _ => u32::MAX,
            }));
        }
        let mut once = BTreeSet::new();
        told.retain(|who| once.insert(who.clone()));
        told.into_iter().map(|(correlation, event)| Promise { correlation, event }).collect()
    }

    /// Keys that are remembered.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    fn look(&mut self, policy: &Policy, key: &str, ask: &Ask, now: Timestamp) -> Option<Look> {
        // Of a set that is in force no more, under whose name there is another kind by now: it has no say any more, and must
        // not begin that one's keys anew.
        let is_other = |kind: &PolicyKind| std::mem::discriminant(kind) != std::mem::discriminant(&policy.kind);
        if self.kinds.get(&policy.name).is_some_and(is_other) {
            return None;
        }
        let place = (policy.name.clone(), key.to_string());
        let state = self.key(&place, &policy.kind)?;
        Some(Look::at(policy, state, place, (ask, now)))
    }

    fn key(&mut self, place: &Place, kind: &PolicyKind) -> Option<&mut KeyState> {
        if !self.keys.contains_key(place) {
            let state = KeyState::of(kind)?;
            self.keys.insert(place.clone(), Key { state, waiting: VecDeque::new(), read_to: 0 });
        }
        let key = self.keys.get_mut(place)?;
        if !key.state.fits(kind) {
            key.state = KeyState::of(kind)?;
        }
        Some(&mut key.state)
    }

    /// The first that stops wins; of several that defer, the latest time.
    fn answer(&mut self, ask: Ask, mut looks: Vec<Look>, now: Timestamp) -> Ruling {
        let mut held = Held { who: ask.who, reserved: Vec::new(), returning: ask.returning, waits: false };
        let stop = looks.iter().position(|look| !look.is_free());
        let stopped = match stop {
            None => {
                looks.iter_mut().for_each(|look| self.take(look, ask.id, &mut held));
                None
            }
            Some(at) if !ask.may_defer && matches!(looks[at].says, Says::Defers { .. }) => {
                looks[at].decision.outcome = PolicyOutcome::Escalated;
                let reason = format!("put off too often; at last: {}", looks[at].decision.reason);
                Some(Verdict::Escalated { reason })
            }
            Some(at) => Some(match &looks[at].says {
                Says::Discards(why) => {
                    let reason = why.clone().unwrap_or_else(|| looks[at].decision.reason.clone());
                    looks[at].decision.outcome = PolicyOutcome::Discarded;
                    looks[at].decision.reason.clone_from(&reason);
                    Verdict::Discarded { reason }
                }
                _ => self.defer(&mut looks, ask.id, &mut held),
            }),
        };
        self.held.insert(ask.id, held);
        Ruling { decisions: looks.into_iter().map(|look| look.decision).collect(), stopped, at: now }
    }

    fn take(&mut self, look: &mut Look, id: AskId, held: &mut Held) {
        let Says::Free(grant) = &mut look.says else { return };
        if let Some((key, grant)) = self.keys.get_mut(&look.place).zip(grant.take()) {
            key.state.reserve(&grant, look.own, (id, &held.who));
            look.decision.grant = Some(grant.clone());
            held.reserved.push(Reserved { place: std::mem::take(&mut look.place), grant, own: look.own });
        }
    }

    fn defer(&mut self, looks: &mut [Look], id: AskId, held: &mut Held) -> Verdict {
        for look in looks.iter_mut() {
            match look.says {
                Says::Discards(_) => look.decision.outcome = PolicyOutcome::Discarded,
                Says::Defers { .. } => look.decision.outcome = PolicyOutcome::Deferred,
                Says::Free(_) | Says::Unclear => {}
            }
        }
        // Who must wait without a time is asked again when the others' time has come.
        let time = |look: &&mut Look| if let Says::Defers { until, .. } = &look.says { Some(*until) } else { None };
        let latest = looks.iter_mut().filter(|look| time(look).is_some()).max_by_key(time);
        let Some((look, grant, until)) = latest.and_then(|look| match &look.says {
            Says::Defers { grant, until, .. } => {
                Some((grant.clone(), *until)).map(|(grant, until)| (look, grant, until))
            }
            _ => None,
        }) else {
            return Verdict::Discarded { reason: "no policy that defers has a slot".into() };
        };
        let reason = look.decision.reason.clone();
        let Some(key) = self.keys.get_mut(&look.place) else { return Verdict::Discarded { reason } };
        // A return gives a place up for the one that it takes: what was promised is not broken because the key is full.
        if key.state.bookings() >= limits::BOOKINGS && look.own.is_none() && !look.uncounted {
            look.decision.outcome = PolicyOutcome::Discarded;
            return Verdict::Discarded { reason: format!("{reason}; {} are waiting already", limits::BOOKINGS) };
        }
        key.state.reserve(&grant, look.own, (id, &held.who));
        held.reserved.push(Reserved { place: look.place.clone(), grant: grant.clone(), own: look.own });
        held.waits = until.is_none();
        look.decision.grant = Some(grant);
        match until {
            Some(until) => Verdict::Deferred { until, reason },
            None => Verdict::Waiting { reason },
        }
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

    fn unpromise(&mut self, booking: &Booking, who: &Who) {
        let place = (booking.policy.clone(), booking.key.clone());
        if let Some(Key { state: KeyState::Concurrency(key), .. }) = self.keys.get_mut(&place) {
            key.unpromise(who);
            self.changed.insert(place);
        }
    }

    fn has_changed(&mut self, place: &Place) {
        if matches!(self.keys.get(place), Some(Key { state: KeyState::Concurrency(_), .. })) {
            self.changed.insert(place.clone());
        }
    }

    /// Forgets keys that cannot matter any more, whenever there are twice as many as after the last time.
    fn sweep(&mut self, now: Timestamp) {
        if self.keys.len() >= (self.swept_at * 2).max(1_024) {
            let kinds = &self.kinds;
            let reserved: HashSet<&Place> =
                self.held.values().flat_map(|held| held.reserved.iter().map(|it| &it.place)).collect();
            self.keys.retain(|place, key| {
                // What a policy that is no more has granted is in the journal, and is read should it come back.
                let spent = match kinds.get(&place.0) {
                    Some(kind) => key.state.is_spent(kind, now),
                    None => !reserved.contains(place),
                };
                !key.waiting.is_empty() || !spent
            });
            self.swept_at = self.keys.len();
            self.keys.shrink_to(2 * self.swept_at);
        }
    }
}
