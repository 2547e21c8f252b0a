//! Rules over committed events: what they watch for, and what follows. `docs/rules.md` is the user's side of it.
//!
//! A rule is written ([`RuleSet::parse`], [`Rule::named`]) and compiled once. The [`Evaluator`] folds committed events, in the
//! journal's order, into a [`World`] of entities and their relations, and gives a [`Run`] for each rule that goes from not
//! holding to holding. What a run does is made out whole before any of it is done; doing it is the work of handlers.

mod acts;
mod carry_back;
mod carry_out;
mod changed;
mod doubts;
mod draft;
mod dry_run;
mod evaluate;
mod fault;
mod file;
mod interest;
mod plan;
mod rule;
mod run;
mod scene;
mod set;
mod share;
mod template;
mod undo;
mod world;

pub use crate::query::Committed;
pub use acts::{RULE_SOURCE, RUN, RUNS_METADATA, UNDO};
pub use carry_back::{RULE_UNDONE, UndoHandler, UndoNoted, UndoProgress};
pub use carry_out::{ActEnded, BACK, Back, RULE_RAN, RunHandler, RunNoted, RunProgress};
pub use changed::{Changed, PutBack, Recorded, Replaced, Whose, changed};
pub use dry_run::{DryRun, Updates, dry_run};
pub use evaluate::{Evaluator, Knowledge, Taken, Takeover};
pub use file::{KnownType, RuleFileError};
pub use plan::workflow_to_begin;
pub use rule::{Emit, Rule, RuleBuilder, RuleError};
pub use run::{Act, RULE_FAILED, Run, Trigger, run_correlation, run_of, undo_correlation};
pub use set::{RuleSet, RuleSetError};
pub use undo::{LaterChange, Undo, UndoAsk, UndoRefusal, undo};
pub use world::{World, WorldError};
