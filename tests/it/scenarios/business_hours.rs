//! Business hours over the change of the clocks: what comes too late on Friday goes on on Monday at nine, an hour earlier by
//! the sun.

use regie::core::Timestamp;
use regie::core::event::LifeState;
use regie::core::governance::PolicySet;
use regie::{Builder, JournalConfig};
use serde_json::json;

use crate::runtime_support::{Folder, Stage, at, note, within};
use crate::scene::{Scene, tell, wait_to_be_killed};
use LifeState::{Deferred, Processed};

const POLICIES: &str = r#"
[[policy]]
name = "business-hours"
kind = "window"
match = "agent.note"
zone = "Europe/Berlin"
days = ["mon-fri"]
start = "09:00"
end = "17:00"
at_most = 3
mode = "defer"
"#;

const BEGINS: &str = "2026-03-26T07:59:59.999Z"; // a Thursday
const SATURDAY: &str = "2026-03-28T12:00:00Z";

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn millis(text: &str) -> i64 {
    time(text).micros() / 1_000
}

fn governed(journal: JournalConfig) -> impl FnOnce(Builder) -> Builder {
    |builder| builder.policies(PolicySet::parse(POLICIES).unwrap()).journal(journal)
}

/// What becomes of an event that comes in at an instant: nothing said means that it goes on at once.
async fn comes(stage: &Stage, id: &str, when: &str, until: Option<&str>) {
    stage.advance_to(at(millis(when))).await;
    let answer = stage.submit(note(id, id)).await;
    let state = if until.is_some() { Deferred } else { Processed };
    assert_eq!((answer.event_state, answer.deferred_until), (Some(state), until.map(time)), "{id}");
}

/// That an event is put off until just before an instant, and goes on then.
async fn goes_on(stage: &Stage, id: &str, when: &str) {
    let name = format!("{id}/{id}");
    stage.advance_to(at(millis(when) - 1)).await;
    assert_eq!(stage.state_of(&name).await, Some(Deferred), "{id}");
    stage.advance_to(at(millis(when))).await;
    assert_eq!(stage.state_of(&name).await, Some(Processed), "{id}");
}

/// Thursday and Friday.
async fn begin(stage: &Stage) {
    comes(stage, "early", BEGINS, Some("2026-03-26T08:00:00Z")).await;
    goes_on(stage, "early", "2026-03-26T08:00:00Z").await;
    comes(stage, "second", "2026-03-26T08:00:01Z", None).await;
    comes(stage, "third", "2026-03-26T12:00:00Z", None).await;
    comes(stage, "fourth", "2026-03-26T15:00:00Z", Some("2026-03-27T08:00:00Z")).await;
    goes_on(stage, "fourth", "2026-03-27T08:00:00Z").await;
    comes(stage, "late", "2026-03-27T16:00:00Z", Some("2026-03-30T07:00:00Z")).await;
    stage.advance_to(at(millis(SATURDAY))).await;
}

/// From Saturday on.
async fn go_on(stage: &Stage) {
    goes_on(stage, "late", "2026-03-30T07:00:00Z").await;
    // It has one of Monday's places.
    comes(stage, "monday-2", "2026-03-30T07:00:01Z", None).await;
    comes(stage, "monday-3", "2026-03-30T14:59:59.999Z", None).await;
    comes(stage, "monday-4", "2026-03-30T14:59:59.999Z", Some("2026-03-31T07:00:00Z")).await;
}

#[test]
fn who_comes_outside_of_business_hours_goes_on_when_they_begin() {
    within(async {
        let stage = Stage::at(at(millis(BEGINS)), governed(JournalConfig::memory())).await;
        begin(&stage).await;
        go_on(&stage).await;
        stage.close().await;
    });
}

#[test]
fn a_restart_on_saturday_changes_nothing() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::at(at(millis(BEGINS)), governed(folder.journal())).await;
        begin(&stage).await;
        stage.close().await;
        let stage = Stage::at(at(millis(SATURDAY)), governed(folder.journal())).await;
        go_on(&stage).await;
        stage.close().await;
    });
}

/// Until Saturday, in a process of its own.
pub(super) async fn scene(journal: JournalConfig) {
    let stage = Stage::at(at(millis(BEGINS)), governed(journal)).await;
    begin(&stage).await;
    tell(&json!({"at": SATURDAY}));
    wait_to_be_killed();
}

#[test]
fn a_kill_on_saturday_changes_nothing() {
    let folder = Folder::new();
    let mut scene = Scene::start("business-hours", &folder.path());
    assert_eq!(scene.next(), Some(json!({"at": SATURDAY})));
    scene.kill();
    within(async move {
        let stage = Stage::at(at(millis(SATURDAY)), governed(folder.journal())).await;
        go_on(&stage).await;
        stage.close().await;
    });
}
