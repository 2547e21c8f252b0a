//! What a submit gives: an answer, the first answer again, or the event back with a reason.

use std::sync::Arc;

use regie::core::event::{Event, EventResult, Incoming, LifeState, Status};
use regie::core::governance::CooldownMode;
use regie::core::limits;
use regie::core::workflow::{Handler, Input, Moment, Reaction};
use regie::{Reason, Until};

use crate::runtime_support::{Folder, Gate, Stage, at, event, note, note_by, one_a_second, script, set, within};

/// What must be the same when an answer is given again.
#[track_caller]
fn assert_again(again: &EventResult, first: &EventResult, now: LifeState) {
    assert_eq!((again.status, again.current_state), (Status::Duplicate, Some(now)));
    assert!(first.status == Status::New && first.position.is_some());
    let blank = |result: &EventResult| EventResult {
        status: Status::New,
        current_state: None,
        processing_time_ms: 0.0,
        ..result.clone()
    };
    assert_eq!(blank(again), blank(first));
}

/// A workflow that waits at a gate in its decision, and holds its shard with it.
fn waits_at(gate: &Gate) -> impl Handler + use<> {
    let gate = gate.clone();
    script("waits", "work.>", move |_, _: Input<'_>, _: &Moment<'_>| {
        gate.pass();
        Ok(Reaction::none())
    })
}

#[test]
fn an_event_is_judged_and_ended() {
    within(async {
        let stage = Stage::at(at(5), |builder| builder).await;
        let answer = stage.submit(note("c", "e")).await;
        assert_eq!((answer.event_id.as_str(), answer.correlation_id.as_str(), answer.position), ("e", "c", Some(1)));
        assert_eq!((answer.status, answer.event_state), (Status::New, Some(LifeState::Processed)));
        let moves: Vec<_> = answer.state_transitions.iter().map(|it| (it.to, it.at)).collect();
        assert_eq!(moves, [(LifeState::Pending, at(5)), (LifeState::Processed, at(5))]);
    });
}

#[test]
fn a_known_event_gets_its_first_answer_again() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let first = stage.submit(note("c", "e")).await;
        assert_again(&stage.submit(note("c", "e")).await, &first, LifeState::Processed);
        let metrics = stage.handle.metrics().await;
        assert_eq!((metrics.events.received, metrics.duplicates, metrics.records), (1, 1, 1));
    });
}

#[test]
fn a_known_deferred_event_gets_its_first_answer_again_and_its_state_now_over_a_restart_too() {
    within(async {
        let folder = Folder::new();
        let policies = || set(vec![one_a_second(CooldownMode::Defer)]);
        let stage = Stage::with(|builder| builder.policies(policies()).journal(folder.journal())).await;
        stage.submit(note_by("ana", "c", "1")).await;
        let first = stage.submit(note_by("ana", "c", "2")).await;
        assert_eq!((first.deferred_until, first.policy_decisions.len()), (Some(at(1_000)), 1));
        assert_again(&stage.submit(note_by("ana", "c", "2")).await, &first, LifeState::Deferred);
        stage.close().await;
        let stage = Stage::at(at(10), |builder| builder.policies(policies()).journal(folder.journal())).await;
        assert_again(&stage.submit(note_by("ana", "c", "2")).await, &first, LifeState::Deferred);
        stage.advance_to(at(1_000)).await;
        assert_again(&stage.submit(note_by("ana", "c", "2")).await, &first, LifeState::Processed);
        assert_eq!(stage.stats().await.events, 2);
    });
}

#[test]
fn the_same_id_of_another_source_or_correlation_is_another_event() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        for event in [note("c", "e"), note("d", "e"), note("c", "e").source("elsewhere")] {
            assert_eq!(stage.submit(event).await.status, Status::New);
        }
    });
}

#[test]
fn an_identity_with_other_content_is_refused_with_both_digests() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        stage.submit(note("c", "e")).await;
        let (first, other) =
            (note("c", "e").build().unwrap(), note("c", "e").payload(serde_json::json!(1)).build().unwrap());
        let refused = stage.handle.submit(other.clone()).await.unwrap_err();
        let Reason::OtherContent { recorded, sent, .. } = refused.reason else { panic!("{refused}") };
        assert_eq!((recorded, sent), (first.digest(), other.digest()));
        assert_eq!(refused.event.raw(), other.raw());
        assert_eq!(stage.stats().await.events, 1);
    });
}

#[test]
fn a_batch_is_answered_in_order_and_a_bad_one_harms_no_other() {
    within(async {
        let stage = Stage::with(|builder| builder.shards(3)).await;
        stage.submit(note("c-50", "e-50")).await;
        let bad = |nth| {
            if nth == 50 { Event::new("agent.other", "c-50") } else { Event::new("agent.note", format!("c-{nth}")) }
        };
        let batch: Vec<Incoming> = (0..100).map(|nth| bad(nth).id(format!("e-{nth}")).build().unwrap()).collect();
        for (nth, answer) in stage.handle.submit_batch(batch).await.into_iter().enumerate() {
            match answer {
                Ok(answer) => assert_eq!(answer.event_id, format!("e-{nth}")),
                Err(refused) => assert_eq!((refused.reason.code(), nth), ("other_content", 50)),
            }
        }
        assert_eq!(stage.stats().await.events, 100);
    });
}

#[test]
fn a_batch_that_is_too_large_is_refused_whole() {
    within(async {
        let stage = Stage::with(|builder| builder.admission(10)).await;
        let batch = |count: u64| (0..count).map(|nth| note("c", &nth.to_string()).build().unwrap()).collect();
        let answers = stage.handle.submit_batch(batch(11)).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(it) if it.reason == Reason::Full { limit: 10 })));
        assert!(stage.handle.submit_batch(batch(10)).await.iter().all(Result::is_ok));
    });
}

#[test]
fn a_full_runtime_refuses_and_hands_the_event_back() {
    within(async {
        let gate = Gate::default();
        let stage = Stage::with(|builder| builder.admission(2).handler(waits_at(&gate))).await;
        let entered = |id| stage.handle.enqueue(event("work.go", "c", id).build().unwrap());
        let (first, second) = (entered("1").await.unwrap(), entered("2").await.unwrap());
        let refused = stage.handle.submit(note("d", "3").build().unwrap()).await.unwrap_err();
        assert_eq!((refused.reason, refused.event.event().id.as_str()), (Reason::Full { limit: 2 }, "3"));
        gate.open();
        assert!(first.await.is_ok() && second.await.is_ok());
        assert_eq!(stage.submit(note("d", "3")).await.status, Status::New);
    });
}

#[test]
fn a_crowded_workflow_refuses_and_others_go_on() {
    within(async {
        let gate = Gate::default();
        let stage = Stage::with(|builder| builder.shards(1).handler(waits_at(&gate))).await;
        let mut answers = Vec::new();
        for nth in 0..limits::QUEUED_PER_WORKFLOW + 10 {
            answers.push(stage.handle.enqueue(event("work.go", "c", &nth.to_string()).build().unwrap()).await.unwrap());
        }
        let other = stage.handle.enqueue(note("d", "1").build().unwrap()).await.unwrap();
        gate.open();
        let answers = futures::future::join_all(answers).await;
        let crowded =
            |answer: &&Result<EventResult, regie::Refused>| matches!(answer, Err(it) if it.reason.code() == "crowded");
        let count = answers.iter().filter(crowded).count();
        assert!((1..=10).contains(&count), "{count} were refused");
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), answers.len() - count);
        assert!(other.await.is_ok());
    });
}

#[test]
fn a_runtime_that_has_shut_down_refuses_and_hands_the_event_back() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let handle = stage.handle.clone();
        stage.close().await;
        let event = || note("c", "e").build().unwrap();
        for refused in [handle.submit(event()).await.unwrap_err(), handle.enqueue(event()).await.unwrap_err()] {
            assert_eq!((refused.reason, refused.event.event().id.as_str()), (Reason::Closing, "e"));
        }
        assert!(handle.submit_batch(vec![event()]).await[0].is_err());
    });
}

#[test]
fn what_is_under_way_when_it_shuts_down_is_answered() {
    within(async {
        let gate = Gate::default();
        let stage = Stage::with(|builder| builder.handler(waits_at(&gate))).await;
        let answer = stage.handle.enqueue(event("work.go", "c", "1").build().unwrap()).await.unwrap();
        gate.wait_for(1);
        let Stage { runtime, handle, .. } = stage;
        let closing = std::thread::spawn(move || futures::executor::block_on(runtime.shutdown()));
        while handle.health().ready {
            std::thread::yield_now();
        }
        let refused = handle.submit(note("c", "2").build().unwrap()).await.unwrap_err();
        assert_eq!(refused.reason, Reason::Closing);
        gate.open();
        assert_eq!(answer.await.unwrap().status, Status::New);
        let shutdown = closing.join().unwrap();
        assert_eq!((shutdown.left_owed, shutdown.error), (0, None));
    });
}

#[test]
fn an_id_and_a_timestamp_are_made_where_they_are_absent() {
    within(async {
        let stage = Stage::at(at(77), |builder| builder).await;
        let (first, second) = (stage.submit(Event::new("t", "c")).await, stage.submit(Event::new("t", "c")).await);
        assert_eq!(uuid::Uuid::parse_str(&first.event_id).unwrap().get_version_num(), 7);
        assert_ne!(first.event_id, second.event_id);
        let events = stage.handle.events(Default::default()).await.unwrap();
        assert!(events.iter().all(|stored| stored.incoming.event().timestamp == at(77)));
        assert_eq!(events[0].incoming.event().id, first.event_id);
    });
}

#[test]
fn a_copy_of_an_event_without_a_timestamp_is_the_same_event_at_any_time() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let first = stage.submit(note("c", "e")).await;
        stage.advance_to(at(500)).await;
        assert_again(&stage.submit(note("c", "e")).await, &first, LifeState::Processed);
    });
}

#[test]
fn who_waits_for_the_end_gets_the_whole_life() {
    within(async {
        let policies = set(vec![one_a_second(CooldownMode::Defer)]);
        let stage = Stage::with(|builder| builder.policies(policies)).await;
        stage.submit(note_by("ana", "c", "1")).await;
        let handle = Arc::new(stage.handle.clone());
        let two = || note_by("ana", "c", "2").build().unwrap();
        let (first, copy) = (handle.submit_until(two(), Until::Ended), handle.submit_until(two(), Until::Ended));
        let clock = stage.clock.clone();
        let turn = async {
            stage.handle.settle().await;
            clock.advance_to(at(1_000));
        };
        let (first, copy, ()) = futures::join!(first, copy, turn);
        for answer in [first.unwrap(), copy.unwrap()] {
            assert_eq!(answer.event_state, Some(LifeState::Processed));
            assert_eq!(answer.state_transitions.len(), 4);
        }
    });
}
