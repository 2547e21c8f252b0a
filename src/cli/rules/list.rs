//! `regie rules list` and `regie rules check`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use regie_core::automation::{Rule, RuleFileError, RuleSet};
use regie_core::event::Catalogue;
use regie_core::query::Order;
use regie_journal::Journal;
use serde_json::json;

use super::args::{CheckArgs, ListArgs};
use super::meant;
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::cli::table::{Column, Table};
use crate::config::Settings;
use crate::runtime::{RunReport, RunState, runs};

/// What the runs of one rule come to.
#[derive(Default)]
struct Ran {
    runs: u64,
    failed: u64,
    last: Option<String>,
    last_error: Option<String>,
}

/// Prints the rules that are meant, and how often each ran by the journal, if there is one.
pub(super) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let mut journal = if settings.db.exists() { Some(Journal::open_read_only(&settings.db)?.0.open()?) } else { None };
    let (set, whence) = meant(&settings, journal.as_mut())?;
    let reports = match &mut journal {
        Some(reader) => runs(reader, None, None, Order::default())?,
        None => Vec::new(),
    };
    print(&set, &Told { whence, ran: Some(&by_rule(&reports)), doubts: None }, args.common.json)
}

/// Prints what a rules file holds; one with a fault does not come so far.
pub(super) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let (set, _) = meant(&settings, None)?;
    let catalogue = settings.event_types()?.unwrap_or_else(Catalogue::shipped);
    let doubts = RuleSet::doubts(&std::fs::read_to_string(&args.file)?, &catalogue);
    for doubt in doubts.iter().filter(|_| !args.common.json) {
        let RuleFileError { line, column, why } = doubt;
        open::tell(&format!("regie: {}:{line}:{column}: warning: {why}", args.file.display()));
    }
    let whence = if doubts.is_empty() { "nothing wrong".into() } else { counted(doubts.len() as u64, "warning") };
    print(&set, &Told { whence: &whence, ran: None, doubts: Some(&doubts) }, args.common.json)
}

/// What is told of a set.
struct Told<'t> {
    /// Where it is from.
    whence: &'t str,
    /// How often its rules ran.
    ran: Option<&'t BTreeMap<&'t str, Ran>>,
    /// What of it is probably a slip.
    doubts: Option<&'t [RuleFileError]>,
}

fn by_rule(reports: &[RunReport]) -> BTreeMap<&str, Ran> {
    let mut by_rule: BTreeMap<&str, Ran> = BTreeMap::new();
    for report in reports {
        let ran = by_rule.entry(report.run.rule.as_str()).or_default();
        ran.runs += 1;
        ran.last = Some(report.recorded_at.to_string());
        if let RunState::Failed { error } = &report.state {
            ran.failed += 1;
            ran.last_error = Some(error.clone());
        }
    }
    by_rule
}

fn print(set: &RuleSet, told: &Told<'_>, as_json: bool) -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    if as_json {
        print_json(&mut screen, set, told)?;
    } else {
        print_table(&mut screen, set, told)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

fn on(rule: &Rule) -> String {
    rule.on().iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>().join(" ")
}

fn print_json(out: &mut dyn Write, set: &RuleSet, Told { whence, ran, doubts }: &Told<'_>) -> io::Result<()> {
    let rules = set.rules().map(|rule| {
        let mut told = json!({
            "name": rule.name(), "about": rule.about(), "when": rule.when(),
            "on": rule.on().iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>(), "text": rule.text(),
        });
        if let Some(ran) = ran {
            let none = Ran::default();
            let ran = ran.get(rule.name()).unwrap_or(&none);
            told["runs"] = ran.runs.into();
            told["failed"] = ran.failed.into();
            told["last"] = ran.last.clone().into();
            told["last_error"] = ran.last_error.clone().into();
        }
        told
    });
    let rules: Vec<_> = rules.collect();
    let mut told = json!({"set": set.digest().map(|digest| digest.short()), "whence": whence, "rules": rules});
    if let Some(doubts) = doubts {
        let doubt = |it: &RuleFileError| json!({"line": it.line, "column": it.column, "message": it.why});
        told["warnings"] = doubts.iter().map(doubt).collect();
    }
    writeln!(out, "{told}")
}

fn print_table(screen: &mut Screen, set: &RuleSet, Told { whence, ran, .. }: &Told<'_>) -> io::Result<()> {
    let look = screen.look;
    let mut columns =
        vec![Column::id("rule", 12), Column::id("about", 6), Column::words("on", 12, 8), Column::words("when", 20, 10)];
    if ran.is_some() {
        columns.extend([Column::id("runs", 4), Column::id("failed", 6)]);
    }
    let mut table = Table::new(columns);
    for rule in set.rules() {
        let mut cells = vec![
            (plain(rule.name()), Tone::Strong),
            (plain(rule.about().unwrap_or("-")), Tone::Plain),
            (plain(&on(rule)), Tone::Plain),
            (plain(rule.when().unwrap_or("-")), Tone::Plain),
        ];
        if let Some(ran) = ran {
            let (runs, failed) = ran.get(rule.name()).map_or((0, 0), |ran| (ran.runs, ran.failed));
            let tone = if failed > 0 { Tone::Doubtful } else { Tone::Plain };
            cells.extend([(runs.to_string(), Tone::Plain), (failed.to_string(), tone)]);
        }
        table.row(cells);
    }
    if !set.is_empty() {
        table.print(screen, look)?;
    }
    let errors = ran.iter().copied().flatten().filter_map(|(rule, ran)| Some((rule, ran.last_error.as_ref()?)));
    for (rule, error) in errors {
        writeln!(screen, "{}", look.paint(Tone::Doubtful, &format!("{} failed last: {}", plain(rule), plain(error))))?;
    }
    let digest = set.digest().map_or(String::new(), |digest| format!(" ({})", digest.short()));
    let told = format!("{}, {whence}{digest}", counted(set.len() as u64, "rule"));
    writeln!(screen, "{}", look.paint(Tone::Faint, &told))
}
