//! What policies have granted, as tables: written, one change after the other, and read.

use regie_core::Timestamp;
use regie_core::governance::{Arrival, Booking, Grant};
use rusqlite::{Connection, OptionalExtension, Row};

use super::batch::GrantEntry;
use super::schema;
use crate::grants::{Booked, Grants, HeldBy, InBurst, Places, Spent, Taken};

/// Writes changes in their order.
pub(super) fn write(connection: &Connection, changes: &[GrantEntry]) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            GrantEntry::Granted { policy, grant, number, event, waits } => {
                granted(connection, (policy, grant), (number.cast_signed(), event.cast_signed()), *waits)?;
            }
            GrantEntry::Released { booking, number, event } => {
                released(connection, booking, (number.cast_signed(), event.cast_signed()))?;
            }
            GrantEntry::Freed { policy, key, number, event } => {
                let sql = "DELETE FROM held WHERE policy = ?1 AND key = ?2 AND correlation = ?3 AND event = ?4";
                let params = (policy, key, number.cast_signed(), event.cast_signed());
                connection.prepare_cached(sql)?.execute(params)?;
            }
        }
    }
    Ok(())
}

/// An event as the tables have it: the number of its correlation, and its sequence.
type Event = (i64, i64);

fn granted(connection: &Connection, (policy, grant): (&str, &Grant), who: Event, waits: bool) -> rusqlite::Result<()> {
    match grant {
        Grant::Taken { key, at } => {
            let sql = "INSERT INTO cooldowns VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)";
            connection.prepare_cached(sql)?.execute((policy, key, at.micros()))?;
        }
        Grant::Booked(booking) => booked(connection, booking, (None, waits), who)?,
        Grant::Burst { booking, first, nth } => burst(connection, booking, (*first, *nth), who)?,
        Grant::Placed { key, opening } => {
            let sql = "INSERT INTO places VALUES (?1, ?2, ?3, 1) ON CONFLICT DO UPDATE SET
                count = CASE WHEN excluded.opening > opening THEN 1 ELSE count + (excluded.opening = opening) END,
                opening = max(opening, excluded.opening)";
            connection.prepare_cached(sql)?.execute((policy, key, opening.micros()))?;
        }
        Grant::Spent { key, at, interval, booked } => {
            let known = arrival(connection, policy, key)?;
            let Arrival { micros, rest, parts } = Arrival::after(known, *at, *interval, *booked);
            let sql = "INSERT OR REPLACE INTO rates VALUES (?1, ?2, ?3, ?4, ?5)";
            connection.prepare_cached(sql)?.execute((policy, key, micros, rest, parts))?;
        }
        Grant::Held { key } => {
            let sql = "INSERT OR IGNORE INTO held VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute((policy, key, who.0, who.1))?;
        }
    }
    Ok(())
}

/// The burst that it is of, if it is of one: its first instant, which of it it is, and the latest of it.
type OfBurst = Option<(i64, u32, u32)>;

fn booked(
    connection: &Connection,
    booking: &Booking,
    (of, waits): (OfBurst, bool),
    who: Event,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO bookings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let [first, nth, top] = of.map_or([None; 3], |(first, nth, top)| [Some(first), Some(nth.into()), Some(top.into())]);
    let Booking { policy, key, slot } = booking;
    let params = (policy, key, slot.micros(), who.0, who.1, first, nth, top, waits);
    connection.prepare_cached(sql)?.execute(params).map(drop)
}

/// All that stand of a burst know its latest, in whichever order they were written.
fn burst(connection: &Connection, booking: &Booking, of: (Timestamp, u32), who: Event) -> rusqlite::Result<()> {
    let (first, nth) = (of.0.micros(), of.1);
    let sql = "UPDATE bookings SET top = max(top, ?4) WHERE policy = ?1 AND key = ?2 AND first = ?3";
    connection.prepare_cached(sql)?.execute((&booking.policy, &booking.key, first, nth))?;
    let sql = "SELECT max(top) FROM bookings WHERE policy = ?1 AND key = ?2 AND first = ?3";
    let params = (&booking.policy, &booking.key, first);
    let top: Option<u32> = connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
    booked(connection, booking, (Some((first, nth, top.unwrap_or(nth))), false), who)
}

/// Several events of a correlation may hold the same booking; it is one of them that gives it up.
fn released(connection: &Connection, booking: &Booking, who: Event) -> rusqlite::Result<()> {
    let sql = "DELETE FROM bookings WHERE policy = ?1 AND key = ?2 AND slot = ?3 AND correlation = ?4 AND event = ?5";
    let params = (&booking.policy, &booking.key, booking.slot.micros(), who.0, who.1);
    connection.prepare_cached(sql)?.execute(params).map(drop)
}

fn arrival(connection: &Connection, policy: &str, key: &str) -> rusqlite::Result<Option<Arrival>> {
    let sql = "SELECT micros, rest, parts FROM rates WHERE policy = ?1 AND key = ?2";
    connection.prepare_cached(sql)?.query_row((policy, key), |row| arrival_at(row, 0)).optional()
}

fn arrival_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Arrival> {
    Ok(Arrival { micros: row.get(at)?, rest: row.get(at + 1)?, parts: row.get(at + 2)? })
}

/// What the tables hold, as of one moment.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Grants> {
    let transaction = connection.unchecked_transaction()?;
    let position = schema::covers(&transaction)?.map_or(0, |covers| covers.head.position);
    let instant = |row: &Row<'_>, at: usize| row.get(at).map(Timestamp::from_micros);
    let taken = rows(&transaction, "SELECT policy, key, at FROM cooldowns", |row| {
        Ok(Taken { policy: row.get(0)?, key: row.get(1)?, at: instant(row, 2)? })
    })?;
    let placed = rows(&transaction, "SELECT policy, key, opening, count FROM places", |row| {
        let count = row.get::<_, i64>(3)?.cast_unsigned();
        Ok(Places { policy: row.get(0)?, key: row.get(1)?, opening: instant(row, 2)?, count })
    })?;
    let spent = rows(&transaction, "SELECT policy, key, micros, rest, parts FROM rates", |row| {
        Ok(Spent { policy: row.get(0)?, key: row.get(1)?, arrival: arrival_at(row, 2)? })
    })?;
    let sql = "SELECT b.policy, b.key, b.slot, c.name, b.event, b.first, b.nth, b.top, b.waits FROM bookings b
        JOIN correlations c ON c.number = b.correlation ORDER BY b.policy, b.key, b.slot";
    let booked = rows(&transaction, sql, |row| {
        let booking = Booking { policy: row.get(0)?, key: row.get(1)?, slot: instant(row, 2)? };
        let (correlation, event) = (row.get::<_, String>(3)?.into(), row.get::<_, i64>(4)?.cast_unsigned());
        let first: Option<i64> = row.get(5)?;
        let last: Option<(u32, u32)> = row.get::<_, Option<u32>>(6)?.zip(row.get(7)?);
        let burst =
            first.zip(last).map(|(first, (nth, top))| InBurst { first: Timestamp::from_micros(first), nth, top });
        Ok(Booked { booking, correlation, event, burst, waits: row.get(8)? })
    })?;
    let sql = "SELECT h.policy, h.key, c.name, h.event FROM held h JOIN correlations c ON c.number = h.correlation
        ORDER BY h.policy, h.key, c.name, h.event";
    let held = rows(&transaction, sql, |row| {
        let (correlation, event) = (row.get::<_, String>(2)?.into(), row.get::<_, i64>(3)?.cast_unsigned());
        Ok(HeldBy { policy: row.get(0)?, key: row.get(1)?, correlation, event })
    })?;
    Ok(Grants { position, taken, placed, spent, booked, held })
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map([], read)?.collect()
}
