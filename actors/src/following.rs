//! Following the journal from an arbiter of one's own: what was committed, portion by portion, and when there is more.

use std::future::Future;
use std::time::Duration;

use regie_journal::{Follow, Followed, Readers, StoreError};
use tokio::sync::watch;

use crate::journal::JournalHandle;

/// Turns that are read at once: whoever asks something meanwhile waits for so many.
const PORTION: usize = 256;
/// How soon a journal that could not be read is read again.
const AGAIN: Duration = Duration::from_millis(200);

/// Follows the journal. It reads where it is called, so that belongs on a thread where nobody else waits.
pub(crate) struct Following {
    readers: Readers,
    follow: Option<Follow>,
    position: u64,
    journal: JournalHandle,
    head: watch::Receiver<u64>,
}

/// What came of a look.
pub(crate) enum Looked {
    /// What was committed next; perhaps nothing that matters.
    Found(Vec<Followed>),
    /// There is nothing more now.
    AtEnd,
    /// The journal cannot be read now.
    Trouble(StoreError),
}

impl Following {
    /// From the record after a position.
    pub(crate) fn new(readers: Readers, journal: &JournalHandle, position: u64) -> Self {
        Self { readers, follow: None, position, journal: journal.clone(), head: journal.heads() }
    }

    /// How far it has come.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on to the end of the journal without reading, if no rules have come into force since: tells whether it did.
    pub(crate) fn pass(&mut self) -> bool {
        let head = *self.head.borrow_and_update();
        let passes = self.journal.rules_at() <= self.position;
        if passes {
            self.position = self.position.max(head);
            self.follow.iter_mut().for_each(|follow| follow.pass(head));
        }
        passes
    }

    /// Reads on.
    pub(crate) fn look(&mut self) -> Looked {
        self.head.mark_unchanged();
        match self.read() {
            Ok(Some(found)) => Looked::Found(found),
            Ok(None) => Looked::AtEnd,
            Err(error) => {
                self.follow = None;
                Looked::Trouble(error)
            }
        }
    }

    fn read(&mut self) -> Result<Option<Vec<Followed>>, StoreError> {
        let follow = match &mut self.follow {
            Some(follow) => follow,
            none => none.insert(self.readers.follow(self.position)?),
        };
        let found = follow.next(PORTION)?;
        self.position = follow.position();
        Ok(found)
    }

    /// Comes back once it is worth to look again; never, once the journal is closed.
    pub(crate) fn more(&self) -> impl Future<Output = ()> + 'static {
        let mut head = self.head.clone();
        async move {
            if head.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Comes back when a journal that could not be read may be read again.
    pub(crate) fn again() -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(AGAIN)
    }
}
