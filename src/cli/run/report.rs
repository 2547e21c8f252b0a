//! What a run says of itself: one report, for programs as JSON, for people as a page.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use regie_core::event::LifeState;
use regie_core::{Digest, Timestamp};
use regie_journal::Head;
use serde::Serialize;

use super::deferred::{Deferred, Left};
use super::drive::Stop;
use super::rules::RulesRan;
use super::tally::{Example, Latency, Tally, Trouble};
use crate::Metrics;
use crate::cli::args::RunArgs;
use crate::cli::exit::Exit;
use crate::config::Settings;

/// The report of a run. Its keys are documented in `docs/cli.md`, and stable.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) files: Vec<String>,
    pub(super) db: String,
    /// Whether this run left anything in the journal.
    pub(super) changed: bool,
    /// Lines that had something in them.
    pub(super) lines: u64,
    pub(super) new: u64,
    pub(super) known: u64,
    pub(super) refused_count: u64,
    pub(super) refused: Vec<Trouble>,
    pub(super) unreadable_count: u64,
    pub(super) unreadable: Vec<Trouble>,
    /// New events by the state in which they were answered.
    pub(super) answered: BTreeMap<LifeState, u64>,
    /// All events of the journal by the state in which they are now.
    pub(super) states: BTreeMap<String, u64>,
    pub(super) types: BTreeMap<String, u64>,
    pub(super) correlations: u64,
    pub(super) workflows_started: u64,
    pub(super) turns: u64,
    pub(super) commits: u64,
    pub(super) restarts: u64,
    /// What the rules did.
    pub(super) rules: RulesRan,
    pub(super) timers_fired: u64,
    pub(super) elapsed_ms: u64,
    pub(super) events_per_second: f64,
    pub(super) latency_ms: Latency,
    pub(super) deferred_count: u64,
    pub(super) deferred: Vec<Deferred>,
    pub(super) journal: JournalNow,
    pub(super) notes: Vec<String>,
    pub(super) stopped: Option<String>,
    #[serde(skip)]
    pub(super) stop: Option<Stop>,
    #[serde(skip)]
    pub(super) elapsed: Duration,
    #[serde(skip)]
    pub(super) example: Option<Example>,
}

/// The journal after the run.
#[derive(Serialize)]
pub(super) struct JournalNow {
    pub(super) position: u64,
    pub(super) digest: Digest,
    pub(super) events: u64,
    pub(super) correlations: u64,
    pub(super) last_timestamp: Option<Timestamp>,
}

/// Everything that a run has to tell.
pub(super) struct Ran<'a> {
    pub(super) args: &'a RunArgs,
    pub(super) settings: &'a Settings,
    pub(super) tally: Tally,
    pub(super) stop: Option<Stop>,
    /// How long the events took, without the timers after them.
    pub(super) elapsed: Duration,
    pub(super) timers_fired: u64,
    pub(super) counts: Metrics,
    pub(super) head_before: Head,
    pub(super) head: Head,
    pub(super) left: Left,
    pub(super) rules: RulesRan,
    pub(super) notes: Vec<String>,
}

impl Report {
    pub(super) fn of(ran: Ran<'_>) -> Self {
        let Ran { tally, counts, left, head, .. } = ran;
        let taken = tally.taken();
        Self {
            files: ran.args.files.iter().map(|path| path.display().to_string()).collect(),
            db: ran.settings.db.display().to_string(),
            changed: head != ran.head_before,
            lines: taken + tally.refused.count + tally.unreadable.count,
            new: tally.new,
            known: tally.known,
            latency_ms: tally.latency(),
            correlations: tally.correlations(),
            refused_count: tally.refused.count,
            refused: tally.refused.first,
            unreadable_count: tally.unreadable.count,
            unreadable: tally.unreadable.first,
            answered: tally.answers,
            deferred_count: left.stats.by_state.get(LifeState::Deferred.as_str()).copied().unwrap_or_default(),
            states: left.stats.by_state,
            types: tally.types,
            example: tally.example,
            workflows_started: counts.workflows_started,
            turns: counts.turns,
            commits: counts.commits,
            restarts: counts.restarts,
            rules: ran.rules,
            timers_fired: ran.timers_fired,
            elapsed_ms: u64::try_from(ran.elapsed.as_millis()).unwrap_or(u64::MAX),
            events_per_second: taken as f64 / ran.elapsed.as_secs_f64().max(1e-6),
            deferred: left.first,
            journal: JournalNow {
                position: head.position,
                digest: head.digest,
                events: left.stats.events,
                correlations: left.stats.correlations,
                last_timestamp: left.stats.last_timestamp,
            },
            notes: ran.notes,
            stopped: ran.stop.as_ref().map(ToString::to_string),
            stop: ran.stop,
            elapsed: ran.elapsed,
        }
    }

    /// The exit code that the run deserves, unless the journal could not be used.
    pub(super) fn exit(&self) -> Exit {
        match &self.stop {
            Some(Stop::Interrupted) => Exit::Interrupted,
            Some(Stop::Refusing { .. } | Stop::Untold(_)) => Exit::Refusing,
            _ if self.refused_count + self.unreadable_count > 0 => Exit::Partly,
            _ => Exit::Done,
        }
    }

    /// Prints it as one JSON object.
    pub(super) fn print_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }
}
