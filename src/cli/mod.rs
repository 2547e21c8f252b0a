//! The `regie` command, for the plain binary and for yours.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     regie::cli::main(regie::builder())
//! }
//! ```
//!
//! A binary of your own gives the builder its handlers, agents and policies first; reading commands need none of them.

mod args;
mod ask;
mod escalations;
mod exit;
mod head;
mod letters;
mod log;
mod open;
#[cfg(feature = "otel")]
mod otel;
mod policy;
mod query;
mod rules;
mod run;
mod screen;
mod show;
mod state;
mod stats;
mod status;
mod table;
mod update;
mod verify;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

use crate::Builder;
use args::{Arguments, Command};
use exit::{Exit, Failure};

/// Reads the command line, does what it says, and gives the exit code.
///
/// What the command line and the configuration say of shards, durability, admission and policies is set on the builder;
/// what they do not say stays as the builder has it. Journal and clock are always theirs.
pub fn main(builder: Builder) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too. Nobody is there to be told if printing them fails.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let _kept_to_the_end = log::start();
    match perform(arguments.command, builder) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_closed_pipe() {
                complain(&failure);
            }
            failure.code()
        }
    }
}

fn perform(command: Command, builder: Builder) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(&args, builder),
        Command::Show(args) => show::show(&args, &builder),
        Command::Query(args) => query::query(&args),
        Command::Stats(args) => stats::stats(&args),
        Command::Status(args) => status::status(&args),
        Command::Workflow(args) => workflow::workflow(&args, builder),
        Command::Verify(args) => verify::verify(&args),
        Command::Head(args) => head::head(&args),
        Command::State(args) => state::state(&args, &builder),
        Command::Update(args) => update::update(&args, builder),
        Command::Rules(args) => rules::rules(&args, builder),
        Command::Policy(command) => policy::policy(&command),
        Command::DeadLetters(args) => letters::letters(&args, builder),
        Command::Escalations(args) => escalations::escalations(&args, builder),
    }
}

/// Tells a failure, one fault a line. `eprintln!` would panic where standard error is closed.
fn complain(failure: &Failure) {
    use std::io::Write;
    let mut out = std::io::stderr().lock();
    for line in failure.to_string().lines() {
        let _ = writeln!(out, "regie: {line}");
    }
}
