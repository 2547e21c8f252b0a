//! The breaker: a table of its phases, and a model beside it on random calls.

use proptest::prelude::*;
use regie_core::Json;
use regie_core::agents::{Breaker, BreakerRule, Counts, Leave, Phase, Shut};
use regie_core::workflow::AgentOutcome;

use super::{at, ms};

fn rule() -> BreakerRule {
    BreakerRule::default().failures(3).open_for(ms(100)).probes(2)
}

fn closed(rule: BreakerRule) -> Breaker {
    Breaker::new(rule, Phase::Closed)
}

fn call(breaker: &mut Breaker, now: i64, counts: Counts) {
    let leave = breaker.ask(at(now)).expect("it is not shut");
    breaker.ended(at(now), leave, counts);
}

fn opened(now: i64) -> Breaker {
    let mut breaker = closed(rule());
    (0..3).for_each(|_| call(&mut breaker, now, Counts::Ill));
    breaker
}

#[test]
fn so_many_failures_in_a_row_open_it_and_one_success_between_starts_the_count_anew() {
    let mut breaker = closed(rule());
    for counts in [Counts::Ill, Counts::Ill, Counts::Well, Counts::Ill, Counts::Neither, Counts::Ill] {
        call(&mut breaker, 0, counts);
        assert_eq!(breaker.phase(), &Phase::Closed);
    }
    call(&mut breaker, 7, Counts::Ill);
    let why = "3 calls in a row failed".to_string();
    assert_eq!(breaker.phase(), &Phase::Open { until: at(107), why });
}

#[test]
fn an_open_one_says_until_when_and_lets_probes_through_after_that() {
    let mut breaker = opened(0);
    let Err(Shut::Open { until, .. }) = breaker.ask(at(99)) else { panic!("it is open") };
    assert_eq!(until, at(100));
    let probes = [breaker.ask(at(100)), breaker.ask(at(100))];
    assert!(probes.iter().all(Result::is_ok) && breaker.phase() == &Phase::HalfOpen);
    assert_eq!(breaker.ask(at(100)), Err(Shut::Probing { probes: 2 }));
    let [Ok(one), Ok(other)] = probes else { panic!("both had leave") };
    breaker.ended(at(101), one, Counts::Well);
    assert!(breaker.ask(at(101)).is_err() && breaker.phase() == &Phase::HalfOpen);
    breaker.ended(at(101), other, Counts::Well);
    assert_eq!(breaker.phase(), &Phase::Closed);
}

#[test]
fn a_probe_that_fails_opens_it_again_and_one_that_is_given_up_is_made_again() {
    let mut breaker = opened(0);
    let given_up = breaker.ask(at(100)).unwrap();
    let fails = breaker.ask(at(100)).unwrap();
    breaker.ended(at(101), given_up, Counts::Neither);
    let late = breaker.ask(at(101)).expect("the place of the one that was given up");
    breaker.ended(at(102), fails, Counts::Ill);
    assert_eq!(breaker.phase(), &Phase::Open { until: at(202), why: "a probe failed".into() });
    breaker.ended(at(103), late, Counts::Well);
    assert!(matches!(breaker.phase(), Phase::Open { .. }), "what ends late does not count");
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_calls_enough_within_the_window() {
    let share = BreakerRule::default().failures(0).ratio(50, ms(1_000), 4);
    let mut breaker = closed(share);
    for (now, counts) in [(0, Counts::Ill), (100, Counts::Well), (200, Counts::Well)] {
        call(&mut breaker, now, counts);
    }
    // What ended at 0 and at 100 is out of the window by then, and three calls are too few.
    for now in [1_100, 1_150] {
        call(&mut breaker, now, Counts::Ill);
        assert_eq!(breaker.phase(), &Phase::Closed, "at {now}");
    }
    call(&mut breaker, 1_160, Counts::Well);
    assert_eq!(breaker.phase(), &Phase::Open { until: at(31_160), why: "2 of 4 calls failed".into() });
}

#[test]
fn all_calls_that_went_well_open_nothing_whatever_the_share() {
    let mut breaker = closed(BreakerRule::default().failures(0).ratio(0, ms(1_000), 1));
    (0..10).for_each(|now| call(&mut breaker, now, Counts::Well));
    assert_eq!(breaker.phase(), &Phase::Closed);
}

#[test]
fn what_says_nothing_about_the_agent_does_not_count() {
    let rejected = |is_final| AgentOutcome::Rejected { code: None, message: "no".into(), is_final };
    let table = [
        (Some(AgentOutcome::Done(Json::null())), Counts::Well),
        (Some(rejected(true)), Counts::Well),
        (Some(rejected(false)), Counts::Ill),
        (Some(AgentOutcome::Failed("no".into())), Counts::Ill),
        (Some(AgentOutcome::TimedOut { after_ms: 1 }), Counts::Ill),
        (Some(AgentOutcome::Panicked("no".into())), Counts::Ill),
        (Some(AgentOutcome::Refused("no".into())), Counts::Neither),
        (None, Counts::Neither),
    ];
    for (outcome, counts) in table {
        assert_eq!(Counts::of(outcome.as_ref()), counts, "{outcome:?}");
    }
}

#[test]
fn it_stands_after_a_restart_as_it_stood() {
    let told = serde_json::to_string(opened(5).phase()).unwrap();
    let mut again = Breaker::new(rule(), serde_json::from_str(&told).unwrap());
    assert!(again.ask(at(104)).is_err() && again.ask(at(105)).is_ok());
}

/// What a breaker of consecutive failures is, said as plainly as can be.
#[derive(Default)]
struct Model {
    in_a_row: u32,
    open_until: Option<i64>,
    half_open: bool,
    probes: u32,
    well: u32,
    phase: u64,
}

impl Model {
    fn ask(&mut self, now: i64) -> bool {
        if let Some(until) = self.open_until {
            if now < until {
                return false;
            }
            (self.open_until, self.half_open, self.probes, self.well) = (None, true, 0, 0);
            self.phase += 1;
        }
        if self.half_open && self.probes + self.well >= 2 {
            return false;
        }
        self.probes += u32::from(self.half_open);
        true
    }

    fn ended(&mut self, now: i64, phase: u64, counts: Counts) {
        if phase != self.phase {
            return;
        }
        self.probes -= u32::from(self.half_open);
        match counts {
            Counts::Neither => return,
            Counts::Well => (self.in_a_row, self.well) = (0, self.well + u32::from(self.half_open)),
            Counts::Ill => self.in_a_row += 1,
        }
        if (self.half_open && counts == Counts::Ill) || self.in_a_row >= 3 {
            (self.open_until, self.half_open, self.in_a_row) = (Some(now + 100), false, 0);
            self.phase += 1;
        } else if self.half_open && self.well >= 2 {
            (self.half_open, self.in_a_row) = (false, 0);
            self.phase += 1;
        }
    }
}

fn counts() -> impl Strategy<Value = Counts> {
    prop_oneof![2 => Just(Counts::Well), 4 => Just(Counts::Ill), 1 => Just(Counts::Neither)]
}

proptest! {
    #[test]
    fn it_does_as_its_model_on_any_calls(
        steps in prop::collection::vec((0_i64..60, any::<bool>(), any::<prop::sample::Index>(), counts()), 1..200),
    ) {
        let (mut breaker, mut model) = (closed(rule()), Model::default());
        let (mut now, mut out): (i64, Vec<(Leave, u64)>) = (0, Vec::new());
        for (wait, asks, which, counts) in steps {
            now += wait;
            if asks || out.is_empty() {
                let leave = breaker.ask(at(now));
                prop_assert_eq!(leave.is_ok(), model.ask(now), "at {}", now);
                out.extend(leave.ok().map(|leave| (leave, model.phase)));
            } else {
                let (leave, phase) = out.swap_remove(which.index(out.len()));
                breaker.ended(at(now), leave, counts);
                model.ended(now, phase, counts);
            }
            prop_assert_eq!(breaker.changes(), model.phase);
        }
    }
}

#[test]
fn one_that_is_to_see_fewer_probes_than_went_well_by_now_lets_calls_through() {
    let mut breaker = closed(rule().probes(3));
    (0..3).for_each(|_| call(&mut breaker, 0, Counts::Ill));
    call(&mut breaker, 100, Counts::Well);
    breaker.rule(rule().probes(1));
    assert_eq!((breaker.shut(at(101)), breaker.phase()), (None, &Phase::HalfOpen));
    call(&mut breaker, 101, Counts::Well);
    assert_eq!(breaker.phase(), &Phase::Closed);
}
