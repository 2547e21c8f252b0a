//! A reconciliation: what is not as it should be is told, each by an event.

use std::collections::BTreeMap;

use regie::actors::agent::{AgentError, AgentLimits};
use regie::core::Json;
use regie::core::query::Filter;
use regie::runtime::Waited;
use regie::workflows::{DIFFERENCE, Difference, RECONCILED, Reconciled, Reconciler};
use serde_json::json;

use crate::runtime_support::{Stage, event, within};

/// What it is asked about is what should be; what is does not change.
struct Stock;

impl Reconciler for Stock {
    async fn expected(&self, about: &Json) -> Result<BTreeMap<String, Json>, AgentError> {
        about.to().map_err(|error| AgentError::new(error.to_string()))
    }

    async fn actual(&self, _: &Json) -> Result<BTreeMap<String, Json>, AgentError> {
        Ok([("bolts", 7), ("nuts", 3), ("screws", 1)].map(|(key, count)| (key.into(), Json::of(&count))).into())
    }
}

/// What was found when so much should be, and the events that tell of it.
async fn found(should_be: serde_json::Value) -> (Reconciled, Vec<(String, Json)>) {
    let stage =
        Stage::with(|builder| builder.reconciler("stock", "stock.count", Stock, AgentLimits::default()).unwrap());
    let stage = stage.await;
    stage.submit(event("stock.count", "count-1", "e").payload(should_be)).await;
    stage.settle().await;
    let Waited::Ended { ending, .. } = stage.handle.wait(&"count-1".into(), None).await.unwrap() else {
        panic!("it has not ended")
    };
    let regie::runtime::Ending::Completed(output) = ending else { panic!("{ending:?}") };
    let told = Filter { correlation: Some("count-1/differences".into()), ..Filter::default() };
    let told = stage.handle.events(told).await.unwrap();
    stage.close().await;
    let events = told.iter().map(|stored| stored.incoming.event());
    (output.to().unwrap(), events.map(|event| (event.kind.clone(), event.payload.clone())).collect())
}

#[test]
fn each_difference_is_an_event_and_the_whole_is_one() {
    within(async {
        let (found, told) = found(json!({"bolts": 7, "nuts": 4, "pins": 2})).await;
        let differs = |key: &str, expected: &str, actual: &str| Difference {
            key: key.into(),
            expected: Json::parse(expected).unwrap(),
            actual: Json::parse(actual).unwrap(),
        };
        let differences = [differs("nuts", "4", "3"), differs("pins", "2", "null"), differs("screws", "null", "1")];
        assert_eq!((found.compared, &found.differences[..]), (4, &differences[..]));
        let mut wanted: Vec<(String, Json)> =
            differences.iter().map(|difference| (DIFFERENCE.into(), Json::of(difference))).collect();
        wanted.push((RECONCILED.into(), Json::of(&found)));
        assert_eq!(told, wanted);
    });
}

#[test]
fn where_all_is_as_it_should_be_the_whole_alone_is_told() {
    within(async {
        let (found, told) = found(json!({"bolts": 7, "nuts": 3, "screws": 1})).await;
        assert_eq!((found.compared, found.differences.len()), (3, 0));
        assert_eq!(told, [(RECONCILED.to_string(), Json::of(&found))]);
    });
}
