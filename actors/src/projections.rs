//! Users' views of the journal: one actor follows it and tells each view every event that is processed, in order.
//!
//! It has an arbiter of its own, for it reads the journal where it stands. What the views make of the events is kept in
//! the index from time to time and at the end; after a death, or a loss of the index, they begin where they were kept, or
//! anew.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::*;
use regie_core::event::Catalogue;
use regie_core::query::AnyProjection;
use regie_journal::{Followed, Kept, Readers, StoreError};
use tokio::sync::oneshot;

use crate::following::{Following, Looked};
use crate::index::IndexHandle;
use crate::journal::JournalHandle;
use crate::life::Life;
use crate::processed::{Processed, ProcessedEvents};

/// Events after which what the views hold is kept again.
const KEEPS_EVERY: u64 = 50_000;

/// How a view is made: once for each life of the actor.
pub type MakeProjection = Arc<dyn Fn() -> Box<dyn AnyProjection> + Send + Sync>;

/// Why a view cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// There is none of that name, or it is of another type.
    #[error("there is no projection '{name}' of that type")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It panicked, and stands still since.
    #[error(
        "projection '{name}' panicked over the event at position {position}: {why}; give it a new version once that is \
         mended"
    )]
    Broken {
        /// The name.
        name: String,
        /// The event.
        position: u64,
        /// What it said.
        why: String,
    },
    /// It is to hold more than there is.
    #[error("the journal ends at position {head}, and the projection was to hold {wanted}")]
    Beyond {
        /// The end of the journal.
        head: u64,
        /// What was wanted.
        wanted: u64,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// The runtime is shutting down.
    #[error("the runtime is shutting down")]
    Closing,
}

/// What is done with a view's state, where it is.
pub type Reading = Box<dyn FnOnce(Result<&dyn Any, ProjectionError>) + Send>;

/// Reads a view once it holds all up to a position.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Read {
    /// The view's name.
    pub name: String,
    /// What it must hold.
    pub at_least: u64,
    /// What is done with it.
    pub reading: Reading,
}

/// Keeps what there is: the runtime is about to end. Answered when that is on its way.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Keep;

#[derive(Message)]
#[rtype(result = "()")]
struct Look;

struct View {
    projection: Box<dyn AnyProjection>,
    /// Up to where it holds the events.
    holds: u64,
    broken: Option<(u64, String)>,
}

/// What the actor needs from outside.
#[derive(Clone)]
pub struct ProjectionSources {
    /// The views.
    pub make: Vec<MakeProjection>,
    /// Where the journal is read.
    pub readers: Readers,
    /// What announces its head.
    pub journal: JournalHandle,
    /// The event types that are known.
    pub catalogue: Catalogue,
    /// Where they are kept; nowhere for a journal in memory.
    pub index: Option<IndexHandle>,
}

/// The actor.
pub struct Projections {
    views: BTreeMap<String, View>,
    following: Following,
    processed: ProcessedEvents,
    sources: ProjectionSources,
    waiting: Vec<Read>,
    kept_at: u64,
    _life: Life,
}

impl Projections {
    /// Over the journal as it is; the views are taken up where they were kept.
    pub fn new(sources: &ProjectionSources, life: Life) -> Self {
        let mut reader = sources.readers.open().ok();
        let mut views = BTreeMap::new();
        for make in &sources.make {
            let mut projection = make();
            let kept = reader.as_mut().and_then(|reader| reader.kept(projection.name(), projection.version()).ok()?);
            // What cannot be read any more is as good as none.
            let holds = kept.filter(|kept| projection.load(&kept.body)).map_or(0, |kept| kept.position);
            views.insert(projection.name().to_string(), View { projection, holds, broken: None });
        }
        let from = begins(&views).unwrap_or(0);
        let following = Following::new(sources.readers.clone(), &sources.journal, from);
        let processed = ProcessedEvents::new(sources.readers.clone());
        let sources = sources.clone();
        Self { views, following, processed, sources, waiting: Vec::new(), kept_at: from, _life: life }
    }

    /// Tells all that was read, or nothing of it.
    fn tell(&mut self, found: Vec<Followed>) -> Result<(), StoreError> {
        let found: Vec<Option<Processed>> =
            found.into_iter().map(|followed| self.processed.of(followed)).collect::<Result<_, _>>()?;
        for processed in found.iter().flatten() {
            let event = &*processed.event(&self.sources.catalogue);
            if event.correlation_id.is_own() {
                continue;
            }
            let committed = processed.committed(event);
            for view in self.views.values_mut().filter(|view| view.holds < processed.by && view.broken.is_none()) {
                view.broken = view.projection.tell(&committed).err().map(|why| (processed.by, why));
            }
        }
        let position = self.following.position();
        for view in self.views.values_mut().filter(|view| view.broken.is_none()) {
            view.holds = view.holds.max(position);
        }
        Ok(())
    }

    fn keep(&mut self) {
        let Some(index) = &self.sources.index else { return };
        for (name, view) in self.views.iter().filter(|(_, view)| view.broken.is_none() && view.holds > self.kept_at) {
            if let Some(body) = view.projection.save() {
                let (version, position) = (view.projection.version(), view.holds);
                index.keep(Kept { name: name.clone(), version, position, body });
            }
        }
        self.kept_at = self.following.position();
    }

    /// Answers those whose position is reached.
    fn answer(&mut self, trouble: Option<&StoreError>) {
        for read in std::mem::take(&mut self.waiting) {
            let Read { name, at_least, reading } = read;
            match (self.views.get(&name), trouble) {
                (None, _) => reading(Err(ProjectionError::Unknown { name })),
                (Some(View { broken: Some((position, why)), .. }), _) => {
                    reading(Err(ProjectionError::Broken { name, position: *position, why: why.clone() }));
                }
                (Some(view), _) if view.holds >= at_least => reading(Ok(view.projection.state())),
                (Some(_), Some(trouble)) => reading(Err(trouble.clone().into())),
                (Some(_), None) => self.waiting.push(Read { name, at_least, reading }),
            }
        }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        match self.following.look() {
            Looked::Found(found) => {
                if let Err(error) = self.tell(found) {
                    self.following = Following::new(self.sources.readers.clone(), &self.sources.journal, self.begins());
                    return self.trouble(&error, ctx);
                }
                if self.following.position() - self.kept_at >= KEEPS_EVERY {
                    self.keep();
                }
                self.answer(None);
                ctx.notify(Look);
            }
            Looked::AtEnd => {
                let more = self.following.more();
                ctx.spawn(more.into_actor(self).map(|(), this, ctx| this.look(ctx)));
            }
            Looked::Trouble(error) => self.trouble(&error, ctx),
        }
    }

    fn trouble(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        tracing::warn!(%error, "the projections cannot follow the journal; they try again");
        self.answer(Some(error));
        ctx.spawn(Following::again().into_actor(self).map(|(), this, ctx| this.look(ctx)));
    }

    /// From where on somebody is still to be told.
    fn begins(&self) -> u64 {
        begins(&self.views).unwrap_or(self.kept_at)
    }
}

fn begins(views: &BTreeMap<String, View>) -> Option<u64> {
    views.values().filter(|view| view.broken.is_none()).map(|view| view.holds).min()
}

impl Actor for Projections {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
    }
}

impl Handler<Look> for Projections {
    type Result = ();
    fn handle(&mut self, _: Look, ctx: &mut Self::Context) {
        self.look(ctx);
    }
}

impl Handler<Read> for Projections {
    type Result = ();
    fn handle(&mut self, read: Read, _: &mut Self::Context) {
        let (head, wanted) = (self.sources.journal.view().position.load(Ordering::Acquire), read.at_least);
        if wanted > head {
            return (read.reading)(Err(ProjectionError::Beyond { head, wanted }));
        }
        self.waiting.push(read);
        self.answer(None);
    }
}

impl Handler<Keep> for Projections {
    type Result = ();
    fn handle(&mut self, _: Keep, _: &mut Self::Context) {
        self.keep();
    }
}

/// Reads a view's state; `at_least` is what it must hold.
///
/// # Panics
/// If what is done with it does.
pub async fn read<S: 'static, T: Send + 'static>(
    projections: &crate::post::Post<Addr<Projections>>,
    (name, at_least): (&str, u64),
    with: impl FnOnce(&S) -> T + Send + 'static,
) -> Result<T, ProjectionError> {
    let (reply, answer) = oneshot::channel();
    let wanted = name.to_string();
    let reading: Reading = Box::new(move |state| {
        let unknown = || ProjectionError::Unknown { name: wanted };
        let state = state.and_then(|state| state.downcast_ref::<S>().ok_or_else(unknown));
        // A panic of the caller's is the caller's.
        let told = state.map(|state| catch_unwind(AssertUnwindSafe(|| with(state))));
        let _ = reply.send(told); // who asked may have gone
    });
    let address = projections.present().ok_or(ProjectionError::Unknown { name: name.to_string() })?;
    let read = Read { name: name.to_string(), at_least, reading };
    if address.send(read).await.is_err() {
        return Err(ProjectionError::Closing);
    }
    match answer.await.unwrap_or(Err(ProjectionError::Closing))? {
        Ok(told) => Ok(told),
        Err(panic) => resume_unwind(panic),
    }
}
