//! `regie policy check`: what a policy file holds, or all that is wrong with it.

use std::io::{self, Write};

use regie_core::governance::PolicySet;
use serde_json::json;

use super::args::CheckArgs;
use super::{named, settings};
use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::{Look, Screen, Tone, grouped, plain};
use crate::cli::table::{Column, Table};

/// Prints what a policy file holds.
pub(super) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let settings = settings(args.layer(), &args.common)?;
    let set = named(&settings)?;
    let mut screen = Screen::stdout();
    if args.common.json {
        writeln!(screen, "{}", as_json(&set))?;
    } else {
        let look = screen.look;
        print(&mut screen, look, &set)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

fn as_json(set: &PolicySet) -> serde_json::Value {
    let policies: Vec<_> = set.policies().map(|policy| policy.describe()).collect();
    json!({"set": set.digest().map(|digest| digest.short()), "max_deferrals": set.most_deferrals(), "policies": policies})
}

/// In the order in which they are looked at.
fn print(out: &mut dyn Write, look: Look, set: &PolicySet) -> io::Result<()> {
    let columns = [
        Column::id("policy", 12),
        Column::words("kind", 8, 8),
        Column::id("match", 10),
        Column::words("key", 5, 5),
        Column::words("what it says", 20, 10),
    ];
    let mut table = Table::new(columns);
    for policy in set.policies() {
        table.row([
            (plain(policy.name()), Tone::Strong),
            (policy.kind().word().to_string(), Tone::Plain),
            (plain(policy.pattern().as_str()), Tone::Plain),
            (policy.kind().key().map_or("-".to_string(), |key| key.as_str().to_string()), Tone::Plain),
            (plain(policy.why()), Tone::Plain),
        ]);
    }
    if !set.is_empty() {
        table.print(out, look)?;
    }
    let digest = set.digest().map_or(String::new(), |digest| format!(" ({})", digest.short()));
    let count = if set.len() == 1 { "1 policy".to_string() } else { format!("{} policies", grouped(set.len() as u64)) };
    writeln!(out, "{}", look.paint(Tone::Faint, &format!("{count}, nothing wrong{digest}")))
}
