//! `regie policy`: checking a policy file, and trying it before it is in force.

pub(super) mod args;
mod backtest;
mod check;
mod explain;
pub(super) mod history;
mod told;

use std::io::Write;

use regie_core::governance::PolicySet;

use self::args::PolicyCommand;
use super::exit::{Exit, Failure};
use super::open;
use super::screen::Screen;
use crate::config::{Layer, Settings};

/// The JSON Schema of policy files.
const SCHEMA: &str = include_str!("../../../docs/policy.schema.json");

/// Does what a command of `regie policy` says.
pub(super) fn policy(command: &PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Check(args) => check::check(args),
        PolicyCommand::Schema(_) => schema(),
        PolicyCommand::Explain(args) => explain::explain(args),
        PolicyCommand::Backtest(args) => backtest::backtest(args),
    }
}

fn schema() -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    screen.write_all(SCHEMA.as_bytes())?;
    screen.finish()?;
    Ok(Exit::Done)
}

fn settings(layer: Layer, common: &super::args::CommonArgs) -> Result<Settings, Failure> {
    Ok(Settings::resolve(layer, common.config.as_deref(), open::variable)?)
}

/// The policy file that flags, environment or config file name; one of them must.
fn named(settings: &Settings) -> Result<PolicySet, Failure> {
    let missing = || Failure::Usage("no policy file is named: by --policies, REGIE_POLICIES or a config file".into());
    settings.policy_set()?.ok_or_else(missing)
}
