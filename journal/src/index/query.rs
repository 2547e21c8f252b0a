//! Filters as SQL.

use regie_core::query::{Filter, Order};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::apply::state_number;
use super::dictionary::{self, Room};
use super::lookup;
use crate::error::StoreError;
use crate::sqlite::errors;

/// Which events a filter means, in the terms of the tables. The events are `e` there.
pub(crate) struct Selection {
    tables: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
    /// The columns that the order goes by: those of the table that is walked, so that its order serves.
    order: (&'static str, &'static str),
}

impl Selection {
    /// Everything, from the table of events.
    fn all() -> Self {
        Self { tables: "events e", conditions: Vec::new(), values: Vec::new(), order: ("e.stamped", "e.position") }
    }

    fn and(&mut self, condition: impl Into<String>, value: impl Into<Value>) {
        self.conditions.push(condition.into());
        self.values.push(value.into());
    }

    /// What a filter means; nothing if no event can be meant, because a name in it is unknown.
    pub(crate) fn of(connection: &Connection, filter: &Filter) -> Result<Option<Self>, StoreError> {
        let mut selection = Self::all();
        let known = selection.correlation(connection, filter)?
            && selection.entity(connection, filter)?
            && selection.named(connection, filter)?;
        if !known {
            return Ok(None);
        }
        if let Some(from) = filter.from {
            selection.and("e.stamped >= ?", from.micros());
        }
        if let Some(to) = filter.to {
            selection.and("e.stamped < ?", to.micros());
        }
        if let Some(state) = filter.state {
            // As a number in the text: who waits for a person has an index of its own, which only that finds.
            selection.conditions.push(format!("e.state = {}", state_number(state)));
        }
        if !filter.own {
            selection.conditions.push("e.own = 0".into());
        }
        Ok(Some(selection))
    }

    fn correlation(&mut self, connection: &Connection, filter: &Filter) -> Result<bool, StoreError> {
        let Some(correlation) = &filter.correlation else { return Ok(true) };
        let Some(known) = lookup::known(connection, correlation)? else { return Ok(false) };
        self.tables = "turns t CROSS JOIN events e ON e.position BETWEEN t.position AND t.position + t.records - 1";
        self.and("t.correlation = ?", known.number.cast_signed());
        Ok(true)
    }

    fn entity(&mut self, connection: &Connection, filter: &Filter) -> Result<bool, StoreError> {
        let Some(entity) = &filter.entity else { return Ok(true) };
        let text = dictionary::entity_text(entity);
        let Some(number) = find(connection, Room::Entity, &text)? else { return Ok(false) };
        if filter.correlation.is_some() {
            let touched = "EXISTS (SELECT 1 FROM touches x WHERE x.entity = ? AND x.stamped = e.stamped
                AND x.position = e.position)";
            self.and(touched, number);
            return Ok(true);
        }
        self.tables = "touches x CROSS JOIN events e ON e.position = x.position";
        self.order = ("x.stamped", "x.position");
        self.and("x.entity = ?", number);
        for (condition, bound) in [("x.stamped >= ?", filter.from), ("x.stamped < ?", filter.to)] {
            if let Some(bound) = bound {
                self.and(condition, bound.micros());
            }
        }
        Ok(true)
    }

    fn named(&mut self, connection: &Connection, filter: &Filter) -> Result<bool, StoreError> {
        let names = [(Room::Actor, "e.actor = ?", &filter.actor), (Room::Session, "e.session = ?", &filter.session)];
        for (room, condition, name) in names {
            let Some(name) = name else { continue };
            let Some(number) = find(connection, room, name)? else { return Ok(false) };
            self.and(condition, number);
        }
        let Some(pattern) = &filter.kind else { return Ok(true) };
        if pattern.is_literal() {
            let Some(number) = find(connection, Room::Kind, pattern.as_str())? else { return Ok(false) };
            self.and("e.kind = ?", number);
            return Ok(true);
        }
        let mut kinds = dictionary::all(connection, Room::Kind).map_err(errors::indexing)?;
        kinds.retain(|(_, kind)| pattern.matches(kind));
        let numbers: Vec<String> = kinds.iter().map(|(number, _)| number.to_string()).collect();
        self.and("e.kind IN (SELECT value FROM json_each(?))", format!("[{}]", numbers.join(",")));
        Ok(!numbers.is_empty())
    }

    /// Of the events of an entity those after a position alone.
    pub(crate) fn after(mut self, position: u64) -> Self {
        self.and("x.position > ?", position.cast_signed());
        self
    }

    /// `FROM` and `WHERE`.
    pub(crate) fn source(&self) -> String {
        let conditions = if self.conditions.is_empty() { "1".into() } else { self.conditions.join(" AND ") };
        format!("FROM {} WHERE {conditions}", self.tables)
    }

    /// `ORDER BY` and `LIMIT`.
    pub(crate) fn end(&self, filter: &Filter) -> String {
        let (stamped, position) = self.order;
        let direction = match filter.order {
            Order::Oldest => "ASC",
            Order::Newest => "DESC",
        };
        let bounded = filter.limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let limit = bounded.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        format!("ORDER BY {stamped} {direction}, {position} {direction}{limit}")
    }

    /// What stands for the question marks.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }
}

/// How many events a filter means.
pub(crate) fn count(connection: &Connection, filter: &Filter) -> Result<u64, StoreError> {
    let Some(selection) = Selection::of(connection, filter)? else { return Ok(0) };
    let sql = format!("SELECT count(*) {}", selection.source());
    let values = rusqlite::params_from_iter(selection.values());
    let count: i64 = connection.query_row(&sql, values, |row| row.get(0)).map_err(errors::indexing)?;
    Ok(filter.limit.map_or(count.cast_unsigned(), |limit| count.cast_unsigned().min(limit as u64)))
}

fn find(connection: &Connection, room: Room, text: &str) -> Result<Option<i64>, StoreError> {
    dictionary::find(connection, room, text).map_err(errors::indexing)
}
