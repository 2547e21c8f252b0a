//! State machines in Rust, each an ordinary [`Handler`](super::Handler).
//!
//! A machine is a table: what happens in which state leads where, under which guards, and what is done on the way. It is
//! written with [`Machine::named`], checked as a whole by [`MachineBuilder::build`], and drawn by [`Machine::to_mermaid`].
//!
//! ```
//! use regie_core::workflow::machine::{Machine, Unmatched};
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//!
//! #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
//! enum Stage { New, Packing, Sent, Lost }
//!
//! #[derive(Clone, Default, Serialize, Deserialize)]
//! struct Order { price: u32, paid: u32 }
//!
//! #[derive(Deserialize)]
//! struct Paid { amount: u32 }
//!
//! let order = Machine::<Stage, Order>::named("order", Stage::New)
//!     .starts_on("order.>")
//!     .otherwise(Unmatched::Refuse)
//!     .step("pack", "warehouse", |step| step.undo("warehouse", |done| json!({ "unpack": done.input })))
//!     .on::<Paid>(Stage::New, "order.paid", |way| {
//!         way.guard("enough", |order, paid| order.paid + paid.amount >= order.price)
//!             .act("count it", |order, paid| order.paid += paid.amount)
//!             .start("pack", |order, _| json!({ "paid": order.paid }))
//!             .go(Stage::Packing)
//!     })
//!     .on_done::<String>(Stage::Packing, "pack", |way| way.go(Stage::Sent))
//!     .after(Stage::Packing, std::time::Duration::from_secs(3600), |way| way.go(Stage::Lost))
//!     .completes(Stage::Sent, |order| json!(order.paid))
//!     .fails(Stage::Lost, |_| "nobody packed it".into())
//!     .build()
//!     .unwrap();
//! assert!(order.to_mermaid().contains("order.paid"));
//! ```

mod builder;
mod check;
mod deeds;
mod handler;
mod mermaid;
mod model;
mod patterns;
mod rules;
mod standing;
mod time;
mod turn;
mod way;

use std::fmt;

pub use builder::{Ended, MachineBuilder};
pub use check::{MachineError, MachineFault};
pub use deeds::Deeds;
pub use model::{Given, MachineData, MachineState, Unmatched};
pub use rules::StepBuilder;
pub use standing::{Again, MachineFact, Standing};
pub use way::Way;

use model::Table;

/// A state machine that has been checked: a handler.
pub struct Machine<S, D> {
    table: Table<S, D>,
}

impl<S: MachineState, D: MachineData> Machine<S, D> {
    /// Begins to write one: its name, and the state in which it begins.
    pub fn named(name: impl Into<String>, initial: S) -> MachineBuilder<S, D> {
        MachineBuilder::new(name.into(), initial)
    }
}

impl<S: MachineState, D> fmt::Debug for Machine<S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: {} states", self.table.name, self.table.version, self.table.states.len())
    }
}
