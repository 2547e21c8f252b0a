//! What may be said after `regie dead-letters`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use regie_core::Timestamp;
use regie_core::event::{Pattern, Principal};

use crate::cli::args::{ClockArg, CommonArgs, time};
use crate::cli::escalations::principal;
use crate::config::Layer;

#[derive(Args, Debug)]
pub(in crate::cli) struct LettersArgs {
    #[command(subcommand)]
    pub(super) what: What,
}

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Lists them, in the journal's order
    List(ListArgs),
    /// Shows one whole
    Show(ShowArgs),
    /// Has some tried again
    Retry(ResolveArgs),
    /// Discards some
    Discard(ResolveArgs),
}

/// Which are meant.
#[derive(Args, Debug)]
pub(super) struct MeantArgs {
    /// Those of this subscriber
    #[arg(long, value_name = "NAME")]
    pub(super) subscriber: Option<String>,
    /// Those about events of a type that fits
    #[arg(long = "type", value_name = "PATTERN", value_parser = pattern)]
    pub(super) kind: Option<Pattern>,
    /// Those that wait since before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) before: Option<Timestamp>,
}

impl MeantArgs {
    pub(super) fn is_said(&self) -> bool {
        self.subscriber.is_some() || self.kind.is_some() || self.before.is_some()
    }
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) meant: MeantArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// Its position in the journal
    #[arg(value_name = "POSITION")]
    pub(super) position: u64,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct ResolveArgs {
    /// Their positions in the journal
    #[arg(value_name = "POSITION")]
    pub(super) positions: Vec<u64>,
    #[command(flatten)]
    pub(super) meant: MeantArgs,
    /// All that wait
    #[arg(long)]
    pub(super) all: bool,
    /// Who decides: a user's name, or a kind and an id as in `agent:bot-1`
    #[arg(long, value_name = "WHO", value_parser = principal)]
    pub(super) by: Principal,
    /// Why; it is kept for ever
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) why: String,
    /// By which time it is recorded where nobody owns the journal [default: system]
    #[arg(long, value_name = "CLOCK")]
    pub(super) clock: Option<ClockArg>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

impl ResolveArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { clock: self.clock.map(Into::into), ..self.common.layer() }
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| error.to_string())
}
