//! Dead letters: what could not be handled, for a person to try again or to discard.

use std::time::Duration;

use regie_actors::refused::Reason;
use regie_core::Timestamp;
use regie_core::bus::{DEAD_LETTER, Letter};
use regie_core::event::{EventResult, Incoming, Pattern, Principal};
use regie_core::query::Filter;
use regie_journal::{Reader, StoreError};

use crate::Handle;
use crate::runtime::{Escalation, escalations};

/// How long a listing waits for the index to cover what was committed before it.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the reason of an event begins with that killed its workflow.
const POISON: &str = "poison: ";

/// Something that could not be handled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Where it stands in the journal: what a decision names.
    pub position: u64,
    /// Since when.
    pub since: Timestamp,
    /// What went wrong at last.
    pub error: String,
    /// What it is.
    pub kind: LetterKind,
    /// The event that is escalated: the letter itself, or the event that is poison.
    pub event: Incoming,
}

/// What a dead letter is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LetterKind {
    /// A delivery that a subscriber did not take.
    Letter(Box<Letter>),
    /// An event that its workflow did not survive, or did not take.
    Poison,
}

impl DeadLetter {
    fn of(one: Escalation) -> Option<Self> {
        let letter = Letter::read(one.event.event()).map(|letter| LetterKind::Letter(Box::new(letter)));
        let kind = letter.or_else(|| one.reason.starts_with(POISON).then_some(LetterKind::Poison))?;
        let error = one.reason.strip_prefix(POISON).unwrap_or(&one.reason).to_string();
        Some(Self { position: one.position, since: one.since, error, kind, event: one.event })
    }

    /// The subscriber; none of a poison event.
    pub fn subscriber(&self) -> Option<&str> {
        match &self.kind {
            LetterKind::Letter(letter) => Some(letter.subscriber.as_str()),
            LetterKind::Poison => None,
        }
    }

    /// The type of the event that could not be handled.
    pub fn event_type(&self) -> &str {
        match &self.kind {
            LetterKind::Letter(letter) => &letter.kind,
            LetterKind::Poison => &self.event.event().kind,
        }
    }
}

/// Which dead letters are meant: all conditions together. The default means all.
#[derive(Clone, Debug, Default)]
pub struct LetterFilter {
    /// Of this subscriber; poison events have none.
    pub subscriber: Option<String>,
    /// About events of a type that fits.
    pub kind: Option<Pattern>,
    /// That wait since before then.
    pub before: Option<Timestamp>,
}

impl LetterFilter {
    fn means(&self, letter: &DeadLetter) -> bool {
        self.subscriber.as_deref().is_none_or(|name| letter.subscriber() == Some(name))
            && self.kind.as_ref().is_none_or(|kind| kind.matches(letter.event_type()))
            && self.before.is_none_or(|before| letter.since < before)
    }
}

/// The dead letters of a journal, in its order.
///
/// # Errors
/// If the journal cannot be read.
pub fn dead_letters(reader: &mut Reader, filter: &LetterFilter) -> Result<Vec<DeadLetter>, StoreError> {
    let letters = Filter { kind: Pattern::parse(DEAD_LETTER).ok(), own: true, ..Filter::default() };
    let mut found = escalations(reader, letters)?;
    if filter.subscriber.is_none() {
        found.extend(escalations(reader, Filter::default())?);
    }
    let mut dead: Vec<DeadLetter> = found.into_iter().filter_map(DeadLetter::of).collect();
    dead.retain(|letter| filter.means(letter));
    dead.sort_by_key(|letter| letter.position);
    dead.dedup_by_key(|letter| letter.position);
    Ok(dead)
}

impl Handle {
    /// The dead letters that a filter means, in the journal's order: deliveries that subscribers did not take, and events that
    /// are poison.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn dead_letters(&self, filter: LetterFilter) -> Result<Vec<DeadLetter>, StoreError> {
        let least = self.position();
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            dead_letters(reader, &filter)
        });
        read.await
    }

    /// Has a dead letter tried again: its subscriber is handed the delivery once more, or the poison event its workflow. Comes
    /// back once that is owed; what fails again is a new dead letter.
    ///
    /// # Errors
    /// If nothing of that kind waits there (any more), this program has no such subscriber, or who or why is missing.
    pub async fn retry_dead_letter(&self, position: u64, by: Principal, why: &str) -> Result<EventResult, Reason> {
        self.is_dead(position).await?;
        self.approve(position, by, why).await
    }

    /// Discards a dead letter. The event that it is about stays as it is; a poison event is itself discarded.
    ///
    /// # Errors
    /// As [`Handle::retry_dead_letter`].
    pub async fn discard_dead_letter(&self, position: u64, by: Principal, why: &str) -> Result<EventResult, Reason> {
        self.is_dead(position).await?;
        self.reject(position, by, why).await
    }

    /// Has all that a filter means tried again; what became of each, by position.
    ///
    /// # Errors
    /// If the journal cannot be read. What is refused of one is told with it.
    pub async fn retry_dead_letters(
        &self,
        filter: LetterFilter,
        by: Principal,
        why: &str,
    ) -> Result<Vec<(u64, Result<EventResult, Reason>)>, StoreError> {
        self.resolve_all(filter, (true, by), why).await
    }

    /// Discards all that a filter means; what became of each, by position.
    ///
    /// # Errors
    /// As [`Handle::retry_dead_letters`].
    pub async fn discard_dead_letters(
        &self,
        filter: LetterFilter,
        by: Principal,
        why: &str,
    ) -> Result<Vec<(u64, Result<EventResult, Reason>)>, StoreError> {
        self.resolve_all(filter, (false, by), why).await
    }

    async fn resolve_all(
        &self,
        filter: LetterFilter,
        (again, by): (bool, Principal),
        why: &str,
    ) -> Result<Vec<(u64, Result<EventResult, Reason>)>, StoreError> {
        let letters = self.dead_letters(filter).await?;
        let mut resolved = Vec::with_capacity(letters.len());
        for DeadLetter { position, .. } in letters {
            let done = match again {
                true => self.approve(position, by.clone(), why).await,
                false => self.reject(position, by.clone(), why).await,
            };
            resolved.push((position, done));
        }
        Ok(resolved)
    }

    /// Makes sure that a position is that of a dead letter, rather than of another event that waits for a person.
    async fn is_dead(&self, position: u64) -> Result<(), Reason> {
        let stored = self.received_at(position).await?;
        if Letter::addressee(&stored.correlation).is_some() {
            return Ok(());
        }
        let dead = self.dead_letters(LetterFilter::default()).await?;
        let found = dead.iter().any(|letter| letter.position == position);
        found.then_some(()).ok_or(Reason::NoEvent { position })
    }
}
