//! `regie policy backtest`: what a policy file would have done with history.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use regie_core::event::Incoming;
use regie_core::governance::PolicySet;
use regie_core::governance::backtest::{Backtest, Fate, First, Report, Taken, Tally};
use regie_core::reasoning::Reasoning;
use serde::Serialize;

use super::args::BacktestArgs;
use super::{history, named, settings, told};
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::screen::Screen;
use crate::config::policies_in;

/// What was tried, and what it came to.
#[derive(Serialize)]
pub(super) struct Outcome {
    /// The short digest of the set.
    pub(super) set: Option<String>,
    #[serde(flatten)]
    pub(super) report: Report,
    /// Lines that could not be read.
    pub(super) unreadable: u64,
    /// Deferred events that had not come back by the end.
    pub(super) waiting: usize,
    /// Where signals come from: `journal`, `none`, or `unused` where no policy asks for any.
    pub(super) signals: &'static str,
    /// The other set, and what fares otherwise under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) against: Option<Against>,
}

/// What another set says of the same events.
#[derive(Serialize)]
pub(super) struct Against {
    pub(super) set: Option<String>,
    #[serde(flatten)]
    pub(super) report: Report,
    pub(super) differences: Vec<Difference>,
}

/// An event that fares otherwise under the other set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) id: String,
    pub(super) correlation_id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) timestamp: regie_core::Timestamp,
    /// Under the set that is tried.
    pub(super) policies: First,
    /// Under the other.
    pub(super) against: First,
}

/// A set at work.
struct Trial {
    backtest: Backtest,
    tally: Tally,
}

struct Trials {
    first: Trial,
    other: Option<Trial>,
    differences: Vec<Difference>,
}

/// Tries a policy file on history, and tells what it would have done.
pub(super) fn backtest(args: &BacktestArgs) -> Result<Exit, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::Usage(format!("--from {from} is after --to {to}: nothing can be between")));
    }
    let settings = settings(args.layer(), &args.common)?;
    let set = named(&settings)?;
    let other = args.against.as_deref().map(policies_in).transpose()?;
    let asks = |set: &PolicySet| set.reasons().next().is_some();
    let with_signals = asks(&set) || other.as_ref().is_some_and(asks);
    let mut trials = Trials {
        first: Trial::new(set, args.ids),
        other: other.map(|set| Trial::new(set, args.ids)),
        differences: Vec::new(),
    };
    let mut take = |event: &Incoming, said: &[Reasoning]| trials.take(event, said, args);
    let mut unreadable = 0;
    if args.events.is_empty() {
        let mut journal = open::read_only(&args.common)?;
        history::of_journal(&mut journal.reader, with_signals, &mut take)?;
    } else {
        unreadable = history::of_files(&args.events, &mut take)?;
    }
    let signals = match with_signals {
        true if args.events.is_empty() => "journal",
        true => "none",
        false => "unused",
    };
    tell(args, trials.outcome(unreadable, signals))
}

fn tell(args: &BacktestArgs, outcome: Outcome) -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    if args.common.json {
        serde_json::to_writer(&mut screen, &outcome).map_err(std::io::Error::from)?;
        writeln!(screen)?;
    } else {
        let look = screen.look;
        told::print(&mut screen, look, &outcome)?;
    }
    screen.finish()?;
    Ok(if outcome.unreadable + outcome.report.refused > 0 { Exit::Partly } else { Exit::Done })
}

impl Trial {
    fn new(set: PolicySet, with_ids: bool) -> Self {
        let set = Arc::new(set);
        Self { backtest: Backtest::new(Arc::clone(&set)), tally: Tally::new(set, with_ids) }
    }

    fn take(&mut self, event: &Incoming, said: &[Reasoning]) -> (Taken, Option<First>) {
        let taken = self.backtest.take(event, said);
        let first = self.tally.add(event.event(), &taken);
        (taken, first)
    }

    fn set(&self) -> Option<String> {
        self.backtest.set().digest().map(|digest| digest.short())
    }
}

impl Trials {
    fn take(&mut self, event: &Incoming, said: &[Reasoning], args: &BacktestArgs) {
        match args.is_outside(event.event().timestamp) {
            (true, _) => {
                self.all().for_each(|trial| trial.backtest.witness(event.event()));
                return;
            }
            (_, true) => return,
            _ => {}
        }
        let (taken, policies) = self.first.take(event, said);
        if let Taken::Refused(why) = taken {
            open::tell(&format!("regie: {} of {}: {why}", event.event().id, event.event().correlation_id));
        }
        let against = self.other.as_mut().and_then(|other| other.take(event, said).1);
        if let (Some(policies), Some(against)) = (policies, against)
            && (policies.verdict, policies.until) != (against.verdict, against.until)
        {
            let event = event.event();
            self.differences.push(Difference {
                id: event.id.clone(),
                correlation_id: event.correlation_id.to_string(),
                kind: event.kind.clone(),
                timestamp: event.timestamp,
                policies,
                against,
            });
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Trial> {
        std::iter::once(&mut self.first).chain(&mut self.other)
    }

    fn outcome(self, unreadable: u64, signals: &'static str) -> Outcome {
        let differences = self.differences;
        Outcome {
            set: self.first.set(),
            waiting: self.first.backtest.waiting(),
            report: self.first.tally.report(),
            unreadable,
            signals,
            against: self.other.map(|other| Against { set: other.set(), report: other.tally.report(), differences }),
        }
    }
}

impl Against {
    /// How many events fare so under the one and so under the other.
    pub(super) fn moves(&self) -> BTreeMap<(Fate, Fate), u64> {
        let mut moves = BTreeMap::new();
        for difference in &self.differences {
            *moves.entry((difference.policies.verdict, difference.against.verdict)).or_default() += 1;
        }
        moves
    }
}
