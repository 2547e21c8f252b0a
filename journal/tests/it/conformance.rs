//! Every store passes the same suite.

use regie_journal::conformance::{self, Place as Where};
use regie_journal::{EventStore, Journal, MemoryStore, StoreError};

use crate::helpers::Place;

struct Memory(MemoryStore);

impl Where for Memory {
    fn open(&mut self) -> Result<Box<dyn EventStore>, StoreError> {
        Ok(Box::new(self.0.clone()))
    }
}

struct Sqlite(Place);

impl Where for Sqlite {
    fn open(&mut self) -> Result<Box<dyn EventStore>, StoreError> {
        Ok(Journal::open(self.0.options())?.writer.into_store())
    }
}

#[test]
fn the_store_in_memory_conforms() {
    conformance::run(&mut || Box::new(Memory(MemoryStore::new()))).unwrap();
}

#[test]
fn the_store_in_sqlite_conforms() {
    conformance::run(&mut || Box::new(Sqlite(Place::new()))).unwrap();
}
