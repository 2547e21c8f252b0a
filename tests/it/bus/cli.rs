//! `regie dead-letters`.

use regie::bus::{HandleError, Retry, Subscribe};
use regie::{JournalConfig, Runtime};
use serde_json::json;

use super::helpers::{Tells, does, numbered, seen, submit};
use crate::runtime_support::within;
use crate::support::Place;

/// A runtime over the journal of a place, with a subscriber that takes nothing.
async fn refusing(path: std::path::PathBuf, tells: Tells) -> Runtime {
    let refuses = does(&tells, |_| Err(HandleError::Reject("no such account".into())));
    let builder = regie::builder().journal(JournalConfig::sqlite(path));
    builder.subscriber("billing", Subscribe::to("paid").retry(Retry::never()), refuses).start().await.unwrap()
}

/// A journal with that many dead letters, whose runtime still runs.
fn owned(place: &Place, count: usize) -> (Runtime, super::helpers::Seen) {
    let (path, (tells, seen)) = (place.path("regie.db"), seen());
    let runtime = within(async move {
        let runtime = refusing(path, tells).await;
        let handle = runtime.handle();
        let mut letters = handle.subscribe(Subscribe::to("regie.dead_letter").with_own()).await.unwrap();
        submit(&handle, "paid", "o-1", numbered(count)).await;
        for _ in 0..count {
            letters.next().await.unwrap().unwrap();
        }
        runtime
    });
    (runtime, seen)
}

const SIGNED: [&str; 4] = ["--by", "ana", "--why", "looked into"];

fn signed<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(SIGNED).collect()
}

#[test]
fn dead_letters_are_listed_shown_tried_again_and_discarded_beside_their_owner() {
    let place = Place::new();
    let (runtime, seen) = owned(&place, 3);
    assert_eq!(seen.take(3), numbered(3));
    let listed = place.run(&["dead-letters", "list", "--subscriber", "billing", "--json"]).succeeds().json_lines();
    assert_eq!((listed.len(), &listed[0]["letter"]["id"], &listed[0]["kind"]), (3, &json!("e-1"), &json!("letter")));
    let first = listed[0]["position"].to_string();
    let shown = place.run(&["dead-letters", "show", &first]).succeeds().out;
    assert!(shown.contains("no such account") && shown.contains("billing"), "{shown}");

    let told = place.run(&signed(&["dead-letters", "retry", &first])).succeeds().out;
    assert_eq!((told.trim(), seen.next().as_str()), (format!("position {first}: billing processed").as_str(), "e-1"));
    let handle = runtime.handle();
    within(async move { handle.settle().await });
    let listed = place.run(&["dead-letters", "list", "--json"]).succeeds().json_lines();
    let tries: Vec<_> = listed.iter().map(|line| line["letter"]["attempts"].clone()).collect();
    assert_eq!(tries, [1, 1, 2], "what fails again is a new letter");
    let discarded =
        place.run(&signed(&["dead-letters", "discard", "--type", "paid", "--json"])).succeeds().json_lines();
    assert!(discarded.iter().all(|line| line["result"]["event_state"] == "discarded") && discarded.len() == 3);
    assert!(place.run(&["dead-letters", "list"]).succeeds().out.contains("no dead letter waits"));
    within(async move { drop(runtime.shutdown().await) });
}

#[test]
fn who_is_meant_must_be_said_and_must_be_there() {
    let place = Place::new();
    let (runtime, _seen) = owned(&place, 1);
    within(async move { drop(runtime.shutdown().await) });
    place.run(&signed(&["dead-letters", "retry"])).exits(2);
    place.run(&signed(&["dead-letters", "retry", "5", "--all"])).exits(2);
    place.run(&signed(&["dead-letters", "retry", "999"])).exits(3);
    place.run(&["dead-letters", "show", "999"]).exits(3);
    place.run(&signed(&["dead-letters", "discard", "--subscriber", "nobody"])).exits(3);
    let gone = place.run(&signed(&["dead-letters", "retry", "--all"])).exits(4);
    assert!(gone.err.contains("no subscriber 'billing'"), "{}", gone.err);
    place.run(&signed(&["dead-letters", "discard", "--all"])).succeeds();
}
