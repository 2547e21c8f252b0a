//! What policies hold back: a discarded event changed nothing, and one that waits nothing yet. Rules, conditions, updates and
//! `state` agree on that.

use std::time::Duration;

use regie::core::Json;
use regie::core::automation::RuleSet;
use regie::core::entity::Update;
use regie::core::event::{EntityRef, LifeState, Principal};
use regie::core::governance::PolicySet;
use regie::testing::Stage;

use super::{rules, runs};
use crate::runtime_support::{event, within};

/// What is banned is discarded, what is for a person waits for one, what is slow waits a second.
const POLICIES: &str = r#"
[[policy]]
name = "ban"
kind = "veto"
match = "order.banned"
when = "true"
reason = "banned"

[[policy]]
name = "hand"
kind = "escalate"
match = "order.hand"
when = "true"
reason = "for a person"

[[policy]]
name = "slow"
kind = "debounce"
match = "order.slow"
key = "entity"
wait = "1s"
reason = "until it is quiet"
"#;

const RULES: &str = r#"
shipped = false

[[rule]]
name = "closed"
about = "order"
on = "order.>"
when = 'entity.fields[?"status"].orValue("") == "closed"'
do = [{ emit = { type = "told" }, entity = { type = "note", id = "${subject.id}" } }]
"#;

fn order() -> EntityRef {
    EntityRef::new("order", "1")
}

async fn staged(set: RuleSet) -> Stage {
    Stage::with(|builder| builder.rules(set).policies(PolicySet::parse(POLICIES).unwrap())).await
}

async fn status(stage: &Stage) -> Option<Json> {
    stage.handle.state(&order(), None).await.unwrap()?.fields.get("status").cloned()
}

async fn sent(stage: &Stage, kind: &str, status: &str) -> (Option<LifeState>, u64) {
    let sent = event(kind, "order-1", &format!("{kind}-{status}")).entity(order()).change("status", (), status);
    let result = stage.submit(sent).await;
    (result.current_state.or(result.event_state), result.position.unwrap())
}

#[test]
fn what_is_discarded_changed_nothing_for_state_and_rules_alike() {
    within(async {
        let stage = staged(rules(RULES)).await;
        assert_eq!(sent(&stage, "order.banned", "closed").await.0, Some(LifeState::Discarded));
        assert_eq!((status(&stage).await, runs(&stage.handle).await.len()), (None, 0));
        sent(&stage, "order.placed", "open").await;
        sent(&stage, "order.banned", "closed again").await;
        assert_eq!((status(&stage).await, runs(&stage.handle).await.len()), (Some(Json::of("open")), 0));
        stage.close().await;
    });
}

#[test]
fn what_waits_changes_something_once_it_has_gone_on() {
    within(async {
        let stage = staged(rules(RULES)).await;
        let (state, position) = sent(&stage, "order.hand", "closed").await;
        assert_eq!(state, Some(LifeState::Escalated));
        assert_eq!((status(&stage).await, runs(&stage.handle).await.len()), (None, 0));
        stage.handle.approve(position, Principal::user("ana"), "known").await.unwrap();
        let [first] = runs(&stage.handle).await.try_into().unwrap();
        assert_eq!((status(&stage).await, first.run.trigger.position), (Some(Json::of("closed")), position));
        sent(&stage, "order.placed", "open").await;
        assert_eq!(sent(&stage, "order.slow", "closed").await.0, Some(LifeState::Deferred));
        assert_eq!((status(&stage).await, runs(&stage.handle).await.len()), (Some(Json::of("open")), 1));
        stage.advance(Duration::from_secs(2)).await;
        assert_eq!((runs(&stage.handle).await.len(), status(&stage).await), (2, Some(Json::of("closed"))));
        stage.close().await;
    });
}

#[test]
fn an_update_is_compared_with_what_has_gone_on_alone() {
    within(async {
        let stage = staged(RuleSet::default()).await;
        let close = || Update::of(order(), Principal::user("ana")).set("status", "closed");
        let (_, position) = sent(&stage, "order.hand", "closed").await;
        sent(&stage, "order.banned", "closed").await;
        let open = Update::of(order(), Principal::user("ana")).set("status", "open").expect("status", ());
        assert_eq!(stage.handle.update(open).await.unwrap().events.len(), 1);
        stage.handle.approve(position, Principal::user("ana"), "known").await.unwrap();
        // What was stamped before is not the latest, though it went on later.
        assert_eq!(stage.handle.update(close()).await.unwrap().events.len(), 1);
        assert_eq!(stage.handle.update(close()).await.unwrap().events.len(), 0);
        stage.close().await;
    });
}
