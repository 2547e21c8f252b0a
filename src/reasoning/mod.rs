//! Bounded reasoning: reasoners that advise on events, within limits; see `docs/reasoning.md`.
//!
//! ```
//! use regie::reasoning::{ReasonError, Reasoner, Request, SignalDraft};
//!
//! struct Fraud;
//!
//! impl Reasoner for Fraud {
//!     async fn reason(&self, request: Request) -> Result<Vec<SignalDraft>, ReasonError> {
//!         let sum = request.view.value()["payload"]["sum"].as_u64().unwrap_or_default();
//!         Ok(if sum > 10_000 { vec![SignalDraft::new("risk.high", 0.9).rationale("a large sum")] } else { vec![] })
//!     }
//! }
//!
//! let builder = regie::builder().reasoner("fraud", Fraud);
//! # drop(builder);
//! ```

#[cfg(feature = "chat")]
pub mod chat;

pub use regie_actors::reasoner::{
    ActorReasoner, BlockingReasoner, ModeCounts, Question, Reasoner, ReasonerLimits, Reply, RuleReasoner,
};
pub use regie_core::reasoning::*;
