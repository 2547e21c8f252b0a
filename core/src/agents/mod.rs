//! Agents, the pure part: what they may say, when they are asked, and which of them.

mod answer;
mod breaker;
mod cache;
mod candidate;
mod error;
mod key;
mod rate;
mod route;
mod told;

pub use answer::{outcome, read_answer};
pub use breaker::{Breaker, BreakerRule, Counts, FailureRatio, Leave, Phase, Shut};
pub use cache::{Cache, CacheRule, Kept};
pub use candidate::{Candidate, Who};
pub use error::AgentError;
pub use key::{cache_key, kept_correlation};
pub use rate::{Bucket, CallRate};
pub use route::{Choice, Chosen, CompiledRoute, Order, PassedOver, Route, RouteError, Standing};
pub use told::{BREAKER_CHANGED, BreakerTold, RESULT_KEPT, ResultTold, agent_correlation};
