//! Rules that set each other off.

use regie::core::limits;
use regie::runtime::RunState;

use super::{emitted, rules, runs};
use crate::runtime_support::{Stage, event, within};

const CIRCLE: &str = r#"
shipped = false

[[rule]]
name = "ping"
on = "pong"
do = [{ emit = { type = "ping" } }]

[[rule]]
name = "pong"
on = "ping"
do = [{ emit = { type = "pong" } }]
"#;

#[test]
fn two_rules_that_set_each_other_off_stop_at_the_guard_and_it_is_told() {
    within(async {
        let stage = Stage::with(|builder| builder.rules(rules(CIRCLE))).await;
        stage.submit(event("ping", "c", "1")).await;
        let runs = runs(&stage.handle).await;
        assert_eq!(runs.len(), limits::RULE_DEPTH + 1);
        let (last, before) = runs.split_last().unwrap();
        assert!(before.iter().all(|report| report.state == RunState::Done));
        assert!(matches!(&last.state, RunState::Failed { error } if error.contains("RULE_DEPTH")), "{last:?}");
        assert_eq!(emitted(&stage.handle).await.values().sum::<u64>(), limits::RULE_DEPTH as u64);
        stage.close().await;
    });
}

#[test]
fn an_event_after_it_is_looked_at_as_before() {
    within(async {
        let stage = Stage::with(|builder| builder.rules(rules(CIRCLE))).await;
        for id in ["1", "2"] {
            stage.submit(event("ping", "c", id)).await;
        }
        assert_eq!(runs(&stage.handle).await.len(), 2 * (limits::RULE_DEPTH + 1));
        stage.close().await;
    });
}
