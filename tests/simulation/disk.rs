//! What outlives a process: the journal, with a store that fails when it is told to, and the snapshots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use regie_core::event::CorrelationId;
use regie_core::workflow::State;
use regie_journal::{
    Committed, Conflict, EventReader, EventStore, Head, Journal, Opened, Placed, Reader, Readers, Row, Snapshot,
    StoreError, StoredRecord, Tip, Trails, Turn, Writer, verify,
};

use crate::simulation::automation::Kept;
use crate::simulation::four::Four;
use crate::simulation::log::Log;
use crate::simulation::program::Program;

/// How the next append fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    None,
    /// Nothing was written, and the store goes on.
    Before,
    /// The same for want of room.
    Full,
    /// Nobody knows: nothing was written. The store is latched.
    UnknownNotWritten,
    /// Nobody knows: all was written. The store is latched.
    UnknownWritten,
}

const FAULTS: [Fault; 5] = [Fault::None, Fault::Before, Fault::Full, Fault::UnknownNotWritten, Fault::UnknownWritten];

/// What the world and the store share: how the next append fails, and whether the store is latched.
#[derive(Debug, Default)]
struct Switch {
    fault: AtomicU8,
    latched: AtomicBool,
}

struct Faulty {
    store: Box<dyn EventStore>,
    switch: Arc<Switch>,
}

fn latched() -> StoreError {
    StoreError::Latched { why: "the disk said nothing".into() }
}

impl EventStore for Faulty {
    fn append(&mut self, turns: &[Turn]) -> Result<Vec<Result<Placed, Conflict>>, StoreError> {
        let fault = FAULTS[usize::from(self.switch.fault.swap(0, Ordering::Relaxed))];
        if self.switch.latched.load(Ordering::Relaxed) {
            return Err(latched());
        }
        match fault {
            Fault::None => return self.store.append(turns),
            Fault::Before => return Err(StoreError::Failed { why: "the disk said no".into() }),
            Fault::Full => return Err(StoreError::Full { why: "no room".into() }),
            Fault::UnknownNotWritten => {}
            Fault::UnknownWritten => drop(self.store.append(turns)?),
        }
        self.switch.latched.store(true, Ordering::Relaxed);
        Err(latched())
    }

    fn head(&self) -> Head {
        self.store.head()
    }

    fn reader(&self) -> Result<Box<dyn EventReader>, StoreError> {
        self.store.reader()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.store.close()
    }
}

/// The journal and its snapshots.
pub(crate) struct Disk {
    /// None for an instant alone, while it is opened anew.
    writer: Option<Writer>,
    readers: Readers,
    reader: Reader,
    switch: Arc<Switch>,
    /// Whether anybody follows it.
    is_followed: bool,
    pub(crate) log: Log,
    /// What was kept of what rules know.
    pub(crate) kept: Vec<Kept>,
}

impl Disk {
    pub(crate) fn new(is_followed: bool) -> Self {
        let Opened { writer, readers, .. } = Journal::memory();
        let switch = Arc::new(Switch::default());
        let faulty = Faulty { store: writer.into_store(), switch: Arc::clone(&switch) };
        let writer = Some(Writer::over(Box::new(faulty), Trails::default()));
        let reader = readers.open().expect("a reader");
        let log = Log::new(&readers);
        Self { writer, readers, reader, switch, is_followed, log, kept: Vec::new() }
    }

    pub(crate) fn append(&mut self, turns: &[Turn], fault: Fault) -> Result<Committed, StoreError> {
        self.switch.fault.store(fault as u8, Ordering::Relaxed);
        let committed = self.writer.as_mut().expect("an open journal").append(turns);
        if self.is_followed {
            self.log.go_on();
        }
        committed
    }

    pub(crate) fn is_latched(&self) -> bool {
        self.switch.latched.load(Ordering::Relaxed)
    }

    /// Opens the journal anew, as the next process does: through verification, if it was latched.
    pub(crate) fn open_anew(&mut self) {
        if self.is_latched() {
            self.verify();
        }
        let store = self.writer.take().expect("an open journal").into_store();
        let trail = Trails::read(&mut self.reader).expect("a trail");
        self.writer = Some(Writer::over(store, trail));
        self.switch.latched.store(false, Ordering::Relaxed);
    }

    /// The journal holds together, and ends where its writer says.
    pub(crate) fn verify(&self) -> Head {
        let report = verify(&mut *self.readers.truth().expect("a reader"), &mut |_| {}).expect("a readable journal");
        assert_eq!(report.first_break, None, "the journal is broken");
        assert_eq!(report.head, self.writer.as_ref().expect("an open journal").head());
        report.head
    }

    pub(crate) fn rows_after(&mut self, position: u64) -> Vec<Row> {
        self.reader.rows_after(position, usize::MAX).expect("rows")
    }

    pub(crate) fn record(&mut self, position: u64) -> StoredRecord {
        self.reader.record(position).expect("a readable record").expect("a record at a position that was told")
    }

    /// Whether there is a correlation.
    pub(crate) fn knows(&mut self, correlation: &CorrelationId) -> bool {
        self.reader.tip(correlation).expect("the index").is_some()
    }

    pub(crate) fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    pub(crate) fn keep(&mut self, snapshot: Snapshot) {
        assert!(self.readers.put_snapshots_in_memory(vec![snapshot]));
    }

    /// The state of a correlation by all its records.
    pub(crate) fn fold(&mut self, correlation: &CorrelationId, four: Four, program: &Program) -> State {
        let mut state = State::default();
        for stored in self.reader.load(correlation, 0).expect("records") {
            four.evolve(&mut state, &stored.record, &program.definitions).expect("a legal journal");
            state.digest = stored.digest;
            state.placed(stored.record.sequence, stored.position);
        }
        state
    }

    /// The state of a correlation, from its snapshot if there is a good one, and the sequence that this told.
    pub(crate) fn wake(&mut self, correlation: &CorrelationId, four: Four, program: &Program) -> (State, u64) {
        let snapshot = self.reader.snapshot(correlation).expect("snapshots can be read");
        let Snapshot { tip: Tip { sequence, digest }, body, .. } = snapshot.unwrap_or_else(|| Snapshot {
            correlation: correlation.clone(),
            tip: Tip::default(),
            body: vec![],
        });
        let restored = State::restore(&body, sequence, digest, &program.definitions);
        let (mut state, rest) = match restored {
            Some(state) if sequence > 0 => {
                let mut records = self.reader.load(correlation, sequence - 1).expect("records");
                let fits = records.first().is_some_and(|first| first.digest == digest);
                let rest = if fits { records.split_off(1) } else { Vec::new() };
                if fits { (state, Some(rest)) } else { (State::default(), None) }
            }
            _ => (State::default(), None),
        };
        let told = state.sequence;
        for stored in rest.unwrap_or_else(|| self.reader.load(correlation, 0).expect("records")) {
            four.evolve(&mut state, &stored.record, &program.definitions).expect("a legal journal");
            state.digest = stored.digest;
            state.placed(stored.record.sequence, stored.position);
        }
        (state, told)
    }
}
