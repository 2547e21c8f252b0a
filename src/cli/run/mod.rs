//! `regie run`: events from files into the journal, and a report of what became of them.
//!
//! - `input`, `lines`: reads events from files and standard input, for the other commands that do too.
//! - `drive`: hands them to the runtime, so many under way at once; `reload` puts a changed policy file in force meanwhile.
//! - `answers`, `tally`: tell each answer to a file, and count them.
//! - `deferred`, `rules`: look into the journal afterwards, for what is left for later and what the rules did.
//! - `report`, `summary`: all of that as JSON, and as a page.
//! - `interrupt`, `signal`, `progress`: what the terminal says to a run, and is shown of it.

mod answers;
mod deferred;
mod drive;
pub(in crate::cli) mod input;
mod interrupt;
mod lines;
pub(in crate::cli) mod progress;
mod reload;
mod report;
mod rules;
mod signal;
mod summary;
mod tally;

use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use regie_journal::Journal;

use super::args::RunArgs;
use super::exit::{Exit, Failure};
use super::open;
use super::screen::Screen;
use crate::config::{Clock, Settings};
use crate::runtime::Setup;
use crate::{Builder, ClockKind, Handle, JournalConfig};
use answers::Answers;
use drive::{Driver, Manner, Stop};
use input::Sources;
use interrupt::Interrupt;
use progress::Progress;
use report::{Ran, Report};

/// How long the index may take to reach the journal's end after a run.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Takes the events of all files into the journal, in the order of their lines, and tells what became of them.
pub(super) fn run(args: &RunArgs, builder: Builder) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let builder = by(configured(builder, &settings)?, args);
    let sources = input::open(&args.files).map_err(Failure::Usage)?;
    let needed = needed(args, &settings);
    let answers = Answers::open(args.answers.as_deref(), &needed).map_err(Failure::Usage)?;
    let interrupt = Interrupt::listen()?;
    let report = futures::executor::block_on(take(args, &settings, builder, (sources, answers, interrupt)))?;
    let mut screen = Screen::stdout();
    if args.common.json {
        report.print_json(&mut screen)?;
    } else {
        let look = screen.look;
        summary::print(&mut screen, look, &report)?;
    }
    screen.finish()?;
    Ok(report.exit())
}

/// Who puts the policies in force, if that was said.
fn by(builder: Builder, args: &RunArgs) -> Builder {
    match args.by() {
        Some(who) => builder.policies_by(who),
        None => builder,
    }
}

/// The files that a run reads, and those that its journal writes: nothing else may be written to them.
fn needed(args: &RunArgs, settings: &Settings) -> Vec<PathBuf> {
    let is_stdin = |path: &PathBuf| path.as_path() == Path::new("-");
    // What standard input was turned to has a name of its own only where the system gives it one.
    let inputs = args.files.iter().map(|path| if is_stdin(path) { "/dev/stdin".into() } else { path.clone() });
    let config = args.common.config.clone().or_else(|| open::variable("REGIE_CONFIG").map(PathBuf::from));
    inputs
        .chain(config)
        .chain(settings.policies.clone())
        .chain(settings.catalogue.clone())
        .chain(settings.rules.clone())
        .chain(Journal::files(&settings.db))
        .collect()
}

/// The builder with what the settings say; what they do not say stays as it was.
pub(in crate::cli) fn configured(builder: Builder, settings: &Settings) -> Result<Builder, Failure> {
    Ok(builder.configured(Setup {
        journal: Some(JournalConfig::Sqlite { path: settings.db.clone(), max_bytes: settings.max_bytes }),
        durability: settings.durability,
        clock: Some(match settings.clock {
            Clock::System => ClockKind::System,
            Clock::Event => ClockKind::EventTime,
        }),
        shards: settings.shards,
        admission: settings.admission,
        policies: settings.policy_set()?,
        catalogue: settings.event_types()?,
        rules: settings.rule_set()?,
    }))
}

/// Takes everything in, and looks at what the journal holds then.
async fn take(
    args: &RunArgs,
    settings: &Settings,
    builder: Builder,
    ends: (Sources, Answers, Interrupt),
) -> Result<Report, Failure> {
    let (sources, answers, mut interrupt) = ends;
    let runtime = builder.start().await?;
    runtime.notes().iter().filter(|note| note.is_loss()).for_each(|note| open::tell(&format!("regie: {note}")));
    let handle = runtime.handle();
    let mut reader = handle.readers().open()?;
    let head_before = reader.head()?;
    let progress = Progress::start(sources.bytes, sources.read);
    let manner = Manner { clock: settings.clock, in_flight: settings.in_flight, strict: args.strict };
    let mut driver = Driver::new(&handle, manner, &progress, answers);
    let watch = reload::Watch::start(settings, &handle, args.by())?;
    let started = Instant::now();
    let mut batches = input::read(sources.all)?;
    let mut stop = driver.drive(&mut batches, &mut interrupt).await.err();
    let elapsed = started.elapsed();
    drop(watch);
    drop(batches); // whoever still reads lines stops with this
    let tally = driver.tally;
    let mut timers_fired = 0;
    if stop.is_none() {
        match until_interrupted(&mut interrupt, finish(&handle, args.drain, &progress)).await {
            Some(fired) => timers_fired = fired,
            None => stop = Some(Stop::Interrupted),
        }
    }
    progress.end();
    let counts = handle.metrics().await;
    let head = reader.head()?;
    let mut notes: Vec<String> = runtime.notes().iter().map(ToString::to_string).collect();
    if let Err(error) = reader.caught_up(head.position, CATCH_UP) {
        // The run is done all the same, and is told as it is.
        notes.push(format!(
            "the index did not follow: {error}. The journal has everything, and the next run brings it up"
        ));
        reader = handle.readers().open_alone()?;
    }
    let left = deferred::left(&mut reader)?;
    let rules = rules::ran(&mut reader, &handle.rules_view())?;
    drop(reader);
    runtime.shutdown().await;
    let ran = Ran { args, settings, tally, stop, elapsed, timers_fired, counts, head_before, head, left, rules, notes };
    Ok(Report::of(ran))
}

/// Lets everything come to its end: timers too, if that was asked for. Gives how many of them ran.
async fn finish(handle: &Handle, drain: bool, progress: &Progress) -> u64 {
    if drain {
        progress.says("running the timers out");
        return handle.drain().await.fired;
    }
    progress.says("finishing what is under way");
    handle.settle().await;
    0
}

/// What comes of some work; nothing if somebody asks to stop before.
async fn until_interrupted<T>(interrupt: &mut Interrupt, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => interrupt.poll(context).map(|()| None),
    })
    .await
}
