//! What is done to a workflow by name: cancel, pause, resume, retry, unpark, terminate, migrate.

use std::io::Write;

use regie_core::event::ErrorInfo;
use serde_json::json;
use uuid::Uuid;

use super::args::{OperateArgs, SignedArgs};
use super::meant::{meant, none};
use super::show;
use crate::Builder;
use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;
use crate::cli::{ask, open};
use crate::config::Settings;
use crate::control::{Answer, Ask, Operate, Operating};

/// Does it: by this process where nobody owns the journal, else by the one that does.
pub(super) fn operate(
    args: &OperateArgs,
    (operation, to): (Operating, Option<u32>),
    builder: Builder,
) -> Result<Exit, Failure> {
    let signed = &args.signed;
    let settings = Settings::resolve(signed.layer(), signed.common.config.as_deref(), open::variable)?;
    let mut journal = open::read_fresh(&signed.common)?;
    let Some(workflow) = meant(&mut journal.reader, &args.id)? else {
        return none(&mut journal.reader, &args.id, signed.common.json);
    };
    drop(journal); // whoever owns it may have to rebuild its index
    let (by, why) = (signed.by.clone(), signed.why.clone());
    let id = args.operation_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    let ask = Ask::Operate(Operate { correlation_id: workflow.to_string(), operation, id, to, by, why });
    match ask::ask(&settings, &builder, &ask)? {
        Answer::Workflow(report) => {
            let mut screen = Screen::stdout();
            if signed.common.json {
                show::print_json(&mut screen, &report)?;
            } else {
                show::print(&mut screen, &report, None)?;
            }
            screen.finish()?;
            Ok(Exit::Done)
        }
        Answer::Refused(error) => refused(signed, &error),
        _ => Err(Failure::Unreachable("the owner answered another question".into())),
    }
}

/// It was not done.
pub(super) fn refused(args: &SignedArgs, error: &ErrorInfo) -> Result<Exit, Failure> {
    if args.common.json {
        let mut screen = Screen::stdout();
        writeln!(screen, "{}", json!({"error": error.code, "message": error.message}))?;
        screen.finish()?;
    }
    match error.code.as_str() {
        "unsigned" | "bad_id" | "bad_event" | "breach" | "no_time" | "which_type" => {
            Err(Failure::Usage(error.message.clone()))
        }
        "journal" | "disk_full" | "latched" | "part_down" | "closing" | "not_allowed" | "version" | "bad_request"
        | "too_long" => Err(Failure::Unreachable(error.message.clone())),
        code => {
            let hint = match code {
                "unknown_definition" | "no_workflow" => {
                    "; a program has its own definitions by 'regie::cli::main(builder)': use the command of that one, \
                     or ask while it owns the journal"
                }
                _ => "",
            };
            open::tell(&format!("regie: {}{hint}", error.message));
            Ok(if code == "no_run" { Exit::Nothing } else { Exit::Refused })
        }
    }
}
