//! Writing a batch into the tables: in order where a table is in order, sorted where it is not.

use regie_core::event::{LifeState, Priority};
use rusqlite::Connection;

use super::batch::{Batch, EventEntry};
use super::bulk::{self, Cell, number};
use super::dictionary::{Dictionary, Room};
use super::{granted, identities, runs, schema};
use crate::plan::Known;

/// Writes a batch; in a transaction of the caller's.
pub(super) fn write(connection: &Connection, dictionary: &mut Dictionary, batch: &Batch) -> rusqlite::Result<()> {
    correlations(connection, batch)?;
    turns(connection, batch)?;
    events(connection, dictionary, batch)?;
    identities::write(connection, batch)?;
    moves(connection, batch)?;
    granted::write(connection, &batch.grants)?;
    runs::write(connection, dictionary, batch)?;
    schema::cover(connection, batch.head)
}

/// The number under which the index has a state.
pub(super) fn state_number(state: LifeState) -> i64 {
    match state {
        LifeState::Pending => 0,
        LifeState::Processed => 1,
        LifeState::Deferred => 2,
        LifeState::Escalated => 3,
        LifeState::Discarded => 4,
    }
}

/// The state of a number.
pub(crate) fn state_of(number: i64) -> Option<LifeState> {
    LifeState::ALL.into_iter().find(|state| state_number(*state) == number)
}

/// The number under which the index has a priority.
pub(super) fn priority_number(priority: Priority) -> i64 {
    priority as i64
}

fn correlations(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    bulk::insert(connection, "INSERT INTO correlations", &batch.opened, |(opened, name)| {
        [number(*opened), Cell::Text(name.as_bytes())]
    })?;
    bulk::insert(connection, "INSERT OR REPLACE INTO tips", &batch.known, |known| {
        let Known { number: correlation, tip, last } = known;
        [number(*correlation), number(tip.sequence), Cell::Blob(&tip.digest.0), number(*last)]
    })
}

fn turns(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    bulk::insert(connection, "INSERT INTO turns", &batch.turns, |turn| {
        [turn.number, turn.sequence, turn.position, turn.records].map(number)
    })
}

/// The numbers of what an event names.
struct Numbers {
    kind: i64,
    actor: Option<i64>,
    session: Option<i64>,
}

fn events(connection: &Connection, dictionary: &mut Dictionary, batch: &Batch) -> rusqlite::Result<()> {
    let mut events = Vec::with_capacity(batch.events.len());
    let mut touches = Vec::with_capacity(batch.events.len());
    for entry in &batch.events {
        let reading = &entry.reading;
        let stamped = reading.stamped(entry.recorded_at).micros();
        let mut number = |room, text: &str| dictionary.number(connection, room, text);
        let kind = number(Room::Kind, reading.kind())?;
        let actor = reading.actor().map(|actor| number(Room::Actor, actor)).transpose()?;
        let session = reading.session().map(|key| number(Room::Session, key)).transpose()?;
        for entity in reading.entities() {
            touches.push((dictionary.entity(connection, entity)?, stamped, entry.position.cast_signed()));
        }
        events.push((entry, Numbers { kind, actor, session }));
    }
    bulk::insert(connection, "INSERT INTO events", &events, |(entry, numbers)| event(entry, numbers))?;
    touches.sort_unstable();
    touches.dedup();
    bulk::insert(connection, "INSERT INTO touches", &touches, |(entity, stamped, position)| {
        [*entity, *stamped, *position].map(Cell::Integer)
    })
}

fn event<'a>(entry: &'a EventEntry, numbers: &Numbers) -> [Cell<'a>; 13] {
    let reading = &entry.reading;
    let or_none = |number: Option<i64>| number.map_or(Cell::Null, Cell::Integer);
    [
        number(entry.position),
        number(entry.number),
        number(entry.sequence),
        Cell::Integer(reading.stamped(entry.recorded_at).micros()),
        Cell::Integer(entry.recorded_at.micros()),
        Cell::Integer(numbers.kind),
        or_none(numbers.actor),
        or_none(numbers.session),
        Cell::Integer(priority_number(reading.priority())),
        Cell::Integer(state_number(entry.state)),
        Cell::Integer(reading.is_caused().into()),
        Cell::Integer(reading.is_own().into()),
        Cell::Blob(&entry.identity.0),
    ]
}

/// Events are named by the sequence of the record that received them: the turn that holds it tells its position.
fn moves(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let sql = "UPDATE events SET state = ?3 WHERE position = (SELECT position + ?2 - sequence FROM turns
        WHERE correlation = ?1 AND sequence <= ?2 ORDER BY sequence DESC LIMIT 1)";
    let mut update = connection.prepare_cached(sql)?;
    for ((number, event), state) in &batch.moved {
        update.execute((number.cast_signed(), event.cast_signed(), state_number(*state)))?;
    }
    Ok(())
}
