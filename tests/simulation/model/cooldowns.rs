//! Cooldowns by the bare words of the rule: whole histories, searched.

use std::collections::BTreeMap;
use std::time::Duration;

use regie_core::Timestamp;
use regie_core::governance::{Booking, Grant, Judgement, Verdict};
use regie_core::workflow::{Fact, Record};

use super::event::Seen;
use super::thread::Thread;
use crate::simulation::program::{Cooldown, Kind};

/// The policy and the key.
type Place = (String, String);

/// Everything that was ever granted.
#[derive(Debug, Default)]
pub(super) struct Cooldowns(BTreeMap<Place, History>);

#[derive(Debug, Default)]
struct History {
    taken: Vec<Timestamp>,
    /// Places that are promised.
    booked: Vec<Timestamp>,
    /// Places that ever were.
    ever_booked: Vec<Timestamp>,
}

/// The place that a judgement promised.
pub(super) fn booked(judgement: &Judgement) -> Option<&Booking> {
    judgement.decisions.iter().find_map(|decision| match &decision.grant {
        Some(Grant::Booked(booking)) => Some(booking),
        _ => None,
    })
}

impl Cooldowns {
    /// Follows a record of a correlation that has followed it already.
    pub(super) fn follow(&mut self, thread: &Thread, record: &Record, kind: &Kind) {
        for fact in &record.facts {
            match fact {
                Fact::Released { booking } => self.release(booking),
                Fact::Judged { event, judgement } => {
                    let returns = *event != record.sequence;
                    let mut counted = judgement.decisions.iter().filter_map(|decision| decision.grant.as_ref());
                    let later = |grant: &&Grant| matches!(grant, Grant::Taken { at, .. } if *at > record.at);
                    assert_eq!(counted.find(later), None, "it counts from later than it was decided");
                    self.judged(&thread.events[event].seen, judgement, (kind, returns));
                }
                _ => {}
            }
        }
    }

    fn release(&mut self, booking: &Booking) {
        let history = self.0.entry((booking.policy.clone(), booking.key.clone())).or_default();
        let at = history.booked.iter().position(|slot| *slot == booking.slot).expect("a place that was promised");
        history.booked.remove(at);
    }

    fn judged(&mut self, seen: &Seen, judgement: &Judgement, (kind, returns): (&Kind, bool)) {
        let about = kind.policies.iter().filter(|cooldown| cooldown.about == seen.parts().1);
        let wants: Vec<(&Cooldown, String)> =
            about.filter_map(|cooldown| Some((cooldown, seen.key(cooldown.key)?))).collect();
        let grants = judgement.decisions.iter().filter(|decision| decision.grant.is_some()).count();
        let banned = seen.metadata.get("ban");
        match &judgement.verdict {
            Verdict::Accepted => {
                assert_eq!(banned, None, "a banned one goes on");
                assert_eq!(grants, wants.len(), "an acceptance counts at every key");
                wants.into_iter().for_each(|(cooldown, key)| self.taken(cooldown, key, judgement));
            }
            Verdict::Deferred { until, .. } => {
                assert_eq!((banned, grants), (None, 1), "a deferral books one place and spends nothing");
                // A return whose own place was overtaken may be put off to an instant that is past: it comes back at once.
                assert!(returns || *until > judgement.at, "deferred to the past: {judgement:?}");
                self.defers(&wants, *until, judgement);
            }
            Verdict::Discarded { .. } => {
                assert_eq!(grants, 0, "what is discarded spends nothing");
                let stopped = wants.iter().any(|(cooldown, key)| self.stops(cooldown, key, judgement.at));
                assert!(banned.is_some() || stopped, "discarded for no reason: {judgement:?}");
            }
            Verdict::Escalated { .. } => assert_eq!(grants, 0),
            Verdict::Waiting { .. } => panic!("no policy here lets anybody wait without a time: {judgement:?}"),
        }
    }

    /// None of its key was accepted within a window of it.
    fn taken(&mut self, cooldown: &Cooldown, key: String, judgement: &Judgement) {
        let decision = judgement.decisions.iter().find(|decision| decision.policy == cooldown.name);
        let Some(Grant::Taken { key: counted, at }) = decision.and_then(|decision| decision.grant.clone()) else {
            panic!("'{}' grants nothing to {judgement:?}", cooldown.name)
        };
        assert_eq!(counted, key, "it counts at another key");
        let history = self.0.entry((cooldown.name.into(), key)).or_default();
        let near = history.taken.iter().find(|taken| distance(**taken, at) < cooldown.window());
        assert_eq!(near, None, "'{}' lets one go on at {at} within its window", cooldown.name);
        history.taken.push(at);
    }

    /// The place is a window away from all that are promised.
    fn defers(&mut self, wants: &[(&Cooldown, String)], until: Timestamp, judgement: &Judgement) {
        let booking = booked(judgement).expect("a place");
        let want = wants.iter().find(|(cooldown, key)| cooldown.name == booking.policy && *key == booking.key);
        let (cooldown, key) = want.expect("a policy that is about it");
        assert!(cooldown.defers || self.was_promised(cooldown, key), "'{}' does not defer", cooldown.name);
        assert_eq!(booking.slot, until);
        assert!(self.stops(cooldown, key, judgement.at), "deferred for no reason: {judgement:?}");
        let history = self.0.entry((booking.policy.clone(), booking.key.clone())).or_default();
        let near = history.booked.iter().find(|slot| distance(**slot, until) < cooldown.window());
        assert_eq!(near, None, "'{}' promises {until} within a window of another", cooldown.name);
        history.booked.push(until);
        history.ever_booked.push(until);
    }

    /// Whether something committed stands in the way of one that comes at an instant.
    fn stops(&self, cooldown: &Cooldown, key: &str, at: Timestamp) -> bool {
        let Some(history) = self.0.get(&(cooldown.name.to_string(), key.to_string())) else { return false };
        let ends = at.after(cooldown.window());
        history.taken.iter().any(|taken| taken.after(cooldown.window()) > at)
            || history.ever_booked.iter().any(|slot| *slot < ends)
    }

    /// Whether places were promised at a key: such a promise is kept even where the policy discards now.
    fn was_promised(&self, cooldown: &Cooldown, key: &str) -> bool {
        self.0.get(&(cooldown.name.to_string(), key.to_string())).is_some_and(|history| !history.ever_booked.is_empty())
    }

    /// No place is promised to nobody.
    pub(super) fn at_rest(&self) {
        let left: Vec<_> = self.0.iter().filter(|(_, history)| !history.booked.is_empty()).collect();
        assert!(left.is_empty(), "places that are promised for ever: {left:?}");
    }
}

fn distance(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}
