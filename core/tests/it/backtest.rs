//! A set tried on history: first verdicts, returns that take their slots, late stamps, what conditions see.

use regie_core::event::{EntityRef, Event, EventBuilder, Incoming, Principal};
use regie_core::governance::backtest::{Backtest, Fate, First, Report, Taken, Tally};
use regie_core::governance::{PolicySet, Verdict};
use regie_core::reasoning::{Confidence, Mode, Outcome, Reasoning, Signal};

use crate::helpers::{at, policies};

const DEFER: &str =
    "[[policy]]\nname = \"gap\"\nkind = \"cooldown\"\nmatch = \"note\"\nwindow = \"1s\"\nmode = \"defer\"\n";

/// A note in a correlation of its own.
fn note(id: &str, millis: i64) -> EventBuilder {
    Event::new("note", format!("of-{id}")).id(id).timestamp(at(millis))
}

fn built(event: EventBuilder) -> Incoming {
    event.build().expect("a good event")
}

/// First verdicts with the instants to which they put off, and the report.
fn tried(set: &str, events: Vec<EventBuilder>) -> (Vec<First>, Report) {
    let mut backtest = Backtest::new(policies(set));
    let mut tally = Tally::new(backtest.set().clone(), true);
    let events: Vec<Incoming> = events.into_iter().map(built).collect();
    let firsts = events.iter().filter_map(|event| tally.add(event.event(), &backtest.take(event, &[])));
    let firsts = firsts.collect();
    (firsts, tally.report())
}

fn fates(set: &str, events: Vec<EventBuilder>) -> Vec<Fate> {
    tried(set, events).0.iter().map(|first| first.verdict).collect()
}

use Fate::{Accepted, Deferred, Discarded, Escalated};

#[test]
fn a_return_takes_its_slot_and_does_not_count_again() {
    let (firsts, report) = tried(DEFER, vec![note("a", 0), note("b", 400), note("c", 1_500), note("d", 3_000)]);
    let until: Vec<_> = firsts.iter().map(|first| first.until).collect();
    assert_eq!(until, [None, Some(at(1_000)), Some(at(2_000)), None], "c waits for b's return, d for nobody");
    let counts = report.policies[0].counts;
    assert_eq!((counts.accepted, counts.deferred, counts.held_back, report.events), (2, 2, 2, 4));
    let ids = report.policies[0].types["note"].ids.clone().expect("ids were asked for");
    assert_eq!(
        (ids[&Accepted].clone(), ids[&Deferred].clone()),
        (vec!["a".into(), "d".into()], vec!["b".into(), "c".into()])
    );
}

#[test]
fn what_is_due_by_an_events_stamp_comes_back_before_it() {
    assert_eq!(fates(DEFER, vec![note("a", 0), note("b", 1), note("c", 1_000), note("d", 3_000)])[2], Deferred);
    assert_eq!(fates(DEFER, vec![note("a", 0), note("b", 1), note("c", 2_000)]), [Accepted, Deferred, Accepted]);
}

#[test]
fn a_late_stamp_never_turns_time_back() {
    let discard = DEFER.replace("defer", "discard");
    assert_eq!(
        fates(&discard, vec![note("a", 5_000), note("b", 0), note("c", 6_000)]),
        [Accepted, Discarded, Accepted]
    );
}

#[test]
fn the_same_event_again_is_passed_over() {
    let (firsts, report) = tried(DEFER, vec![note("a", 0), note("a", 5_000), note("a", 5_000).source("other")]);
    assert_eq!((firsts.len(), report.known, report.events), (2, 1, 2));
}

#[test]
fn a_return_is_judged_anew_and_gives_its_place_back_if_another_stops_it() {
    let veto = "\n[[policy]]\nname = \"closing\"\nkind = \"veto\"\nmatch = \"note\"\nwhen = \"now >= timestamp('1970-01-01T00:00:01Z') && event.id == 'b'\"\n";
    let events = vec![note("a", 0), note("b", 400), note("c", 1_000)];
    assert_eq!(fates(&format!("{DEFER}{veto}"), events.clone()), [Accepted, Deferred, Accepted]);
    assert_eq!(fates(DEFER, events), [Accepted, Deferred, Deferred], "the control: without the veto b has gone on");
}

#[test]
fn each_policy_counts_by_its_own_decision_and_the_rest_are_not_its_subjects() {
    let set = format!(
        "{}\n[[policy]]\nname = \"large\"\nkind = \"veto\"\nmatch = \"note\"\nwhen = \"event.?payload.?amount.orValue(0) > 10\"\n",
        DEFER.replace("\"1s\"", "\"1s\"\nkey = \"actor\"")
    );
    let by = |event: EventBuilder| event.actor(Principal::user("ana"));
    let large = |event: EventBuilder| event.payload(serde_json::json!({"amount": 11}));
    let events = vec![by(note("a", 0)), by(note("b", 1)), by(large(note("c", 2))), note("d", 3), large(note("e", 4))];
    let other = Event::new("memo", "m").id("m").timestamp(at(5));
    let (_, report) = tried(&set, events.into_iter().chain([other]).collect());
    let [veto, cooldown] = &report.policies[..] else { panic!("{report:?}") };
    assert_eq!((veto.policy.as_str(), veto.counts.accepted, veto.counts.discarded), ("large", 3, 2));
    assert_eq!((cooldown.counts.accepted, cooldown.counts.deferred), (1, 1));
    assert_eq!((cooldown.counts.not_subject, cooldown.counts.stopped_before), (4, 1), "no key, another type, stopped");
    assert_eq!(cooldown.types["memo"].counts.not_subject, 1);
    assert_eq!(report.verdicts.into_values().collect::<Vec<_>>(), [3, 1, 2, 0]);
}

#[test]
fn examples_are_few_and_tell_the_key_and_what_is_left() {
    let events = (0..10).map(|nth| note(&format!("n{nth}"), nth)).collect();
    let (_, report) = tried(&DEFER.replace("defer", "discard"), events);
    let examples = &report.policies[0].types["note"].examples[&Discarded];
    assert_eq!((examples.len(), examples[0].id.as_str(), examples[0].remaining_ms), (3, "n1", Some(999)));
}

#[test]
fn entities_are_as_the_events_seen_so_far_tell_them() {
    let set = "[[policy]]\nname = \"closed\"\nkind = \"veto\"\nmatch = \"note\"\nwhen = \"entity != null && entity.fields.status == 'closed'\"\non_error = \"stop\"\n";
    let task = |event: EventBuilder| event.entity(EntityRef::new("task", "1"));
    let set_to =
        |id, millis, to: &str| task(Event::new("set", "t").id(id).timestamp(at(millis))).change("status", (), to);
    let events = vec![
        task(note("a", 0)),
        set_to("b", 10, "open"),
        task(note("c", 20)),
        set_to("d", 30, "closed"),
        set_to("e", 5, "late"),
        task(note("f", 40)),
        note("g", 40),
    ];
    assert_eq!(fates(set, events), [Accepted, Accepted, Accepted, Accepted, Accepted, Discarded, Accepted]);
}

#[test]
fn what_was_before_the_part_that_is_tried_is_known_of_entities_alone() {
    let set = format!(
        "{DEFER}[[policy]]\nname = \"closed\"\nkind = \"veto\"\nmatch = \"note\"\nwhen = \"entity.fields.status == 'closed'\"\n"
    );
    let task = |event: EventBuilder| built(event.entity(EntityRef::new("task", "1")));
    let mut backtest = Backtest::new(policies(&set));
    backtest.witness(task(note("before", 0).change("status", (), "closed")).event());
    let judged = |taken| if let Taken::Judged(judgement) = taken { First::of(&judgement).verdict } else { panic!() };
    assert_eq!(judged(backtest.take(&task(note("a", 1)), &[])), Discarded);
    assert_eq!(judged(backtest.take(&built(note("b", 2)), &[])), Accepted);
}

#[test]
fn a_workflow_is_a_ledger_that_counts_its_records_and_open_events() {
    let set = format!(
        "{DEFER}[[policy]]\nname = \"second\"\nkind = \"escalate\"\nmatch = \"memo\"\nwhen = \"workflow.records == 2 && workflow.open == 1 && workflow.status == 'none'\"\n"
    );
    let event = |kind: &str, id: &str, millis| Event::new(kind, "c").id(id).timestamp(at(millis));
    let before = vec![event("note", "a", 0), event("note", "b", 1)];
    let at_once = [before.clone(), vec![event("memo", "m", 2)]].concat();
    assert_eq!(fates(&set, at_once)[2], Escalated);
    let later = [before, vec![event("memo", "m", 1_000)]].concat();
    assert_eq!(fates(&set, later)[2], Accepted, "b has come back, which is a record more and nothing open");
}

const ASKED: &str = r#"
[[policy]]
name = "look"
kind = "reason"
match = "note"
reasoner = "risk"
on_failure = "escalate"
[[policy]]
name = "sure"
kind = "signals"
match = "note"
min_confidence = 0.7
[[policy]]
name = "risky"
kind = "veto"
match = "note"
when = "signals.exists(s, s.kind == 'risk')"
"#;

fn said(confidence: f64, outcome: Outcome) -> Vec<Reasoning> {
    let confidence = Confidence::new(confidence).expect("a share of one");
    let (mode, elapsed_ms, reasoner) = (Mode::DEFAULT, 5, "risk".to_string());
    let (kind, rationale, payload) = ("risk".to_string(), String::new(), regie_core::Json::null());
    let signal =
        Signal { kind, confidence, rationale, payload, reasoner: reasoner.clone(), mode: mode.clone(), elapsed_ms };
    let (policy, filtered) = ("look".to_string(), Vec::new());
    vec![Reasoning { policy, reasoner, mode, outcome, signals: vec![signal], filtered, elapsed_ms }]
}

#[test]
fn reasoners_are_not_asked_and_what_the_history_holds_of_them_is_sifted_by_the_set_that_is_tried() {
    let set = policies(ASKED);
    let verdict = |said: &[Reasoning]| match Backtest::new(set.clone()).take(&built(note("a", 0)), said) {
        Taken::Judged(judgement) => (First::of(&judgement).verdict, judgement.decisions.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(verdict(&[]), (Accepted, 1), "nobody has said anything: no signal, and no failure either");
    assert_eq!(verdict(&said(0.9, Outcome::Ok)).0, Discarded);
    assert_eq!(verdict(&said(0.6, Outcome::Ok)).0, Accepted, "filtered");
    assert_eq!(verdict(&said(0.6, Outcome::TimedOut { after_ms: 500 })).0, Escalated);
}

#[test]
fn a_concurrency_limit_stops_nobody_for_work_is_over_at_once() {
    let set = "[[policy]]\nname = \"one\"\nkind = \"concurrency\"\nmatch = \"note\"\nlimit = 1\n";
    assert_eq!(fates(set, (0..5).map(|nth| note(&format!("{nth}"), 0)).collect()), [Accepted; 5]);
}

#[test]
fn an_event_that_is_put_off_too_often_is_escalated_and_nothing_of_it_stays_booked() {
    let set = PolicySet::parse(DEFER).expect("a good policy file").with_most_deferrals(0);
    let mut backtest = Backtest::new(set.into());
    let mut take = |id: &str, millis| match backtest.take(&built(note(id, millis)), &[]) {
        Taken::Judged(judgement) => judgement.verdict,
        other => panic!("{other:?}"),
    };
    assert_eq!(take("a", 0), Verdict::Accepted);
    assert!(matches!(take("b", 1), Verdict::Escalated { .. }));
    assert_eq!(take("c", 1_000), Verdict::Accepted);
}
