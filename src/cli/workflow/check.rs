//! `regie workflow check`: whether those that run one version of a definition could go on under another.

use std::io::{self, Write};

use regie_core::near;

use super::args::CheckArgs;
use crate::Builder;
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::runtime::{check_migration, has_version};

/// Prints those that could not.
pub(super) fn check(args: &CheckArgs, builder: &Builder) -> Result<Exit, Failure> {
    let definitions = builder.definitions();
    if let Err(error) = has_version(&definitions, &args.name, args.to) {
        let names = definitions.names().map(|(name, _)| name);
        let near = near::nearest(&args.name, names.filter(|name| *name != args.name));
        let hint = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        open::tell(&format!("regie: {error}{hint}"));
        return Ok(Exit::Refused);
    }
    let mut journal = open::read_fresh(&args.common)?;
    let check = check_migration(&mut journal.reader, &definitions, &args.name, (args.from, args.to))?;
    let mut screen = Screen::stdout();
    let look = screen.look;
    if args.common.json {
        serde_json::to_writer(&mut screen, &check).map_err(io::Error::from)?;
        writeln!(screen)?;
    } else {
        for misfit in &check.misfits {
            let id = look.paint(Tone::Strong, &plain(&misfit.correlation_id));
            writeln!(screen, "{id}  {}", look.paint(Tone::Bad, &plain(&misfit.why)))?;
        }
        let (checked, misfits) = (counted(check.checked, "workflow"), check.misfits.len());
        let told = match misfits {
            0 => format!("{checked} of version {} could go on under version {}", args.from, args.to),
            many => format!("of {checked} of version {}, {many} could not go on under version {}", args.from, args.to),
        };
        writeln!(screen, "{}", look.paint(Tone::Faint, &told))?;
    }
    screen.finish()?;
    Ok(if check.misfits.is_empty() { Exit::Done } else { Exit::Refused })
}
