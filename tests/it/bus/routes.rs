//! Content routing.

use regie::bus::{LetterFilter, Routes, Subscribe};
use serde_json::json;

use super::helpers::{seen, takes};
use crate::runtime_support::{Stage, event, within};

#[test]
fn the_first_route_whose_condition_holds_takes_it_and_the_choice_is_counted() {
    within(async {
        let ((big_tells, big), (small_tells, small)) = (seen(), seen());
        let routes = Routes::new().when("event.payload.amount > 100", "big", takes(&big_tells)).unwrap();
        let routes = routes.otherwise("small", takes(&small_tells));
        let counts = routes.counts();
        let stage = Stage::with(|builder| builder.subscriber("router", Subscribe::to("a"), routes)).await;
        for amount in [json!(500), json!(7), json!(null)] {
            stage.submit(event("a", "c", &amount.to_string()).payload(json!({"amount": amount}))).await;
        }
        assert_eq!((big.next(), small.take(2)), ("500".to_string(), vec!["7".to_string(), "null".to_string()]));
        assert_eq!((counts.taken()["big"], counts.taken()["small"], counts.unanswered()["big"]), (1, 2, 1));
        stage.close().await;
    });
}

#[test]
fn what_no_route_takes_is_a_dead_letter() {
    within(async {
        let (tells, seen) = seen();
        let routes = Routes::new().when("event.payload == 1", "one", takes(&tells)).unwrap();
        let stage = Stage::with(|builder| builder.subscriber("router", Subscribe::to("a"), routes)).await;
        let mut letters = stage.handle.subscribe(Subscribe::to("regie.dead_letter").with_own()).await.unwrap();
        stage.submit(event("a", "c", "e").payload(json!(2))).await;
        letters.next().await.unwrap().unwrap();
        let dead = stage.handle.dead_letters(LetterFilter::default()).await.unwrap();
        assert_eq!((dead[0].error.as_str(), dead[0].subscriber()), ("no route takes it", Some("router")));
        assert!(seen.is_empty());
        stage.close().await;
    });
}
