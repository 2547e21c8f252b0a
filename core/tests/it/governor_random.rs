//! The governor against the naive model: random asks, returns, commits, releases, crashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use regie_core::governance::{
    Ask, AskId, Booking, Governor, Grant, Judgement, PolicySet, Ruling, Settled, Verdict, Want,
};
use regie_core::workflow::Fact;

use super::governor_model::{Expected, Model, Place, Rule, Wants, assert_answer};
use super::helpers::{at, policies};

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
        1 => Just(Op::Crash),
    ]
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let rule = (1_i64..15, any::<bool>()).prop_map(|(hundreds, defers)| Rule { window: hundreds * 100, defers });
    proptest::collection::vec(rule, 3)
}

struct Asked {
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
    /// Standing committed bookings whose event is not on its way back, and whom that event asks.
    deferred: Vec<(Place, Wants)>,
    journal: Vec<Fact>,
}

impl Bench {
    fn new(rules: Vec<Rule>) -> Self {
        let entry = |(nth, rule): (usize, &Rule)| {
            let mode = if rule.defers { "defer" } else { "discard" };
            format!(
                "[[policy]]\nname = \"p{nth}\"\nkind = \"cooldown\"\nmatch = \">\"\nwindow = \"{}ms\"\nmode = \"{mode}\"\n",
                rule.window
            )
        };
        let set = policies(&rules.iter().enumerate().map(entry).collect::<String>());
        let governor = Governor::new(&set);
        let (asked, deferred, journal) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { set, governor, model: Model::new(rules), now: 0, next: 1, asked, deferred, journal }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Advance(by) => self.now += by,
            Op::Ask(wants) => {
                self.ask(wants.into_iter().map(|(policy, key)| (policy, key.to_string())).collect(), None, false)
            }
            Op::Return { nth, vetoed } => {
                let due: Vec<usize> =
                    (0..self.deferred.len()).filter(|at| self.deferred[*at].0.2 <= self.now).collect();
                if !due.is_empty() {
                    let (place, wants) = self.deferred.remove(due[nth % due.len()]);
                    self.ask(wants, Some(place), vetoed);
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
                    let id = waiting[nth % waiting.len()];
                    let Asked { returning, whole, .. } = self.asked.remove(&id).expect("asked");
                    self.deferred.extend(returning.map(|place| (place, whole)));
                    let freed = self.governor.forget(id, at(self.now));
                    assert!(freed.is_empty(), "who only waits holds nothing");
                }
            }
            Op::Crash => self.crash(),
        }
    }

    fn ids(&self, answered: bool) -> Vec<AskId> {
        self.asked.iter().filter(|(_, asked)| asked.ruling.is_some() == answered).map(|(id, _)| *id).collect()
    }

    fn ask(&mut self, whole: Wants, returning: Option<Place>, vetoed: bool) {
        let wants = if vetoed { Wants::new() } else { whole.clone() };
        let id = AskId(self.next);
        self.next += 1;
        let asks = wants.iter().map(|(policy, key)| Want { policy: *policy, key: key.clone() }).collect();
        let booking = returning.as_ref().map(booking);
        let ask = Ask { id, set: Arc::clone(&self.set), wants: asks, returning: booking };
        let expected = self.model.expect(&wants, returning.as_ref(), self.now);
        self.asked.insert(id, Asked { whole, wants, returning, ruling: None });
        match self.governor.ask(ask, at(self.now)) {
            None => assert_eq!(expected, Expected::Waits),
            Some(settled) => self.answered(vec![settled]),
        }
    }

    /// Answers are as the model has them, one after the other.
    fn answered(&mut self, answers: Vec<Settled>) {
        for (id, ruling) in answers {
            let asked = self.asked.get_mut(&id).expect("an ask that was asked");
            assert!(asked.ruling.is_none(), "answered once");
            let expected = self.model.expect(&asked.wants, asked.returning.as_ref(), self.now);
            assert_answer(&expected, &ruling, &asked.wants);
            self.model.reserve(id, &asked.wants, &expected);
            asked.ruling = Some(ruling);
        }
    }

    fn settle(&mut self, id: AskId, committed: bool) {
        let Asked { whole, returning, ruling, .. } = self.asked.remove(&id).expect("an answered ask");
        self.model.settle(id, committed, returning.as_ref());
        if committed {
            self.record(whole, returning, ruling.expect("an answer"));
        } else {
            self.deferred.extend(returning.map(|place| (place, whole)));
        }
        let freed = self.governor.settle(id, committed, at(self.now));
        self.answered(freed);
        for asked in self.asked.values().filter(|asked| asked.ruling.is_none()) {
            assert!(self.model.is_reserved(&asked.wants), "it waits for nothing: {:?}", asked.wants);
        }
    }

    fn record(&mut self, whole: Wants, returning: Option<Place>, ruling: Ruling) {
        self.journal.extend(returning.as_ref().map(|place| Fact::Released { booking: booking(place) }));
        let booked = ruling.decisions.iter().find_map(|decision| match &decision.grant {
            Some(Grant::Booked(booking)) => Some(booking.clone()),
            _ => None,
        });
        self.deferred.extend(booked.map(|it| {
            let policy = it.policy[1..].parse().expect("p0");
            ((policy, it.key, it.slot.micros() / 1_000), whole)
        }));
        let verdict = ruling.stopped.unwrap_or(Verdict::Accepted);
        let judgement = Judgement { verdict, decisions: ruling.decisions, set: self.set.digest(), at: ruling.at };
        self.journal.push(Fact::Judged { event: 1, judgement });
    }

    /// Nothing but the journal is left.
    fn crash(&mut self) {
        self.governor = Governor::new(&self.set);
        self.journal.iter().for_each(|fact| self.governor.replay(fact));
        self.model.crash();
        let asked = std::mem::take(&mut self.asked);
        let returning = asked.into_values().filter_map(|asked| asked.returning.map(|place| (place, asked.whole)));
        self.deferred.extend(returning);
    }

    /// Everything that was asked is answered once all that was answered is settled.
    fn finish(&mut self) {
        while let Some(id) = self.ids(true).first() {
            self.settle(*id, id.0 % 3 > 0);
        }
        assert!(self.asked.is_empty(), "{} wait for ever", self.asked.len());
    }

    fn returning(&self) -> impl Iterator<Item = &Place> {
        self.asked.values().filter_map(|asked| asked.returning.as_ref())
    }

    /// By the bare words of the rule: no two acceptances of a key within a window, nor two places that are still promised.
    fn assert_rule(&self) {
        for ((policy, key), held) in &self.model.keys {
            let window = self.model.rules[*policy].window;
            // One that is on its way back may hold its next place beside the one that it gives up.
            let given_up = |at: i64| self.returning().any(|place| place == &(*policy, key.clone(), at));
            let taken: Vec<i64> = held.taken.iter().map(|(at, _)| *at).collect();
            let booked: Vec<i64> = held.booked.iter().map(|(at, _)| *at).filter(|at| !given_up(*at)).collect();
            for mut instants in [taken, booked] {
                instants.sort_unstable();
                let close = instants.windows(2).find(|pair| pair[1] - pair[0] < window);
                assert_eq!(close, None, "p{policy} {key}: within {window}");
            }
        }
    }
}

fn booking((policy, key, slot): &Place) -> Booking {
    Booking { policy: format!("p{policy}"), key: key.clone(), slot: at(*slot) }
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
            bench.assert_rule();
        }
        bench.finish();
        bench.assert_rule();
    }

    #[test]
    fn all_deferred_go_on_in_the_end_one_by_one(
        rules in rules(),
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        let rules = rules.into_iter().map(|rule| Rule { defers: true, ..rule }).collect();
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
        for _ in 0..10_000 {
            let Some(next) = bench.deferred.iter().map(|(place, _)| place.2).min() else { break };
            bench.now = bench.now.max(next);
            bench.run(Op::Return { nth: 0, vetoed: false });
            bench.finish();
        }
        prop_assert!(bench.deferred.is_empty(), "{} never go on", bench.deferred.len());
    }
}
