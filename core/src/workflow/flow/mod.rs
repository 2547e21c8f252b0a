//! Flows: what is to be done, as a tree of tasks that knows what comes next.
//!
//! A [`Flow`] is built once, checked whole, and is an ordinary [`Handler`](super::Handler). Where it is in the tree is kept
//! as a frame for each task under way, by its path (`orders[3]/place`); what happens is a [`FlowFact`] that the state follows
//! without asking the definition: replay evaluates nothing again.
//!
//! | File | What it holds |
//! |---|---|
//! | `model` | the tree |
//! | `builder`, `tasks`, `value` | how it is written |
//! | `check` | what is wrong with one, each fault with its place |
//! | `scope` | what an expression sees |
//! | `fact`, `state`, `cells` | what happened, and how the state follows |
//! | `written` | what happened, without a value twice |
//! | `walk`, `enter`, `leave` | the moves: into a task, out of it, and what its parent makes of that |
//! | `broke` | a failure that nobody catches, and how it is gone on with |
//! | `join` | when a fork or a loop is over |
//! | `listen` | which event a task was waiting for |
//! | `handler` | inputs and operations |
//! | `fits` | whether a run of another version can go on |
//! | `mermaid` | a flow as a picture |

mod broke;
mod builder;
mod cells;
mod check;
mod enter;
mod fact;
mod fits;
mod handler;
mod join;
mod leave;
mod listen;
mod mermaid;
mod model;
mod rules;
mod scope;
mod state;
mod tasks;
mod value;
mod walk;
mod written;

pub use builder::{Ended, FlowBuilder, IntoTask, Task};
pub use check::{FlowFault, FlowFaults};
pub use fact::{FlowError, FlowFact, Left};
pub use handler::Flow;
pub use scope::Scope;
pub use state::FlowState;
pub use tasks::{
    AttemptTask, CallTask, ChooseTask, EachTask, ForkTask, ListenTask, SequenceTask, SetTask, StepsTask, SwitchTask,
    attempt, call, choose, each, emit, fork, listen, raise, run, sequence, set, steps, switch, wait, wait_until,
};
pub use value::{IntoInstant, IntoTruth, IntoValue};
