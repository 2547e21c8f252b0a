//! `regie workflow`: how workflows stand, and what is done to them.

mod args;
mod begin;
mod check;
mod list;
mod meant;
mod operate;
mod show;

use crate::Builder;
use crate::control::Operating;

use super::exit::{Exit, Failure};
use args::{HowArgs, What};
pub(super) use args::{StatusArgs, WorkflowArgs};
pub(super) use list::{cells, columns};

/// Lists them, shows one, or has something done to one.
pub(super) fn workflow(args: &WorkflowArgs, builder: Builder) -> Result<Exit, Failure> {
    let operate = |args, what| operate::operate(args, (what, None), builder.clone());
    match &args.what {
        What::List(args) => list::list(args),
        What::Show(args) => show::show(args, &builder),
        What::Start(args) => begin::start(args, builder),
        What::Send(args) => begin::send(args, builder),
        What::Cancel(args) => operate(args, Operating::Cancel),
        What::Pause(args) => operate(args, Operating::Pause),
        What::Resume(args) => operate(args, Operating::Resume),
        What::Retry(args) => operate(args, Operating::Retry),
        What::Terminate(args) => operate(args, Operating::Terminate),
        What::Unpark(args) => operate(&args.operate, how(&args.how)),
        What::Check(args) => check::check(args, &builder),
        What::Migrate(args) => operate::operate(&args.operate, (Operating::Migrate, Some(args.to)), builder),
    }
}

fn how(how: &HowArgs) -> Operating {
    match how {
        HowArgs { retry: true, .. } => Operating::UnparkRetry,
        HowArgs { skip: true, .. } => Operating::UnparkSkip,
        _ => Operating::UnparkAbandon,
    }
}
