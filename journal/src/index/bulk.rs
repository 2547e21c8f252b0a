//! Many rows by one statement: each that runs opens a cursor for every B-tree that it may touch, and that costs as much as the
//! rows do.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

/// Rows that one statement takes.
const TOGETHER: usize = 64;

/// What stands in a column.
pub(super) type Cell<'a> = ValueRef<'a>;

/// A number.
pub(super) fn number<'a>(number: u64) -> Cell<'a> {
    Cell::Integer(number.cast_signed())
}

/// Inserts rows in their order. `into` is the statement as far as the table's name.
pub(super) fn insert<'r, T, const COLUMNS: usize>(
    connection: &Connection,
    into: &str,
    rows: &'r [T],
    cells: impl Fn(&'r T) -> [Cell<'r>; COLUMNS],
) -> rusqlite::Result<()> {
    let (many, few) = rows.as_chunks::<TOGETHER>();
    for (rows, together) in [(many.as_flattened(), TOGETHER), (few, 1)] {
        if rows.is_empty() {
            continue;
        }
        let row = format!("({})", ["?"; COLUMNS].join(","));
        let mut statement = connection.prepare_cached(&format!("{into} VALUES {}", vec![row; together].join(",")))?;
        for rows in rows.chunks(together) {
            bind(&mut statement, rows.iter().flat_map(&cells))?;
            statement.raw_execute()?;
        }
    }
    Ok(())
}

fn bind<'r>(statement: &mut Statement<'_>, cells: impl Iterator<Item = Cell<'r>>) -> rusqlite::Result<()> {
    (1_usize..).zip(cells).try_for_each(|(at, cell)| statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(cell)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_stand_in_their_order_as_were_given() {
        for count in [0, 1, 63, 64, 65, 128, 200] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch("CREATE TABLE them (one INTEGER PRIMARY KEY, other INTEGER, text TEXT)").unwrap();
            let rows: Vec<u64> = (1..=count).collect();
            let cells = |row: &u64| [Cell::Null, number(*row), Cell::Text(b"text")];
            insert(&connection, "INSERT INTO them", &rows, cells).unwrap();
            let found: (u64, u64) = connection
                .query_row(
                    "SELECT count(*), count(*) FILTER (WHERE one = other AND text = 'text') FROM them",
                    [],
                    |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned())),
                )
                .unwrap();
            assert_eq!(found, (count, count));
        }
    }
}
