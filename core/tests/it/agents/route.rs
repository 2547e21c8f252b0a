//! Routes: who takes a task, in which order, and why the others do not.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use regie_core::Json;
use regie_core::agents::{Candidate, CompiledRoute, Order, Route, Standing};

fn agents() -> BTreeMap<String, BTreeSet<String>> {
    let can = |what: &[&str]| what.iter().map(ToString::to_string).collect();
    let all = [("giro", can(&["payments", "accounts"])), ("sepa", can(&["payments"])), ("clerk", can(&[]))];
    all.into_iter().map(|(name, can)| (name.to_string(), can)).collect()
}

fn compiled(route: &Route) -> CompiledRoute {
    route.compile(&agents()).expect("it can be")
}

fn idle(_: &str) -> Option<Standing> {
    Some(Standing { trouble: None, calls: 0, places: 4 })
}

fn order(route: &Route, task: &str, standing: impl Fn(&str) -> Option<Standing>) -> Order {
    compiled(route).order(&Json::parse(task).unwrap(), standing)
}

fn names(order: &Order) -> Vec<&str> {
    order.chosen.iter().map(|chosen| chosen.agent.as_str()).collect()
}

fn why(order: &Order, agent: &str) -> String {
    let passed_over = order.passed_over.iter().find(|it| it.agent == agent);
    passed_over.map_or_else(|| format!("{agent} was not passed over"), |it| it.why.clone())
}

#[test]
fn preference_goes_before_load_and_load_before_the_name() {
    let route = Route::new("bank").to(Candidate::capability("payments")).to(Candidate::agent("clerk").prefer(1));
    assert_eq!(names(&order(&route, "{}", idle)), ["giro", "sepa", "clerk"]);
    let busy = |name: &str| idle(name).map(|it| Standing { calls: u64::from(name == "giro"), ..it });
    let order = order(&route, "{}", busy);
    assert_eq!(names(&order), ["sepa", "giro", "clerk"]);
    assert_eq!(order.chosen[0].why, "preference 0, the least loaded of 2 left: 0 of 4 places taken");
}

#[test]
fn load_is_the_share_of_places_that_are_taken() {
    let route = Route::new("bank").to(Candidate::capability("payments"));
    let large = |name: &str| match name {
        "giro" => Some(Standing { trouble: None, calls: 3, places: 100 }),
        _ => Some(Standing { trouble: None, calls: 1, places: 2 }),
    };
    assert_eq!(names(&order(&route, "{}", large)), ["giro", "sepa"]);
}

#[test]
fn kinds_and_conditions_say_which_tasks_an_agent_takes() {
    let route = Route::new("bank")
        .to(Candidate::agent("giro").kind("transfer.*").kind("refund"))
        .to(Candidate::agent("sepa").when("task.amount < 100"))
        .fallback(Candidate::agent("clerk"));
    assert_eq!(names(&order(&route, r#"{"kind":"transfer.home","amount":7}"#, idle)), ["giro", "sepa", "clerk"]);
    let refund = order(&route, r#"{"kind":"refund","amount":700}"#, idle);
    assert_eq!(names(&refund), ["giro", "clerk"]);
    assert_eq!(why(&refund, "sepa"), "its condition does not hold: task.amount < 100");
    let other = order(&route, r#"{"kind":"query"}"#, idle);
    assert_eq!(names(&other), ["clerk"]);
    assert_eq!(why(&other, "giro"), "it takes other kinds of tasks: the task's is 'query'");
    assert!(why(&other, "sepa").starts_with("its condition cannot be told: no such key"), "{other:?}");
    assert_eq!(other.chosen[0].why, "fallback 1: 0 of 4 places taken");
}

#[test]
fn who_is_in_trouble_is_passed_over_with_the_reason() {
    let route = Route::new("bank").to(Candidate::capability("payments"));
    let trouble = |name: &str| {
        let trouble = (name == "giro").then(|| "its breaker is open".to_string());
        idle(name).map(|it| Standing { trouble, ..it })
    };
    let order = order(&route, "7", trouble);
    assert_eq!((names(&order), why(&order, "giro")), (vec!["sepa"], "its breaker is open".to_string()));
}

#[test]
fn who_may_take_it_in_two_ways_is_offered_it_once() {
    let route = Route::new("bank")
        .to(Candidate::agent("giro").kind("never"))
        .to(Candidate::capability("payments"))
        .fallback(Candidate::agent("giro"));
    let order = order(&route, "{}", idle);
    assert_eq!((names(&order), order.passed_over.len()), (vec!["giro", "sepa"], 0));
}

#[test]
fn what_a_route_cannot_name_is_told_with_what_was_meant() {
    let table = [
        (Candidate::agent("griro"), "there is no agent 'griro'; did you mean 'giro'?"),
        (Candidate::capability("payment"), "no agent has the capability 'payment'; did you mean 'payments'?"),
        (Candidate::agent("giro").when("tsk.amount > 1"), "the condition of the agent 'giro': line 1, column 1"),
        (Candidate::agent("giro").when("1 + 1"), "a condition is true or false"),
        (Candidate::agent("giro").kind("a..b"), "a..b"),
    ];
    for (candidate, said) in table {
        let why = Route::new("bank").to(candidate).compile(&agents()).unwrap_err().to_string();
        assert!(why.starts_with("the route 'bank': ") && why.contains(said), "{why}");
    }
    assert!(Route::new("bank").compile(&agents()).unwrap_err().why.contains("no candidates"));
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let who = prop_oneof![
        Just(Candidate::agent("giro")),
        Just(Candidate::agent("sepa")),
        Just(Candidate::agent("clerk")),
        Just(Candidate::capability("payments")),
    ];
    let kinds = prop::sample::subsequence(vec!["a", "b"], 0..=1);
    (who, kinds, 0_u32..3, prop::option::of(Just("task.n > 5"))).prop_map(|(candidate, kinds, preference, when)| {
        let candidate = kinds.into_iter().fold(candidate.prefer(preference), |it, kind| it.kind(kind));
        when.map_or(candidate.clone(), |when| candidate.when(when))
    })
}

proptest! {
    #[test]
    fn everybody_is_offered_the_task_once_or_passed_over_once_and_nobody_in_trouble_gets_it(
        candidates in prop::collection::vec(candidate(), 1..6),
        fallbacks in prop::collection::vec(candidate(), 0..3),
        (kind, n) in (prop::sample::select(vec!["a", "b", "c"]), 0..10),
        (ill, load) in (0_usize..8, 0_u64..5),
    ) {
        let route = Route { name: "bank".into(), candidates, fallbacks };
        let names = ["giro", "sepa", "clerk"];
        let is_ill = |name: &str| names.iter().position(|it| *it == name).is_some_and(|at| ill & (1 << at) != 0);
        let standing = |name: &str| {
            let trouble = is_ill(name).then(|| "ill".to_string());
            Some(Standing { trouble, calls: load * u64::from(name == "giro"), places: 4 })
        };
        let task = Json::of(&serde_json::json!({"kind": kind, "n": n}));
        let compiled = route.compile(&agents()).unwrap();
        let order = compiled.order(&task, standing);
        let mut seen: Vec<&str> = order.chosen.iter().map(|it| it.agent.as_str()).collect();
        prop_assert!(seen.iter().all(|name| !is_ill(name)));
        seen.extend(order.passed_over.iter().map(|it| it.agent.as_str()));
        let all = seen.len();
        let distinct: BTreeSet<&str> = seen.into_iter().collect();
        prop_assert_eq!((all, distinct), (compiled.agents().len(), compiled.agents()));
        prop_assert_eq!(&order, &compiled.order(&task, standing), "the same facts give the same order");
    }
}

#[test]
fn an_agent_stands_where_its_best_way_puts_it_whichever_was_written_first() {
    let route = Route::new("bank").to(Candidate::capability("payments").prefer(1)).to(Candidate::agent("sepa"));
    let all = order(&route, "{}", idle);
    assert_eq!(names(&all), ["sepa", "giro"]);
    assert_eq!(all.chosen[0].why, "preference 0: 0 of 4 places taken");
    let other_way =
        Route::new("bank").to(Candidate::agent("sepa").kind("refund")).to(Candidate::capability("payments").prefer(1));
    assert_eq!(names(&order(&other_way, "{}", idle)), ["giro", "sepa"]);
}
