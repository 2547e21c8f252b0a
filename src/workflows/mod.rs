//! Workflows of the runtime's own: who is told how one went, whether what is there is what should be.
//!
//! - *Notification*: a workflow's definition says what is to be told at its end
//!   ([`FlowBuilder::notify`](regie_core::workflow::flow::FlowBuilder::notify)); a [`Notifier`] tells it. What it cannot tell is
//!   a dead letter, and the workflow's outcome stands.
//! - *Reconciliation*: a [`Reconciler`] says what should be and what is; each difference is an event, and so is the whole.
//! - *Recovery*: a definition names the event that begins it
//!   ([`FlowBuilder::recover`](regie_core::workflow::flow::FlowBuilder::recover)).

mod notification;
mod reconciliation;

pub use notification::Notifier;
pub use reconciliation::{DIFFERENCE, Difference, RECONCILED, Reconciled, Reconciler, differences};
pub use regie_core::workflow::{NOTIFICATION, Notification, NotificationError};
