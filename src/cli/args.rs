//! What may be said on the command line. `docs/cli.md` is held against this by a test.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use regie_core::event::{LifeState, Pattern, Principal};
use regie_core::{Timestamp, limits};

use super::escalations::EscalationsArgs;
use super::letters::LettersArgs;
use super::policy::args::PolicyCommand;
use super::rules::RulesArgs;
use super::update::UpdateArgs;
use super::workflow::{StatusArgs, WorkflowArgs};
use crate::config::{Clock, Layer};
use regie_journal::Durability;

/// Runs events through workflows into a durable journal, and tells what happened to them
#[derive(Debug, Parser)]
#[command(name = "regie", version, disable_help_subcommand = true, max_term_width = 100, after_help = AFTER)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

const AFTER: &str = "\
Exit codes: 0 done, 1 verify found a break, 2 wrong use or configuration, 3 nothing there, \
4 some was refused, 5 the journal cannot be used, 6 it is not known whether it was done, 130 interrupted.

Environment: REGIE_CONFIG, REGIE_DB, REGIE_POLICIES, REGIE_CATALOGUE, REGIE_RULES, REGIE_CLOCK, REGIE_DURABILITY, REGIE_SHARDS, \
REGIE_ADMISSION, REGIE_IN_FLIGHT, REGIE_MAX_BYTES; REGIE_LOG (error, warn, info, debug, trace) and REGIE_LOG_FORMAT (json); NO_COLOR.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Takes events from files into the journal
    Run(RunArgs),
    /// Tells the story of one correlation
    Show(ShowArgs),
    /// Lists events
    Query(QueryArgs),
    /// Counts events
    Stats(StatsArgs),
    /// Tells how all workflows stand, and the process that runs them
    Status(StatusArgs),
    /// Lists workflows, shows one, begins one, and does something to one
    Workflow(WorkflowArgs),
    /// Checks every chain of the journal from its first record
    Verify(PlainArgs),
    /// Prints the journal's last position and digest
    Head(PlainArgs),
    /// Prints the state of an entity, now or at an instant
    State(StateArgs),
    /// Has an entity's fields have these values, told by events of what differs
    Update(UpdateArgs),
    /// Checks a policy file, and tries one on an event or on history
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Lists, checks and tries rules, tells their runs, and puts one back
    Rules(RulesArgs),
    /// Lists the events that wait for a person, and takes decisions over them
    Escalations(EscalationsArgs),
    /// Lists what could not be handled, and has it tried again or discards it
    DeadLetters(LettersArgs),
}

/// What every command takes.
#[derive(Args, Debug)]
pub(super) struct CommonArgs {
    /// The journal [default: ./regie.db]
    #[arg(long, value_name = "FILE")]
    pub(super) db: Option<PathBuf>,
    /// A config file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON for programs
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// JSON lines, our envelope or CloudEvents, also gzipped; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
    /// The policy file; the run follows it when it changes
    #[arg(long, value_name = "FILE")]
    pub(super) policies: Option<PathBuf>,
    /// A file of event types (TOML), besides those that are shipped
    #[arg(long, value_name = "FILE")]
    pub(super) catalogue: Option<PathBuf>,
    /// The rules file (TOML) [default: the four rules that are shipped]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    /// What time it is: the machine's, or the events' own [default: system]
    #[arg(long, value_name = "CLOCK")]
    pub(super) clock: Option<ClockArg>,
    /// Run the timers out at the end: jumps on the event clock, waits on the system clock
    #[arg(long)]
    pub(super) drain: bool,
    /// Stop at the first line that cannot be taken
    #[arg(long)]
    pub(super) strict: bool,
    /// Shards [default: as many as cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=crate::config::SHARDS_MAX as i64))]
    pub(super) shards: Option<u16>,
    /// What an answer means: on disk for good, or safe from a crash of the process alone [default: strict]
    #[arg(long, value_name = "DURABILITY")]
    pub(super) durability: Option<DurabilityArg>,
    /// Events under way at once [default: 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=limits::QUEUED_PER_WORKFLOW as i64))]
    pub(super) in_flight: Option<u16>,
    /// Who puts the policies in force, as the journal will tell: `ana` is a user, `agent:bot` says the kind
    #[arg(long, value_name = "WHO")]
    pub(super) by: Option<String>,
    /// Add each answer to this file as it comes, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) answers: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// The correlation
    #[arg(value_name = "CORRELATION")]
    pub(super) correlation: String,
    /// Its workflow as a Mermaid diagram, with where it stands, instead: by the program that carries the definition
    #[arg(long, conflicts_with = "json")]
    pub(super) diagram: bool,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct QueryArgs {
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = limit)]
    pub(super) limit: Option<usize>,
    /// The newest first
    #[arg(long)]
    pub(super) newest: bool,
    /// Count them instead
    #[arg(long, conflicts_with_all = ["raw", "newest"])]
    pub(super) count: bool,
    /// Print the bytes of each as they came
    #[arg(long)]
    pub(super) raw: bool,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct PlainArgs {
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct StateArgs {
    /// The entity's type
    #[arg(value_name = "TYPE")]
    pub(super) kind: String,
    /// The entity's id
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// At that instant, what is stamped so included (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) at: Option<Timestamp>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// Which events are meant; all conditions together.
#[derive(Args, Debug, Default)]
pub(super) struct FilterArgs {
    #[command(flatten)]
    pub(super) which: WhichArgs,
    /// In this state now
    #[arg(long, value_name = "STATE")]
    pub(super) state: Option<StateArg>,
    /// The runtime's own too
    #[arg(long)]
    pub(super) own: bool,
}

/// Which events are meant, of those that a command is about anyway.
#[derive(Args, Debug, Default)]
pub(super) struct WhichArgs {
    /// Of this correlation
    #[arg(long, value_name = "ID")]
    pub(super) correlation: Option<String>,
    /// Done by the one with this id, whatever its kind
    #[arg(long, value_name = "ID")]
    pub(super) actor: Option<String>,
    /// Of a type that fits: `*` is one segment, `>` all that follow
    #[arg(long = "type", value_name = "PATTERN", value_parser = Pattern::parse)]
    pub(super) kind: Option<Pattern>,
    /// Of this session
    #[arg(long, value_name = "KEY")]
    pub(super) session: Option<String>,
    /// Stamped then or later (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) from: Option<Timestamp>,
    /// Stamped before then (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) to: Option<Timestamp>,
    /// About this entity or touching it
    #[arg(long, num_args = 2, value_names = ["TYPE", "ID"])]
    pub(super) entity: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ClockArg {
    /// The machine's
    System,
    /// The events' own: timers run when an event's timestamp reaches them
    Event,
}

/// Where an event is in its life.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StateArg {
    /// Recorded, its end not yet known
    Pending,
    /// It did what it does
    Processed,
    /// To be judged again later
    Deferred,
    /// A person decides
    Escalated,
    /// It may not go on, or was skipped
    Discarded,
}

impl From<StateArg> for LifeState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Pending => Self::Pending,
            StateArg::Processed => Self::Processed,
            StateArg::Deferred => Self::Deferred,
            StateArg::Escalated => Self::Escalated,
            StateArg::Discarded => Self::Discarded,
        }
    }
}

impl From<ClockArg> for Clock {
    fn from(clock: ClockArg) -> Self {
        match clock {
            ClockArg::System => Self::System,
            ClockArg::Event => Self::Event,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum DurabilityArg {
    /// An answer survives power loss
    Strict,
    /// An answer survives a crash of the process, not of the machine
    Relaxed,
}

impl CommonArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        Layer { db: self.db.clone(), ..Layer::default() }
    }
}

impl RunArgs {
    /// Who puts the policies in force.
    pub(super) fn by(&self) -> Option<Principal> {
        self.by.as_deref().map(principal)
    }

    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        let clock = self.clock.map(Into::into);
        let durability = self.durability.map(|it| match it {
            DurabilityArg::Strict => Durability::Strict,
            DurabilityArg::Relaxed => Durability::Relaxed,
        });
        let shards = self.shards.map(usize::from);
        let (policies, rules) = (self.policies.clone(), self.rules.clone());
        let (catalogue, in_flight) = (self.catalogue.clone(), self.in_flight.map(usize::from));
        Layer { policies, catalogue, rules, clock, durability, shards, in_flight, ..self.common.layer() }
    }
}

/// Who somebody is by their word: a user, unless a kind stands before a colon.
pub(super) fn principal(word: &str) -> Principal {
    match word.split_once(':') {
        Some((kind, id)) => Principal { kind: kind.into(), id: id.into() },
        None => Principal::user(word),
    }
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("that would list nothing; leave it out to list all".into()),
        Ok(limit) => Ok(limit),
        Err(_) => Err("it is a whole number from 1".into()),
    }
}
