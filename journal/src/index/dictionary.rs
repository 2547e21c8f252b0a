//! Texts as dense numbers, so that the tables of events stay narrow.

use std::collections::HashMap;

use regie_core::event::EntityRef;
use rusqlite::{Connection, OptionalExtension};

/// Texts that are remembered; beyond it all are forgotten and asked of the table again.
const REMEMBERED: usize = 200_000;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Room {
    Kind = 1,
    Actor = 2,
    Session = 3,
    Entity = 4,
    Definition = 5,
}

const ROOMS: usize = 6;

/// The numbers of texts, for the one that writes them.
#[derive(Default)]
pub(crate) struct Dictionary {
    rooms: [HashMap<String, i64>; ROOMS],
    /// The last number given, once it is known.
    last: Option<i64>,
    /// Room for one text.
    text: String,
}

impl Dictionary {
    /// The number of a text, which is given one if it has none.
    pub(crate) fn number(&mut self, connection: &Connection, room: Room, text: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.rooms[room as usize].get(text) {
            return Ok(*number);
        }
        let number = match find(connection, room, text)? {
            Some(number) => number,
            None => self.insert(connection, room, text)?,
        };
        let known = &mut self.rooms[room as usize];
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(text.to_string(), number);
        Ok(number)
    }

    /// The number of an entity.
    pub(crate) fn entity(&mut self, connection: &Connection, entity: &EntityRef) -> rusqlite::Result<i64> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        write_entity(&mut text, entity);
        let number = self.number(connection, Room::Entity, &text);
        self.text = text;
        number
    }

    /// Forgets everything: what was given in a transaction that did not commit must not be used.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    fn insert(&mut self, connection: &Connection, room: Room, text: &str) -> rusqlite::Result<i64> {
        let last = match self.last {
            Some(last) => last,
            None => connection.query_row("SELECT coalesce(max(number), 0) FROM dictionary", [], |row| row.get(0))?,
        };
        let mut statement = connection.prepare_cached("INSERT INTO dictionary VALUES (?1, ?2, ?3)")?;
        statement.execute((last + 1, room as i64, text))?;
        self.last = Some(last + 1);
        Ok(last + 1)
    }
}

/// The number of a text, if it has one.
pub(crate) fn find(connection: &Connection, room: Room, text: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT number FROM dictionary WHERE room = ?1 AND text = ?2")?;
    statement.query_row((room as i64, text), |row| row.get(0)).optional()
}

/// Every text of a room with its number.
pub(crate) fn all(connection: &Connection, room: Room) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare_cached("SELECT number, text FROM dictionary WHERE room = ?1")?;
    statement.query_map([room as i64], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The text of a number.
pub(crate) fn text(connection: &Connection, number: i64) -> rusqlite::Result<String> {
    let mut statement = connection.prepare_cached("SELECT text FROM dictionary WHERE number = ?1")?;
    statement.query_row([number], |row| row.get(0))
}

/// An entity as one text. Neither of its parts holds a control character, so that no two run together.
pub(crate) fn entity_text(entity: &EntityRef) -> String {
    let mut text = String::with_capacity(entity.kind.len() + entity.id.len() + 1);
    write_entity(&mut text, entity);
    text
}

fn write_entity(text: &mut String, entity: &EntityRef) {
    text.push_str(&entity.kind);
    text.push('\u{1f}');
    text.push_str(&entity.id);
}
