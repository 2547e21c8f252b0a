//! Expressions in CEL: compiled and checked once, evaluated on many events.
//!
//! The crate `cel` parses and evaluates. What is ours: what is refused before anything is evaluated (names and functions that
//! there are not, types that cannot fit, what would cost too much), and how an event is shown to an expression.
//! `docs/expressions.md` is the user's side of it.
//!
//! ```
//! use regie_core::event::Event;
//! use regie_core::expr::{Program, Scope, View};
//!
//! let scope = Scope::new().with_event();
//! let program = Program::condition("event.type == 'order.paid' && event.payload.amount > 100", &scope)?;
//! let event = Event::new("order.paid", "order-1").payload(serde_json::json!({"amount": 120})).build()?;
//! assert!(program.truth(&View::new().event(event.event()))?);
//!
//! let refused = Program::condition("event.tpye == 'order.paid'", &scope).unwrap_err();
//! assert_eq!((refused.line, refused.column), (1, 7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call;
mod check;
mod cost;
mod error;
mod event;
mod function;
mod json;
mod kind;
mod operator;
mod pattern;
mod program;
mod rewrite;
mod scan;
mod scope;
mod source;
mod uses;
mod view;

pub use error::{EvalError, ExprError};
pub use program::Program;
pub use scope::{Scope, Shape};
pub use view::View;
