//! One key of one policy: lists of what was granted there, searched by the bare words of each kind's rule.
//!
//! Judgements are read in the order in which they were committed, not in that in which they were made, and what was given up
//! in between leaves no trace. So what lets an event go on is held against all that was committed; what stops one, against
//! whether anything that was ever committed can have been in the way.

use std::time::Duration;

use regie_core::Timestamp;
use regie_core::governance::{Grant, PolicyDecision, PolicyOutcome, Who};

use crate::simulation::rules::{Does, OTHER, Rule, USUAL};

/// A slot of a rate that is no whole number of microseconds is rounded up, and the sum does not lose that.
const ROUNDED: i128 = 2;
const DAY: i64 = 86_400_000_000;

#[derive(Debug, Default)]
pub(super) struct History {
    /// Cooldown: instants from which acceptances count.
    taken: Vec<Timestamp>,
    /// Window: the sessions of those accepted.
    placed: Vec<Timestamp>,
    /// Rate: from when those accepted count, and when they went on.
    spent: Vec<(Timestamp, Timestamp)>,
    /// Debounce: all that were put off.
    puts: Vec<Put>,
    /// Concurrency: who holds a place.
    held: Vec<Who>,
    /// Concurrency: how many ever did.
    ever_held: usize,
    /// Places that are promised.
    booked: Vec<(Timestamp, Who)>,
    /// Places that ever were.
    ever_booked: Vec<Timestamp>,
}

/// One that was put off until it is quiet.
#[derive(Debug)]
struct Put {
    who: Who,
    first: Timestamp,
    nth: u32,
    slot: Timestamp,
    at: Timestamp,
    clock: u32,
}

/// Who comes, when.
#[derive(Clone, Copy)]
pub(super) struct Comes<'a> {
    pub(super) who: &'a Who,
    pub(super) at: Timestamp,
    /// The place here that it comes back to.
    pub(super) own: Option<Timestamp>,
    /// Whether it comes back to a place anywhere.
    pub(super) returns: bool,
    pub(super) clock: u32,
    pub(super) others: bool,
}

impl History {
    pub(super) fn release(&mut self, slot: Timestamp, who: &Who) {
        let at = self.booked.iter().position(|(booked, by)| *booked == slot && by == who);
        self.booked.remove(at.expect("a place that was promised"));
    }

    pub(super) fn free(&mut self, who: &Who) {
        let at = self.held.iter().position(|held| held == who).expect("a place that is held");
        self.held.remove(at);
    }

    /// An event goes on here, and takes what it takes.
    pub(super) fn passes(&mut self, rule: &Rule, key: &str, (grant, comes): (Option<&Grant>, Comes<'_>)) {
        let name = rule.name;
        let counted = match (rule.does, grant) {
            (Does::Cooldown(window, ..), Some(Grant::Taken { key, at })) => {
                let window = shortest(rule, window, comes.others);
                let near = self.taken.iter().find(|taken| distance(**taken, *at) < window);
                assert_eq!(near, None, "'{name}' lets one go on at {at} within its window");
                self.taken.push(*at);
                key
            }
            (Does::Window(hours, Some(most), ..), Some(Grant::Placed { key, opening })) => {
                assert_eq!(session(hours, comes.at), Some(*opening), "'{name}' is closed");
                let inside = self.placed.iter().filter(|placed| *placed == opening).count();
                assert!(inside < most as usize, "'{name}' lets {inside} and one more in at {opening}");
                self.placed.push(*opening);
                key
            }
            (Does::Window(hours, None, ..), None) => {
                return assert!(session(hours, comes.at).is_some(), "'{name}' is closed at {}", comes.at);
            }
            (Does::Rate(rate, per, burst, ..), Some(Grant::Spent { key, at, .. })) => {
                assert!(*at <= comes.at);
                self.spent.push((*at, comes.at));
                self.assert_rate(name, (rate, per, burst), (*at, comes.at));
                key
            }
            (Does::Debounce(..), None) => return self.assert_last(name, &comes),
            (Does::Seats(limit, _), Some(Grant::Held { key })) => {
                let before = |since: Timestamp| comes.own.is_none_or(|own| since < own);
                let ahead = self.booked.iter().filter(|(since, _)| before(*since)).count();
                let held = self.held.len();
                assert!(held + ahead < limit as usize, "'{name}' has {held} and {ahead} before it, and lets it go on");
                self.held.push(comes.who.clone());
                self.ever_held += 1;
                key
            }
            (does, grant) => panic!("{does:?} grants {grant:?}"),
        };
        assert_eq!(counted, key, "it counts at another key");
    }

    /// Of those accepted from an instant on until another there are no more than go at once and the rate allows between.
    fn assert_rate(&self, name: &str, (rate, per, burst): (u32, u64, u32), (from, to): (Timestamp, Timestamp)) {
        let starts = self.spent.iter().map(|(from, _)| *from).filter(|start| *start <= from);
        for start in starts {
            for end in self.spent.iter().map(|(_, to)| *to).filter(|end| *end >= to && *end >= start) {
                let inside = self.spent.iter().filter(|(from, to)| *from >= start && *to <= end).count() as i128;
                let needs = (inside - i128::from(burst)) * i128::from(per) * 1_000;
                let has = (i128::from(end.micros()) - i128::from(start.micros()) + ROUNDED) * i128::from(rate);
                assert!(needs <= has, "'{name}' lets {inside} go on from {start} to {end}");
            }
        }
    }

    /// It was put off here, and nobody of its burst came after it.
    fn assert_last(&self, name: &str, comes: &Comes<'_>) {
        let Some(put) = self.puts.iter().rev().find(|put| put.who == *comes.who && comes.own == Some(put.slot)) else {
            return assert!(comes.returns, "'{name}' lets one go on that was not put off");
        };
        // Where the clock was set back, or the wait is shorter now, somebody may join its burst after it was let go: the slot
        // of one of them is still to come.
        let is_open =
            |at: Timestamp, nth: u32| self.puts.iter().any(|it| it.first == put.first && it.nth < nth && it.slot > at);
        let too_late = |other: &Put| other.at >= comes.at && is_open(other.at, other.nth);
        let is_after = |other: &Put| other.first == put.first && other.nth > put.nth && other.clock == put.clock;
        let overtakes = |other: &&Put| is_after(other) && !too_late(other);
        let by = self.puts.iter().find(overtakes);
        assert!(by.is_none(), "'{name}' lets one go on at {} that was overtaken: {put:?} by {by:?}", comes.at);
    }

    /// Something stood in the way of an event.
    pub(super) fn is_stopped(&self, rule: &Rule, decision: &PolicyDecision, comes: &Comes<'_>) {
        let (name, at) = (rule.name, comes.at);
        let discards = decision.outcome == PolicyOutcome::Discarded;
        match rule.does {
            Does::Debounce(..) if discards => return self.assert_overtaken(name, comes),
            Does::Debounce(..) => return assert!(!comes.returns, "'{name}' puts one off twice"),
            _ => {}
        }
        // A promise is kept even where the policy discards now.
        let promised = comes.own.is_some();
        assert!(discards != rule.defers() || promised || !discards && self.was_promised(), "'{name}' does not do so");
        let stops = match rule.does {
            Does::Cooldown(window, ..) => {
                let window = Duration::from_millis(window);
                self.taken.iter().any(|taken| taken.after(window) > at)
                    || self.ever_booked.iter().any(|slot| *slot < at.after(window))
            }
            Does::Window(hours, most, ..) => {
                let opens = next_opening(hours, at);
                let remaining = opens.since(at).as_micros().div_ceil(1_000) as u64;
                assert_eq!(decision.remaining_ms, Some(remaining), "'{name}' opens at {opens}");
                self.is_closed(hours, most, at)
            }
            Does::Rate(rate, per, burst, ..) => {
                // The sum over all that was spent, and more than all there was then.
                let interval = i128::from(per) * 1_000;
                let ticks = |at: &Timestamp| i128::from(at.micros()) * i128::from(rate);
                let add = |sum: Option<i128>, (at, _): &(Timestamp, Timestamp)| {
                    Some(sum.map_or(ticks(at), |sum| sum.max(ticks(at))) + interval)
                };
                let arrival = self.spent.iter().fold(None, add);
                arrival.is_some_and(|arrival| arrival > ticks(&at) + i128::from(burst - 1) * interval)
                    || !self.ever_booked.is_empty()
            }
            Does::Seats(limit, _) => self.ever_held + self.ever_booked.len() >= limit as usize,
            does => panic!("{does:?} holds no state"),
        };
        assert!(stops, "'{name}' stops one at {at} for no reason");
    }

    fn was_promised(&self) -> bool {
        !self.ever_booked.is_empty()
    }

    fn is_closed(&self, hours: (u32, u32), most: Option<u32>, at: Timestamp) -> bool {
        let (Some(opening), Some(most)) = (session(hours, at), most) else { return session(hours, at).is_none() };
        let length = Duration::from_secs(u64::from(hours.1 - hours.0));
        let placed = self.placed.iter().filter(|placed| **placed == opening).count();
        let booked = self.ever_booked.iter().filter(|slot| opening <= **slot && **slot < opening.after(length)).count();
        // No session is opened again that is counted no more.
        placed + booked >= most as usize || self.placed.iter().any(|placed| *placed > opening)
    }

    fn assert_overtaken(&self, name: &str, comes: &Comes<'_>) {
        let put = self.puts.iter().rev().find(|put| put.who == *comes.who && comes.own == Some(put.slot));
        let put = put.unwrap_or_else(|| panic!("'{name}' discards one that was not put off"));
        let overtaken = self.puts.iter().any(|other| other.first == put.first && other.nth > put.nth);
        assert!(overtaken, "'{name}' discards the last of a burst");
    }

    /// An event is promised a place.
    pub(super) fn books(&mut self, rule: &Rule, grant: &Grant, comes: Comes<'_>) {
        let (name, slot) = (rule.name, grant.booking().expect("a place").slot);
        // A return whose own place was overtaken may be put off to an instant that is past: it comes back at once.
        assert!(comes.returns || slot > comes.at || matches!(rule.does, Does::Seats(..)), "'{name}': {slot} is past");
        match (rule.does, grant) {
            (Does::Cooldown(window, ..), _) => {
                let window = shortest(rule, window, comes.others);
                let near = self.booked.iter().find(|(booked, _)| distance(*booked, slot) < window);
                assert_eq!(near, None, "'{name}' promises {slot} within a window of another");
            }
            (Does::Window(hours, most, ..), _) => {
                assert_eq!(session(hours, slot), Some(slot), "'{name}' does not open at {slot}");
                let placed = self.placed.iter().filter(|placed| **placed == slot).count();
                let booked = self.booked.iter().filter(|(booked, _)| *booked == slot).count();
                assert!(most.is_none_or(|most| placed + booked < most as usize), "'{name}' is full at {slot}");
            }
            (Does::Rate(rate, per, burst, ..), _) => self.assert_slots(name, (rate, per, burst), slot),
            (Does::Debounce(wait, max, _), Grant::Burst { first, nth, .. }) => {
                let Comes { who, at, clock, .. } = comes;
                let put = Put { who: who.clone(), first: *first, nth: *nth, slot, at, clock };
                if !comes.others {
                    let quiet = comes.at.after(Duration::from_millis(wait));
                    let until = max.map_or(quiet, |max| quiet.min(first.after(Duration::from_millis(max))));
                    assert_eq!(slot, until, "'{name}' puts one off");
                }
                self.assert_in_burst(name, &put);
                self.puts.push(put);
            }
            (Does::Seats(..), _) => {
                let same = self.booked.iter().find(|(since, _)| *since == slot);
                assert_eq!(same, None, "'{name}' has two wait at one place");
            }
            (does, grant) => panic!("{does:?} promises {grant:?}"),
        }
        self.booked.push((slot, comes.who.clone()));
        self.ever_booked.push(slot);
    }

    /// The promised slots themselves keep to the rate.
    fn assert_slots(&self, name: &str, (rate, per, burst): (u32, u64, u32), slot: Timestamp) {
        let slots = || self.booked.iter().map(|(slot, _)| *slot).chain([slot]);
        for start in slots().filter(|start| *start <= slot) {
            for end in slots().filter(|end| *end >= slot) {
                let inside = slots().filter(|slot| start <= *slot && *slot <= end).count() as i128;
                let needs = (inside - i128::from(burst)) * i128::from(per) * 1_000;
                let has = (i128::from(end.micros()) - i128::from(start.micros()) + ROUNDED) * i128::from(rate);
                assert!(needs <= has, "'{name}' promises {inside} places from {start} to {end}");
            }
        }
    }

    /// It belongs to the burst that was under way, or begins one.
    fn assert_in_burst(&self, name: &str, put: &Put) {
        // Where the clock was set back, the burst may have begun at an instant that is yet to come.
        let mut of_burst = self.puts.iter().filter(|other| other.first == put.first);
        let began = put.first <= put.at || of_burst.any(|other| other.clock < put.clock);
        assert!(began && (put.nth > 1 || put.first == put.at), "'{name}': {put:?}");
        let earlier = self.puts.iter().filter(|other| other.clock == put.clock && other.at < put.at);
        // After the clock was set back, a correlation whose time is ahead may have had its own come back already.
        let stands = |other: &Put| put.clock == 0 || self.booked.contains(&(other.slot, other.who.clone()));
        let mut under_way = earlier.filter(|other| other.slot > put.at && stands(other));
        let missed = under_way.find(|other| put.nth == 1 || (other.first, other.nth) >= (put.first, put.nth));
        assert!(missed.is_none(), "'{name}': {put:?} does not follow {missed:?}");
    }

    pub(super) fn at_rest(&self, limit: Option<usize>, (policy, key): (&str, &str)) {
        let waits = self.booked.len();
        let full = limit.is_some_and(|limit| self.held.len() >= limit);
        assert!(waits == 0 || full, "{waits} wait for ever at '{policy}' of '{key}': {:?} hold places", self.held);
    }
}

/// The window of a cooldown; if its policies have changed while they were asked, the shortest.
fn shortest(rule: &Rule, window: u64, others: bool) -> Duration {
    let all = [USUAL, OTHER].into_iter().flat_map(|policies| policies.rules).filter(|other| other.name == rule.name);
    let windows = all.filter_map(|other| if let Does::Cooldown(window, ..) = other.does { Some(window) } else { None });
    Duration::from_millis(if others { windows.min().unwrap_or(window) } else { window })
}

/// When the session began that an instant is in.
fn session((start, end): (u32, u32), at: Timestamp) -> Option<Timestamp> {
    let (day, second) = (at.micros() / DAY * DAY, |second: u32| i64::from(second) * 1_000_000);
    let inside = (second(start)..second(end)).contains(&(at.micros() - day));
    inside.then(|| Timestamp::from_micros(day + second(start)))
}

fn next_opening((start, _): (u32, u32), at: Timestamp) -> Timestamp {
    let today = at.micros() / DAY * DAY + i64::from(start) * 1_000_000;
    Timestamp::from_micros(if today > at.micros() { today } else { today + DAY })
}

fn distance(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}
