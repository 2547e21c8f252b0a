//! Workflows in code: calls, timers, sends, ends, and everything that can become of an agent's call.

use std::time::Duration;

use futures::FutureExt;
use regie::Builder;
use regie::actors::agent::{AgentError, AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::event::{CorrelationId, Event, EventBuilder, LifeState};
use regie::core::governance::CooldownMode;
use regie::core::workflow::{AgentOutcome, EffectEnd, Handler, HandlerError, Input, Moment, Reaction, RunStatus};
use regie::runtime::{AgentMetrics, Ending, Waited};

use crate::runtime_support::{
    Acts, Blocks, Gate, Stage, at, event, note_by, one_a_second, script, set, submit_all, within,
};

type Decision = Result<Reaction<u64>, HandlerError>;

/// Asks an agent, then waits for an instant, then tells another correlation, then ends.
fn step_by_step(_: &u64, input: Input<'_>, moment: &Moment<'_>) -> Decision {
    Ok(match input {
        Input::Event(_) => Reaction::none().call("ask", "echo", serde_json::json!("hello")),
        Input::Agent { outcome: AgentOutcome::Done(_), .. } => {
            Reaction::none().note(1).timer("pause", moment.now.after(Duration::from_secs(3)))
        }
        Input::Timer { step: "pause" } => Reaction::none().send("tell", Event::new("agent.note", "other")),
        Input::Sent { refused: None, .. } => Reaction::none().note(2).complete("told"),
        other => Reaction::none().fail(format!("{other:?}")),
    })
}

/// Asks the agent that its event names, within its limit if it names one, and ends with what came of it; an event may
/// end it before.
fn asks(_: &u64, input: Input<'_>, _: &Moment<'_>) -> Decision {
    Ok(match input {
        Input::Event(event) if event.kind == "work.fail" => Reaction::none().fail("given up"),
        Input::Event(event) if event.kind == "work.end" => Reaction::none().complete("enough"),
        Input::Event(event) => {
            let (agent, within) = (event.payload.value()["agent"].clone(), event.payload.value()["within"].as_u64());
            let agent = agent.as_str().unwrap_or_default();
            match within {
                Some(limit) => Reaction::none().call_within("ask", agent, Json::null(), limit),
                None => Reaction::none().call("ask", agent, Json::null()),
            }
        }
        Input::Agent { outcome, .. } => Reaction::none().complete(&format!("{outcome:?}")),
        other => Reaction::none().fail(format!("{other:?}")),
    })
}

fn asking(correlation: &str, agent: &str) -> EventBuilder {
    event("work.ask", correlation, "ask").payload(serde_json::json!({"agent": agent}))
}

fn echo(task: AgentTask) -> futures::future::BoxFuture<'static, Result<Json, AgentError>> {
    futures::future::ready(Ok(task.task)).boxed()
}

/// An agent that says when it was called, and never answers.
fn silent(
    called: &Gate,
) -> Acts<impl Fn(AgentTask) -> futures::future::BoxFuture<'static, Result<Json, AgentError>> + use<>> {
    let called = called.clone();
    Acts(move |_| {
        called.come();
        futures::future::pending().boxed()
    })
}

/// An agent that holds its thread at a gate.
fn holding(gate: &Gate) -> Blocks<impl Fn(AgentTask) -> Result<Json, AgentError> + use<>> {
    let gate = gate.clone();
    Blocks(move |_| {
        gate.pass();
        Ok(Json::of("late"))
    })
}

fn limits(concurrency: usize, queue: usize, seconds: u64) -> AgentLimits {
    AgentLimits::default().places(concurrency, queue).timeout(Duration::from_secs(seconds))
}

fn asks_handler() -> impl Handler {
    script("asks", "work.>", asks)
}

async fn ending(stage: &Stage, correlation: &str) -> Ending {
    match stage.handle.wait(&correlation.into(), None).await.unwrap() {
        Waited::Ended { ending, .. } => ending,
        other => panic!("{correlation} has not ended: {other:?}"),
    }
}

fn ends_with(outcome: &AgentOutcome) -> Ending {
    Ending::Completed(Json::of(&format!("{outcome:?}")))
}

async fn counts(stage: &Stage, agent: &str) -> AgentMetrics {
    stage.handle.settle().await;
    stage.handle.metrics().await.agents[agent]
}

fn with_echo(builder: Builder) -> Builder {
    builder.handler(asks_handler()).agent("echo", Acts(echo), AgentLimits::default())
}

#[test]
fn a_workflow_calls_waits_tells_and_ends() {
    within(async {
        let handler = script("steps", "work.>", step_by_step);
        let stage = Stage::with(|builder| builder.handler(handler).agent("echo", Acts(echo), limits(1, 1, 1))).await;
        let c = CorrelationId::from("c");
        let mut ended = Box::pin(stage.handle.wait(&c, None));
        assert!(ended.as_mut().now_or_never().is_none());
        stage.submit(event("work.begin", "c", "1")).await;
        stage.handle.settle().await;
        stage.advance_to(at(2_999)).await;
        assert!(ended.as_mut().now_or_never().is_none());
        stage.advance_to(at(3_000)).await;
        let Waited::Ended { ending, steps, warnings, took } = ended.await.unwrap() else { panic!("it has ended") };
        assert_eq!((ending, warnings, took), (Ending::Completed(Json::of("told")), vec![], Duration::from_secs(3)));
        assert_eq!(steps["ask"].end, EffectEnd::Agent(AgentOutcome::Done(Json::of("hello"))));
        assert_eq!((&steps["pause"].end, steps["pause"].attempt), (&EffectEnd::TimerFired, 1));
        assert!(matches!(steps["tell"].end, EffectEnd::Sent { state: LifeState::Processed, .. }));
        let told = stage.handle.records(&"other".into()).await.unwrap();
        assert_eq!(told.len(), 1);
        stage.close().await;
    });
}

/// When its timer rings, sets another for the same instant, and ends with that.
fn rings_twice(_: &u64, input: Input<'_>, moment: &Moment<'_>) -> Decision {
    Ok(match input {
        Input::Event(_) => Reaction::none().timer("first", moment.now.after(Duration::from_secs(1))),
        Input::Timer { step: "first" } => Reaction::none().timer("second", moment.now),
        other => Reaction::none().complete(&format!("{other:?}")),
    })
}

#[test]
fn a_timer_that_is_set_for_the_instant_at_which_another_rings_rings_too() {
    within(async {
        let handler = script("rings", "work.>", rings_twice);
        let stage = Stage::with(|builder| builder.handler(handler)).await;
        let c = CorrelationId::from("c");
        let mut ended = Box::pin(stage.handle.wait(&c, None));
        assert!(ended.as_mut().now_or_never().is_none());
        stage.submit(event("work.begin", "c", "1")).await;
        stage.advance_to(at(1_000)).await;
        assert!(matches!(ended.await, Ok(Waited::Ended { .. })));
        stage.close().await;
    });
}

#[test]
fn a_wait_whose_time_is_up_is_told_how_it_stands() {
    within(async {
        let called = Gate::default();
        let hour = limits(1, 1, 3_600);
        let stage = Stage::with(|builder| builder.handler(asks_handler()).agent("silent", silent(&called), hour)).await;
        stage.submit(asking("c", "silent")).await;
        let c = CorrelationId::from("c");
        let mut waited = Box::pin(stage.handle.wait(&c, Some(Duration::from_secs(1))));
        assert!(waited.as_mut().now_or_never().is_none());
        stage.clock.advance_to(at(1_000));
        let Waited::TimedOut(view) = waited.await.unwrap() else { panic!("it has not ended") };
        assert_eq!((view.run.unwrap().status, view.owed.len()), (RunStatus::Running, 1));
    });
}

#[test]
fn later_events_of_a_failed_run_are_skipped_and_of_a_completed_one_recorded() {
    within(async {
        let stage = Stage::with(with_echo).await;
        for (correlation, last, state) in
            [("f", "work.fail", LifeState::Discarded), ("e", "work.end", LifeState::Processed)]
        {
            stage.submit(event(last, correlation, "1")).await;
            let later = stage.submit(event("work.ask", correlation, "2")).await;
            assert_eq!(later.event_state, Some(state), "{:?}", later.state_transitions);
        }
        assert_eq!(ending(&stage, "f").await, Ending::Failed("given up".into()));
        assert_eq!(ending(&stage, "e").await, Ending::Completed(Json::of("enough")));
        let metrics = stage.handle.metrics().await;
        assert_eq!((metrics.runs_started, metrics.runs_finished), (2, 2));
    });
}

#[test]
fn a_correlation_without_a_handler_ends_when_nothing_of_it_is_open() {
    within(async {
        let policies = set(vec![one_a_second(CooldownMode::Defer)]);
        let stage = Stage::with(|builder| builder.policies(policies)).await;
        stage.submit(note_by("ana", "other", "1")).await;
        let c = CorrelationId::from("c");
        let mut ended = Box::pin(stage.handle.wait(&c, None));
        assert!(ended.as_mut().now_or_never().is_none());
        stage.submit(note_by("ana", "c", "2")).await;
        assert!(ended.as_mut().now_or_never().is_none());
        stage.advance_to(at(1_000)).await;
        assert!(matches!(ended.await.unwrap(), Waited::Ended { ending: Ending::Completed(_), .. }));
    });
}

#[test]
fn an_agent_that_answers_fails_or_panics_is_told_and_counted() {
    within(async {
        let fails = Acts(|_| futures::future::ready(Err(AgentError::new("no"))).boxed());
        let panics = Acts(|_| async { panic!("agent down") }.boxed());
        let at_once = Acts(|_| panic!("agent down at once"));
        let blocking = Blocks(|_| panic!("thread down"));
        let stage = Stage::with(|builder| {
            let all =
                with_echo(builder).agent("fails", fails, limits(1, 1, 1)).agent("panics", panics, limits(1, 1, 1));
            all.agent("at-once", at_once, limits(1, 1, 1)).blocking_agent("blocking", blocking, limits(1, 1, 1))
        })
        .await;
        let panicked = |text: &str| AgentOutcome::Panicked(text.into());
        let all = [
            ("echo", AgentOutcome::Done(Json::null())),
            ("fails", AgentOutcome::Failed("no".into())),
            ("panics", panicked("agent down")),
            ("at-once", panicked("agent down at once")),
            ("blocking", panicked("thread down")),
        ];
        for (agent, outcome) in all {
            stage.submit(asking(agent, agent)).await;
            assert_eq!(ending(&stage, agent).await, ends_with(&outcome), "{agent}");
            let counts = counts(&stage, agent).await;
            assert_eq!((counts.done + counts.failed + counts.panicked, counts.running), (1, 0), "{agent}");
        }
        assert_eq!(stage.handle.metrics().await.restarts, 0);
    });
}

#[test]
fn an_agent_that_takes_too_long_is_stopped_at_its_limit_or_the_calls() {
    within(async {
        let called = Gate::default();
        let stage =
            Stage::with(|builder| builder.handler(asks_handler()).agent("silent", silent(&called), limits(2, 0, 2)))
                .await;
        stage.submit(asking("long", "silent")).await;
        let payload = serde_json::json!({"agent": "silent", "within": 500});
        stage.submit(event("work.ask", "short", "ask").payload(payload)).await;
        called.wait_for(2);
        stage.clock.advance_to(at(500));
        assert_eq!(ending(&stage, "short").await, ends_with(&AgentOutcome::TimedOut { after_ms: 500 }));
        assert!(!stage.handle.look(&"long".into()).await.unwrap().ended);
        stage.clock.advance_to(at(2_000));
        assert_eq!(ending(&stage, "long").await, ends_with(&AgentOutcome::TimedOut { after_ms: 2_000 }));
        assert_eq!(counts(&stage, "silent").await, AgentMetrics { timed_out: 2, ..AgentMetrics::default() });
    });
}

#[test]
fn an_agent_that_blocks_is_left_behind_and_counted_and_others_are_unharmed() {
    within(async {
        let gate = Gate::default();
        let stage =
            Stage::with(|builder| with_echo(builder).blocking_agent("holds", holding(&gate), limits(2, 10, 1))).await;
        for nth in 0..4 {
            stage.submit(asking(&format!("held-{nth}"), "holds")).await;
        }
        gate.wait_for(2);
        stage.submit(asking("well", "echo")).await;
        assert_eq!(ending(&stage, "well").await, ends_with(&AgentOutcome::Done(Json::null())));
        stage.clock.advance_to(at(1_000));
        gate.wait_for(4);
        stage.clock.advance_to(at(2_000));
        for nth in 0..4 {
            let timed_out = ends_with(&AgentOutcome::TimedOut { after_ms: 1_000 });
            assert_eq!(ending(&stage, &format!("held-{nth}")).await, timed_out);
        }
        assert_eq!(counts(&stage, "holds").await, AgentMetrics { timed_out: 4, stuck: 4, ..AgentMetrics::default() });
        gate.open();
        stage.close().await;
    });
}

#[test]
fn an_agent_that_is_not_there_or_has_no_room_refuses() {
    within(async {
        let called = Gate::default();
        let stage =
            Stage::with(|builder| builder.handler(asks_handler()).agent("silent", silent(&called), limits(1, 1, 9)))
                .await;
        stage.submit(asking("unknown", "nobody")).await;
        let nobody = AgentOutcome::Refused("there is no agent 'nobody'".into());
        assert_eq!(ending(&stage, "unknown").await, ends_with(&nobody));
        for correlation in ["runs", "waits"] {
            stage.submit(asking(correlation, "silent")).await;
        }
        called.wait_for(1);
        stage.submit(asking("too-many", "silent")).await;
        let ended = format!("{:?}", ending(&stage, "too-many").await);
        assert!(ended.contains("Refused") && ended.contains("waiting already"), "{ended}");
        let counted = stage.handle.metrics().await.agents["silent"];
        assert_eq!((counted.refused, counted.running, counted.waiting), (1, 1, 1));
    });
}

#[test]
fn the_calls_of_a_run_that_ends_are_given_up() {
    within(async {
        let (called, gate) = (Gate::default(), Gate::default());
        let stage = Stage::with(|builder| {
            let builder = builder.handler(asks_handler()).agent("silent", silent(&called), limits(1, 1, 9));
            builder.blocking_agent("holds", holding(&gate), limits(1, 9, 9))
        })
        .await;
        stage.submit(asking("c", "silent")).await;
        called.wait_for(1);
        stage.submit(event("work.fail", "c", "2")).await;
        assert_eq!(counts(&stage, "silent").await, AgentMetrics { cancelled: 1, ..AgentMetrics::default() });
        assert!(stage.handle.look(&"c".into()).await.unwrap().owed.is_empty());
        stage.submit(asking("runs", "holds")).await;
        gate.wait_for(1);
        stage.submit(asking("waits", "holds")).await;
        stage.submit(event("work.end", "waits", "2")).await;
        stage.handle.look(&"waits".into()).await.unwrap(); // its shard comes to this after it has given the call up
        gate.open();
        assert_eq!(counts(&stage, "holds").await, AgentMetrics { done: 1, cancelled: 1, ..AgentMetrics::default() });
        assert_eq!(gate.came(), 1, "a call that was given up while it waited was made");
    });
}

/// In one turn: an event that ends the run, one that takes the place at a cooldown, and the end of a call that the run
/// does not owe any more. That last one is over; the place stays taken.
#[test]
fn a_command_that_is_over_gives_up_no_place_of_its_turn() {
    within(async {
        let (gate, called) = (Gate::default(), Gate::default());
        let held = gate.clone();
        let handler = script("asks", "work.>", move |sum, input: Input<'_>, moment: &Moment<'_>| match input {
            Input::Event(event) if event.kind == "work.hold" => {
                held.pass();
                Ok(Reaction::none())
            }
            _ => asks(sum, input, moment),
        });
        let (answer, answered) = futures::channel::oneshot::channel::<()>();
        let (answered, came) = (answered.shared(), called.clone());
        let late = Acts(move |_| {
            came.come();
            answered.clone().map(|_| Ok(Json::null())).boxed()
        });
        let policies = set(vec![one_a_second(CooldownMode::Discard)]);
        let stage = Stage::with(|builder| {
            builder.shards(1).policies(policies).handler(handler).agent("late", late, limits(1, 1, 9))
        })
        .await;
        stage.submit(asking("c", "late")).await;
        called.wait_for(1);
        let hold = stage.handle.enqueue(event("work.hold", "c", "hold").build().unwrap()).await.unwrap();
        gate.wait_for(1);
        let next = [event("work.end", "c", "end"), note_by("ana", "c", "taken")];
        let next: Vec<_> = next.into_iter().map(|event| event.build().unwrap()).collect();
        let mut next = Box::pin(submit_all(&stage.handle, next));
        assert!(next.as_mut().now_or_never().is_none());
        answer.send(()).unwrap();
        while stage.handle.metrics().await.agents["late"].done == 0 {
            std::thread::yield_now();
        }
        gate.open();
        hold.await.unwrap();
        assert!(next.await.iter().all(|answer| answer.as_ref().unwrap().event_state == Some(LifeState::Processed)));
        stage.handle.settle().await;
        let second = stage.submit(note_by("ana", "d", "second")).await;
        assert_eq!(second.event_state, Some(LifeState::Discarded));
    });
}
