//! An entity that two correlations change: its state at any time is the fold by timestamp and position.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regie::core::Json;
use regie::core::event::EntityRef;

use crate::runtime_support::{Stage, at, event, within};

/// A change of one of three fields, by one of two correlations, stamped at one of a few instants.
#[derive(Clone, Debug)]
struct Step {
    correlation: usize,
    field: usize,
    value: u32,
    stamp: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..2_usize, 0..3_usize, any::<u32>(), 0..8_i64);
    let step = step.prop_map(|(correlation, field, value, stamp)| Step { correlation, field, value, stamp });
    prop::collection::vec(step, 1..40)
}

fn task() -> EntityRef {
    EntityRef::new("task", "T-1")
}

/// The fields at an instant, by a fold written here over timestamps and the positions that the answers told.
fn fold(steps: &[(Step, u64)], until: i64) -> Option<BTreeMap<String, Json>> {
    let mut told: Vec<_> = steps.iter().filter(|(step, _)| step.stamp <= until).collect();
    told.sort_by_key(|(step, position)| (step.stamp, *position));
    let fields = told.iter().map(|(step, _)| (format!("f-{}", step.field), Json::of(&step.value)));
    (!told.is_empty()).then(|| fields.collect())
}

async fn holds(steps: Vec<Step>, shards: usize) {
    let stage = Stage::with(|builder| builder.shards(shards)).await;
    let mut answers = Vec::new();
    for (nth, step) in steps.iter().enumerate() {
        let built = event("task.changed", &format!("c-{}", step.correlation), &nth.to_string()).entity(task());
        let built = built.change(format!("f-{}", step.field), (), step.value).timestamp(at(step.stamp));
        answers.push(stage.handle.enqueue(built.build().unwrap()).await.unwrap());
    }
    let mut told = Vec::new();
    for (step, answer) in steps.into_iter().zip(answers) {
        told.push((step, answer.await.unwrap().position.unwrap()));
    }
    for until in -1..9 {
        let state = stage.handle.state(&task(), Some(at(until))).await.unwrap();
        assert_eq!(state.map(|state| state.fields), fold(&told, until), "at {until}");
    }
    let now = stage.handle.state(&task(), None).await.unwrap().unwrap();
    assert_eq!((Some(now.fields), now.events), (fold(&told, 8), told.len() as u64));
    stage.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn its_state_at_any_time_is_the_fold_whatever_the_order_of_arrival_and_the_shards(
        steps in steps(), shards in 1..5_usize,
    ) {
        within(holds(steps, shards));
    }
}

/// The fold tells apart what came in another order: of two equal timestamps the later position stands.
#[test]
fn of_two_changes_with_one_timestamp_the_later_position_stands() {
    within(async {
        let step = |correlation, value| Step { correlation, field: 0, value, stamp: 5 };
        let (one, other) = (vec![(step(0, 1), 1), (step(1, 2), 2)], vec![(step(0, 1), 2), (step(1, 2), 1)]);
        assert_ne!(fold(&one, 5), fold(&other, 5));
        holds(vec![step(0, 1), step(1, 2)], 2).await;
    });
}
