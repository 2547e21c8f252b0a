//! Events that wait for a person: listed, let go on, discarded, each once.

use regie::Reason;
use regie::core::event::{LifeState, Pattern, Principal};
use regie::core::query::Filter;
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use regie::runtime::Escalation;

use crate::runtime_support::{Stage, at, cannot_judge_orders, event, note, order, script, set, within};

/// A runtime at which every order waits, three of each of two people.
async fn desk() -> Stage {
    let stage = Stage::with(|builder| builder.policies(set(vec![cannot_judge_orders()]))).await;
    for (by, id) in [("ana", "1"), ("ana", "2"), ("ana", "3"), ("ben", "4"), ("ben", "5"), ("ben", "6")] {
        stage.advance_to(at(id.parse().unwrap())).await;
        stage.submit(order(by, &format!("of-{by}"), id)).await;
        stage.submit(note(&format!("of-{by}"), &format!("n-{id}"))).await;
    }
    stage
}

async fn waiting(stage: &Stage, filter: Filter) -> Vec<Escalation> {
    stage.handle.escalations(filter).await.unwrap()
}

async fn ids(stage: &Stage, filter: Filter) -> Vec<String> {
    waiting(stage, filter).await.iter().map(|one| one.event.event().id.clone()).collect()
}

#[test]
fn those_that_wait_are_listed_the_oldest_first_with_since_when_and_why() {
    within(async {
        let stage = desk().await;
        assert_eq!(ids(&stage, Filter::default()).await, ["1", "2", "3", "4", "5", "6"]);
        let first = &waiting(&stage, Filter::default()).await[0];
        assert_eq!((first.since, first.lapses, first.sequence), (at(1), None, 1));
        assert_eq!(first.reason, "poison: a policy's condition panicked");
    });
}

#[test]
fn a_listing_means_what_its_filter_says_and_only_what_still_waits() {
    within(async {
        let stage = desk().await;
        let third = waiting(&stage, Filter::default()).await[2].position;
        stage.handle.reject(third, Principal::user("eva"), "no").await.unwrap();
        let of_ana = Filter { correlation: Some("of-ana".into()), ..Filter::default() };
        assert_eq!(ids(&stage, of_ana).await, ["1", "2"]);
        let by_ben = Filter { actor: Some("ben".into()), limit: Some(2), ..Filter::default() };
        assert_eq!(ids(&stage, by_ben).await, ["4", "5"]);
        let notes = Filter { kind: Some(Pattern::parse("agent.>").unwrap()), ..Filter::default() };
        assert_eq!(ids(&stage, notes).await, Vec::<String>::new());
    });
}

#[test]
fn what_is_approved_goes_on_and_what_is_rejected_does_not_and_both_tell_who_and_why() {
    within(async {
        let stage = desk().await;
        let positions: Vec<u64> = waiting(&stage, Filter::default()).await.iter().map(|one| one.position).collect();
        let approved = stage.handle.approve(positions[0], Principal::user("eva"), "known").await.unwrap();
        let rejected = stage.handle.reject(positions[1], Principal::agent("bot-1"), "not known").await.unwrap();
        assert_eq!(approved.event_state, Some(LifeState::Processed));
        assert_eq!(rejected.event_state, Some(LifeState::Discarded));
        let last = rejected.state_transitions.last().unwrap();
        assert_eq!((last.by.clone(), last.reason.as_str()), (Some(Principal::agent("bot-1")), "not known"));
        assert_eq!(approved.error, None, "it has got over what was wrong with it");
    });
}

#[test]
fn of_many_who_decide_at_once_one_decides_and_the_others_are_told() {
    within(async {
        let stage = desk().await;
        let position = waiting(&stage, Filter::default()).await[0].position;
        let decide = |nth: u32| {
            let (handle, who) = (stage.handle.clone(), Principal::user(format!("p-{nth}")));
            async move {
                match nth % 2 {
                    0 => handle.approve(position, who, "known").await,
                    _ => handle.reject(position, who, "not known").await,
                }
            }
        };
        let decided = futures::future::join_all((0..50).map(decide)).await;
        let (won, lost): (Vec<_>, Vec<_>) = decided.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 49));
        assert!(lost.iter().all(|it| it.as_ref().is_err_and(|reason| reason.code() == "not_escalated")), "{lost:?}");
    });
}

#[test]
fn what_is_no_event_or_does_not_wait_cannot_be_decided() {
    within(async {
        let stage = desk().await;
        let approve =
            async |position| stage.handle.approve(position, Principal::user("eva"), "known").await.unwrap_err();
        assert_eq!(approve(9_999).await, Reason::NoEvent { position: 9_999 });
        let note = stage.handle.events(Filter::default()).await.unwrap();
        let note = note.iter().find(|one| one.state == LifeState::Processed).unwrap().position;
        assert_eq!(approve(note).await.code(), "not_escalated");
    });
}

#[test]
fn an_approved_one_that_its_handler_still_cannot_take_waits_on_and_says_why() {
    within(async {
        let refuses = script("refuses", "work.>", |_, input: Input<'_>, _: &Moment<'_>| match input {
            Input::Event(event) if event.kind == "work.bad" => Err(HandlerError("not like this".into())),
            _ => Ok(Reaction::<u64>::none()),
        });
        let stage = Stage::with(|builder| builder.handler(refuses)).await;
        let position = stage.submit(event("work.bad", "c", "1")).await.position.unwrap();
        let approved = stage.handle.approve(position, Principal::user("eva"), "known").await.unwrap();
        assert_eq!(approved.event_state, Some(LifeState::Escalated));
        assert!(approved.error.is_some_and(|error| error.message.contains("not like this")));
        assert_eq!(ids(&stage, Filter::default()).await, ["1"]);
    });
}
