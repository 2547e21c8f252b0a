//! The table of what is to be woken, built anew from the records where it cannot be used: facts tell what is owed.

use rusqlite::{Connection, TransactionBehavior};

use super::reader::SqliteReader;
use super::{errors, schema};
use crate::error::StoreError;
use crate::verify;

/// Whether there is such a table.
pub(crate) fn are_there(connection: &Connection) -> Result<bool, StoreError> {
    schema::has_wake(connection).map_err(errors::reading)
}

/// Builds the table in place of any that is there; gives how many correlations are to be woken.
pub(crate) fn build(connection: &mut Connection, reader: &mut SqliteReader, path: &str) -> Result<u64, StoreError> {
    let owed = verify::owed(reader)?;
    let mut build = || -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::create_wake(&transaction)?;
        for (number, due) in &owed {
            transaction.execute("INSERT INTO wake VALUES (?1, ?2)", (number.cast_signed(), due.micros()))?;
        }
        transaction.commit()
    };
    build().map_err(|error| errors::writing(error, path))?;
    Ok(owed.len() as u64)
}
