//! History to try policies on: events from files in the order of their lines, or from a journal in the order of positions.

use std::collections::HashMap;
use std::path::PathBuf;

use regie_core::event::Incoming;
use regie_core::limits;
use regie_core::reasoning::Reasoning;
use regie_core::workflow::{Fact, Record};
use regie_journal::{Reader, StoreError};

use crate::cli::exit::Failure;
use crate::cli::run::input;
use crate::cli::run::progress::{Progress, of_records};

/// What is done with each event, and with what reasoners said of it.
pub(in crate::cli) type Each<'a> = dyn FnMut(&Incoming, &[Reasoning]) + 'a;

/// Hands over the events of files; gives how many lines could not be read. Each of those is told.
pub(in crate::cli) fn of_files(files: &[PathBuf], each: &mut Each<'_>) -> Result<u64, Failure> {
    let sources = input::open(files).map_err(Failure::Usage)?;
    let progress = Progress::start(sources.bytes, sources.read);
    let mut batches = input::read(sources.all)?;
    let (mut taken, mut unreadable) = (0, 0);
    while let Some(items) = batches.blocking_recv() {
        for item in items {
            match item.event {
                Ok(event) => {
                    each(&event, &[]);
                    taken += 1;
                }
                Err(reason) => {
                    progress.tell(&format!("regie: {}:{}: {reason}", item.place.file, item.place.line));
                    unreadable += 1;
                }
            }
        }
        progress.at(taken);
    }
    progress.end();
    Ok(unreadable)
}

/// Hands over the events of a journal, but for the runtime's own; with what reasoners said of them, if that is wanted.
pub(super) fn of_journal(reader: &mut Reader, with_signals: bool, each: &mut Each<'_>) -> Result<(), StoreError> {
    let said = if with_signals { signals(reader)? } else { HashMap::new() };
    let bar = of_records(reader.head()?.position);
    let done = records(reader, &mut |number, position, record| {
        bar.set_position(position);
        if let Some(event) = received(&record, position)?.filter(|event| !event.event().correlation_id.is_own()) {
            each(&event, said.get(&(number, record.sequence)).map_or(&[], Vec::as_slice));
        }
        Ok(())
    });
    bar.finish_and_clear();
    done
}

/// Which event: its correlation's number, and the sequence of the record that received it.
type Whose = (u64, u64);

/// What reasoners said first of each event.
fn signals(reader: &mut Reader) -> Result<HashMap<Whose, Vec<Reasoning>>, StoreError> {
    let mut said: HashMap<Whose, Vec<Reasoning>> = HashMap::new();
    records(reader, &mut |number, _, record| {
        for fact in record.facts {
            if let Fact::Reasoned { event, reasonings } = fact {
                said.entry((number, event)).or_insert(reasonings);
            }
        }
        Ok(())
    })?;
    Ok(said)
}

fn records(
    reader: &mut Reader,
    each: &mut dyn FnMut(u64, u64, Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut position = 0;
    loop {
        let rows = reader.rows_after(position, limits::COMMIT_TURNS)?;
        let Some(last) = rows.last() else { return Ok(()) };
        position = last.last();
        for row in &rows {
            for (at, encoded) in (row.first..).zip(&row.records) {
                each(row.number, at, Record::decode(&encoded.bytes).map_err(|error| damaged(at, &error))?)?;
            }
        }
    }
}

fn received(record: &Record, position: u64) -> Result<Option<Incoming>, StoreError> {
    let event = record.facts.iter().find_map(|fact| match fact {
        Fact::Received { format, raw, made_id, .. } => {
            Some(Incoming::recover(*format, raw.clone(), made_id.as_deref(), record.at))
        }
        _ => None,
    });
    event.transpose().map_err(|error| damaged(position, &error))
}

fn damaged(position: u64, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged { why: format!("the record at position {position}: {error}") }
}
