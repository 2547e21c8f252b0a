//! An agent of one's own, twice, behind a route: one falls over, its breaker opens, and the other takes its work. What the
//! route decided, and why, is in the journal.

use std::time::Duration;

use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentSpec, AgentTask, BreakerRule, Candidate, Route};
use regie::core::Json;
use regie::core::workflow::EffectEnd;
use regie::prelude::*;
use regie::runtime::Waited;
use serde_json::json;

/// Asks the route once, and ends with what came of it.
struct Translation;

impl Handler for Translation {
    type State = ();
    type Fact = ();

    fn name(&self) -> &str {
        "translation"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("text.written").expect("a good pattern")
    }

    fn decide(&self, (): &(), input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<()>, HandlerError> {
        Ok(match input {
            Input::Event(event) => Reaction::none().call("translate", "translator", event.payload.clone()),
            Input::Agent { outcome, .. } => Reaction::none().complete(&format!("{outcome:?}")),
            _ => Reaction::none(),
        })
    }

    fn evolve(&self, (): &mut (), (): ()) {}
}

/// Translates, or falls over.
struct Translator {
    works: bool,
}

impl Agent for Translator {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        if !self.works {
            return Err(AgentError::new("the dictionary is lent").code("NO_DICTIONARY"));
        }
        let text: String = task.task.value()["text"].as_str().unwrap_or_default().to_uppercase();
        Ok(Json::of(&text))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    futures::executor::block_on(async {
        let limits = AgentLimits::default().breaker(BreakerRule::default().failures(2));
        let agent = |name: &str, works| AgentSpec::new(name, Translator { works }, limits).capability("translating");
        let route = Route::new("translator").to(Candidate::agent("ana")).fallback(Candidate::capability("translating"));
        let runtime = builder().handler(Translation).route(route);
        let runtime = runtime.agent_as(agent("ana", false)).agent_as(agent("ben", true)).start().await?;
        let handle = runtime.handle();
        for nth in 1..=3 {
            let name = format!("text-{nth}");
            let written =
                Event::new("text.written", &*name).id("e-1").payload(json!({"kind": "note", "text": "hello"}));
            handle.submit(written.build()?).await?;
            let Waited::Ended { steps, .. } = handle.wait(&name.into(), Some(Duration::from_secs(10))).await? else {
                continue;
            };
            let EffectEnd::Routed { choice, outcome } = &steps["translate"].end else { continue };
            println!("{nth}: {:?} gave {outcome:?}\n   passed over: {:?}", choice.agent, choice.passed_over);
        }
        println!("ana's breaker: {:?}", handle.agents()["ana"].instances[0].breaker);
        runtime.shutdown().await;
        Ok(())
    })
}
