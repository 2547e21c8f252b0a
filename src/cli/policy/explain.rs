//! `regie policy explain`: what would become of events now.

use std::io::{self, Write};
use std::sync::Arc;

use regie_actors::policy::read_governor;
use regie_core::Timestamp;
use regie_core::event::{Catalogue, Incoming};
use regie_core::governance::backtest::First;
use regie_core::governance::{Governor, PolicyDecision, PolicySet, Verdict};
use regie_core::workflow::{Definitions, Fact};
use regie_journal::{Journal, POLICIES, Reader, StoreError};
use serde::Serialize;

use super::args::ExplainArgs;
use super::{history, settings};
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::screen::{Look, Screen, Tone, grouped, plain};
use crate::config::Settings;
use crate::runtime::{Foreseen, Prospect, Whence, may_enter, prospect};

/// What would become of one event.
#[derive(Serialize)]
struct Explained {
    id: String,
    correlation_id: String,
    #[serde(rename = "type")]
    kind: String,
    /// `accepted`, `deferred`, `discarded`, `escalated`; `asking` where reasoners are asked first, `refused`, `known`, `skipped`.
    verdict: &'static str,
    /// The policy that decides; for `known` the state that the event is in.
    by: Option<String>,
    until: Option<Timestamp>,
    remaining_ms: Option<u64>,
    reason: Option<String>,
    decisions: Vec<PolicyDecision>,
}

/// What events are held against.
struct Now {
    reader: Option<Reader>,
    set: Arc<PolicySet>,
    governor: Governor,
    at: Timestamp,
    /// The event types that are known.
    definitions: Definitions,
}

/// Tells of each event what would become of it.
pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let settings = settings(args.layer(), &args.common)?;
    let mut now = Now::of(args, &settings)?;
    let mut screen = Screen::stdout();
    let mut failed: Result<(), Failure> = Ok(());
    let unreadable = history::of_files(&args.files, &mut |event, _| {
        if failed.is_ok() {
            failed = now.explain(event).map_err(Failure::from).and_then(|told| {
                let look = screen.look;
                if args.common.json { as_json(&mut screen, &told) } else { told.print(&mut screen, look) }?;
                Ok(())
            });
        }
    })?;
    failed?;
    screen.finish()?;
    Ok(if unreadable > 0 { Exit::Partly } else { Exit::Done })
}

fn as_json(out: &mut dyn Write, told: &Explained) -> io::Result<()> {
    serde_json::to_writer(&mut *out, told)?;
    writeln!(out)
}

impl Now {
    fn of(args: &ExplainArgs, settings: &Settings) -> Result<Self, Failure> {
        let mut reader = journal(args, settings)?;
        let mut recorded = || reader.as_mut().map_or(Ok(None), recorded_set);
        let set = match settings.policy_set()? {
            Some(set) => set,
            None => recorded()?.ok_or_else(|| {
                Failure::Usage("no policy file is named, and the journal has recorded no set that can be read".into())
            })?,
        };
        let governor = match &mut reader {
            Some(reader) => read_governor(&set, reader)?,
            None => Governor::new(&set),
        };
        let at = args.at.unwrap_or_else(|| regie_actors::clock::Clock::system().now());
        let mut definitions = Definitions::default();
        definitions.set_catalogue(settings.event_types()?.unwrap_or_else(Catalogue::shipped));
        Ok(Self { reader, set: Arc::new(set), governor, at, definitions })
    }

    fn explain(&mut self, event: &Incoming) -> Result<Explained, StoreError> {
        if let Err(reason) = may_enter(event.event(), Whence::File, self.definitions.catalogue()) {
            return Ok(Explained::of(event, Foreseen::Refused(reason)));
        }
        let found = prospect(self.reader.as_mut(), &self.set, (event, self.at), &self.definitions)?;
        let foreseen = match found {
            Prospect::Sure(foreseen) => foreseen,
            Prospect::Asks(mut judgement, ask) => {
                let id = ask.id;
                if let Some((_, ruling)) = self.governor.ask(ask, self.at) {
                    judgement.decisions.extend(ruling.decisions);
                    judgement.verdict = ruling.stopped.unwrap_or(Verdict::Accepted);
                }
                self.governor.forget(id, self.at); // as if it had not asked
                Foreseen::Judged(judgement)
            }
        };
        Ok(Explained::of(event, foreseen))
    }
}

/// The journal that is named. Where none is and none is there, events are held against nothing.
fn journal(args: &ExplainArgs, settings: &Settings) -> Result<Option<Reader>, Failure> {
    let is_named = args.common.db.is_some() || settings.db != std::path::Path::new(crate::config::DEFAULT_DB);
    if !is_named && !settings.db.exists() {
        open::tell("regie: note: there is no journal here: as if nothing had happened yet");
        return Ok(None);
    }
    let (readers, notes) = Journal::open_read_only(&settings.db)?;
    notes.iter().for_each(|note| open::tell(&format!("regie: note: {note}")));
    Ok(Some(readers.open()?))
}

/// The set that the journal recorded last.
fn recorded_set(reader: &mut Reader) -> Result<Option<PolicySet>, StoreError> {
    let records = reader.load(POLICIES, 0)?;
    let mut facts = records.iter().flat_map(|stored| &stored.record.facts).rev();
    let text = facts.find_map(|fact| if let Fact::PolicySet { text, .. } = fact { Some(text.clone()) } else { None });
    // One that was given in code is no file, and cannot be had from there.
    Ok(text.and_then(|text| PolicySet::parse(&text).ok()))
}

impl Explained {
    fn of(event: &Incoming, foreseen: Foreseen) -> Self {
        let event = event.event();
        let mut told = Self {
            id: event.id.clone(),
            correlation_id: event.correlation_id.to_string(),
            kind: event.kind.clone(),
            verdict: "known",
            by: None,
            until: None,
            remaining_ms: None,
            reason: None,
            decisions: Vec::new(),
        };
        match foreseen {
            Foreseen::Known(state) => told.by = state.map(|state| state.to_string()),
            Foreseen::Refused(reason) => (told.verdict, told.reason) = ("refused", Some(reason.to_string())),
            Foreseen::Skipped => told.verdict = "skipped",
            Foreseen::Judged(judgement) => {
                let first = First::of(&judgement);
                (told.verdict, told.reason) = match judgement.verdict {
                    Verdict::Asking { asks } => {
                        let names: Vec<String> = asks.into_iter().map(|ask| ask.reasoner).collect();
                        ("asking", Some(format!("first asked: {}", names.join(", "))))
                    }
                    Verdict::Accepted => ("accepted", None),
                    Verdict::Deferred { reason, .. }
                    | Verdict::Waiting { reason }
                    | Verdict::Discarded { reason }
                    | Verdict::Escalated { reason }
                    | Verdict::EscalatedUntil { reason, .. } => (first.verdict.as_str(), Some(reason)),
                };
                let decides = judgement.decisions.iter().find(|decision| Some(&decision.policy) == first.by.as_ref());
                told.remaining_ms = decides.and_then(|decision| decision.remaining_ms);
                (told.by, told.until, told.decisions) = (first.by, first.until, judgement.decisions);
            }
        }
        told
    }

    fn print(&self, out: &mut dyn Write, look: Look) -> io::Result<()> {
        let tone = match self.verdict {
            "accepted" => Tone::Good,
            "discarded" | "skipped" => Tone::Bad,
            _ => Tone::Doubtful,
        };
        let mut line = format!("{}  {}", look.paint(Tone::Strong, &plain(&self.id)), look.paint(tone, self.verdict));
        let until = self.until.map(|until| format!("until {until}"));
        let left = self.remaining_ms.map(|left| format!("{} ms left", grouped(left)));
        let by = self.by.as_deref().map(|by| if self.verdict == "known" { by.to_string() } else { format!("by {by}") });
        for part in [by, until, left, self.reason.clone()].into_iter().flatten() {
            line.push_str(&format!(", {}", plain(&part)));
        }
        writeln!(out, "{line}")
    }
}
