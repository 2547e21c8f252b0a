//! The workflows, as the program has them: flows and a machine, each in two versions.

use std::time::Duration;

use regie_core::Json;
use regie_core::event::Event;
use regie_core::retry::Retry;
use regie_core::workflow::Definitions;
use regie_core::workflow::flow::{
    CallTask, Flow, FlowBuilder, IntoTask, Scope, Task, attempt, call, choose, emit, fork, listen, raise, run, set,
    steps, wait,
};
use regie_core::workflow::machine::{Machine, Unmatched};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::words::step_of;
use crate::simulation::script::CLERK;

/// Adds all of them, in one version.
pub(crate) fn add(definitions: &mut Definitions, version: u32) {
    for flow in [saga(version), forks(version), waits(version), parent(version), child(version)] {
        let flow = flow.version(version).build().unwrap_or_else(|faults| panic!("{faults}"));
        assert!(definitions.add(flow));
    }
    assert!(definitions.add(order(version)));
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn tries(attempts: u32) -> Retry {
    Retry { first: millis(40), most: millis(400), ..Retry::times(attempts) }
}

/// A step, as its words say; agents are told the version.
fn does(workflow: &str, name: &str, version: u32) -> Task {
    does_so(workflow, name, version, |call| call)
}

fn does_so(workflow: &str, name: &str, version: u32, more: impl FnOnce(CallTask) -> CallTask) -> Task {
    let words = step_of(workflow, name);
    let mut task = more(call(CLERK).retry(tries(words.tries)));
    if let Some(undo) = words.undo {
        task = task.undo(CLERK).undo_retry(tries(undo)).undo_with(move |_| json!({ "version": version }));
    }
    task.with(move |_| json!({ "version": version }))
}

fn named(name: &str) -> FlowBuilder {
    Flow::named(name).starts_on(&format!("{name}.>"))
}

/// What its event says of it.
fn says(scope: &Scope<'_>, what: &str) -> bool {
    scope.input().value().get(what).is_some_and(|said| said.as_bool() == Some(true))
}

/// One after the other, each of which is put back but for the last.
fn saga(version: u32) -> FlowBuilder {
    let does = |name| does("saga", name, version);
    let pack = does_so("saga", "pack", version, |call| call.limit(millis(250)).never_retry("panic"));
    let flow = named("saga").task("reserve", does("reserve")).task("pay", does("pay")).task("pack", pack);
    let flow = if version > 1 { flow.task("wrap", does("wrap")) } else { flow };
    flow.task("send", does("send"))
}

/// Several at once, some after others, and one that is caught and tried anew.
fn forks(version: u32) -> FlowBuilder {
    let does = |name| does("forks", name, version);
    let raised = |scope: &Scope<'_>| says(scope, "raises");
    let both = fork()
        .branch("a", does("both/a"))
        .branch("b", does("both/b"))
        .branch("c", does("both/c"))
        .branch(
            "d",
            choose().case("bad", raised, raise("bad", |_| json!("as told"))).otherwise("good", wait(millis(90))),
        )
        .at_least(2);
    let soon = fork().branch("p", does("soon/some/p")).branch("q", raise("bad", |_| json!("before that is asked")));
    let graph =
        steps().task("x", &[], does("graph/x")).task("y", &["x"], does("graph/y")).task("z", &["x"], wait(millis(200)));
    let tried = attempt("it", does("tried/it"))
        .retry(Retry { attempts: 2, ..tries(2) })
        .otherwise("else", set("it", |_| json!(1)));
    let flow = named("forks").task("first", does("first")).task("both", both).task("graph", graph.within(millis(900)));
    let flow = flow.task("tried", tried).task("soon", choose().case("some", raised, soon));
    if version > 1 { flow.task("more", does("more")) } else { flow }
}

/// What waits for events and for time.
fn waits(version: u32) -> FlowBuilder {
    let paid = attempt("on", listen("waits.paid").within(millis(700))).otherwise("late", set("late", |_| json!(true)));
    named("waits")
        .task("ask", does("waits", "ask", version))
        .task("paid", paid)
        .task("done", listen("waits.done"))
        .task("rest", wait(millis(300)))
        .task("tell", emit(|scope| Event::new("plain.told", "c1").metadata("by", scope.correlation().to_string())))
}

/// What has others run: one whose failure is caught, and one that is given up if an agent is sooner.
fn parent(version: u32) -> FlowBuilder {
    let child = |which: &'static str| {
        run(move |scope: &Scope<'_>| {
            let to = format!("child-{}-{which}", scope.correlation());
            Event::new("child.begin", to.as_str()).payload(json!({ "raises": says(scope, "raises") }))
        })
    };
    let does = |name| does("parent", name, version);
    named("parent")
        .task("before", does("before"))
        .task("child", attempt("run", child("a")).otherwise("else", set("failed", |_| json!(true))))
        .task("race", fork().branch("run", child("b")).branch("call", does("race/call")).first())
        .task("after", does("after"))
}

fn child(version: u32) -> FlowBuilder {
    let does = |name| does("child", name, version);
    let raised = |scope: &Scope<'_>| says(scope, "raises");
    named("child")
        .task("one", does("one"))
        .task("may", choose().case("bad", raised, raise("bad", |_| json!("as told"))))
        .task("two", does("two"))
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Is {
    Open,
    Packing,
    Waiting,
    Shipping,
    OnItsWay,
    Arrived,
    Late,
    Lost,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Order {
    shipped: u32,
}

/// What keeps events that come too early.
fn order(version: u32) -> Machine<Is, Order> {
    let input = move || json!({ "version": version });
    let (pack, ship) = (step_of("order", "pack"), step_of("order", "ship"));
    let undo = |words: &super::words::Step| tries(words.undo.expect("it is put back"));
    let (undo_pack, undo_ship) = (undo(pack), undo(ship));
    Machine::<Is, Order>::named("order", Is::Open)
        .version(version)
        .starts_on("order.placed")
        .otherwise_for("order.noted", Unmatched::Ignore)
        .otherwise_for("order.lost", Unmatched::Refuse)
        .otherwise(Unmatched::Keep)
        .step("pack", CLERK, |step| {
            step.retry(tries(pack.tries)).undo(CLERK, move |_| input()).undo_with(undo_pack, None)
        })
        .step("ship", CLERK, |step| {
            step.retry(tries(ship.tries)).undo(CLERK, move |_| input()).undo_with(undo_ship, None)
        })
        .on::<Json>(Is::Open, "order.placed", |way| way.start("pack", move |_, _| input()).go(Is::Packing))
        .on_done::<Json>(Is::Packing, "pack", |way| way.go(Is::Waiting))
        .on::<Json>(Is::Waiting, "order.paid", |way| way.start("ship", move |_, _| input()).go(Is::Shipping))
        .after(Is::Waiting, millis(900), |way| way.go(Is::Late))
        .on_done::<Json>(Is::Shipping, "ship", |way| way.act("count", |order, _| order.shipped += 1).go(Is::OnItsWay))
        .on::<Json>(Is::OnItsWay, "order.arrived", |way| way.go(Is::Arrived))
        .on::<Json>(Is::OnItsWay, "order.lost", |way| way.go(Is::Lost))
        .completes(Is::Arrived, |order| json!(order.shipped))
        .fails(Is::Late, |_| "too late".into())
        .fails(Is::Lost, |_| "lost".into())
        .build()
        .unwrap_or_else(|faults| panic!("{faults}"))
}
