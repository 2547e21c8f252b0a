//! Lists and status by the handle.

use std::time::Duration;

use regie::core::Json;
use regie::core::event::Principal;
use regie::core::query::{RunCondition, RunFilter};
use regie::core::workflow::Standing;
use regie::runtime::{SendTo, Start, WorkflowError};

use super::{ana, place, with_orders};
use crate::runtime_support::{Stage, event, within};

async fn names(stage: &Stage, condition: RunCondition) -> Vec<String> {
    let filter = RunFilter { condition: Some(condition), ..RunFilter::default() };
    stage.handle.workflows(filter).await.unwrap().iter().map(|run| run.correlation.to_string()).collect()
}

#[test]
fn workflows_are_listed_and_counted_as_they_stand() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "slow", "wait").await;
        place(&stage, "odd", "bad").await;
        stage.settle().await;
        stage.advance(Duration::from_secs(3)).await;
        place(&stage, "asks", "ask").await;
        place(&stage, "slow", "done").await;
        place(&stage, "fails", "fail").await;
        stage.submit(event("note.taken", "ledger", "1")).await;
        stage.handle.pause(&"asks".into(), ana(), "a moment").await.unwrap();
        let running = RunCondition::Status(Standing::Running);
        assert_eq!(names(&stage, running).await, ["odd", "asks"]);
        assert_eq!(names(&stage, RunCondition::Paused).await, ["asks"]);
        assert_eq!(names(&stage, RunCondition::Parked).await, ["odd"]);
        let status = stage.handle.status().await.unwrap();
        let all = &status.counts.all;
        assert_eq!((all.workflows, all.ended, all.success_rate), (4, 2, Some(0.5)));
        assert_eq!(status.counts.by_definition["orders"].workflows, 4);
        let took = all.took.unwrap();
        assert_eq!((took.count, took.p50_ms, took.max_ms), (2, 0.0, 3_000.0));
        assert_eq!((status.counts.ended_last_day, status.waiting[0].correlation_id.as_str()), (2, "odd"));
        assert_eq!(status.oldest_running[0].correlation_id, "odd");
        let live = status.live.unwrap();
        assert!(live.health.ready && live.handlers["orders"].count >= 5, "{live:?}");
        stage.close().await;
    });
}

#[test]
fn one_is_shown_with_its_own_state_and_what_waits() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "odd", "bad").await;
        place(&stage, "odd", "begin").await;
        stage.settle().await;
        let report = stage.handle.workflow(&"odd".into()).await.unwrap().unwrap();
        assert_eq!((report.state, report.parked[0].what.as_str()), (Some(Json::of(&2)), "the end of step work#1"));
        assert_eq!(stage.handle.workflow(&"nobody".into()).await.unwrap(), None);
        stage.close().await;
    });
}

fn start(workflow: &str, correlation: &str, kind: Option<&str>) -> Start {
    Start {
        workflow: workflow.into(),
        correlation_id: correlation.into(),
        kind: kind.map(Into::into),
        input: Some(Json::of(&7)),
        by: ana(),
        why: "asked".into(),
    }
}

#[test]
fn who_begins_one_and_who_tells_it_something_says_who_and_why() {
    within(async {
        let stage = Stage::with(with_orders).await;
        for (by, why) in [("ana", " ".to_string()), ("", "asked".into()), ("ana", "x".repeat(2_001))] {
            let by = Principal::user(by);
            let begins = Start { by: by.clone(), why: why.clone(), ..start("echo", "e", None) };
            assert_eq!(stage.handle.start(begins).await.unwrap_err().code(), "unsigned");
            let (kind, correlation_id) = ("order.done".into(), "nobody".into());
            let tells = SendTo { correlation_id, kind, payload: None, id: None, by, why };
            assert_eq!(stage.handle.send_to(tells).await.unwrap_err().code(), "unsigned");
        }
        assert_eq!(stage.stats().await.events, 0);
        stage.close().await;
    });
}

#[test]
fn one_is_begun_by_its_name_once_and_told_something_while_it_runs() {
    within(async {
        let stage = Stage::with(with_orders).await;
        stage.handle.start(start("echo", "e", None)).await.unwrap();
        let report = stage.handle.workflow(&"e".into()).await.unwrap().unwrap();
        assert_eq!((report.status, report.output), (Standing::Completed, Some(Json::of(&7))));
        let code = |error: WorkflowError| error.code().to_string();
        assert_eq!(code(stage.handle.start(start("echo", "e", None)).await.unwrap_err()), "runs_already");
        assert_eq!(code(stage.handle.start(start("orders", "o", None)).await.unwrap_err()), "which_type");
        assert_eq!(code(stage.handle.start(start("echo", "o", Some("order.begin"))).await.unwrap_err()), "no_workflow");
        assert_eq!(code(stage.handle.start(start("nothing", "o", None)).await.unwrap_err()), "no_workflow");
        stage.handle.start(start("orders", "o", Some("order.begin"))).await.unwrap();
        let send = |to: &str| SendTo {
            correlation_id: to.into(),
            kind: "order.done".into(),
            payload: None,
            id: Some("once".into()),
            by: ana(),
            why: "paid".into(),
        };
        assert_eq!(code(stage.handle.send_to(send("nobody")).await.unwrap_err()), "no_run");
        stage.handle.send_to(send("o")).await.unwrap();
        let again = stage.handle.send_to(send("o")).await.unwrap();
        assert_eq!(again.status, regie::core::event::Status::Duplicate);
        let events = stage.handle.events(Default::default()).await.unwrap();
        let told: Vec<_> = events.iter().map(|it| it.incoming.event().metadata["why"].as_str()).collect();
        assert_eq!(told, ["asked", "asked", "paid"]);
        stage.close().await;
    });
}
