//! An actix actor of the user's as an agent, by its recipient.

use actix::prelude::*;
use regie::actors::agent::{ActorAgent, AgentError, AgentLimits, AgentTask};
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
