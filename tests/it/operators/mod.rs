//! Workflows as operators see them: lists and counts, what stays in memory, versions, and the command.

mod cli;
mod cli_owned;
mod counted;
mod leaving;
mod listing;
mod pictures;
mod results;
mod versions;

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use regie::Builder;
use regie::actors::agent::{AgentError, AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::event::{Pattern, Principal};
use regie::core::workflow::{
    AgentOutcome, Handler, HandlerError, Input, Moment, Operation, Reaction, Request, RunStatus,
};

use crate::runtime_support::{Acts, Stage, event, pattern, script};

/// An hour until an order that waits is too late.
const HOUR: Duration = Duration::from_secs(3_600);

/// Orders: what an event is called, says what is done.
fn orders(_: &u64, input: Input<'_>, moment: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    let none = Reaction::none();
    Ok(match input {
        Input::Event(event) => match event.kind.as_str() {
            "order.done" => none.note(1).complete("enough"),
            "order.fail" => none.note(1).fail("no money"),
            "order.wait" => none.note(1).timer("bell", moment.now.after(HOUR)),
            "order.ask" => none.note(1).call("work", "silent", Json::null()),
            "order.bad" => none.note(1).call("work", "bad", Json::null()),
            _ => none.note(1),
        },
        Input::Agent { outcome: AgentOutcome::Done(_), .. } => none.complete("worked"),
        Input::Agent { outcome: AgentOutcome::Rejected { is_final: true, .. }, .. } => none, // passed over
        Input::Timer { .. } => none.fail("too late"),
        _ => return Err(HandlerError("what is that?".into())),
    })
}

fn orders_handler() -> impl Handler {
    script("orders", "order.>", orders)
}

/// Ends at once with what it is given.
fn echo_handler() -> impl Handler {
    script("echo", "echo.begin", |_, input: Input<'_>, _: &Moment<'_>| match input {
        Input::Event(event) => Ok(Reaction::none().complete(&event.payload)),
        _ => Ok(Reaction::none()),
    })
}

fn silent(_: AgentTask) -> BoxFuture<'static, Result<Json, AgentError>> {
    futures::future::pending().boxed()
}

fn bad(_: AgentTask) -> BoxFuture<'static, Result<Json, AgentError>> {
    futures::future::ready(Err(AgentError::new("broken"))).boxed()
}

fn with_orders(builder: Builder) -> Builder {
    let limits = AgentLimits { concurrency: 1_000, queue: 1_000, timeout: 100 * HOUR, ..AgentLimits::default() };
    builder
        .grace(Duration::ZERO) // one of the agents never answers
        .handler(orders_handler())
        .handler(echo_handler())
        .handler(Stubborn)
        .agent("silent", Acts(silent), limits)
        .agent("bad", Acts(bad), limits)
}

async fn place(stage: &Stage, correlation: &str, what: &str) {
    stage.submit(event(&format!("order.{what}"), correlation, what)).await;
}

fn ana() -> Principal {
    Principal::user("ana")
}

async fn status(stage: &Stage, correlation: &str) -> RunStatus {
    stage.handle.look(&correlation.into()).await.unwrap().run.unwrap().status
}

/// Fails at once, and asks a silent agent when it is tried again.
struct Stubborn;

impl Handler for Stubborn {
    type State = u64;
    type Fact = u64;

    fn name(&self) -> &str {
        "stubborn"
    }

    fn starts_on(&self) -> Pattern {
        pattern("stubborn.>")
    }

    fn decide(&self, _: &u64, _: Input<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
        Ok(Reaction::none().fail("not today"))
    }

    fn operate(&self, _: &u64, request: &Request<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
        match request.operation {
            Operation::Retry => Ok(Reaction::none().call("again", "silent", Json::null())),
            _ => Err(HandlerError("never".into())),
        }
    }

    fn evolve(&self, _: &mut u64, _: u64) {}
}
