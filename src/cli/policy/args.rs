//! What may be said on the command line of `regie policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use regie_core::Timestamp;

use crate::cli::args::{CommonArgs, time};
use crate::config::Layer;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PolicyCommand {
    /// Checks a policy file, and prints what it holds
    Check(CheckArgs),
    /// Prints the JSON Schema of policy files
    Schema(SchemaArgs),
    /// Tells what would become of events now
    Explain(ExplainArgs),
    /// Tells what a policy file would have done with history
    Backtest(BacktestArgs),
}

#[derive(Args, Debug)]
pub(in crate::cli) struct CheckArgs {
    /// The policy file [default: the one that is configured]
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct SchemaArgs {
    #[command(flatten)]
    pub(super) _common: CommonArgs,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ExplainArgs {
    /// JSON lines, our envelope or CloudEvents, also gzipped; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The policy file [default: the one that is configured, else the set that the journal recorded last]
    #[arg(long, value_name = "FILE")]
    pub(super) policies: Option<PathBuf>,
    /// As of that instant (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) at: Option<Timestamp>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct BacktestArgs {
    /// The policy file [default: the one that is configured]
    #[arg(long, value_name = "FILE")]
    pub(super) policies: Option<PathBuf>,
    /// History from files of JSON lines, also gzipped, in the order given [default: from the journal]
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "db")]
    pub(super) events: Vec<PathBuf>,
    /// Only events stamped then or later (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) from: Option<Timestamp>,
    /// Only events stamped before then (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) to: Option<Timestamp>,
    /// Another policy file: tell which events would fare otherwise under that
    #[arg(long, value_name = "FILE")]
    pub(super) against: Option<PathBuf>,
    /// With `--json`, the ids of all events by policy, type and verdict
    #[arg(long)]
    pub(super) ids: bool,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

impl CheckArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { policies: self.file.clone(), ..self.common.layer() }
    }
}

impl ExplainArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { policies: self.policies.clone(), ..self.common.layer() }
    }
}

impl BacktestArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { policies: self.policies.clone(), ..self.common.layer() }
    }

    /// Whether a timestamp is before the part of the history that is tried, and whether it is after.
    pub(super) fn is_outside(&self, at: Timestamp) -> (bool, bool) {
        (self.from.is_some_and(|from| at < from), self.to.is_some_and(|to| at >= to))
    }
}
