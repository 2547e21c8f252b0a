//! The governor against the naive model: random asks, returns, commits, releases, crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use regie_core::Timestamp;
use regie_core::event::LifeState;
use regie_core::governance::{Ask, AskId, Booking, Governor, Judgement, PolicySet, Ruling, Settled, Verdict, Want};
use regie_core::workflow::{Fact, Record};

use super::governor_key::MINUTE;
use super::governor_model::{Comes, Expected, Model, Place, Rule, Wants, assert_answer};
use super::helpers::{correlation, policies, record, who};

#[derive(Clone, Debug)]
enum Op {
    Advance(i64),
    /// A newcomer under these policies, with these keys.
    Ask(Vec<(usize, u8)>),
    /// A booked one comes back: judged again, or vetoed before anybody with state is asked.
    Return {
        nth: usize,
        vetoed: bool,
    },
    /// An answered one commits, or does not.
    Settle {
        nth: usize,
        committed: bool,
    },
    /// Nobody waits any more for an ask that is not answered.
    Forget(usize),
    /// A place at a concurrency limit is freed.
    Free(usize),
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    let wants = proptest::sample::subsequence(vec![0_usize, 1, 2], 1..=3)
        .prop_flat_map(|policies| policies.into_iter().map(|policy| (Just(policy), 0_u8..2)).collect::<Vec<_>>());
    prop_oneof![
        6 => wants.prop_map(Op::Ask),
        6 => (0_usize..8, proptest::bool::weighted(0.8)).prop_map(|(nth, committed)| Op::Settle { nth, committed }),
        4 => (0_usize..8, proptest::bool::weighted(0.2)).prop_map(|(nth, vetoed)| Op::Return { nth, vetoed }),
        4 => prop_oneof![0_i64..400, 400_i64..3_000].prop_map(Op::Advance),
        1 => (0_usize..4).prop_map(Op::Forget),
        2 => (0_usize..4).prop_map(Op::Free),
        1 => Just(Op::Crash),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let hundreds = |range: std::ops::Range<i64>| range.prop_map(|hundreds| hundreds * 100 * MINUTE);
    let window = (0_i64..1_440, 1_i64..1_440, 1_usize..4, any::<bool>());
    prop_oneof![
        2 => (hundreds(1..15), any::<bool>()).prop_map(|(window, defers)| Rule::Cooldown { window, defers }),
        2 => (hundreds(1..15), 1_i64..4, any::<bool>())
            .prop_map(|(interval, burst, defers)| Rule::Rate { interval, burst, defers }),
        2 => window.prop_map(|(start, length, most, defers)| {
            Rule::Window { start: start * MINUTE, length: length * MINUTE, most, defers }
        }),
        1 => (hundreds(1..6), hundreds(0..6)).prop_map(|(wait, more)| Rule::Debounce { wait, max: wait + more }),
        1 => (1_usize..4).prop_map(|limit| Rule::Concurrency { limit }),
    ]
}

/// Three of them, in the order in which they are looked at.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    proptest::collection::vec(rule(), 3).prop_map(|mut rules| {
        rules.sort_by_key(Rule::rank);
        rules
    })
}

struct Asked {
    event: u64,
    /// Whom its event asks unless it is vetoed.
    whole: Wants,
    wants: Wants,
    returning: Option<Place>,
    ruling: Option<Ruling>,
}

struct Bench {
    set: Arc<PolicySet>,
    governor: Governor,
    model: Model,
    now: i64,
    next: u64,
    asked: BTreeMap<AskId, Asked>,
    /// Standing committed bookings whose event is not on its way back: that event, and whom it asks.
    deferred: Vec<(Place, Wants, u64)>,
    /// Who has been told that a place is free.
    told: BTreeSet<u64>,
    journal: Vec<Record>,
}

impl Bench {
    fn new(rules: Vec<Rule>) -> Self {
        let entry =
            |(nth, rule): (usize, &Rule)| format!("[[policy]]\nname = \"p{nth}\"\nmatch = \">\"\n{}", rule.lines());
        let set = policies(&rules.iter().enumerate().map(entry).collect::<String>());
        let governor = Governor::new(&set);
        let (asked, deferred, journal) = (BTreeMap::new(), Vec::new(), Vec::new());
        let (model, told) = (Model::new(rules), BTreeSet::new());
        Self { set, governor, model, now: 0, next: 1, asked, deferred, told, journal }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Advance(by) => self.now += by * MINUTE,
            Op::Ask(wants) => {
                let wants = wants.into_iter().map(|(policy, key)| (policy, key.to_string())).collect();
                self.ask(wants, None, (self.next, false));
            }
            Op::Return { nth, vetoed } => {
                let due: Vec<usize> =
                    (0..self.deferred.len()).filter(|at| self.deferred[*at].0.2 <= self.now).collect();
                if !due.is_empty() {
                    let (place, wants, event) = self.deferred.remove(due[nth % due.len()]);
                    self.ask(wants, Some(place), (event, vetoed));
                }
            }
            Op::Settle { nth, committed } => {
                let answered: Vec<AskId> = self.ids(true);
                if !answered.is_empty() {
                    self.settle(answered[nth % answered.len()], committed);
                }
            }
            Op::Forget(nth) => {
                let waiting = self.ids(false);
                if !waiting.is_empty() {
                    self.forget(waiting[nth % waiting.len()]);
                }
            }
            Op::Free(nth) => self.free(nth),
            Op::Crash => self.crash(),
        }
        self.hear();
    }

    fn ids(&self, answered: bool) -> Vec<AskId> {
        self.asked.iter().filter(|(_, asked)| asked.ruling.is_some() == answered).map(|(id, _)| *id).collect()
    }

    fn ask(&mut self, whole: Wants, returning: Option<Place>, (event, vetoed): (u64, bool)) {
        let wants = if vetoed { Wants::new() } else { whole.clone() };
        let id = AskId(self.next);
        self.next += 1;
        let asks = wants.iter().map(|(policy, key)| Want { policy: *policy, key: key.clone() }).collect();
        let booking = returning.as_ref().map(booking);
        let ask =
            Ask { id, who: who(event), set: Arc::clone(&self.set), wants: asks, returning: booking, may_defer: true };
        let comes = Comes { who: event, returning: returning.as_ref(), now: self.now };
        let expected = self.model.expect(&wants, comes);
        self.asked.insert(id, Asked { event, whole, wants, returning, ruling: None });
        match self.governor.ask(ask, Timestamp::from_micros(self.now)) {
            None => assert_eq!(expected, Expected::Waits),
            Some(settled) => self.answered(vec![settled]),
        }
    }

    /// Answers are as the model has them, one after the other.
    fn answered(&mut self, answers: Vec<Settled>) {
        for (id, ruling) in answers {
            let asked = self.asked.get_mut(&id).expect("an ask that was asked");
            assert!(asked.ruling.is_none(), "answered once");
            let comes = Comes { who: asked.event, returning: asked.returning.as_ref(), now: self.now };
            let expected = self.model.expect(&asked.wants, comes);
            assert_answer(&expected, &ruling, &asked.wants);
            self.model.reserve(id, &asked.wants, (&expected, comes));
            asked.ruling = Some(ruling);
        }
    }

    fn settle(&mut self, id: AskId, committed: bool) {
        let asked = self.asked.remove(&id).expect("an answered ask");
        let ruling = asked.ruling.expect("an answer");
        let booked = ruling.decisions.iter().find_map(|decision| decision.grant.as_ref()?.booking().cloned());
        let kept = booked.is_some() && booked == asked.returning.as_ref().map(booking);
        self.model.settle(id, committed, (asked.returning.as_ref(), asked.event, kept));
        match (committed, asked.returning) {
            (true, returning) => {
                self.told.remove(&asked.event);
                self.record((asked.event, asked.whole), returning, (ruling, booked));
            }
            (false, None) => {}
            (false, Some(place)) => self.stays(place, asked.whole, asked.event),
        }
        let position = committed.then_some(1 + self.journal.len() as u64);
        let freed = self.governor.settle(id, position, Timestamp::from_micros(self.now));
        self.answered(freed);
        for asked in self.asked.values().filter(|asked| asked.ruling.is_none()) {
            let waits = self.model.is_reserved(&asked.wants, asked.returning.as_ref());
            assert!(waits, "it waits for nothing: {:?}", asked.wants);
        }
    }

    /// A return did not commit: it will come again, and is told so where it is told.
    fn stays(&mut self, place: Place, wants: Wants, event: u64) {
        self.told.remove(&event);
        self.deferred.push((place, wants, event));
    }

    fn forget(&mut self, id: AskId) {
        let Asked { event, returning, whole, .. } = self.asked.remove(&id).expect("asked");
        if let Some(place) = returning {
            self.stays(place, whole, event);
        }
        let freed = self.governor.forget(id, Timestamp::from_micros(self.now));
        assert!(freed.is_empty(), "who only waits holds nothing");
    }

    fn record(&mut self, (event, whole): (u64, Wants), returning: Option<Place>, of: (Ruling, Option<Booking>)) {
        let (ruling, booked) = of;
        let mut facts = vec![Fact::Moved { event, to: LifeState::Pending, reason: "so".into(), by: None }];
        facts.extend(returning.as_ref().map(|place| Fact::Released { booking: booking(place) }));
        self.deferred.extend(booked.map(|it| {
            let policy = it.policy[1..].parse().expect("p0");
            ((policy, it.key, it.slot.micros()), whole, event)
        }));
        let verdict = ruling.stopped.unwrap_or(Verdict::Accepted);
        let judgement = Judgement { verdict, decisions: ruling.decisions, set: self.set.digest(), at: ruling.at };
        facts.push(Fact::Judged { event, judgement });
        self.journal.push(record(self.next, facts));
    }

    /// Somebody who holds a place has ended.
    fn free(&mut self, nth: usize) {
        let limits = self.model.rules.iter().enumerate().filter(|(_, rule)| matches!(rule, Rule::Concurrency { .. }));
        let limits: Vec<usize> = limits.map(|(policy, _)| policy).collect();
        let held = |(place, key): (&(usize, String), &super::governor_key::Key)| {
            let given = key.taken.iter().filter(|it| it.by.is_none()).map(|it| (place.clone(), it.who));
            given.collect::<Vec<_>>()
        };
        let keys = self.model.keys.iter().filter(|((policy, _), _)| limits.contains(policy));
        let held: Vec<((usize, String), u64)> = keys.flat_map(held).collect();
        let Some(((policy, key), event)) = held.get(nth % held.len().max(1)).cloned() else { return };
        self.model.key(policy, &key).taken.retain(|it| it.who != event);
        let name = format!("p{policy}");
        let freed = self.governor.freed(&name, &key, &who(event), Timestamp::from_micros(self.now));
        self.journal.push(record(self.next, vec![Fact::Freed { policy: name, key, event }]));
        self.answered(freed);
    }

    /// Nothing but the journal is left.
    fn crash(&mut self) {
        self.governor = Governor::new(&self.set);
        self.journal.iter().for_each(|record| self.governor.replay(&correlation(), record));
        self.model.crash();
        self.told.clear();
        for Asked { returning, whole, event, .. } in std::mem::take(&mut self.asked).into_values() {
            self.deferred.extend(returning.map(|place| (place, whole, event)));
        }
    }

    /// Each who has a place is told so, once.
    fn hear(&mut self) {
        for promise in self.governor.take_promises() {
            assert!(self.told.insert(promise.event), "event {} is told twice", promise.event);
        }
        let on_its_way: BTreeSet<u64> = self.asked.values().map(|asked| asked.event).collect();
        let must = self.model.must_be_told();
        let forgotten: Vec<_> = must.iter().filter(|it| !self.told.contains(it) && !on_its_way.contains(it)).collect();
        assert!(forgotten.is_empty(), "{forgotten:?} have a place and do not know");
    }

    /// Everything that was asked is answered once all that was answered is settled.
    fn finish(&mut self) {
        while let Some(id) = self.ids(true).first() {
            self.settle(*id, id.0 % 3 > 0);
        }
        assert!(self.asked.is_empty(), "{} wait for ever", self.asked.len());
        self.hear();
    }

    fn returning(&self) -> impl Iterator<Item = &Place> {
        self.asked.values().filter_map(|asked| asked.returning.as_ref())
    }

    /// By the bare words of the rules.
    fn assert_rules(&self) {
        for ((policy, key), held) in &self.model.keys {
            let taken: Vec<i64> = held.taken.iter().map(|it| it.slot).collect();
            match self.model.rules[*policy] {
                // No two acceptances within a window, nor two places that are still promised.
                Rule::Cooldown { window, .. } => {
                    // One that is on its way back may hold its next place beside the one that it gives up.
                    let given_up = |at: i64| self.returning().any(|place| place == &(*policy, key.clone(), at));
                    let booked = held.booked.iter().map(|it| it.slot).filter(|at| !given_up(*at)).collect();
                    for mut instants in [taken, booked] {
                        instants.sort_unstable();
                        let close = instants.windows(2).find(|pair| pair[1] - pair[0] < window);
                        assert_eq!(close, None, "p{policy} {key}: within {window}");
                    }
                }
                Rule::Window { most, .. } => {
                    let mut sessions: BTreeMap<i64, usize> = BTreeMap::new();
                    taken.into_iter().for_each(|opening| *sessions.entry(opening).or_default() += 1);
                    assert!(sessions.values().all(|count| *count <= most), "p{policy} {key}: {sessions:?}");
                }
                // In any stretch of time no more than the burst, and one for each interval of it.
                Rule::Rate { interval, burst, .. } => {
                    let mut instants = taken;
                    instants.sort_unstable();
                    for (nth, from) in instants.iter().enumerate() {
                        let fits = |(count, to): (i64, &i64)| count < burst + (to - from) / interval;
                        assert!((0..).zip(&instants[nth..]).all(fits), "p{policy} {key}: {instants:?}");
                    }
                }
                Rule::Concurrency { limit } => assert!(taken.len() <= limit, "p{policy} {key}: {taken:?}"),
                Rule::Debounce { .. } => {}
            }
        }
    }
}

fn booking((policy, key, slot): &Place) -> Booking {
    Booking { policy: format!("p{policy}"), key: key.clone(), slot: Timestamp::from_micros(*slot) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_governor_answers_as_the_naive_model_whatever_happens(
        rules in rules(),
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let mut bench = Bench::new(rules);
        for op in ops {
            bench.run(op);
            bench.assert_rules();
        }
        bench.finish();
        bench.assert_rules();
    }

    #[test]
    fn all_deferred_go_on_in_the_end_one_by_one(
        rules in rules(),
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        // Under one policy each: those under several may put each other off again and again, which the limit of unbooked
        // deferrals ends.
        let alone = |op: Op| match op {
            Op::Ask(wants) => Op::Ask(wants.into_iter().take(1).collect()),
            op => op,
        };
        let mut bench = Bench::new(rules);
        ops.into_iter().map(alone).for_each(|op| bench.run(op));
        bench.finish();
        // Each round lets time go on to the next slot and takes all that are due.
        for round in 0..10_000_usize {
            let Some(next) = bench.deferred.iter().map(|(place, ..)| place.2).min() else { break };
            bench.now = bench.now.max(next);
            // In no order that could fall in step with who does not commit.
            bench.run(Op::Return { nth: (round * 7_919) >> 3, vetoed: false });
            bench.finish();
            bench.run(Op::Free(0));
        }
        prop_assert!(bench.deferred.is_empty(), "{} never go on", bench.deferred.len());
    }
}
