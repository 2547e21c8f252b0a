//! Which signals count, and who dropped those that do not.

use regie_core::event::Pattern;
use regie_core::reasoning::{Advice, Asked, Confidence, Mode, Sieve, Sifted, Signal, SignalDraft, SignalFilter, sift};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn signals(of: &[(&str, f64)]) -> Vec<Signal> {
    let asked = Asked { reasoner: "r".into(), mode: Mode::DEFAULT };
    let drafts = of.iter().map(|(kind, confidence)| SignalDraft::new(*kind, *confidence)).collect();
    Advice::of(asked, Ok(drafts), 1).signals
}

fn filter(policy: &str, events: &str, kinds: &str) -> SignalFilter {
    SignalFilter::new(policy, pattern(events), pattern(kinds))
}

fn at_least(policy: &str, minimum: f64) -> SignalFilter {
    SignalFilter { minimum: Some(Confidence::new(minimum).unwrap()), ..filter(policy, ">", ">") }
}

fn passed(sifted: &Sifted) -> Vec<&str> {
    sifted.passed.iter().map(|signal| signal.kind.as_str()).collect()
}

fn dropped(sifted: &Sifted) -> Vec<(&str, &str, &str)> {
    sifted.filtered.iter().map(|it| (it.signal.kind.as_str(), it.policy.as_str(), it.why.as_str())).collect()
}

#[test]
fn a_signal_below_the_minimum_is_dropped_and_one_at_it_passes() {
    let filter = at_least("sure", 0.7);
    let sifted = sift("t", signals(&[("high", 0.9), ("at", 0.7), ("low", 0.6)]), &[Sieve::new(&filter)]);
    assert_eq!(passed(&sifted), ["high", "at"]);
    assert_eq!(dropped(&sifted), [("low", "sure", "confidence 0.6 is below 0.7")]);
}

#[test]
fn what_is_denied_is_dropped_even_if_it_is_allowed() {
    let lists = SignalFilter {
        allow: vec![pattern("risk.>"), pattern("act.stop")],
        deny: vec![pattern("risk.own")],
        ..filter("lists", ">", ">")
    };
    let given = signals(&[("risk.high", 0.5), ("risk.own", 0.5), ("act.stop", 0.5), ("act.go", 0.5)]);
    let sifted = sift("t", given, &[Sieve::new(&lists)]);
    assert_eq!(passed(&sifted), ["risk.high", "act.stop"]);
    let not_allowed = ("act.go", "lists", "not among the kinds that are allowed");
    assert_eq!(dropped(&sifted), [("risk.own", "lists", "denied by 'risk.own'"), not_allowed]);
}

#[test]
fn a_filter_is_about_its_own_events_and_kinds_alone() {
    let narrow = SignalFilter { deny: vec![pattern(">")], ..filter("narrow", "order.*", "risk.>") };
    let sifted_on = |event| sift(event, signals(&[("risk.a", 0.1), ("act.a", 0.1)]), &[Sieve::new(&narrow)]);
    assert_eq!(passed(&sifted_on("order.placed")), ["act.a"]);
    assert_eq!(passed(&sifted_on("invoice.sent")), ["risk.a", "act.a"]);
}

#[test]
fn of_several_filters_the_first_that_drops_is_named_and_all_must_let_pass() {
    let (low, high) = (at_least("low", 0.3), at_least("high", 0.8));
    let sifted = sift("t", signals(&[("a", 0.1), ("b", 0.5), ("c", 0.9)]), &[Sieve::new(&low), Sieve::new(&high)]);
    assert_eq!(passed(&sifted), ["c"]);
    assert_eq!(dropped(&sifted).iter().map(|(_, policy, _)| *policy).collect::<Vec<_>>(), ["low", "high"]);
}

#[test]
fn a_condition_that_cannot_be_told_drops_the_signal_and_says_why() {
    let open = filter("told", ">", ">");
    let condition = |signal: &Signal| match signal.kind.as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("no such key".to_string()),
    };
    let given = signals(&[("yes", 0.5), ("no", 0.5), ("other", 0.5)]);
    let sifted = sift("t", given, &[Sieve { condition: Some(&condition), ..Sieve::new(&open) }]);
    assert_eq!(passed(&sifted), ["yes"]);
    let untold = ("other", "told", "its condition cannot be told: no such key");
    assert_eq!(dropped(&sifted), [("no", "told", "its condition does not hold"), untold]);
}

#[test]
fn a_condition_is_not_asked_about_what_is_dropped_without_it() {
    let sure = at_least("sure", 0.7);
    let condition = |signal: &Signal| -> Result<bool, String> { panic!("asked about {}", signal.kind) };
    let sifted = sift("t", signals(&[("low", 0.6)]), &[Sieve { condition: Some(&condition), ..Sieve::new(&sure) }]);
    assert_eq!(dropped(&sifted).len(), 1);
}

#[test]
fn without_a_filter_everything_passes() {
    assert_eq!(passed(&sift("t", signals(&[("a", 0.0), ("b", 1.0)]), &[])), ["a", "b"]);
}
