//! What the journal owes, by its facts, against the table of what is to be woken: recovery and timers trust that table alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use regie_core::Timestamp;
use regie_core::event::LifeState;
use regie_core::governance::Verdict;
use regie_core::workflow::{Effect, EffectKey, Fact, Operation};

use super::{BreakKind, Found, ROWS};
use crate::error::StoreError;
use crate::store::EventReader;

/// Rows of the table that are read at once.
const PAGE: usize = 4_096;

/// Something that is owed: when, and by which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owe {
    due: Timestamp,
    sequence: u64,
    position: u64,
}

/// What one correlation owes.
#[derive(Default)]
struct Debts {
    effects: HashMap<EffectKey, Owe>,
    /// Events that come back, and whether each is deferred yet: the verdict comes before the move.
    returns: BTreeMap<u64, (Owe, bool)>,
    /// Events that wait for the run: their types, whether it has not seen them yet, and since when they are to be given to it.
    awaiting: BTreeMap<u64, (String, bool, Option<Owe>)>,
    /// Whether the run is paused: its effects wait then.
    paused: bool,
}

impl Debts {
    fn first(&self) -> Option<Owe> {
        let returns = self.returns.values().filter(|(_, deferred)| *deferred).map(|(owe, _)| owe);
        let effects = self.effects.values().filter(|_| !self.paused);
        let recalled = self.awaiting.values().filter_map(|(_, _, recalled)| recalled.as_ref());
        effects.chain(returns).chain(recalled).min().copied()
    }

    fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.returns.is_empty() && self.awaiting.is_empty() && !self.paused
    }

    /// Those that wait are given to the run again where their type is meant; others wait on.
    fn recall(&mut self, owe: Owe, is_meant: impl Fn(&str) -> bool) {
        for (kind, queued, recalled) in self.awaiting.values_mut() {
            *recalled = (*queued || is_meant(kind)).then(|| recalled.unwrap_or(owe));
        }
    }
}

/// Follows what every correlation owes.
#[derive(Default)]
pub(super) struct Owed(HashMap<u64, Debts>);

impl Owed {
    /// A fact of a correlation, in the record at a sequence and position.
    pub(super) fn fact(&mut self, (number, sequence, position): (u64, u64, u64), fact: &Fact) {
        let owe = |due: Timestamp| Owe { due, sequence, position };
        match fact {
            Fact::Owes { key, effect } => {
                let due = if let Effect::Timer { due } = effect { *due } else { Timestamp::MIN };
                self.0.entry(number).or_default().effects.insert(key.clone(), owe(due));
            }
            Fact::Judged { event, judgement } => match &judgement.verdict {
                Verdict::Deferred { until, .. } => {
                    self.0.entry(number).or_default().returns.insert(*event, (owe(*until), false));
                }
                _ => self.forget(number, |debts| {
                    debts.returns.remove(event);
                }),
            },
            Fact::Moved { event, to, .. } => self.forget(number, |debts| {
                debts.awaiting.remove(event);
                match (to, debts.returns.get_mut(event)) {
                    (LifeState::Deferred, Some((_, deferred))) => *deferred = true,
                    _ => drop(debts.returns.remove(event)),
                }
            }),
            Fact::Awaits { event, kind, queued } => {
                let owe = queued.then(|| owe(Timestamp::MIN));
                let debts = self.0.entry(number).or_default();
                debts.returns.remove(event);
                debts.awaiting.insert(*event, (kind.clone(), *queued, owe));
            }
            Fact::Recalled { kinds } => self.forget(number, |debts| {
                debts.recall(owe(Timestamp::MIN), |kind| kinds.iter().any(|it| it.matches(kind)));
            }),
            Fact::Ended { key, .. } | Fact::GivenUp { key } => self.forget(number, |debts| {
                debts.effects.remove(key);
            }),
            Fact::Finished { .. } => self.forget(number, |debts| {
                debts.effects.clear();
                debts.paused = false;
                debts.recall(owe(Timestamp::MIN), |_| true);
            }),
            Fact::Compensating { .. } => self.forget(number, |debts| {
                debts.effects.clear();
                debts.recall(owe(Timestamp::MIN), |_| true);
            }),
            Fact::Operated { operation: Operation::Pause, .. } => self.0.entry(number).or_default().paused = true,
            Fact::Operated { operation: Operation::Resume, .. } => self.forget(number, |debts| debts.paused = false),
            _ => {}
        }
    }

    fn forget(&mut self, number: u64, what: impl FnOnce(&mut Debts)) {
        let Some(debts) = self.0.get_mut(&number) else { return };
        what(debts);
        if debts.is_empty() {
            self.0.remove(&number);
        }
    }

    /// When each correlation that owes something must be woken.
    pub(super) fn due(&self) -> BTreeMap<u64, Timestamp> {
        self.first().map(|(number, owe)| (number, owe.due)).collect()
    }

    fn first(&self) -> impl Iterator<Item = (u64, Owe)> {
        self.0.iter().filter_map(|(number, debts)| Some((*number, debts.first()?)))
    }

    /// The first place where the table does not fit what is owed after the records up to `end`. A wake too many or too
    /// early harms nobody; one that is missing or late is an event that does not come back.
    pub(super) fn compare(
        &self,
        reader: &mut dyn EventReader,
        end: u64,
        is_known: impl Fn(u64) -> bool,
    ) -> Result<Option<Found>, StoreError> {
        let mut owed: HashMap<u64, Owe> = self.first().collect();
        let mut suspects = Vec::new();
        let mut after = None;
        loop {
            let page = match reader.wakes_after(after, PAGE) {
                Ok(page) => page,
                Err(StoreError::Damaged { why }) => return Ok(Some(self.unreadable(why))),
                Err(error) => return Err(error),
            };
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for (due, number) in page {
                match owed.remove(&number) {
                    Some(owe) if due > owe.due => suspects.push(late(number, owe, Some(due))),
                    None if !is_known(number) => suspects.push(unknown(number)),
                    _ => {}
                }
            }
        }
        suspects.extend(owed.into_iter().map(|(number, owe)| late(number, owe, None)));
        if !suspects.is_empty() {
            // An owner may have written since: what it changed was not looked at as it is now.
            let changed = written_after(reader, end)?;
            suspects.retain(|found| !changed.contains(&found.number));
        }
        Ok(suspects.into_iter().min_by_key(|found| found.position))
    }

    fn unreadable(&self, why: String) -> Found {
        let detail =
            format!("what is to be woken cannot be read: {why}; 'regie run' builds a table that is missing anew");
        let first = self.first().min_by_key(|(_, owe)| owe.position);
        let (number, sequence, position) = first.map_or((0, 0, 0), |(number, it)| (number, it.sequence, it.position));
        Found { number, sequence, position, kind: BreakKind::Wake, detail }
    }
}

fn late(number: u64, owe: Owe, found: Option<Timestamp>) -> Found {
    let due = if owe.due == Timestamp::MIN { "at once".to_string() } else { format!("at {}", owe.due) };
    let instead = found.map_or("not at all".to_string(), |found| format!("at {found}"));
    let detail = format!("it is to be woken {due} for what it owes here, and would be woken {instead}");
    Found { number, sequence: owe.sequence, position: owe.position, kind: BreakKind::Wake, detail }
}

fn unknown(number: u64) -> Found {
    let detail = "it is to be woken, and has no record".to_string();
    Found { number, sequence: 0, position: 0, kind: BreakKind::Wake, detail }
}

/// The correlations that have rows after a position.
fn written_after(reader: &mut dyn EventReader, end: u64) -> Result<HashSet<u64>, StoreError> {
    let goal = reader.head()?.position;
    let (mut numbers, mut first) = (HashSet::new(), end);
    while first < goal {
        let rows = reader.rows_after(first, ROWS)?;
        let Some(last) = rows.last() else { break };
        first = last.first;
        numbers.extend(rows.iter().map(|row| row.number));
    }
    Ok(numbers)
}
