//! Which event has an identity: told by a table for long correlations, and by a look at its events for the others.
//!
//! A workflow remembers so many identities itself, and asks for none before it has forgotten some. Most correlations never get
//! there, so that a table of theirs would be written and never read; and in a long journal each of its rows is a page.

use regie_core::event::Identity;
use regie_core::limits;
use rusqlite::{Connection, OptionalExtension};

use super::batch::Batch;

/// Records up to which a correlation has no row in the table.
const SHORT: u64 = limits::KNOWN_EVENTS as u64;

/// The events of a correlation, in order, by way of its turns.
const EVENTS: &str = "FROM turns t CROSS JOIN events e ON e.position BETWEEN t.position AND t.position + t.records - 1
    WHERE t.correlation = ?1";

/// Writes those of a batch whose turns and events are written.
pub(super) fn write(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let long = |number: &u64| batch.known(*number).is_some_and(|known| known.tip.sequence > SHORT);
    // Turns stand by correlation and sequence: the first tells how long the correlation was before. In order, therefore.
    let of_one = batch.turns.chunk_by(|one, other| one.number == other.number).filter_map(<[_]>::first);
    let grown = of_one.filter(|turn| long(&turn.number) && turn.sequence <= SHORT + 1);
    let grown: Vec<u64> = grown.map(|turn| turn.number).collect();
    // The first one has the name, should a faulty writer ever have let in a second.
    let sql =
        format!("INSERT OR IGNORE INTO identities SELECT ?1, e.identity, e.position {EVENTS} ORDER BY e.position");
    let mut all = connection.prepare_cached(&sql)?;
    for number in &grown {
        all.execute([number.cast_signed()])?;
    }
    let is_single = |number: &u64| long(number) && grown.binary_search(number).is_err();
    let single = batch.events.iter().filter(|event| is_single(&event.number));
    let mut found: Vec<_> =
        single.map(|event| (event.number.cast_signed(), event.identity.0, event.position.cast_signed())).collect();
    found.sort_unstable();
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO identities VALUES (?1, ?2, ?3)")?;
    found.iter().try_for_each(|identity| insert.execute(*identity).map(drop))
}

/// The position of the record of a correlation that received the event of an identity.
pub(super) fn find(connection: &Connection, name: &str, identity: Identity) -> rusqlite::Result<Option<u64>> {
    // One transaction, so that the correlation is as long as when its identities are looked for.
    let transaction = connection.unchecked_transaction()?;
    let sql =
        "SELECT c.number, t.sequence FROM correlations c JOIN tips t ON t.correlation = c.number WHERE c.name = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let known = statement.query_row([name], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
    let Some((number, sequence)) = known else { return Ok(None) };
    let sql = if sequence.cast_unsigned() > SHORT {
        "SELECT position FROM identities WHERE correlation = ?1 AND identity = ?2".to_string()
    } else {
        format!("SELECT e.position {EVENTS} AND e.identity = ?2 ORDER BY e.position LIMIT 1")
    };
    let mut statement = transaction.prepare_cached(&sql)?;
    let found = statement.query_row((number, identity.0), |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.map(i64::cast_unsigned))
}
