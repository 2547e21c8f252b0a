//! A handler that holds its shard is named, in health and in the counts; the rest of the runtime can still be asked.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use regie::core::event::Event;
use regie::core::workflow::{Handler, HandlerError, Input, Moment, Reaction};
use regie::prelude::Pattern;

use crate::runtime_support::{Stage, within};

/// Holds its thread until it is let go.
struct Holds {
    begun: Sender<()>,
    until: Arc<Mutex<Receiver<()>>>,
}

impl Handler for Holds {
    type State = ();
    type Fact = ();

    fn name(&self) -> &str {
        "holds"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("hold.it").unwrap()
    }

    fn decide(&self, (): &(), _: Input<'_>, _: &Moment<'_>) -> Result<Reaction<()>, HandlerError> {
        self.begun.send(()).map_err(|error| HandlerError(error.to_string()))?;
        let _ = self.until.lock().map(|until| until.recv());
        Ok(Reaction::none())
    }

    fn evolve(&self, (): &mut (), (): ()) {}
}

fn trouble(stage: &Stage) -> Option<String> {
    stage.handle.health().parts.into_iter().find(|part| part.name == "shards")?.trouble
}

#[test]
fn a_handler_that_holds_its_shard_is_named_and_counted() {
    let (begun, has_begun) = channel();
    let (let_go, until) = channel();
    within(async move {
        let holds = Holds { begun, until: Arc::new(Mutex::new(until)) };
        let stage = Stage::with(|builder| builder.handler(holds).shards(1)).await;
        let answer = stage.handle.enqueue(Event::new("hold.it", "stubborn").id("1").build().unwrap()).await.unwrap();
        has_begun.recv().unwrap();
        while stage.handle.metrics().await.held == 0 {
            std::thread::yield_now(); // the watchdog's second passes
        }
        assert!(trouble(&stage).is_some_and(|trouble| trouble.contains("'stubborn'")), "{:?}", trouble(&stage));
        let_go.send(()).unwrap();
        assert!(answer.await.is_ok() && trouble(&stage).is_none());
    });
}
