//! The report of a run for people: fits 80 columns, and ends with what to try next.

use std::io::{self, Write};
use std::path::Path;

use regie_core::event::LifeState;

use super::report::Report;
use crate::cli::query::tone_of;
use crate::cli::screen::{Look, Tone, counted, grouped, pieces, plain, wrap};
use crate::config::DEFAULT_DB;

/// Types that are listed.
const TYPES: usize = 6;
/// Columns of the labels.
const LABEL: usize = 12;

/// Prints the summary.
pub(super) fn print(out: &mut dyn Write, look: Look, report: &Report) -> io::Result<()> {
    let mut page = Page { out, look, width: look.readable(), report };
    page.lines_taken()?;
    page.states()?;
    page.types()?;
    page.work()?;
    page.deferred()?;
    page.journal()?;
    page.try_next()
}

struct Page<'a> {
    out: &'a mut dyn Write,
    look: Look,
    width: usize,
    report: &'a Report,
}

impl Page<'_> {
    fn lines_taken(&mut self) -> io::Result<()> {
        let report = self.report;
        let taken = counted(report.new + report.known, "event");
        let files = counted(report.files.len() as u64, "file");
        let told = format!("{taken} from {files} in {}", seconds(report.elapsed.as_secs_f64()));
        writeln!(self.out, "{}", self.look.paint(Tone::Strong, &told))?;
        let count = |number: u64, word: &str, tone: Tone| {
            let text = format!("{} {word}", grouped(number));
            if number > 0 { self.look.paint(tone, &text) } else { self.look.paint(Tone::Faint, &text) }
        };
        let unreadable = if report.unreadable_count == 1 { "unreadable line" } else { "unreadable lines" };
        let counts = [
            count(report.new, "new", Tone::Good),
            count(report.known, "known", Tone::Plain),
            count(report.refused_count, "refused", Tone::Bad),
            count(report.unreadable_count, unreadable, Tone::Bad),
        ];
        let unchanged = if report.changed { "" } else { "; nothing changed" };
        writeln!(self.out, "{}{unchanged}", counts.join(", "))?;
        let Some(stopped) = &report.stopped else { return Ok(()) };
        for line in wrap(&plain(stopped), self.width) {
            writeln!(self.out, "{}", self.look.paint(Tone::Bad, &line))?;
        }
        Ok(())
    }

    fn states(&mut self) -> io::Result<()> {
        writeln!(self.out)?;
        if self.report.states.is_empty() {
            return Ok(());
        }
        let told = LifeState::ALL.iter().filter_map(|state| {
            let count = self.report.states.get(state.as_str())?;
            Some(self.look.paint(tone_of(*state), &format!("{} {state}", grouped(*count))))
        });
        let told = told.collect::<Vec<_>>().join(", ");
        self.labelled("States now", &told)
    }

    fn types(&mut self) -> io::Result<()> {
        let mut types: Vec<(&String, u64)> = self.report.types.iter().map(|(name, count)| (name, *count)).collect();
        types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let left_out = types.len().saturating_sub(TYPES);
        types.truncate(TYPES);
        let room = self.width - LABEL - 10;
        let width = types.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(room);
        for (at, (name, count)) in types.iter().enumerate() {
            let label = if at == 0 { "Types" } else { "" };
            let mut pieces = pieces(&plain(name), width);
            let last = pieces.pop().unwrap_or_default();
            pieces.iter().try_for_each(|piece| self.labelled("", piece))?;
            self.labelled(label, &format!("{last:<width$}{:>10}", grouped(*count)))?;
        }
        if left_out > 0 {
            let more = self.look.paint(Tone::Faint, &format!("and {left_out} more"));
            self.labelled("", &more)?;
        }
        Ok(())
    }

    fn work(&mut self) -> io::Result<()> {
        let report = self.report;
        if report.new + report.known == 0 && report.timers_fired == 0 {
            return Ok(());
        }
        let workflows = counted(report.workflows_started, "workflow");
        self.labelled("Work", &format!("{}, {workflows} started", counted(report.correlations, "correlation")))?;
        let restarts = counted(report.restarts, "restart");
        let turns = counted(report.turns, "turn");
        self.labelled("", &format!("{turns} in {}, {restarts}", counted(report.commits, "commit")))?;
        self.rules()?;
        if report.timers_fired > 0 {
            self.labelled("", &format!("{} ran out", counted(report.timers_fired, "timer")))?;
        }
        let rate = counted(report.events_per_second.round() as u64, "event");
        let latency = report.latency_ms;
        self.labelled("Speed", &format!("{rate}/s"))?;
        self.labelled(
            "Answers",
            &format!("p50 {}, p99 {}, at most {}", millis(latency.p50), millis(latency.p99), millis(latency.max)),
        )
    }

    fn rules(&mut self) -> io::Result<()> {
        let rules = &self.report.rules;
        if rules.runs > 0 {
            let some =
                |count: u64, what: &str| if count > 0 { format!(", {} {what}", grouped(count)) } else { String::new() };
            let (failed, under_way) = (some(rules.failed, "failed"), some(rules.under_way, "under way"));
            self.labelled("Rules", &format!("{}{failed}{under_way}", counted(rules.runs, "run")))?;
        }
        match &rules.trouble {
            Some(trouble) => self.wrapped(if rules.runs > 0 { "" } else { "Rules" }, trouble),
            None => Ok(()),
        }
    }

    fn deferred(&mut self) -> io::Result<()> {
        let report = self.report;
        if report.deferred_count == 0 {
            return Ok(());
        }
        let verb = if report.deferred_count == 1 { "waits" } else { "wait" };
        let told = format!("{} {verb} (--drain runs them out)", counted(report.deferred_count, "event"));
        let told = self.look.paint(Tone::Doubtful, &told);
        self.labelled("Deferred", &told)?;
        for deferred in &report.deferred {
            let until = deferred.until.to_string();
            let room = self.width.saturating_sub(LABEL + until.len() + 2);
            let name = plain(&format!("{} of {}", deferred.event_id, deferred.correlation_id));
            for (at, line) in wrap(&name, room).iter().enumerate() {
                let (width, until) = (until.len(), if at == 0 { until.as_str() } else { "" });
                self.labelled("", &format!("{until:<width$}  {line}"))?;
            }
        }
        let more = report.deferred_count.saturating_sub(report.deferred.len() as u64);
        if more > 0 && !report.deferred.is_empty() {
            self.labelled("", &self.look.paint(Tone::Faint, &format!("and {} more", grouped(more))))?;
        }
        Ok(())
    }

    fn journal(&mut self) -> io::Result<()> {
        let now = &self.report.journal;
        for (at, piece) in pieces(&plain(&self.report.db), self.width - LABEL).iter().enumerate() {
            self.labelled(if at == 0 { "Journal" } else { "" }, piece)?;
        }
        let held = format!("{} of {}", counted(now.events, "event"), counted(now.correlations, "correlation"));
        self.labelled("", &format!("{held}, head {} {}", grouped(now.position), now.digest.short()))?;
        self.report.notes.iter().try_for_each(|note| self.wrapped("Note", note))
    }

    fn try_next(&mut self) -> io::Result<()> {
        let Some(example) = &self.report.example else { return Ok(()) };
        writeln!(self.out, "\n{}", self.look.paint(Tone::Strong, "Try next"))?;
        let (program, db) = (program(), &self.report.db);
        let db = if Path::new(db) == Path::new(DEFAULT_DB) { String::new() } else { format!(" --db {}", quoted(db)) };
        let mut commands = vec![format!("{program} show {}{db}", quoted(&example.correlation))];
        if let Some((kind, id)) = &example.entity {
            commands.push(format!("{program} state {} {}{db}", quoted(kind), quoted(id)));
        }
        commands.push(format!("{program} query --type {} --limit 5{db}", quoted(&example.kind)));
        commands.push(format!("{program} stats{db}"));
        commands.push(format!("{program} verify{db}"));
        for command in commands {
            // A command that is cut cannot be typed: it may be longer than the line.
            writeln!(self.out, "  {}", plain(&command))?;
        }
        Ok(())
    }

    /// What somebody should look at, in as many lines as it takes.
    fn wrapped(&mut self, label: &str, told: &str) -> io::Result<()> {
        for (at, line) in wrap(&plain(told), self.width - LABEL).iter().enumerate() {
            self.labelled(if at == 0 { label } else { "" }, &self.look.paint(Tone::Doubtful, line))?;
        }
        Ok(())
    }

    fn labelled(&mut self, label: &str, told: &str) -> io::Result<()> {
        let label = self.look.paint(Tone::Faint, &format!("{label:<LABEL$}"));
        writeln!(self.out, "{}", format!("{label}{told}").trim_end())
    }
}

/// How this program can be called again from here: by the path that it was called by, or by its name.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    let path = Path::new(&called);
    let name = || path.file_name().map(|name| name.to_string_lossy().into_owned());
    let again = if path.is_relative() && !called.is_empty() { Some(called.clone()) } else { name() };
    quoted(&again.unwrap_or_else(|| "regie".to_string()))
}

fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

fn millis(millis: f64) -> String {
    match millis {
        it if it < 10.0 => format!("{it:.2} ms"),
        it if it < 10_000.0 => format!("{it:.0} ms"),
        it => seconds(it / 1_000.0),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let safe = |it: char| it.is_ascii_alphanumeric() || "-_./:@%+=,".contains(it);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(safe) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suggested_can_be_typed() {
        assert_eq!(quoted("task-001"), "task-001");
        assert_eq!(quoted("Case 1"), "'Case 1'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
