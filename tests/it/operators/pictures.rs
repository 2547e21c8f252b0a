//! Workflows as pictures.

use regie::actors::agent::AgentLimits;
use regie::core::workflow::flow::{Flow, call};
use regie::runtime::NoDiagram;

use super::cli::having;
use super::{place, silent, with_orders};
use crate::runtime_support::{Acts, Stage, event, within};

#[test]
fn one_is_drawn_with_where_it_stands() {
    within(async {
        let flow = || Flow::named("f").starts_on("go").task("a", call("asks")).task("b", call("asks")).build().unwrap();
        let stage = Stage::with(|builder| {
            let builder = builder.grace(std::time::Duration::ZERO); // its agent never answers
            builder.handler(flow()).agent("asks", Acts(silent), AgentLimits::default())
        });
        let stage = stage.await;
        stage.submit(event("go", "c", "e")).await;
        let drawn = stage.handle.diagram(&"c".into()).await.unwrap();
        assert!(drawn.starts_with(flow().to_mermaid().trim_end()), "{drawn}");
        assert!(drawn.ends_with("class n1 current\n"), "{drawn}");
        stage.close().await;
    });
}

#[test]
fn what_cannot_be_drawn_says_why() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "one", "begin").await;
        let none = stage.handle.diagram(&"nobody".into()).await;
        assert_eq!(none, Err(NoDiagram::NoWorkflow("nobody".into())));
        assert_eq!(stage.handle.diagram(&"one".into()).await, Err(NoDiagram::NotDrawn("orders".into())));
        stage.close().await;
    });
    let place = having(&[("order-1", "begin")]);
    let refused = place.run(&["show", "order-1", "--diagram"]);
    refused.exits(3).tells(&["no definition 'orders' version 1"]);
}
