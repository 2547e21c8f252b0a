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
        Grant::Booked(booking) => drop(booked(connection, booking, (None, waits), who)?),
        Grant::Burst { booking, first, nth } => burst(connection, booking, (first.micros(), *nth), who)?,
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

/// Where it stands in its burst, if it is of one: the burst's first instant, and which of it it is.
type OfBurst = Option<(i64, u32)>;

/// Tells whether it was not known yet.
fn booked(
    connection: &Connection,
    booking: &Booking,
    (of, waits): (OfBurst, bool),
    who: Event,
) -> rusqlite::Result<bool> {
    let sql = "INSERT OR IGNORE INTO bookings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let Booking { policy, key, slot } = booking;
    let params = (policy, key, slot.micros(), who.0, who.1, of.map(|of| of.0), of.map(|of| of.1), waits);
    connection.prepare_cached(sql)?.execute(params).map(|rows| rows == 1)
}

/// Its latest is kept once for all that stand of a burst: it may be long.
fn burst(connection: &Connection, booking: &Booking, (first, nth): (i64, u32), who: Event) -> rusqlite::Result<()> {
    if !booked(connection, booking, (Some((first, nth)), false), who)? {
        return Ok(());
    }
    let sql = "INSERT INTO bursts VALUES (?1, ?2, ?3, ?4, 1) ON CONFLICT DO UPDATE SET
        top = max(top, excluded.top), standing = standing + 1";
    connection.prepare_cached(sql)?.execute((&booking.policy, &booking.key, first, nth)).map(drop)
}

/// Several events of a correlation may hold the same booking; it is one of them that gives it up.
fn released(connection: &Connection, booking: &Booking, who: Event) -> rusqlite::Result<()> {
    let Booking { policy, key, slot } = booking;
    let sql = "DELETE FROM bookings WHERE policy = ?1 AND key = ?2 AND slot = ?3 AND correlation = ?4 AND event = ?5
        RETURNING first";
    let mut delete = connection.prepare_cached(sql)?;
    let first: Option<Option<i64>> =
        delete.query_row((policy, key, slot.micros(), who.0, who.1), |row| row.get(0)).optional()?;
    let Some(first) = first.flatten() else { return Ok(()) };
    let sql = "UPDATE bursts SET standing = standing - 1 WHERE policy = ?1 AND key = ?2 AND first = ?3";
    connection.prepare_cached(sql)?.execute((policy, key, first))?;
    let sql = "DELETE FROM bursts WHERE policy = ?1 AND key = ?2 AND first = ?3 AND standing = 0";
    connection.prepare_cached(sql)?.execute((policy, key, first)).map(drop)
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
    let sql = "SELECT b.policy, b.key, b.slot, c.name, b.event, b.first, b.nth, x.top, b.waits FROM bookings b
        JOIN correlations c ON c.number = b.correlation
        LEFT JOIN bursts x ON x.policy = b.policy AND x.key = b.key AND x.first = b.first ORDER BY b.policy, b.key, b.slot";
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
