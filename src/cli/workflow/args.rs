//! What may be said after `regie workflow`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use regie_core::event::Principal;
use regie_core::query::{RunCondition, RunCursor};
use regie_core::workflow::Standing;
use regie_core::{Json, Timestamp};

use crate::cli::args::{ClockArg, CommonArgs, time};
use crate::cli::escalations::principal;
use crate::config::Layer;

#[derive(Args, Debug)]
pub(in crate::cli) struct WorkflowArgs {
    #[command(subcommand)]
    pub(super) what: What,
}

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Lists workflows, the oldest first
    List(ListArgs),
    /// Shows how one stands
    Show(ShowArgs),
    /// Begins one
    Start(StartArgs),
    /// Tells one something: an event
    Send(SendArgs),
    /// Stops one, and puts back what it did as far as its definition says how
    Cancel(OperateArgs),
    /// Lets nothing of one out any more
    Pause(OperateArgs),
    /// Lets out again what a paused one owes
    Resume(OperateArgs),
    /// Has a failed one go on at the step that failed
    Retry(OperateArgs),
    /// Takes on what of one waits for a person since longest
    Unpark(UnparkArgs),
    /// Ends one at once, and puts nothing back
    Terminate(OperateArgs),
    /// Checks whether those that run one version of a definition could go on under another
    Check(CheckArgs),
    /// Takes one over to another version of its definition
    Migrate(MigrateArgs),
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Of this definition
    #[arg(long, value_name = "NAME")]
    pub(super) definition: Option<String>,
    /// That stand like that
    #[arg(long, value_name = "STATUS")]
    pub(super) status: Option<StatusArg>,
    /// Begun then or later (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) since: Option<Timestamp>,
    /// Begun before then (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) until: Option<Timestamp>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = crate::cli::args::limit)]
    pub(super) limit: Option<usize>,
    /// Those after this one: the cursor that `--json` tells of each
    #[arg(long, value_name = "CURSOR", value_parser = str::parse::<RunCursor>)]
    pub(super) after: Option<RunCursor>,
    /// The runtime's own too
    #[arg(long)]
    pub(super) own: bool,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// Its correlation, or the beginning of that
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// So many of its last records
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) last: usize,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// Who does it and why, and by which time.
#[derive(Args, Debug)]
pub(super) struct SignedArgs {
    /// Who does it: a user's name, or a kind and an id as in `agent:bot-1`
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

impl SignedArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { clock: self.clock.map(Into::into), ..self.common.layer() }
    }
}

#[derive(Args, Debug)]
pub(super) struct StartArgs {
    /// The definition
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// The correlation in which it is to run
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: String,
    /// What it is given
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(super) input: Option<Json>,
    /// The type of the event that begins it, where its definition begins on several
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) kind: Option<String>,
    #[command(flatten)]
    pub(super) signed: SignedArgs,
}

#[derive(Args, Debug)]
pub(super) struct SendArgs {
    /// Its correlation, or the beginning of that
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// The type of the event
    #[arg(value_name = "TYPE")]
    pub(super) kind: String,
    /// The event's payload
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(super) payload: Option<Json>,
    /// The event's own id: sent twice under one it is sent once
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) event_id: Option<String>,
    #[command(flatten)]
    pub(super) signed: SignedArgs,
}

#[derive(Args, Debug)]
pub(super) struct OperateArgs {
    /// Its correlation, or the beginning of that
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// The id of what is asked: asked again under it, it is done once [default: a new one]
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) operation_id: Option<String>,
    #[command(flatten)]
    pub(super) signed: SignedArgs,
}

#[derive(Args, Debug)]
pub(super) struct UnparkArgs {
    #[command(flatten)]
    pub(super) how: HowArgs,
    #[command(flatten)]
    pub(super) operate: OperateArgs,
}

/// How it is taken on: one of the three.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct HowArgs {
    /// `unpark`: it is tried again, with all its attempts
    #[arg(long)]
    pub(super) retry: bool,
    /// `unpark`: it is passed over, and the workflow goes on after it
    #[arg(long)]
    pub(super) skip: bool,
    /// `unpark`: the workflow ends; what is not put back yet stays
    #[arg(long)]
    pub(super) abandon: bool,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The definition
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// The version that they run
    #[arg(long, value_name = "VERSION")]
    pub(super) from: u32,
    /// The version that they would take
    #[arg(long, value_name = "VERSION")]
    pub(super) to: u32,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct MigrateArgs {
    /// The version that it takes
    #[arg(long, value_name = "VERSION")]
    pub(super) to: u32,
    #[command(flatten)]
    pub(super) operate: OperateArgs,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    pub(in crate::cli) common: CommonArgs,
}

/// How a workflow is to stand.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StatusArg {
    /// It takes inputs
    Running,
    /// What it did is being put back
    Compensating,
    /// Over, as its definition wanted
    Completed,
    /// Over, and not as that wanted
    Failed,
    /// Cancelled
    Cancelled,
    /// Ended at once
    Terminated,
    /// Nothing of it goes out for now
    Paused,
    /// Something of it waits for a person
    Parked,
}

impl From<StatusArg> for RunCondition {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Running => Self::Status(Standing::Running),
            StatusArg::Compensating => Self::Status(Standing::Compensating),
            StatusArg::Completed => Self::Status(Standing::Completed),
            StatusArg::Failed => Self::Status(Standing::Failed),
            StatusArg::Cancelled => Self::Status(Standing::Cancelled),
            StatusArg::Terminated => Self::Status(Standing::Terminated),
            StatusArg::Paused => Self::Paused,
            StatusArg::Parked => Self::Parked,
        }
    }
}

fn json(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|error| format!("it is no JSON: {error}; a text stands in quotes, as in '\"text\"'"))
}
