//! What may be said after `regie escalations`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use regie_core::event::Principal;

use crate::cli::args::{ClockArg, CommonArgs, WhichArgs};
use crate::config::Layer;

#[derive(Args, Debug)]
pub(in crate::cli) struct EscalationsArgs {
    #[command(subcommand)]
    pub(super) what: What,
}

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Lists the events that wait for a person, the oldest first
    List(ListArgs),
    /// Lets an event go on
    Approve(DecideArgs),
    /// Discards an event
    Reject(DecideArgs),
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) which: WhichArgs,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct DecideArgs {
    /// The event: its id, `source#id`, or its position in the journal
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Who decides: a user's name, or a kind and an id as in `agent:bot-1`
    #[arg(long, value_name = "WHO", value_parser = principal)]
    pub(super) by: Principal,
    /// Why; it is kept for ever
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) why: String,
    /// The event of this correlation
    #[arg(long, value_name = "ID")]
    pub(super) correlation: Option<String>,
    /// The event of this source
    #[arg(long, value_name = "SOURCE")]
    pub(super) source: Option<String>,
    /// By which time it is recorded where nobody owns the journal [default: system]
    #[arg(long, value_name = "CLOCK")]
    pub(super) clock: Option<ClockArg>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

impl DecideArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { clock: self.clock.map(Into::into), ..self.common.layer() }
    }
}

/// Who somebody is by their word.
pub(in crate::cli) fn principal(text: &str) -> Result<Principal, String> {
    let (kind, id) = text.split_once(':').unwrap_or(("user", text));
    if kind.trim().is_empty() || id.trim().is_empty() {
        return Err("it is a name, or a kind and an id as in 'agent:bot-1'".into());
    }
    Ok(Principal { kind: kind.into(), id: id.into() })
}
