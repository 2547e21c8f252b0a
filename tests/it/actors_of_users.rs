//! Actix actors of the user's, by their recipients: an agent, a subscriber.

use std::time::Duration;

use actix::prelude::*;
use futures::StreamExt;
use regie::actors::agent::{ActorAgent, AgentError, AgentLimits, AgentTask};
use regie::bus::{ActorSubscriber, Delivered, HandleError, Retry, Subscribe};
use regie::core::Json;
use regie::core::event::Event;
use regie::core::workflow::{AgentOutcome, Handler, HandlerError, Input, Moment, Reaction};
use regie::prelude::Pattern;
use regie::runtime::{Ending, Waited};

struct Clerk {
    stamped: u32,
}

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl actix::Handler<AgentTask> for Clerk {
    type Result = Result<Json, AgentError>;

    fn handle(&mut self, task: AgentTask, _: &mut Self::Context) -> Self::Result {
        self.stamped += 1;
        Ok(Json::of(&format!("{} stamped as number {}", task.task, self.stamped)))
    }
}

/// Asks the clerk once, and gives what it says.
struct Errand;

impl Handler for Errand {
    type State = ();
    type Fact = ();

    fn name(&self) -> &str {
        "errand"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("errand.run").unwrap()
    }

    fn decide(&self, (): &(), input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<()>, HandlerError> {
        Ok(match input {
            Input::Event(_) => Reaction::none().call("stamp", "clerk", Json::of(&7)),
            Input::Agent { outcome: AgentOutcome::Done(said), .. } => Reaction::none().complete(said),
            other => Reaction::none().fail(format!("{other:?}")),
        })
    }

    fn evolve(&self, (): &mut (), (): ()) {}
}

#[test]
fn an_actor_of_the_users_does_the_work_where_it_was_started() {
    System::new().block_on(async {
        let clerk = ActorAgent(Clerk { stamped: 0 }.start().recipient());
        let builder = regie::builder().handler(Errand).agent("clerk", clerk, AgentLimits::default());
        let runtime = builder.start().await.unwrap();
        let handle = runtime.handle();
        handle.submit(Event::new("errand.run", "e-1").id("1").build().unwrap()).await.unwrap();
        let Ok(Waited::Ended { ending: Ending::Completed(said), .. }) = handle.wait(&"e-1".into(), None).await else {
            panic!("the errand did not end");
        };
        assert_eq!(said.text(), "\"7 stamped as number 1\"");
        runtime.shutdown().await;
    });
}

/// Takes each delivery at its second try, and tells which.
struct Doubts(futures::channel::mpsc::UnboundedSender<(String, u32)>);

impl Actor for Doubts {
    type Context = Context<Self>;
}

impl actix::Handler<Delivered> for Doubts {
    type Result = Result<(), HandleError>;

    fn handle(&mut self, Delivered { delivery, context }: Delivered, _: &mut Self::Context) -> Self::Result {
        self.0.unbounded_send((delivery.event().id.clone(), context.attempt)).unwrap();
        if context.attempt == 1 { Err(HandleError::Retry("is that so?".into())) } else { Ok(()) }
    }
}

#[test]
fn an_actor_of_the_users_is_told_of_events_where_it_was_started() {
    System::new().block_on(async {
        let (tells, told) = futures::channel::mpsc::unbounded();
        let doubts = ActorSubscriber(Doubts(tells).start().recipient());
        let subscribe = Subscribe::to("order.>").retry(Retry { first: Duration::from_millis(1), ..Retry::times(2) });
        let runtime = regie::builder().subscriber("doubts", subscribe, doubts).start().await.unwrap();
        for id in ["1", "2"] {
            runtime.handle().submit(Event::new("order.paid", "o-1").id(id).build().unwrap()).await.unwrap();
        }
        let told: Vec<(String, u32)> = told.take(4).collect().await;
        assert_eq!(told, [("1".into(), 1), ("1".into(), 2), ("2".into(), 1), ("2".into(), 2)]);
        runtime.shutdown().await;
    });
}
