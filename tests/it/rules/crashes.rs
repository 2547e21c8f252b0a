//! Over a crash at any instant, and a panic of who looks: each trigger sets off its rule once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regie::actors::faults::{FaultPoint, Faults};
use regie::core::event::EntityRef;

use super::{emitted, rules, runs};
use crate::runtime_support::{Folder, Stage, event, within};

const RULES: &str = r#"
shipped = false

[[rule]]
name = "large"
on = "order.placed"
when = "event.payload.amount > 10"
[[rule.do]]
emit = { type = "order.flagged" }
[[rule.do]]
update = { flagged = true }
"#;

const ORDERS: u64 = 24;

async fn place(stage: &Stage, orders: std::ops::Range<u64>) {
    for nth in orders {
        let placed = event("order.placed", &format!("order-{nth}"), "placed")
            .entity(EntityRef::new("order", nth.to_string()))
            .payload(serde_json::json!({"amount": nth % 2 * 20}));
        stage.submit(placed).await;
    }
}

async fn assert_each_once(stage: &Stage) {
    assert_eq!(runs(&stage.handle).await.len() as u64, ORDERS / 2);
    let told: Vec<_> = emitted(&stage.handle).await.into_iter().collect();
    let each = |kind: &str| (kind.to_string(), ORDERS / 2);
    assert_eq!(told, [each("orchestration.order.updated"), each("order.flagged")]);
}

#[test]
fn whatever_a_kill_leaves_each_trigger_has_set_off_its_rule_once_in_the_end() {
    for until in [1, 2, 5, 8, 13, ORDERS] {
        within(async move {
            let folder = Folder::new();
            let stage = Stage::with(|builder| builder.journal(folder.journal()).rules(rules(RULES))).await;
            place(&stage, 0..until).await;
            let image = folder.image();
            stage.close().await;
            let stage = Stage::with(|builder| builder.journal(image.journal()).rules(rules(RULES))).await;
            place(&stage, 0..ORDERS).await;
            assert_each_once(&stage).await;
            stage.close().await;
            // And what was kept of the rules is as good as the journal: nothing is set off again.
            let stage = Stage::with(|builder| builder.journal(image.journal()).rules(rules(RULES))).await;
            assert_each_once(&stage).await;
            stage.close().await;
        });
    }
}

#[test]
fn without_the_index_all_is_learnt_anew_and_nothing_is_set_off_again() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.journal(folder.journal()).rules(rules(RULES))).await;
        place(&stage, 0..ORDERS).await;
        stage.settle().await;
        let head = stage.handle.position();
        stage.close().await;
        for end in ["-index", "-index-wal", "-index-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", folder.path().display()));
        }
        let stage = Stage::with(|builder| builder.journal(folder.journal()).rules(rules(RULES))).await;
        assert_each_once(&stage).await;
        assert_eq!(stage.handle.position(), head);
        stage.close().await;
    });
}

#[test]
fn who_looks_dies_and_looks_again_and_nothing_is_missed_or_done_twice() {
    within(async {
        let looks = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&looks);
        let faults = Faults::when(move |point, _| {
            point == FaultPoint::Automation && counted.fetch_add(1, Ordering::Relaxed) % 7 == 5
        });
        let stage = Stage::with(|builder| builder.rules(rules(RULES)).faults(faults)).await;
        place(&stage, 0..ORDERS).await;
        assert_each_once(&stage).await;
        assert!(looks.load(Ordering::Relaxed) > 7, "nobody died");
        stage.close().await;
    });
}

#[test]
fn other_rules_take_over_with_the_first_event_under_them_and_are_recorded_once() {
    within(async {
        let stage = Stage::with(|builder| builder.rules(rules(RULES))).await;
        place(&stage, 0..4).await;
        stage.settle().await;
        stage.handle.set_rules(&rules("shipped = false\n"), None).unwrap();
        place(&stage, 4..8).await;
        stage.handle.set_rules(&rules(RULES), None).unwrap();
        place(&stage, 8..10).await;
        assert_eq!(runs(&stage.handle).await.len(), 3);
        let sets = stage.handle.records(&"regie/rules".into()).await.unwrap();
        assert_eq!(sets.len(), 3);
        stage.close().await;
    });
}

#[test]
fn what_a_shutdown_finds_not_looked_at_is_looked_at_after_the_next_start() {
    for _ in 0..6 {
        within(async {
            let folder = Folder::new();
            let stage = Stage::with(|builder| builder.journal(folder.journal()).rules(rules(RULES))).await;
            place(&stage, 0..ORDERS).await;
            stage.close().await;
            let stage = Stage::with(|builder| builder.journal(folder.journal()).rules(rules(RULES))).await;
            assert_each_once(&stage).await;
            stage.close().await;
        });
    }
}

#[test]
fn rules_that_are_switched_off_twice_before_an_event_comes_are_off() {
    within(async {
        let stage = Stage::with(|builder| builder.rules(rules(RULES))).await;
        place(&stage, 0..2).await;
        stage.settle().await;
        let other = rules("shipped = false\n[[rule]]\nname = 'r'\non = 'x'\ndo = [{ emit = { type = 'y' } }]\n");
        for set in [other, rules("shipped = false\n"), rules("shipped = false\n")] {
            stage.handle.set_rules(&set, None).unwrap();
        }
        place(&stage, 2..8).await;
        assert_eq!(runs(&stage.handle).await.len(), 1);
        stage.close().await;
    });
}
