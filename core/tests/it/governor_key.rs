//! One key of the naive model: all that was ever granted there, and the rule of its policy over that.

use std::collections::BTreeSet;

use regie_core::governance::AskId;

/// A minute: the model counts in microseconds, and what is drawn in minutes.
pub(crate) const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;

/// A policy of the model; all times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    Debounce {
        wait: i64,
        max: i64,
    },
    /// Open each day from an instant of it on, for so long.
    Window {
        start: i64,
        length: i64,
        most: usize,
        defers: bool,
    },
    Rate {
        interval: i64,
        burst: i64,
        defers: bool,
    },
    Cooldown {
        window: i64,
        defers: bool,
    },
    Concurrency {
        limit: usize,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Look {
    /// It takes that instant, if any.
    Free(Option<i64>),
    Closed {
        slot: i64,
        timed: bool,
    },
    Discards,
    Unclear,
}

/// Something granted: from when, to whom, and the ask that only reserves it.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) slot: i64,
    pub(crate) who: u64,
    pub(crate) by: Option<AskId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    /// In the order in which they were asked for, and once they are committed in that.
    pub(crate) taken: Vec<Given>,
    pub(crate) booked: Vec<Given>,
    /// All that ever had a place in a burst, in the order in which they asked.
    bursts: Vec<Put>,
}

/// One that was put off.
#[derive(Clone, Debug)]
struct Put {
    given: Given,
    /// When its burst began.
    first: i64,
    /// Its own number, and that of the latest of its burst that it knows of.
    nth: AskId,
    top: AskId,
}

/// The own slot, the slot that another promised, who it is.
type Comer = (Option<i64>, Option<i64>, u64);

impl Rule {
    pub(crate) fn defers(&self) -> bool {
        match self {
            Rule::Debounce { .. } | Rule::Concurrency { .. } => true,
            Rule::Window { defers, .. } | Rule::Rate { defers, .. } | Rule::Cooldown { defers, .. } => *defers,
        }
    }

    /// In which order the kinds are looked at.
    pub(crate) fn rank(&self) -> usize {
        match self {
            Rule::Debounce { .. } => 2,
            Rule::Window { .. } => 3,
            Rule::Rate { .. } => 4,
            Rule::Cooldown { .. } => 5,
            Rule::Concurrency { .. } => 6,
        }
    }

    /// The lines of its entry in a policy file.
    pub(crate) fn lines(&self) -> String {
        let millis = |micros: i64| format!("\"{}ms\"", micros / 1_000);
        let mode = if self.defers() { "defer" } else { "discard" };
        let clock = |at: i64| format!("\"{:02}:{:02}\"", at / MINUTE / 60 % 24, at / MINUTE % 60);
        match *self {
            Rule::Debounce { wait, max } => {
                format!("kind = \"debounce\"\nwait = {}\nmax = {}\n", millis(wait), millis(max))
            }
            Rule::Window { start, length, most, .. } => format!(
                "kind = \"window\"\nzone = \"UTC\"\nstart = {}\nend = {}\nat_most = {most}\nmode = \"{mode}\"\n",
                clock(start),
                clock(start + length)
            ),
            Rule::Rate { interval, burst, .. } => {
                format!(
                    "kind = \"rate\"\nrate = 2\nper = {}\nburst = {burst}\nmode = \"{mode}\"\n",
                    millis(2 * interval)
                )
            }
            Rule::Cooldown { window, .. } => {
                format!("kind = \"cooldown\"\nwindow = {}\nmode = \"{mode}\"\n", millis(window))
            }
            Rule::Concurrency { limit } => format!("kind = \"concurrency\"\nlimit = {limit}\n"),
        }
    }
}

impl Key {
    pub(crate) fn take(&mut self, slot: i64, (who, id): (u64, AskId)) {
        self.taken.push(Given { slot, who, by: Some(id) });
    }

    pub(crate) fn book(&mut self, slot: i64, (who, id): (u64, AskId), now: i64) {
        let first = self.current_burst(now).unwrap_or(now);
        let given = Given { slot, who, by: Some(id) };
        self.bursts.push(Put { given: given.clone(), first, nth: id, top: id });
        self.booked.push(given);
    }

    /// Makes what an ask reserved final, or drops it.
    pub(crate) fn settle(&mut self, id: AskId, committed: bool) {
        for list in [&mut self.taken, &mut self.booked] {
            let mine: Vec<Given> = list.extract_if(.., |it| it.by == Some(id)).collect();
            list.extend(mine.into_iter().filter(|_| committed).map(|it| Given { by: None, ..it }));
        }
        self.bursts.retain(|it| committed || it.given.by != Some(id));
        let Some(at) = self.bursts.iter().position(|it| it.given.by == Some(id)) else { return };
        self.bursts[at].given.by = None;
        // While any of a burst stands it is known which is the latest of it, though that has come back.
        let first = self.bursts[at].first;
        let stands = |put: &Put| self.booked.iter().any(|it| it.who == put.given.who && it.by.is_none());
        let mates: Vec<usize> =
            (0..self.bursts.len()).filter(|it| self.bursts[*it].first == first && stands(&self.bursts[*it])).collect();
        let top = mates.iter().map(|it| self.bursts[*it].top).max();
        mates.into_iter().for_each(|it| self.bursts[it].top = top.expect("itself"));
    }

    pub(crate) fn crash(&mut self) {
        self.taken.retain(|it| it.by.is_none());
        self.booked.retain(|it| it.by.is_none());
        self.bursts.retain(|it| it.given.by.is_none());
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.taken.iter().chain(&self.booked).any(|it| it.by.is_some())
    }

    pub(crate) fn look(&self, rule: &Rule, now: i64, comer: Comer) -> Look {
        match *rule {
            Rule::Debounce { wait, max } => self.debounce((wait, max), now, comer),
            Rule::Window { start, length, most, .. } => self.window((start, length), most, (now, comer)),
            Rule::Rate { interval, burst, .. } => self.rate(interval, (burst - 1) * interval, (now, comer)),
            Rule::Cooldown { window, .. } => self.cooldown(window, now, comer),
            Rule::Concurrency { limit } => self.concurrency(limit, now, comer),
        }
    }

    /// The first instant of the burst that an event at `now` would be of.
    fn current_burst(&self, now: i64) -> Option<i64> {
        self.bursts.iter().filter(|it| it.given.slot > now).map(|it| it.first).max()
    }

    fn put(&self, who: u64) -> Option<&Put> {
        self.bursts.iter().rev().find(|it| it.given.who == who)
    }

    /// Whether others of the burst that one was put off with have not committed yet.
    pub(crate) fn is_unsettled(&self, who: u64) -> bool {
        let others = |this: &Put| self.bursts.iter().any(|it| it.first == this.first && it.given.by.is_some());
        self.put(who).is_some_and(others)
    }

    fn debounce(&self, (wait, max): (i64, i64), now: i64, (own, promised, who): Comer) -> Look {
        if own.is_some() {
            let this = self.put(who).expect("it was put off here");
            return if this.top > this.nth { Look::Discards } else { Look::Free(None) };
        }
        match promised {
            Some(_) => Look::Free(None),
            None => Look::Closed { slot: (now + wait).min(self.current_burst(now).unwrap_or(now) + max), timed: true },
        }
    }

    fn window(&self, (start, length): (i64, i64), most: usize, (now, (own, ..)): (i64, Comer)) -> Look {
        let session = |nth: i64| nth * DAY + start..nth * DAY + start + length;
        let places = |nth: i64, (committed, booked): (bool, bool)| -> usize {
            let given = self.taken.iter().chain(self.booked.iter().filter(|_| booked));
            let given = given.filter(|it| !committed || it.by.is_none());
            given.filter(|it| session(nth).contains(&it.slot)).map(|it| it.who).collect::<BTreeSet<_>>().len()
        };
        let today = now.div_euclid(DAY);
        if let Some(nth) = [today, today - 1].into_iter().find(|nth| session(*nth).contains(&now)) {
            // In the way of who has booked a place there are those alone who were let in.
            let is_mine = own.is_some_and(|own| session(nth).contains(&own));
            if places(nth, (false, !is_mine)) < most {
                return Look::Free(Some(session(nth).start));
            }
            if places(nth, (true, !is_mine)) < most {
                return Look::Unclear;
            }
        }
        let mut next = (today - 1..).filter(|nth| session(*nth).start > now && places(*nth, (false, true)) < most);
        Look::Closed { slot: session(next.next().expect("a day")).start, timed: true }
    }

    /// All who have gone on, one after the other, and then those who have booked; what one more would do to those.
    fn rate(&self, interval: i64, tolerance: i64, (now, (own, promised, _)): (i64, Comer)) -> Look {
        let spend = |arrival: i64, at: i64| arrival.max(at) + interval;
        let arrival = |committed: bool| {
            let (mut done, open): (Vec<&Given>, Vec<&Given>) = self.taken.iter().partition(|it| it.by.is_none());
            done.extend(open.into_iter().filter(|_| !committed));
            done.into_iter().fold(i64::MIN / 2, |arrival, it| spend(arrival, it.slot))
        };
        let counts = |slot: i64| if now - slot < interval { slot } else { now };
        let coming: Vec<u64> = self.taken.iter().filter(|it| it.by.is_some()).map(|it| it.who).collect();
        let slots = |committed: bool| -> Vec<i64> {
            let standing = self.booked.iter().filter(|it| Some(it.slot) != own);
            let standing = standing.filter(|it| if committed { it.by.is_none() } else { !coming.contains(&it.who) });
            let mut slots: Vec<i64> = standing.map(|it| it.slot).collect();
            slots.sort_unstable();
            slots
        };
        let place = |committed: bool, slots: &[i64]| first_place(arrival(committed), slots, (now, interval, tolerance));
        if let Some(own) = own {
            if arrival(false) <= now + tolerance {
                return Look::Free(Some(counts(own).max(arrival(false) - tolerance)));
            }
            if arrival(true) <= now + tolerance {
                return Look::Unclear;
            }
        } else {
            let yields = |slots: Vec<i64>| -> Vec<i64> {
                slots.into_iter().filter(|slot| promised.is_none_or(|promised| *slot <= promised)).collect()
            };
            if place(false, &yields(slots(false))) == now {
                return Look::Free(Some(now));
            }
            if place(true, &yields(slots(true))) == now {
                return Look::Unclear;
            }
        }
        Look::Closed { slot: place(false, &slots(false)), timed: true }
    }

    fn cooldown(&self, window: i64, now: i64, (own, promised, _): Comer) -> Look {
        let counts = own.filter(|slot| now < slot + window).unwrap_or(now);
        let committed =
            |list: &[Given]| -> Vec<i64> { list.iter().filter(|it| it.by.is_none()).map(|it| it.slot).collect() };
        let (taken, booked) = (committed(&self.taken), committed(&self.booked));
        let overdue = if own.is_none() { self.booked.iter().filter(|it| it.slot <= now).count() as i64 } else { 0 };
        let closed = |from: i64| Look::Closed { slot: self.apart(from, window, own), timed: true };
        if let Some(last) = taken.iter().filter(|taken| counts - **taken < window).max() {
            return closed(last + window * (1 + overdue));
        }
        if own.is_none() {
            // One that was promised elsewhere yields to those who were promised no later alone.
            let stands = |slot: i64| slot < now + window && promised.is_none_or(|promised| slot <= promised);
            if let Some(first) = booked.iter().filter(|slot| stands(**slot)).min() {
                return closed(now.max(*first) + window * overdue.max(1));
            }
            if self.booked.iter().any(|it| stands(it.slot)) {
                return Look::Unclear;
            }
        }
        let blocked = self.taken.iter().any(|it| it.by.is_some() && (it.slot - counts).abs() < window);
        if blocked { Look::Unclear } else { Look::Free(Some(counts)) }
    }

    /// The earliest instant from `from` on that is a window away from every other booking.
    fn apart(&self, from: i64, window: i64, own: Option<i64>) -> i64 {
        let others: Vec<i64> = self.booked.iter().map(|it| it.slot).filter(|slot| Some(*slot) != own).collect();
        let candidates = others.iter().map(|slot| slot + window).chain([from]).filter(|slot| *slot >= from);
        let fits = candidates.filter(|slot| others.iter().all(|other| (other - slot).abs() >= window));
        fits.min().unwrap_or(from)
    }

    fn concurrency(&self, limit: usize, now: i64, (own, ..): Comer) -> Look {
        let ahead = |committed: bool| {
            let all = self.taken.iter().chain(self.booked.iter().filter(|it| own.is_none_or(|own| it.slot < own)));
            all.filter(|it| !committed || it.by.is_none()).map(|it| it.who).collect::<BTreeSet<_>>().len()
        };
        if ahead(false) < limit {
            return Look::Free(Some(0));
        }
        if ahead(true) < limit {
            return Look::Unclear;
        }
        let last = self.booked.iter().map(|it| it.slot).max();
        let slot = own.unwrap_or_else(|| last.map_or(now, |last| now.max(last + 1)));
        Look::Closed { slot, timed: false }
    }
}

/// The first instant at which one more may go on such that all who have booked still may: each candidate is tried out.
fn first_place(arrival: i64, slots: &[i64], (now, interval, tolerance): (i64, i64, i64)) -> i64 {
    let spend = |arrival: i64, slot: i64| {
        let at = if now - slot < interval { slot } else { now };
        arrival.max(at) + interval
    };
    let before = |nth: usize| slots[..nth].iter().fold(arrival, |arrival, slot| spend(arrival, *slot));
    for nth in 0..=slots.len() {
        let at = now.max(before(nth) - tolerance);
        // Those that are overdue go first.
        let fits_here = slots.get(nth).is_none_or(|next| *next > now && at <= *next);
        let (mut with, mut without) = (before(nth).max(at) + interval, before(nth));
        let moves_nobody = slots[nth..].iter().all(|slot| {
            let goes_on = with <= slot + tolerance || with == without;
            (with, without) = (spend(with, *slot), spend(without, *slot));
            goes_on
        });
        if fits_here && moves_nobody {
            return at;
        }
    }
    unreachable!("after all of them there is always a place")
}
