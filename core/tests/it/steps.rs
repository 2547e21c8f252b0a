//! Steps: tries, what is kept of them, and how they are put back.

use std::time::Duration;

use proptest::prelude::*;
use regie_core::event::CorrelationId;
use regie_core::retry::Retry;
use regie_core::workflow::step::{Act, Doing, Done, Happened, StepFact, StepRule, StepRules, Steps, Undo};
use regie_core::workflow::{AgentOutcome, Moment, RunEnd};
use regie_core::{Json, Timestamp, limits};

use super::helpers::{at, correlation};

/// Three tries a second apart; `pay` and `pack` can be put back, and what is put back has two tries.
struct Rules {
    retry: Retry,
    undo: Retry,
    never_for: Vec<String>,
    max_elapsed: Option<Duration>,
}

fn rules() -> Rules {
    let retry = Retry { first: Duration::from_secs(1), growth_percent: 200, jitter_percent: 0, ..Retry::times(3) };
    Rules { retry, undo: Retry { attempts: 2, ..retry }, never_for: Vec::new(), max_elapsed: None }
}

impl StepRules for Rules {
    fn rule(&self, _: &str) -> StepRule<'_> {
        StepRule { retry: &self.retry, max_elapsed: self.max_elapsed, never_for: &self.never_for }
    }

    fn can_be_undone(&self, step: &str) -> bool {
        step.starts_with('p')
    }

    fn undo(&self, done: &Done) -> Result<Undo, String> {
        let input = Json::of(&(&done.input, &done.result));
        match done.step.as_str() {
            "puzzle" => Err("nobody knows how".into()),
            _ => Ok(Undo { agent: "undoer".into(), input, timeout_ms: None }),
        }
    }

    fn undo_rule(&self, _: &str) -> StepRule<'_> {
        StepRule { retry: &self.undo, max_elapsed: None, never_for: &[] }
    }
}

/// The steps of one workflow over many turns.
struct Bench {
    steps: Steps,
    rules: Rules,
    now: Timestamp,
    correlation: CorrelationId,
    acts: Vec<Act>,
    facts: Vec<StepFact>,
}

fn bench() -> Bench {
    let (steps, acts, facts) = (Steps::default(), Vec::new(), Vec::new());
    Bench { steps, rules: rules(), now: at(0), correlation: correlation(), acts, facts }
}

impl Bench {
    /// One turn; its facts are followed as replay follows them.
    fn turn<T>(&mut self, moves: impl FnOnce(&mut Doing<'_>) -> T) -> T {
        let moment = Moment { now: self.now, correlation: &self.correlation };
        let mut doing = Doing::new(&self.steps, &self.rules, &moment);
        let told = moves(&mut doing);
        let (facts, acts, after) = (doing.facts, doing.acts, doing.steps);
        facts.iter().for_each(|fact| self.steps.follow(fact));
        assert_eq!(self.steps, after, "what was tried is what follows from the facts");
        self.acts = acts;
        self.facts.extend(facts);
        told
    }

    fn begin(&mut self, step: &str) -> Happened {
        self.turn(|doing| doing.begin(step, "agent", Json::of(step), None))
    }

    fn ended(&mut self, step: &str, outcome: AgentOutcome) -> Happened {
        self.turn(|doing| doing.ended(step, &outcome))
    }

    fn done(&mut self, step: &str) -> Happened {
        self.ended(step, AgentOutcome::Done(Json::of("ok")))
    }

    fn fails(&mut self, step: &str) -> Happened {
        self.ended(step, AgentOutcome::Failed("no".into()))
    }

    fn unwind(&mut self) -> Happened {
        self.turn(|doing| doing.unwind(RunEnd::Failed { error: "it went wrong".into() }))
    }

    fn ending(&mut self) -> RunEnd {
        self.turn(|doing| doing.ending())
    }

    /// Who is called, with what.
    fn calls(&self) -> Vec<String> {
        let call = |act: &Act| match act {
            Act::Call { step, input, .. } => Some(format!("{step} {input}")),
            _ => None,
        };
        self.acts.iter().filter_map(call).collect()
    }

    fn timers(&self) -> Vec<(&str, Timestamp)> {
        let timers = self.acts.iter().filter_map(|act| match act {
            Act::Timer { step, due } => Some((step.as_str(), *due)),
            _ => None,
        });
        timers.collect()
    }

    fn can_be_put_back(&self) -> Vec<(&str, bool)> {
        self.steps.done().map(|done| (done.step.as_str(), done.result.is_some())).collect()
    }
}

#[test]
fn a_step_that_fails_is_tried_again_until_its_tries_are_up() {
    let mut bench = bench();
    bench.begin("cook");
    for (tries, due) in [(1, at(1_000)), (2, at(3_000))] {
        assert_eq!(bench.fails("cook"), Happened::Nothing, "try {tries}");
        assert_eq!(bench.timers(), [("~again/cook", due)]);
        bench.now = due;
        assert!(bench.turn(|doing| doing.woke("~again/cook")));
        assert_eq!(bench.calls(), [r#"cook "cook""#]);
    }
    let Happened::Failed { step, error } = bench.fails("cook") else { panic!("its tries are up") };
    assert_eq!((step.as_str(), error.to_string().as_str()), ("cook", "error: no"));
    assert!(bench.steps.under_way().is_empty());
}

#[test]
fn an_error_that_is_named_is_not_tried_again() {
    let mut bench = bench();
    bench.rules.never_for = vec!["timeout".into()];
    bench.begin("cook");
    assert!(matches!(bench.ended("cook", AgentOutcome::TimedOut { after_ms: 5 }), Happened::Failed { .. }));
}

#[test]
fn no_wait_goes_beyond_the_time_that_a_step_has_in_all() {
    let mut bench = bench();
    bench.rules.max_elapsed = Some(Duration::from_millis(2_500));
    bench.begin("cook");
    assert_eq!(bench.fails("cook"), Happened::Nothing);
    bench.now = at(1_000);
    bench.turn(|doing| doing.woke("~again/cook"));
    assert!(matches!(bench.fails("cook"), Happened::Failed { .. }), "two more seconds are too many");
}

#[test]
fn what_was_done_is_put_back_the_last_first_and_one_at_a_time() {
    let mut bench = bench();
    for step in ["pay", "cook", "pack"] {
        bench.begin(step);
        bench.done(step);
    }
    assert_eq!(bench.unwind(), Happened::Nothing);
    assert_eq!(bench.calls(), [r#"~undo/pack ["pack","ok"]"#]);
    assert_eq!(bench.done("~undo/pack"), Happened::Nothing);
    assert_eq!(bench.calls(), [r#"~undo/pay ["pay","ok"]"#], "nothing puts back what was cooked");
    assert_eq!(bench.done("~undo/pay"), Happened::Unwound);
    assert_eq!(bench.ending(), RunEnd::Failed { error: "it went wrong".into() });
}

#[test]
fn what_nobody_knows_the_outcome_of_is_put_back_too() {
    let mut bench = bench();
    bench.rules.retry.attempts = 1;
    for (step, outcome) in [
        ("p-late", AgentOutcome::TimedOut { after_ms: 1 }),
        ("p-panic", AgentOutcome::Panicked("oh".into())),
        ("p-error", AgentOutcome::Failed("no".into())),
        ("p-never", AgentOutcome::Refused("full".into())),
    ] {
        bench.begin(step);
        bench.ended(step, outcome);
    }
    bench.begin("p-under-way");
    bench.unwind();
    assert_eq!(bench.can_be_put_back(), [("p-under-way", false), ("p-panic", false), ("p-late", false)]);
    assert_eq!(bench.acts[0], Act::GiveUp { step: "p-under-way".into() });
    assert_eq!(bench.calls(), [r#"~undo/p-under-way ["p-under-way",null]"#]);
}

#[test]
fn a_step_that_is_given_up_in_the_turn_in_which_it_was_to_be_asked_was_never_asked_and_is_not_put_back() {
    let mut bench = bench();
    bench.turn(|doing| {
        doing.begin("pay", "agent", Json::null(), None);
        doing.give_up("pay");
    });
    assert!(bench.can_be_put_back().is_empty());
    bench.begin("pay");
    bench.turn(|doing| doing.give_up("pay"));
    assert_eq!(bench.can_be_put_back(), [("pay", false)], "asked in an earlier turn, it may have been done");
}

#[test]
fn a_step_that_waits_to_be_tried_again_has_done_nothing_unless_an_earlier_try_is_in_doubt() {
    for (first, is_kept) in [(AgentOutcome::Failed("no".into()), 0), (AgentOutcome::TimedOut { after_ms: 1 }, 1)] {
        let mut bench = bench();
        bench.begin("pay");
        bench.ended("pay", first);
        bench.turn(|doing| doing.give_up("pay"));
        assert_eq!(bench.acts, [Act::GiveUp { step: "~again/pay".into() }]);
        assert_eq!(bench.can_be_put_back().len(), is_kept);
    }
}

#[test]
fn what_cannot_be_put_back_waits_for_a_person_after_its_own_tries() {
    let mut bench = bench();
    bench.begin("pay");
    bench.done("pay");
    bench.unwind();
    assert_eq!(bench.fails("~undo/pay"), Happened::Nothing);
    assert_eq!(bench.timers(), [("~again/~undo/pay", at(1_000))]);
    bench.turn(|doing| doing.woke("~again/~undo/pay"));
    let stuck = Happened::Stuck { step: "pay".into(), attempts: 2, error: "error: no".into() };
    assert_eq!((bench.fails("~undo/pay"), bench.can_be_put_back()), (stuck, vec![("pay", true)]));
    assert_eq!(bench.turn(|doing| doing.retry_undo()), Happened::Nothing);
    assert_eq!((bench.calls().len(), bench.steps.under_way()["~undo/pay"].tries), (1, 0), "with all its tries");
}

#[test]
fn what_a_person_passes_over_is_told_at_the_end() {
    let mut bench = bench();
    for step in ["pay", "puzzle"] {
        bench.begin(step);
        bench.done(step);
    }
    let stuck = Happened::Stuck { step: "puzzle".into(), attempts: 0, error: "nobody knows how".into() };
    assert_eq!(bench.unwind(), stuck);
    assert_eq!(bench.ending(), RunEnd::Failed { error: "it went wrong; not put back: puzzle, pay".into() });
    assert_eq!(bench.turn(|doing| doing.skip_undo()), Happened::Nothing);
    bench.done("~undo/pay");
    assert_eq!(bench.ending(), RunEnd::Failed { error: "it went wrong; not put back: puzzle".into() });
}

#[test]
fn answers_of_steps_that_are_over_come_to_nothing() {
    let mut bench = bench();
    bench.begin("cook");
    bench.done("cook");
    assert_eq!(
        (bench.done("cook"), bench.fails("cook"), bench.done("never")),
        (Happened::Nothing, Happened::Nothing, Happened::Nothing)
    );
    assert!(bench.turn(|doing| doing.woke("~again/cook")), "it was a step's timer");
    assert_eq!((bench.acts.len(), bench.turn(|doing| doing.woke("a user's timer"))), (0, false));
}

#[test]
fn a_workflow_keeps_no_more_than_so_many_steps_that_can_be_put_back() {
    let mut bench = bench();
    let done = |step: String| {
        let (agent, input, at) = ("agent".into(), Json::null(), at(0));
        let began = StepFact::Began { step: step.clone(), agent, input, timeout_ms: None, undoable: true, at };
        [began, StepFact::Done { step, result: Json::null() }]
    };
    let all = (0..limits::UNDOABLE_STEPS).flat_map(|number| done(format!("p{number}")));
    all.for_each(|fact| bench.steps.follow(&fact));
    assert!(matches!(bench.begin("pay"), Happened::Failed { error, .. } if error.message.contains("100000 steps")));
    assert_eq!((bench.begin("cook"), bench.calls().len()), (Happened::Nothing, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens: the saga's log is what a list of finished steps tells, nothing is put back twice, and it ends.
    #[test]
    fn all_that_may_have_been_done_is_put_back_once(moves in prop::collection::vec((0..6_usize, 0..5_u8), 0..40)) {
        let mut bench = bench();
        bench.rules.retry.attempts = 2;
        let mut may_be_done: Vec<String> = Vec::new();
        let mut doubtful: Vec<String> = Vec::new();
        for (which, what) in moves {
            let step = format!("p{which}");
            if !bench.steps.under_way().contains_key(&step) {
                doubtful.retain(|other| *other != step);
                bench.begin(&step);
                continue;
            }
            if bench.steps.under_way()[&step].again.is_some() {
                bench.turn(|doing| doing.woke(&format!("~again/{step}")));
                continue;
            }
            let outcome = match what {
                0 => AgentOutcome::Failed("no".into()),
                1 => AgentOutcome::TimedOut { after_ms: 1 },
                2 => AgentOutcome::Panicked("oh".into()),
                _ => AgentOutcome::Done(Json::null()),
            };
            if matches!(what, 1 | 2) {
                doubtful.push(step.clone());
            }
            match bench.ended(&step, outcome) {
                Happened::Done { step, .. } => may_be_done.push(step),
                Happened::Failed { step, .. } if doubtful.contains(&step) => may_be_done.push(step),
                _ => {}
            }
        }
        let open: Vec<(String, bool)> =
            bench.steps.under_way().iter().map(|(step, it)| (step.clone(), it.again.is_none())).collect();
        for (step, is_out) in open {
            if is_out || doubtful.contains(&step) {
                may_be_done.push(step);
            }
        }
        let mut happened = bench.unwind();
        let mut put_back = Vec::new();
        while happened != Happened::Unwound {
            let step = bench.steps.under_way().keys().next().expect("one is put back").clone();
            put_back.push(step.trim_start_matches("~undo/").to_string());
            happened = bench.done(&step);
        }
        put_back.reverse();
        prop_assert_eq!(put_back, may_be_done);
    }
}
