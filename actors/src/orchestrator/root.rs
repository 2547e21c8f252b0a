//! The root: supervises one shard per core, and recreates one that has died.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use regie_core::governance::PolicySet;
use regie_core::workflow::Definitions;
use regie_journal::SetInForce;
use tokio::sync::{oneshot, watch};

use super::{AwaitEnd, Directory, Keep, Neighbours, Shard, Up};
use crate::clock::Clock;
use crate::entry::Entry;
use crate::faults::Faults;
use crate::index::IndexHandle;
use crate::journal::JournalHandle;
use crate::metrics::ShardView;
use crate::pool::ReaderPool;
use crate::timers::Reload;
use crate::watchdog::Holder;
use crate::workflow::Links;

/// Everything that a shard is made of, so that it can be made again.
#[derive(Clone)]
pub struct ShardSpec {
    /// Which of the shards, from 0.
    pub at: usize,
    /// How many there are.
    pub of: usize,
    /// Where it lives.
    pub arbiter: ArbiterHandle,
    /// What it needs of the rest of the system.
    pub neighbours: Neighbours,
    /// How many workflows it keeps.
    pub keep: Keep,
    /// What it counts.
    pub view: Arc<ShardView>,
    /// What tells the time.
    pub clock: Clock,
    /// The handlers.
    pub definitions: Arc<Definitions>,
    /// The policies in force.
    pub set: Arc<PolicySet>,
    /// The same as it is recorded.
    pub in_force: Option<Arc<SetInForce>>,
    /// The journal.
    pub journal: JournalHandle,
    /// Where snapshots go.
    pub index: Option<IndexHandle>,
    /// The readers.
    pub readers: ReaderPool,
    /// Who decides there now.
    pub holder: Holder,
    /// Faults on purpose, for tests.
    pub faults: Faults,
}

impl ShardSpec {
    fn start(&self, directory: Directory, generation: u64) -> (Addr<Shard>, oneshot::Receiver<()>) {
        let (alive, dead) = oneshot::channel();
        let spec = self.clone();
        let shard = Shard::start_in_arbiter(&self.arbiter, move |ctx| {
            let stride = spec.of as u64;
            let links = Links {
                lane: spec.neighbours.lane.clone(),
                shard: ctx.address().recipient(),
                shard_gone: ctx.address().recipient(),
                clock: spec.clock,
                definitions: spec.definitions,
                set: spec.set,
                in_force: spec.in_force,
                journal: spec.journal,
                index: spec.index,
                readers: spec.readers,
                // Each life of a shard has numbers of its own, far from those of the one before.
                next_ask: Cell::new((generation << 40) * stride + spec.at as u64),
                ask_stride: stride,
                holder: spec.holder,
                faults: spec.faults,
            };
            Shard::new(Rc::new(links), spec.neighbours, spec.keep, (spec.view, directory), alive)
        });
        (shard, dead)
    }
}

/// The actor.
pub struct Root {
    specs: Vec<ShardSpec>,
    directories: Vec<Directory>,
    shards: Vec<Option<Addr<Shard>>>,
    entries: watch::Sender<Arc<[Recipient<Entry>]>>,
    ends: watch::Sender<Arc<[Recipient<AwaitEnd>]>>,
    generation: u64,
}

impl Root {
    /// Over shards that it will start; their addresses are told to those who watch.
    pub fn new(
        shards: Vec<(ShardSpec, Directory)>,
        entries: watch::Sender<Arc<[Recipient<Entry>]>>,
        ends: watch::Sender<Arc<[Recipient<AwaitEnd>]>>,
    ) -> Self {
        let (specs, directories): (Vec<_>, Vec<_>) = shards.into_iter().unzip();
        let shards = specs.iter().map(|_| None).collect();
        Self { specs, directories, shards, entries, ends, generation: 0 }
    }

    fn start_shard(&mut self, at: usize, directory: Directory, ctx: &mut Context<Self>) {
        let (shard, dead) = self.specs[at].start(directory, self.generation);
        self.generation += 1;
        ctx.spawn(dead.into_actor(self).map(move |_, root, ctx| root.shard_died(at, ctx)));
        let up = shard.send(Up).into_actor(self);
        ctx.spawn(up.map(move |_, root, _| {
            root.shards[at] = Some(shard);
            root.tell();
        }));
    }

    /// Tells the addresses, once there is one for every shard: which shard a correlation has depends on their number.
    fn tell(&self) {
        if self.shards.iter().any(Option::is_none) {
            return;
        }
        let shards = || self.shards.iter().flatten();
        self.entries.send_replace(shards().map(|shard| shard.clone().recipient()).collect());
        self.ends.send_replace(shards().map(|shard| shard.clone().recipient()).collect());
    }

    /// What its workflows had in memory is in the journal; who waited for an answer is told that it was lost. What the old
    /// workflows still append is checked against the journal, like everything that is appended.
    fn shard_died(&mut self, at: usize, ctx: &mut Context<Self>) {
        tracing::error!(shard = at, "a shard died; it is started anew");
        ShardView::up(&self.specs[at].view.restarts);
        let fence = self.specs[at].journal.fence();
        ctx.spawn(fence.into_actor(self).map(move |_, root, ctx| {
            let head = root.specs[at].journal.view().position.load(std::sync::atomic::Ordering::Acquire);
            root.start_shard(at, Directory::Any(head), ctx);
            // What it owed to the outside is owed still.
            let _ = root.specs[at].neighbours.timers.try_send(Reload);
        }));
    }
}

impl Actor for Root {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for (at, directory) in std::mem::take(&mut self.directories).into_iter().enumerate() {
            self.start_shard(at, directory, ctx);
        }
    }
}
