//! For tests of your own: a runtime on a clock that stands still until you move it, with a journal in memory; agents that
//! follow a script; and assertions that say what is there instead.
//!
//! ```
//! use regie::actors::agent::AgentLimits;
//! use regie::core::event::LifeState;
//! use regie::prelude::*;
//! use regie::testing::{ScriptedAgent, Stage, assert_calls, assert_ended, assert_state, within};
//!
//! /// Has a letter sent for each order.
//! struct Letters;
//!
//! impl Handler for Letters {
//!     type State = ();
//!     type Fact = ();
//!     fn name(&self) -> &str { "letters" }
//!     fn starts_on(&self) -> Pattern { Pattern::parse("order.placed").unwrap() }
//!     fn decide(&self, _: &(), input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<()>, HandlerError> {
//!         Ok(match input {
//!             Input::Event(_) => Reaction::none().call("letter", "post", serde_json::json!({"to": "ana"})),
//!             _ => Reaction::none().complete("sent"),
//!         })
//!     }
//!     fn evolve(&self, _: &mut (), _: ()) {}
//! }
//!
//! within(async {
//!     let post = ScriptedAgent::new().answers(serde_json::json!("stamped"));
//!     let stage = Stage::with(|builder| builder.handler(Letters).agent("post", post.clone(), AgentLimits::default())).await;
//!     let answer = stage.submit(Event::new("order.placed", "order-1").id("1")).await;
//!     stage.settle().await;
//!     assert_state(&answer, LifeState::Processed);
//!     assert_calls(&post, &[r#"{"to":"ana"}"#]);
//!     assert_ended(&stage, "order-1", r#""sent""#).await;
//!     stage.close().await;
//! });
//! ```

mod assert;
mod script;
mod stage;

pub use assert::{assert_calls, assert_ended, assert_entity, assert_failed, assert_state, assert_types};
pub use script::ScriptedAgent;
pub use stage::{Stage, within, within_at_most};
