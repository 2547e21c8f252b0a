//! A definition that is taken away, or is another one under the same name and version, while its workflows run.

use std::time::Duration;

use regie::actors::agent::AgentLimits;
use regie::core::event::{Event, Pattern, Principal};
use regie::core::workflow::flow::{Flow, FlowBuilder, IntoTask, call, listen, run, wait};
use regie::core::workflow::{Handler, HandlerError, Input, Moment, Reaction, RunStatus};
use regie::testing::{ScriptedAgent, assert_ended};
use serde_json::json;

use crate::runtime_support::{Folder, Stage, event, pattern, within};

const HOUR: Duration = Duration::from_secs(3_600);

fn first() -> FlowBuilder {
    Flow::named("f").starts_on("go").task("rest", wait(HOUR)).task("a", call("agent"))
}

/// A runtime on that journal, with that definition, if there is one.
async fn stage(folder: &Folder, agent: &ScriptedAgent, flow: Option<FlowBuilder>) -> Stage {
    let (journal, agent) = (folder.journal(), agent.clone());
    Stage::with(move |builder| {
        let builder = builder.journal(journal).agent("agent", agent, AgentLimits::default());
        match flow {
            Some(flow) => builder.handler(flow.build().unwrap()),
            None => builder,
        }
    })
    .await
}

/// A journal in which one rests.
async fn begun(agent: &ScriptedAgent) -> Folder {
    let folder = Folder::new();
    let stage = stage(&folder, agent, Some(first())).await;
    stage.submit(event("go", "c", "e")).await;
    stage.close().await;
    folder
}

#[test]
fn one_whose_definition_is_gone_rests_and_goes_on_once_it_is_back() {
    within(async {
        let agent = ScriptedAgent::new().answers(json!("done"));
        let folder = begun(&agent).await;
        let without = stage(&folder, &agent, None).await;
        without.advance(2 * HOUR).await;
        let refused = without.handle.submit(event("more", "c", "e-2").build().unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("'f' version 1"), "{refused}");
        assert_eq!(without.handle.look(&"c".into()).await.unwrap().run.unwrap().status, RunStatus::Running);
        without.close().await;
        let with = stage(&folder, &agent, Some(first())).await;
        with.advance(3 * HOUR).await;
        assert_ended(&with, "c", "\"done\"").await;
        with.close().await;
    });
}

#[test]
fn one_whose_definition_is_another_now_waits_for_a_person_where_it_cannot_go_on() {
    within(async {
        let agent = ScriptedAgent::new();
        let folder = begun(&agent).await;
        let other = Flow::named("f").starts_on("go").task("b", call("agent"));
        let stage = stage(&folder, &agent, Some(other)).await;
        stage.advance(2 * HOUR).await;
        stage.settle().await;
        let run = stage.handle.look(&"c".into()).await.unwrap().run.unwrap();
        assert_eq!((run.status, run.parked.len()), (RunStatus::Running, 1), "{:?}", run.parked);
        assert!(run.parked[0].error.contains("rest"), "{:?}", run.parked);
        stage.handle.terminate(&"c".into(), Principal::user("ada"), "it is of an old kind").await.unwrap();
        stage.close().await;
    });
}

/// What a handler notes, before and after somebody changed it under the same version.
fn counts<F: serde::Serialize + serde::de::DeserializeOwned + Send + 'static>(noted: fn() -> F) -> impl Handler {
    struct Counts<F>(fn() -> F);
    impl<F: serde::Serialize + serde::de::DeserializeOwned + Send + 'static> Handler for Counts<F> {
        type State = u32;
        type Fact = F;

        fn name(&self) -> &str {
            "counts"
        }

        fn starts_on(&self) -> Pattern {
            pattern("count.>")
        }

        fn decide(&self, _: &u32, _: Input<'_>, _: &Moment<'_>) -> Result<Reaction<F>, HandlerError> {
            Ok(Reaction::none().note(self.0()))
        }

        fn evolve(&self, count: &mut u32, _: F) {
            *count += 1;
        }
    }
    Counts(noted)
}

#[test]
fn one_that_cannot_read_what_it_noted_is_refused_and_no_damage_and_can_be_ended() {
    within(async {
        let folder = Folder::new();
        let journal = || folder.journal();
        let stage = Stage::with(|builder| builder.journal(journal()).handler(counts(|| 1_u32))).await;
        stage.submit(event("count.up", "c", "e-1")).await;
        stage.close().await;
        let stage = Stage::with(|builder| builder.journal(journal()).handler(counts(|| "one".to_string()))).await;
        let refused = stage.handle.submit(event("count.up", "c", "e-2").build().unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("cannot read what it noted"), "{refused}");
        stage.submit(event("count.up", "another", "e-1")).await;
        stage.handle.terminate(&"c".into(), Principal::user("ada"), "it is of an old kind").await.unwrap();
        stage.close().await;
    });
}

#[test]
fn what_one_owes_waits_for_a_program_that_has_its_definition() {
    within(async {
        let (folder, agent) = (Folder::new(), ScriptedAgent::new().answers(json!("done")));
        let both = || {
            let (journal, agent) = (folder.journal(), agent.clone());
            let child = run(|_| Event::new("child.go", "child"));
            let parent = Flow::named("parent").starts_on("go").task("hears", listen("more")).task("child", child);
            let child = Flow::named("child").starts_on("child.go").task("a", call("agent"));
            Stage::with(move |builder| {
                let builder = builder.journal(journal).agent("agent", agent, AgentLimits::default());
                builder.handler(parent.build().unwrap()).handler(child.build().unwrap())
            })
        };
        let stage = both().await;
        stage.submit(event("go", "c", "e")).await;
        stage.handle.pause(&"c".into(), Principal::user("ada"), "a moment").await.unwrap();
        stage.submit(event("more", "c", "e-2")).await; // the child is owed now, and held
        stage.close().await;
        let without = Stage::with(|builder| builder.journal(folder.journal())).await;
        without.handle.resume(&"c".into(), Principal::user("ada"), "go on").await.unwrap();
        without.settle().await;
        assert!(without.handle.records(&"child".into()).await.unwrap().is_empty());
        without.close().await;
        let stage = both().await;
        stage.settle().await;
        assert_ended(&stage, "c", "\"done\"").await;
        stage.close().await;
    });
}

#[test]
fn a_timer_of_one_that_was_read_again_ends_with_it() {
    within(async {
        let folder = Folder::new();
        let begin = || {
            let flow = Flow::named("f").starts_on("go").task("hears", listen("paid").within(1_000 * HOUR));
            let journal = folder.journal();
            Stage::with(move |builder| builder.journal(journal).handler(flow.build().unwrap()))
        };
        let stage = begin().await;
        stage.submit(event("go", "c", "e")).await;
        stage.close().await;
        let stage = begin().await;
        stage.settle().await;
        assert_eq!(stage.handle.metrics().await.timers, 1);
        stage.submit(event("paid", "c", "e-2")).await;
        stage.settle().await;
        assert_eq!(stage.handle.metrics().await.timers, 0);
        stage.close().await;
    });
}
