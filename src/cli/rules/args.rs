//! What may be said after `regie rules`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use regie_core::event::Principal;

use crate::cli::args::{ClockArg, CommonArgs};
use crate::cli::escalations::principal;
use crate::config::Layer;

#[derive(Args, Debug)]
pub(in crate::cli) struct RulesArgs {
    #[command(subcommand)]
    pub(super) what: What,
}

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Lists rules, and how often each ran
    List(ListArgs),
    /// Checks a rules file, and prints what it holds
    Check(CheckArgs),
    /// Lists the runs of rules, the newest first
    Runs(RunsArgs),
    /// Tells what rules would do with events, and does nothing
    DryRun(DryRunArgs),
    /// Puts back what a run changed
    Undo(UndoArgs),
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// The rules file [default: the configured one, else the rules that the journal recorded last, else those shipped]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The rules file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// A file of event types (TOML): rules may rest on its relations
    #[arg(long, value_name = "FILE")]
    pub(super) catalogue: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct RunsArgs {
    /// Of this rule
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) rule: Option<String>,
    /// At most so many, one at least
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct DryRunArgs {
    /// Events as JSON lines, our envelope or CloudEvents, also gzipped; `-` is standard input
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub(super) events: Vec<PathBuf>,
    /// The rules file [default: the configured one, else the rules that the journal recorded last, else those shipped]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    /// A file of event types (TOML), besides those that are shipped
    #[arg(long, value_name = "FILE")]
    pub(super) catalogue: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct UndoArgs {
    /// The run: its id, or a beginning of it that no other has
    #[arg(value_name = "RUN")]
    pub(super) run: String,
    /// Who says so: a user's name, or a kind and an id as in `agent:bot-1`
    #[arg(long, value_name = "WHO", value_parser = principal)]
    pub(super) by: Principal,
    /// Why; it is kept for ever
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) why: String,
    /// Overwrite later changes
    #[arg(long)]
    pub(super) force: bool,
    /// By which time it is recorded where nobody owns the journal [default: system]
    #[arg(long, value_name = "CLOCK")]
    pub(super) clock: Option<ClockArg>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

impl ListArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { rules: self.rules.clone(), ..self.common.layer() }
    }
}

impl CheckArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { rules: Some(self.file.clone()), catalogue: self.catalogue.clone(), ..self.common.layer() }
    }
}

impl DryRunArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { rules: self.rules.clone(), catalogue: self.catalogue.clone(), ..self.common.layer() }
    }
}

impl UndoArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { clock: self.clock.map(Into::into), ..self.common.layer() }
    }
}
