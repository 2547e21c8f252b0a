//! One trial: a scenario whose disk fails at one call, what it says of that, and what it has lost.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::bench::{Answers, Bench, JOURNAL, scratch};
use super::check::Reference;
use super::log::Call;
use super::replay::{Disk, Loss};
use super::scenarios::Scenario;
use super::sweep::lay;
use crate::runtime_support::Dice;
use crate::support::Ran;
use regie::journal::Durability;

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A write fails.
    Write,
    /// There is no room for four writes, and then there is.
    Full,
    /// A write writes half.
    Short,
    /// A sync fails.
    Sync,
    /// A read fails.
    Read,
    /// There is no room for the index any more, and there will be none.
    IndexFull,
}

pub(crate) const KINDS: [Kind; 6] = [Kind::Write, Kind::Full, Kind::Short, Kind::Sync, Kind::Read, Kind::IndexFull];

/// The journal's files, and the folder itself, which has no name.
pub(crate) const ALL: &[&str] = &[
    "",
    "regie.db",
    "regie.db-wal",
    "regie.db-journal",
    "regie.db-latched",
    "regie.db-index",
    "regie.db-index-wal",
    "regie.db-index-journal",
    "regie.db-index-bad",
];
/// Those of the truth.
pub(crate) const TRUTH: &[&str] = &["regie.db", "regie.db-wal"];

/// Those of the index.
const INDEX: &[&str] = &["regie.db-index", "regie.db-index-wal"];
/// More often than anything writes.
const FOR_GOOD: u64 = 1_000_000_000;

/// What takes longer waits for something.
const SLOW: Duration = Duration::from_secs(8);

/// What a trial showed.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Whether it stopped with the exit code for a journal that cannot be used.
    pub(crate) refused: bool,
    /// Whether the store was latched, and verified by the next start.
    pub(crate) latched: bool,
    /// Whether it took long. Told and not held against it: on a busy machine it may.
    pub(crate) slow: bool,
    /// What could have been left of the disk, and was looked at.
    pub(crate) images: u64,
    pub(crate) wrong: Vec<String>,
}

impl Kind {
    /// The call that fails, how often, and how.
    fn words(self) -> (&'static str, u64, &'static str) {
        match self {
            Kind::Write => ("write", 1, "eio"),
            Kind::Full => ("write", 4, "enospc"),
            Kind::Short => ("write", 1, "short"),
            Kind::Sync => ("sync", 1, "eio"),
            Kind::Read => ("read", 1, "eio"),
            Kind::IndexFull => ("write", FOR_GOOD, "enospc"),
        }
    }

    /// The files that it may strike, of those that are meant.
    pub(crate) fn files(self, meant: &'static [&'static str]) -> &'static [&'static str] {
        if self == Kind::IndexFull { INDEX } else { meant }
    }
}

/// A fault at the n-th call of a kind on such files.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) files: &'static [&'static str],
    pub(crate) nth: u64,
}

impl Fault {
    /// As the disk takes it.
    fn text(self) -> String {
        let (call, times, how) = self.kind.words();
        format!("{call} {} {} {times} {how}", self.files.join(","), self.nth)
    }

    /// How many of these calls it could be.
    pub(crate) fn places(self, calls: &[Call]) -> u64 {
        let mut handles = HashSet::new();
        let strikes = calls.iter().filter(|call| {
            let handle = match (self.kind, call) {
                (_, Call::Open { handle, name, .. }) if self.files.contains(&name.as_str()) => {
                    handles.insert(*handle);
                    None
                }
                (Kind::Write | Kind::Full | Kind::Short | Kind::IndexFull, Call::Write { handle, .. }) => Some(handle),
                (Kind::Sync, Call::SyncBegin { handle }) | (Kind::Read, Call::Read { handle }) => Some(handle),
                _ => None,
            };
            handle.is_some_and(|handle| handles.contains(handle))
        });
        strikes.count() as u64
    }
}

/// What a log tells of the process that met the fault.
struct Told {
    calls: usize,
    answers: usize,
    /// Answers that were told after the first fault.
    later: usize,
    /// What the first fault struck.
    struck: String,
}

impl Told {
    fn of(calls: &[Call]) -> Option<Self> {
        let (mut answers, mut later, mut struck) = (Answers::default(), 0, None);
        for call in calls {
            let told = answers.take(call);
            match call {
                Call::Fault { name } if struck.is_none() => struck = Some(name.clone()),
                _ if struck.is_some() => later += told,
                _ => {}
            }
        }
        Some(Self { calls: calls.len(), answers: answers.all.len(), later, struck: struck? })
    }

    fn struck_truth(&self) -> bool {
        TRUTH.contains(&self.struck.as_str())
    }
}

/// Runs it; nothing if it ended before there was such a call.
pub(crate) fn trial(scenario: &Scenario, on: &(Bench, Vec<(String, Vec<u8>)>), fault: Fault) -> Option<Shown> {
    let (bench, before) = on;
    let Fault { kind, nth, .. } = fault;
    let begun = Instant::now();
    bench.lay(before);
    let ran = scenario.run(bench, &[("REGIE_DISK_FAULT", &fault.text())]);
    let told = Told::of(&bench.calls())?;
    let latched = is_latched(bench);
    let slow = begun.elapsed() > SLOW;
    let mut shown = Shown { refused: ran.code == 5, latched, slow, ..Shown::default() };
    shown.wrong.extend(ends(scenario, kind, &ran));
    shown.wrong.extend(behaves(scenario, kind, &told, (ran.code, latched)));
    let again = scenario.run(bench, &[]);
    shown.wrong.extend(comes_back(scenario, bench, &again, latched));
    if shown.wrong.is_empty() {
        shown.wrong.extend(loses_nothing(scenario, on, fault, &told).map(|images| shown.images = images).err());
    }
    let place = format!("{}, {kind:?} {nth} ({} after {} answers)", scenario.name, told.struck, told.answers);
    let whole = |why: String| format!("{place}: {why}\n  {}", ran.err.lines().take(3).collect::<Vec<_>>().join("\n  "));
    shown.wrong = shown.wrong.into_iter().map(whole).collect();
    Some(shown)
}

fn is_latched(bench: &Bench) -> bool {
    bench.disk().join(format!("{JOURNAL}-latched")).exists()
}

/// It ends by itself, and says how. To SQLite bytes that cannot be read are damage, and so `verify` calls them broken.
fn ends(scenario: &Scenario, kind: Kind, ran: &Ran) -> Option<String> {
    let unreadable = kind == Kind::Read && scenario.only_reads() && ran.code == 1;
    let fine = (unreadable || [0, 4, 5].contains(&ran.code)) && !ran.err.contains("panicked");
    (!fine).then(|| format!("it ended with {}: {}", ran.code, ran.err))
}

/// What must be so while the disk fails and after it.
fn behaves(scenario: &Scenario, kind: Kind, told: &Told, (code, latched): (i32, bool)) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let sent = scenario.sent().lines().count();
    // One that was latched before stays so until it has been opened.
    let latched_anew = latched && !(scenario.begins_latched() && told.answers == 0);
    let midway = told.answers > 0 && told.answers < sent && !scenario.only_reads();
    match kind {
        Kind::Write | Kind::Sync if told.struck_truth() => {
            must(!midway || (code == 5 && latched), format!("it was to latch; exit code {code}, latched: {latched}"));
            // What a checkpoint could not sync was synced by its commit: one more commit may be under way by then.
            // And an agent's end is committed while the answer to its event is on its way.
            let beside_commits = told.struck == JOURNAL || !scenario.strict || scenario.has_agents();
            let most = if beside_commits { 1 } else { 0 };
            let one_by_one = scenario.is_one_by_one() && told.answers > told.later;
            must(!one_by_one || told.later <= most, format!("{} answers after it", told.later));
        }
        Kind::Full | Kind::Short => {
            must(!latched_anew, "a full disk latched it".to_string());
            let goes_on = scenario.tries_again() && told.answers > told.later;
            must(!goes_on || (code == 0 && told.answers == sent), format!("it did not go on by itself: {code}"));
        }
        Kind::IndexFull => {
            must(!latched_anew, "an index without room latched it".to_string());
            // Who is in memory needs no index; an embedder's workflow that left it may wait for one in vain.
            let needs_none = midway && !scenario.tries_again();
            let all = code == 0 && told.answers == sent;
            must(!needs_none || all, format!("it did not go on: {code}, {} answers of {sent}", told.answers));
        }
        _ => {}
    }
    wrong
}

/// The same once more, on a disk that is well again.
fn comes_back(scenario: &Scenario, bench: &Bench, again: &Ran, latched: bool) -> Option<String> {
    if again.code != 0 || again.err.contains("panicked") {
        return Some(format!("it does not come back: {} {}", again.code, again.err));
    }
    if scenario.only_reads() || !latched {
        return None;
    }
    if is_latched(bench) {
        return Some("it came back without being verified".to_string());
    }
    (!scenario.tries_again() && !again.out.contains("have been verified"))
        .then(|| format!("no verification is told: {}", again.out))
}

/// Power is lost when the process is gone, and while the next one is at work.
fn loses_nothing(
    scenario: &Scenario,
    (bench, before): &(Bench, Vec<(String, Vec<u8>)>),
    fault: Fault,
    told: &Told,
) -> Result<u64, String> {
    let calls = bench.calls();
    let (mut disk, mut answers) = (Disk::holding(before.clone()), Answers::default());
    let mut dice = Dice(fault.nth * 8 + fault.kind as u64);
    let mut moments = Moments::of(&calls, told, &mut dice);
    let mut images = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        disk.take(call);
        answers.take(call);
        for loss in moments.at(at) {
            let promised = scenario.strict || loss == Loss::ProcessOnly;
            let least = if promised { answers.highest } else { 0 };
            images.push((at, loss, least, disk.image(loss, &mut dice)));
        }
    }
    let reference = Reference::of(&bench.disk());
    let sent = scenario.sent();
    if !scenario.only_reads() && reference.events() != sent.lines().count() {
        return Err(format!("{} events are there of {}", reference.events(), sent.lines().count()));
    }
    reference.answers_hold(&answers.all, &sent)?;
    let durability = if scenario.strict { Durability::Strict } else { Durability::Relaxed };
    let folder = scratch();
    for (at, loss, least, files) in &images {
        lay(folder.path(), files);
        let place = |why| format!("power lost after call {at} of {}, {loss:?}: {why}", calls.len());
        reference.check(folder.path(), durability, *least).map_err(place)?;
    }
    Ok(images.len() as u64)
}

/// When power is lost: at the end of the process that met the fault, and twice while the next one answers.
struct Moments {
    end: usize,
    then: [usize; 2],
    other: Loss,
}

impl Moments {
    fn of(calls: &[Call], told: &Told, dice: &mut Dice) -> Self {
        let left = (calls.len() - told.calls) as u64;
        let mut later = || told.calls + dice.below(left.max(1)) as usize;
        let then = [later(), later()];
        let other = [Loss::ProcessOnly, Loss::Torn, Loss::Reordered][dice.below(3) as usize];
        Self { end: told.calls - 1, then, other }
    }

    fn at(&mut self, call: usize) -> Vec<Loss> {
        let mut losses = Vec::new();
        if call == self.end {
            losses.extend([Loss::Dropped, self.other]);
        }
        if self.then.contains(&call) {
            losses.push(Loss::Dropped);
        }
        losses
    }
}
