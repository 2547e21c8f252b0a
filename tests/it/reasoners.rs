//! Reasoners as a runtime has them: registered once, within what is allowed, and counted.

use std::time::Duration;

use futures::future::ready;
use regie::StartError;
use regie::reasoning::{Reasoner, ReasonerLimits, Reply, Request};

use crate::runtime_support::{Stage, within};

struct Quiet;

impl Reasoner for Quiet {
    fn reason(&self, _: Request) -> impl Future<Output = Reply> + Send {
        ready(Ok(Vec::new()))
    }
}

#[test]
fn a_runtime_shows_its_reasoners_in_counts_and_health() {
    within(async {
        let stage = Stage::with(|builder| builder.reasoner("fraud", Quiet).reasoner("tone", Quiet)).await;
        let metrics = stage.handle.metrics().await;
        assert_eq!(metrics.reasoners.keys().collect::<Vec<_>>(), ["fraud", "tone"]);
        assert_eq!((metrics.reasoners["fraud"].running, metrics.part_deaths["reasoner fraud"]), (0, 0));
        let health = stage.handle.health();
        assert!(health.parts.iter().any(|part| part.name == "reasoners" && part.trouble.is_none()));
        stage.close().await;
    });
}

#[test]
fn two_reasoners_of_one_name_are_refused() {
    within(async {
        let started = regie::builder().reasoner("fraud", Quiet).reasoner("fraud", Quiet).start().await;
        assert!(matches!(started.err(), Some(StartError::ReasonerTwice(name)) if name == "fraud"));
    });
}

#[test]
fn a_reasoner_that_would_take_longer_than_reasoners_may_is_refused_unless_that_is_allowed() {
    within(async {
        let slow = ReasonerLimits::default().limit(Duration::from_secs(6));
        let refused = regie::builder().reasoner_with("slow", Quiet, slow).start().await.err().unwrap();
        assert!(refused.to_string().contains("a limit of 6000 ms; 1 to 5000 are allowed"), "{refused}");
        let allowed = slow.allow_longer(Duration::from_secs(6));
        let runtime = regie::builder().reasoner_with("slow", Quiet, allowed).start().await.unwrap();
        runtime.shutdown().await;
    });
}
