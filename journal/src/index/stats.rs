//! Counting events, in one walk.

use std::collections::{BTreeMap, HashMap, HashSet};

use regie_core::Timestamp;
use regie_core::event::{LifeState, Priority};
use regie_core::query::{Filter, Stats};
use rusqlite::{Connection, Row};

use super::apply::{priority_number, state_of};
use super::dictionary;
use super::query::Selection;
use crate::error::StoreError;
use crate::sqlite::errors;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Counts over the events that a filter means; its limit and order have no say.
pub(crate) fn stats(connection: &Connection, filter: &Filter) -> Result<Stats, StoreError> {
    let Some(selection) = Selection::of(connection, filter)? else { return Ok(Stats::default()) };
    let count = || -> rusqlite::Result<Stats> {
        // One transaction, so that all counts are of the same moment.
        let transaction = connection.unchecked_transaction()?;
        let mut tally = Tally::default();
        let sql = format!(
            "SELECT e.correlation, e.stamped, e.kind, e.actor, e.session, e.priority, e.state, e.caused {}",
            selection.source()
        );
        let mut statement = transaction.prepare(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(selection.values()))?;
        while let Some(row) = rows.next()? {
            tally.add(row)?;
        }
        let entities = entities(&transaction, filter, &selection)?;
        tally.into_stats(&transaction, entities)
    };
    count().map_err(errors::indexing)
}

/// How many entities the events are about or touch.
fn entities(connection: &Connection, filter: &Filter, selection: &Selection) -> rusqlite::Result<u64> {
    let own = "SELECT EXISTS (SELECT 1 FROM events WHERE own = 1)";
    let whole = *filter == Filter { limit: filter.limit, order: filter.order, own: filter.own, ..Filter::default() };
    let count: i64 = if whole && (filter.own || !connection.query_row(own, [], |row| row.get::<_, bool>(0))?) {
        connection.query_row("SELECT count(*) FROM (SELECT DISTINCT entity FROM touches)", [], |row| row.get(0))?
    } else {
        let positions = format!("SELECT e.position {}", selection.source());
        let sql = format!("SELECT count(DISTINCT y.entity) FROM touches y WHERE y.position IN ({positions})");
        connection.query_row(&sql, rusqlite::params_from_iter(selection.values()), |row| row.get(0))?
    };
    Ok(count.cast_unsigned())
}

/// Counts by the numbers of the tables.
#[derive(Default)]
struct Tally {
    events: u64,
    caused: u64,
    first: Option<i64>,
    last: Option<i64>,
    correlations: HashSet<i64>,
    kinds: HashMap<i64, u64>,
    actors: HashMap<i64, u64>,
    sessions: HashMap<i64, u64>,
    priorities: HashMap<i64, u64>,
    states: HashMap<i64, u64>,
    hours: HashMap<i64, u64>,
}

impl Tally {
    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let stamped: i64 = row.get(1)?;
        self.events += 1;
        self.correlations.insert(row.get(0)?);
        self.first = Some(self.first.map_or(stamped, |first| first.min(stamped)));
        self.last = Some(self.last.map_or(stamped, |last| last.max(stamped)));
        *self.hours.entry(stamped.div_euclid(HOUR_MICROS)).or_default() += 1;
        *self.kinds.entry(row.get(2)?).or_default() += 1;
        if let Some(actor) = row.get(3)? {
            *self.actors.entry(actor).or_default() += 1;
        }
        if let Some(session) = row.get(4)? {
            *self.sessions.entry(session).or_default() += 1;
        }
        *self.priorities.entry(row.get(5)?).or_default() += 1;
        *self.states.entry(row.get(6)?).or_default() += 1;
        self.caused += u64::from(row.get::<_, bool>(7)?);
        Ok(())
    }

    fn into_stats(self, connection: &Connection, entities: u64) -> rusqlite::Result<Stats> {
        let mut stats = Stats {
            events: self.events,
            correlations: self.correlations.len() as u64,
            entities,
            sessions: self.sessions.len() as u64,
            event_types: self.kinds.len() as u64,
            distinct_actors: self.actors.len() as u64,
            first_timestamp: self.first.map(Timestamp::from_micros),
            last_timestamp: self.last.map(Timestamp::from_micros),
            with_causation: self.caused,
            by_type: named(connection, self.kinds)?,
            by_actor: named(connection, self.actors)?,
            by_session: named(connection, self.sessions)?,
            by_priority: BTreeMap::new(),
            by_state: BTreeMap::new(),
            by_month: BTreeMap::new(),
            by_hour: BTreeMap::new(),
        };
        for (number, count) in self.priorities {
            let priority = Priority::ALL.into_iter().find(|priority| priority_number(*priority) == number);
            *stats.by_priority.entry(priority.unwrap_or_default().as_str().into()).or_default() += count;
        }
        for (number, count) in self.states {
            let state = state_of(number).unwrap_or(LifeState::Pending);
            *stats.by_state.entry(state.as_str().into()).or_default() += count;
        }
        for (hour, count) in self.hours {
            let time = Timestamp::from_micros(hour.saturating_mul(HOUR_MICROS)).to_chrono();
            *stats.by_month.entry(time.format("%Y-%m").to_string()).or_default() += count;
            *stats.by_hour.entry(time.format("%H").to_string()).or_default() += count;
        }
        Ok(stats)
    }
}

fn named(connection: &Connection, counts: HashMap<i64, u64>) -> rusqlite::Result<BTreeMap<String, u64>> {
    counts.into_iter().map(|(number, count)| Ok((dictionary::text(connection, number)?, count))).collect()
}
