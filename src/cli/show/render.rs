//! The story for people, in as many columns as there are.

use std::io::{self, Write};

use regie_core::event::{Event, Pattern, Principal};
use regie_core::governance::{Judgement, PolicyDecision, PolicyOutcome};
use regie_core::reasoning::{Outcome, Reasoning};
use regie_core::workflow::{Fact, RunEnd};
use regie_core::{Digest, Json, Timestamp};
use regie_journal::StoredRecord;

use super::facts::{effect_text, end_text, ended};
use super::story::{EventStory, RunStory, Story};
use crate::cli::query::tone_of;
use crate::cli::screen::{Look, Tone, counted, cut, pieces, plain, wrap};
use crate::runtime::{Undone, WHY};

/// Prints the story.
pub(super) fn print(out: &mut dyn Write, look: Look, story: &Story<'_>, undone: Option<&Undone>) -> io::Result<()> {
    let mut page = Page { out, look, width: look.readable() };
    page.title(story)?;
    if let Some(Undone { by, why, at }) = undone {
        page.line(0, Tone::Doubtful, &format!("undone by {by} at {at}: {why}"))?;
    }
    for stored in story.records {
        page.record(story, stored)?;
    }
    Ok(())
}

/// Prints the last records alone.
pub(super) fn print_last(out: &mut dyn Write, look: Look, story: &Story<'_>, many: usize) -> io::Result<()> {
    let mut page = Page { out, look, width: look.readable() };
    let before = story.records.len().saturating_sub(many);
    if before > 0 && many > 0 {
        let told = format!("\n{} before these: 'regie show' tells all", counted(before as u64, "record"));
        writeln!(page.out, "{}", page.look.paint(Tone::Faint, &told))?;
    }
    story.records[before..].iter().try_for_each(|stored| page.record(story, stored))
}

struct Page<'a> {
    out: &'a mut dyn Write,
    look: Look,
    width: usize,
}

/// Columns of the mark and of the label that stand before what is told.
const LABEL: usize = 12;
/// What a value of a change may take of a line; the whole is in `--json`.
const VALUE: usize = 200;

impl Page<'_> {
    fn title(&mut self, story: &Story<'_>) -> io::Result<()> {
        let states: Vec<String> = story.states().iter().map(|(state, count)| format!("{count} {state}")).collect();
        let events = counted(story.events.len() as u64, "event");
        let told = if states.is_empty() { events } else { format!("{events}: {}", states.join(", ")) };
        for piece in pieces(&plain(&story.correlation), self.width) {
            writeln!(self.out, "{}", self.look.paint(Tone::Strong, &piece))?;
        }
        self.line(0, Tone::Plain, &told)?;
        if let Some(run) = &story.run {
            self.run(run)?;
        }
        let chain = story.events.values().next().map(|first| &first.incoming.event().correlation_chain);
        if let Some(chain) = chain.filter(|chain| !chain.is_empty()) {
            let chain: Vec<&str> = chain.iter().map(|outer| outer.as_str()).collect();
            self.line(0, Tone::Plain, &format!("within {}", chain.join(" > ")))?;
        }
        let records = counted(story.records.len() as u64, "record");
        match story.broken_at {
            None => {
                self.line(0, Tone::Good, &format!("the chain of {records} holds, up to {}", story.digest().short()))
            }
            Some(at) => self.line(0, Tone::Bad, &format!("the chain of {records} is broken at sequence {at}")),
        }
    }

    fn run(&mut self, run: &RunStory) -> io::Result<()> {
        let name = format!("workflow {} version {}", run.definition, run.version);
        match &run.end {
            None => self.line(0, Tone::Doubtful, &format!("{name}, running")),
            Some(end) => {
                let (told, tone) = end_of(end, |output| output.to_string());
                self.line(0, tone, &format!("{name}, {told}"))
            }
        }
    }

    fn record(&mut self, story: &Story<'_>, stored: &StoredRecord) -> io::Result<()> {
        let record = &stored.record;
        let (left, right) = (format!("#{}  {}", record.sequence, record.at), format!("position {}", stored.position));
        let digest = stored.digest.short();
        let used = left.chars().count() + right.chars().count() + digest.chars().count() + 2;
        let fill = " ".repeat(self.width.saturating_sub(used).max(2));
        let left = self.look.paint(Tone::Strong, &left);
        let rest = self.look.paint(Tone::Faint, &format!("{right}  {digest}"));
        writeln!(self.out, "\n{left}{fill}{rest}")?;
        for fact in &record.facts {
            self.fact(story, stored, fact)?;
        }
        Ok(())
    }

    fn fact(&mut self, story: &Story<'_>, stored: &StoredRecord, fact: &Fact) -> io::Result<()> {
        match fact {
            Fact::Opened { .. } => Ok(()), // the first record says as much
            Fact::Received { emitted, .. } => match story.events.get(&stored.record.sequence) {
                Some(event) => self.event(event, *emitted),
                None => self.labelled("event", Tone::Bad, "its bytes cannot be read"),
            },
            Fact::Judged { judgement, .. } => self.judgement(judgement),
            Fact::Released { booking } => {
                let told = format!("the place at {} under {} is free again", booking.slot, booking.policy);
                self.labelled("booking", Tone::Faint, &told)
            }
            Fact::Freed { policy, event, .. } => {
                let told = format!("{}'s place under {policy} is free again", story.name_of(*event));
                self.labelled("place", Tone::Faint, &told)
            }
            Fact::Moved { event, to, reason, by } => {
                let at = stored.record.at;
                let which = if *event == stored.record.sequence { String::new() } else { story.name_of(*event) + ": " };
                let moves = story.events.get(event).map_or(&[][..], |event| &event.moves);
                let this = moves.iter().find(|it| (it.at, it.to, &it.reason) == (at, *to, reason));
                let from = this.and_then(|it| it.from).map(|from| format!("{from} → ")).unwrap_or_default();
                let by = by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
                let told = format!("{}  {which}{from}{to}: {reason}{by}", time_of_day(at));
                self.labelled("life", tone_of(*to), &told)
            }
            Fact::PolicySet { digest, text, by } => self.set("policies", digest, text, by.as_ref()),
            Fact::RuleSet { digest, text, by } => self.set("rules", digest, text, by.as_ref()),
            Fact::Reasoned { reasonings, .. } => reasonings.iter().try_for_each(|reasoning| self.reasoning(reasoning)),
            Fact::Kept { .. } => self.labelled("waits", Tone::Doubtful, "for a person, without end"),
            Fact::Awaits { .. } => Ok(()), // its move says as much
            Fact::Recalled { kinds } => {
                let kinds: Vec<&str> = kinds.iter().map(Pattern::as_str).collect();
                self.labelled("recalled", Tone::Plain, &format!("events that wait for {}", kinds.join(", ")))
            }
            other => self.run_fact(other),
        }
    }

    /// What the handler's run did.
    fn run_fact(&mut self, fact: &Fact) -> io::Result<()> {
        match fact {
            Fact::Started { definition, version } => {
                self.labelled("run", Tone::Plain, &format!("{definition} version {version} takes over"))
            }
            Fact::Noted { data } => self.labelled("noted", Tone::Plain, &short(data)),
            Fact::Owes { key, effect } => {
                self.labelled("owes", Tone::Plain, &format!("{key} {}", cut(&effect_text(effect), VALUE)))
            }
            Fact::Ended { key, end } => {
                let (told, well) = end_text(end);
                let tone = if well { Tone::Good } else { Tone::Bad };
                self.labelled("ended", tone, &format!("{key} {}", cut(&told, VALUE)))
            }
            Fact::Parked { input, attempts, error } => {
                let told = format!("{input}, after {}: {error}", counted(u64::from(*attempts), "attempt"));
                self.labelled("parked", Tone::Bad, &told)
            }
            Fact::Finished { end } => {
                let (told, tone) = end_of(end, short);
                self.labelled("finished", tone, &told)
            }
            Fact::Compensating { then } => {
                self.labelled("undoing", Tone::Bad, &format!("what it did is put back; then {}", end_of(then, short).0))
            }
            Fact::Unwanted { event, by, why } => {
                self.labelled("unwanted", Tone::Bad, &format!("the event of sequence {event}, by {by}: {why}"))
            }
            Fact::RunsFor { workflow, key } => {
                self.labelled("runs for", Tone::Plain, &format!("{workflow}, step {key}"))
            }
            Fact::GivenUp { key } => self.labelled("given up", Tone::Plain, &key.to_string()),
            Fact::Halted { step, attempts, error } => {
                let told = format!("step {step}, after {}: {error}", counted(u64::from(*attempts), "attempt"));
                self.labelled("parked", Tone::Bad, &told)
            }
            Fact::Operated { operation, by, why, .. } => {
                self.labelled("operated", Tone::Strong, &format!("{operation} by {by}: {why}"))
            }
            Fact::Migrated { version, state } => {
                self.labelled("migrated", Tone::Strong, &format!("to version {version}, from {}", short(state)))
            }
            other => self.labelled("fact", Tone::Plain, &format!("{other:?}")),
        }
    }

    fn event(&mut self, story: &EventStory, emitted: bool) -> io::Result<()> {
        let event = story.incoming.event();
        self.labelled("event", Tone::Strong, &format!("{}  {}", event.kind, event.id))?;
        self.labelled("", Tone::Plain, &circumstances(event, story.moves.first().map(|first| first.at)))?;
        if let Some(cause) = &event.causation_id {
            let who = if emitted { ", emitted by the runtime" } else { "" };
            self.labelled("cause", Tone::Plain, &format!("{cause}{who}"))?;
        }
        for (field, change) in &event.changes {
            let told = format!("{field}: {} → {}", short(&change.before), short(&change.after));
            self.labelled("change", Tone::Plain, &told)?;
        }
        if !matches!(event.payload.text(), "null" | "{}") {
            self.labelled("payload", Tone::Faint, &short(&event.payload))?;
        }
        Ok(())
    }

    fn judgement(&mut self, judgement: &Judgement) -> io::Result<()> {
        judgement.decisions.iter().try_for_each(|decision| self.decision(decision))
    }

    fn decision(&mut self, decision: &PolicyDecision) -> io::Result<()> {
        let (word, tone) = match decision.outcome {
            PolicyOutcome::Passed => ("passed", Tone::Good),
            PolicyOutcome::Deferred => ("deferred", Tone::Doubtful),
            PolicyOutcome::Escalated => ("escalated", Tone::Doubtful),
            PolicyOutcome::Discarded => ("discarded", Tone::Bad),
            _ => ("decided", Tone::Plain),
        };
        let wait = decision.remaining_ms.map(|ms| format!(", {ms} ms remain")).unwrap_or_default();
        // The reason is why it stops an event; one that passes needs none.
        let reason = if word == "passed" { String::new() } else { format!(": {}", decision.reason) };
        let told = format!("{} {word}{reason}{wait}", decision.policy);
        self.labelled("policy", tone, &told)?;
        let observed: Vec<String> =
            decision.observed.iter().map(|(name, value)| format!("{name} = {}", short(value))).collect();
        if observed.is_empty() { Ok(()) } else { self.labelled("", Tone::Faint, &observed.join(", ")) }
    }

    fn set(&mut self, what: &str, digest: &Digest, text: &str, by: Option<&Principal>) -> io::Result<()> {
        let by = by.map(|by| format!(", by {by}")).unwrap_or_default();
        let lines = counted(text.lines().count() as u64, "line");
        self.labelled("set", Tone::Plain, &format!("{what} {} in force ({lines}){by}", digest.short()))
    }

    fn reasoning(&mut self, reasoning: &Reasoning) -> io::Result<()> {
        let Reasoning { reasoner, mode, outcome, elapsed_ms, policy, .. } = reasoning;
        let tone = if *outcome == Outcome::Ok { Tone::Good } else { Tone::Doubtful };
        let told = format!("{reasoner} ({}) for {policy}: {outcome}, {elapsed_ms} ms", mode.as_str());
        self.labelled("asked", tone, &told)?;
        for signal in &reasoning.signals {
            let told = format!("{} {}: {}", signal.kind, signal.confidence, signal.rationale);
            self.labelled("signal", Tone::Plain, &told)?;
        }
        for filtered in &reasoning.filtered {
            let signal = &filtered.signal;
            let told =
                format!("{} {}, dropped by {}: {}", signal.kind, signal.confidence, filtered.policy, filtered.why);
            self.labelled("signal", Tone::Faint, &told)?;
        }
        Ok(())
    }

    /// A label and what it tells, wrapped beside it.
    fn labelled(&mut self, label: &str, tone: Tone, told: &str) -> io::Result<()> {
        let fits = label.chars().count() < LABEL - 4;
        if !fits {
            let label = format!("    {label}");
            writeln!(self.out, "{}", self.look.paint(Tone::Faint, &label))?;
        }
        let label = format!("    {label:<8}");
        let lines = wrap(&plain(told), self.width - LABEL);
        for (at, line) in lines.iter().enumerate() {
            let before = if at == 0 && fits { self.look.paint(Tone::Faint, &label) } else { " ".repeat(LABEL) };
            writeln!(self.out, "{before}{}", self.look.paint(tone, line))?;
        }
        Ok(())
    }

    fn line(&mut self, indent: usize, tone: Tone, told: &str) -> io::Result<()> {
        for line in wrap(&plain(told), self.width - indent) {
            writeln!(self.out, "{}{}", " ".repeat(indent), self.look.paint(tone, &line))?;
        }
        Ok(())
    }
}

/// Who, about what, when, how pressing: what is there of it.
fn circumstances(event: &Event, recorded_at: Option<Timestamp>) -> String {
    let mut parts = Vec::new();
    parts.extend(event.actor.as_ref().map(|actor| format!("by {actor}")));
    parts.extend(event.entity.as_ref().map(|entity| format!("about {entity}")));
    if recorded_at != Some(event.timestamp) {
        parts.push(format!("stamped {}", event.timestamp));
    }
    parts.push(event.priority.as_str().to_string());
    parts.extend(event.session_key.as_ref().map(|session| format!("session {session}")));
    if !event.related.is_empty() {
        parts.push(format!("touches {}", counted(event.related.len() as u64, "other")));
    }
    // Who begins a workflow, or tells it something, says why.
    parts.extend(event.metadata.get(WHY).map(|why| format!("because: {why}")));
    parts.join(", ")
}

/// The time alone; the day stands above.
fn time_of_day(at: Timestamp) -> String {
    at.to_chrono().format("%H:%M:%S%.3f").to_string()
}

/// How a run ended, in a few words, and how good that is.
fn end_of(end: &RunEnd, tell: impl Fn(&Json) -> String) -> (String, Tone) {
    match ended(end) {
        (status, Some(output), _) => (format!("{status}: {}", tell(output)), Tone::Good),
        (status, None, error) => (format!("{status}: {}", error.unwrap_or_default()), Tone::Bad),
    }
}

fn short(value: &Json) -> String {
    cut(value.text(), VALUE)
}
