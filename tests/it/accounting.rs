//! At rest, what was counted is what the journal gives.

use std::collections::BTreeMap;

use regie::core::event::Principal;
use regie::core::governance::{CooldownMode, Policy};
use regie::core::query::Filter;
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use regie::runtime::TypeMetrics;

use crate::runtime_support::{Dice, Stage, at, event, one_a_second, pattern, script, set, submit_all, within};

const KINDS: [&str; 4] = ["agent.note", "agent.free", "work.go", "work.bad"];

async fn loaded() -> Stage {
    let handler = script("picky", "work.>", |_, input: Input<'_>, _: &Moment<'_>| match input {
        Input::Event(event) if event.kind == "work.bad" => Err(HandlerError("no".into())),
        Input::Event(event) if event.kind == "work.fail" => Ok(Reaction::none().fail("enough")),
        _ => Ok(Reaction::none().note(1)),
    });
    let veto = Policy::veto("odd", pattern("agent.free"), "odd", |event| event.id.ends_with('7'));
    let policies = set(vec![veto, one_a_second(CooldownMode::Defer)]);
    let stage = Stage::with(|builder| builder.policies(policies).handler(handler).shards(3)).await;
    let mut dice = Dice(23);
    for turn in 0..10 {
        let one = |nth: u64| {
            let built =
                event(KINDS[dice.below(4) as usize], &format!("c-{}", dice.below(40)), &format!("{turn}-{nth}"));
            built.actor(Principal::user(format!("u-{}", dice.below(5)))).build().unwrap()
        };
        let mut events: Vec<_> = (0..200).map(one).collect();
        events.extend(events.clone().into_iter().take(50)); // copies, which count nowhere but as such
        events.push(event("work.fail", &format!("c-{turn}"), "fail").build().unwrap());
        assert!(submit_all(&stage.handle, events).await.iter().all(Result::is_ok));
        stage.advance_to(at((turn + 1) * 1_500)).await;
    }
    stage
}

fn ends(metrics: &TypeMetrics) -> BTreeMap<String, u64> {
    let states = [
        ("pending", metrics.pending),
        ("processed", metrics.processed),
        ("deferred", metrics.deferred),
        ("escalated", metrics.escalated),
        ("discarded", metrics.discarded),
    ];
    let counted = states.into_iter().filter(|(_, count)| *count != 0);
    counted.map(|(name, count)| (name.to_string(), u64::try_from(count).unwrap())).collect()
}

#[test]
fn at_rest_the_counts_of_each_type_are_what_the_journal_gives() {
    within(async {
        let stage = loaded().await;
        let metrics = stage.handle.metrics().await;
        assert_eq!((metrics.by_type.len(), metrics.under_way, metrics.duplicates), (5, 0, 500));
        for (kind, counted) in &metrics.by_type {
            let of_kind = Filter { kind: Some(pattern(kind)), ..Filter::default() };
            let stats = stage.handle.stats(of_kind).await.unwrap();
            assert_eq!((stats.events, stats.by_state), (counted.received, ends(counted)), "{kind}");
        }
        let all = stage.stats().await;
        assert_eq!((all.events, all.by_state), (metrics.events.received, ends(&metrics.events)));
        stage.close().await;
    });
}

#[test]
fn everything_received_is_processed_deferred_escalated_or_discarded() {
    within(async {
        let stage = loaded().await;
        let events = stage.handle.metrics().await.events;
        let states = [events.processed, events.deferred, events.escalated, events.discarded];
        assert!(states.iter().all(|count| *count > 0), "the load tries nothing: {events:?}");
        assert_eq!(events.received, u64::try_from(states.iter().sum::<i64>()).unwrap());
        stage.handle.drain().await;
        let metrics = stage.handle.metrics().await;
        assert_eq!((metrics.events.deferred, metrics.events.received, metrics.under_way), (0, 2_010, 0));
        assert_eq!(metrics.workflows_started, stage.stats().await.correlations);
    });
}
