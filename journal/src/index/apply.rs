//! Writing a batch into the tables: in order where a table is in order, sorted where it is not.

use regie_core::event::{LifeState, Priority};
use rusqlite::Connection;

use super::batch::Batch;
use super::dictionary::{self, Dictionary, Room};
use super::{granted, identities, runs, schema};

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
    let mut insert = connection.prepare_cached("INSERT INTO correlations VALUES (?1, ?2, 0, x'', 0)")?;
    for (number, name) in &batch.opened {
        insert.execute((number.cast_signed(), name.as_str()))?;
    }
    let sql = "UPDATE correlations SET sequence = ?2, digest = ?3, last = ?4 WHERE number = ?1";
    let mut update = connection.prepare_cached(sql)?;
    for (number, known) in &batch.known {
        let (sequence, last) = (known.tip.sequence.cast_signed(), known.last.cast_signed());
        update.execute((number.cast_signed(), sequence, known.tip.digest.0, last))?;
    }
    Ok(())
}

fn turns(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO turns VALUES (?1, ?2, ?3, ?4)")?;
    for turn in &batch.turns {
        let [number, sequence] = [turn.number, turn.sequence].map(u64::cast_signed);
        insert.execute((number, sequence, turn.position.cast_signed(), turn.records.cast_signed()))?;
    }
    Ok(())
}

fn events(connection: &Connection, dictionary: &mut Dictionary, batch: &Batch) -> rusqlite::Result<()> {
    let sql = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    let mut insert = connection.prepare_cached(sql)?;
    let mut touches = Vec::new();
    for entry in &batch.events {
        let brief = &entry.brief;
        let mut number = |room, text: &str| dictionary.number(connection, room, text);
        let kind = number(Room::Kind, &brief.kind)?;
        let actor = brief.actor.as_ref().map(|actor| number(Room::Actor, actor)).transpose()?;
        let session = brief.session.as_ref().map(|key| number(Room::Session, key)).transpose()?;
        for entity in &brief.entities {
            let entity = number(Room::Entity, &dictionary::entity_text(entity))?;
            touches.push((entity, brief.stamped.micros(), entry.position.cast_signed()));
        }
        let [position, correlation, sequence] = [entry.position, entry.number, entry.sequence].map(u64::cast_signed);
        insert.execute(rusqlite::params![
            position,
            correlation,
            sequence,
            brief.stamped.micros(),
            entry.recorded_at.micros(),
            kind,
            actor,
            session,
            priority_number(brief.priority),
            state_number(entry.state),
            brief.caused,
            brief.own,
            entry.identity.0,
        ])?;
    }
    touches.sort_unstable();
    touches.dedup();
    let mut insert = connection.prepare_cached("INSERT INTO touches VALUES (?1, ?2, ?3)")?;
    touches.iter().try_for_each(|touch| insert.execute(*touch).map(drop))
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
