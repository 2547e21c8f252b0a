//! A shard with its lane: they live and die together, and are started anew together.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use futures::FutureExt;
use regie_core::limits;
use regie_core::workflow::Definitions;
use tokio::sync::watch;

use super::{AwaitEnd, Directory, Keep, Neighbours, Raise, Shard, Up};
use crate::automation::CurrentRules;
use crate::clock::Clock;
use crate::entities::Entities;
use crate::entry::{Entry, Places};
use crate::faults::Faults;
use crate::in_force::Current;
use crate::index::IndexHandle;
use crate::lane::{Lane, ToPolicy, Void, Ways};
use crate::life::{Life, Twin};
use crate::metrics::ShardView;
use crate::pool::ReaderPool;
use crate::post::Post;
use crate::timers::{Reload, Timers};
use crate::watchdog::Holder;
use crate::workflow::Links;

/// Everything that a shard and its lane are made of, so that they can be made again.
#[derive(Clone)]
pub struct ShardSpec {
    /// Which of the shards, from 0.
    pub at: usize,
    /// How many there are.
    pub of: usize,
    /// Where it lives.
    pub arbiter: ArbiterHandle,
    /// Where its lane goes.
    pub ways: Ways,
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
    pub in_force: Current,
    /// The rules in force.
    pub rules: CurrentRules,
    /// Where snapshots go.
    pub index: Option<IndexHandle>,
    /// The readers.
    pub readers: ReaderPool,
    /// Who decides there now.
    pub holder: Holder,
    /// Faults on purpose, for tests.
    pub faults: Faults,
}

/// Those who are told where the shards are.
#[derive(Clone)]
pub struct Told {
    /// Who sends to them.
    pub entries: Arc<watch::Sender<Places<Entry>>>,
    /// Who waits for ends.
    pub ends: Arc<watch::Sender<Places<AwaitEnd>>>,
    /// The policies, of the lanes.
    pub lanes: Arc<watch::Sender<Places<Void>>>,
}

impl Told {
    fn is_at(&self, at: usize, shard: &Addr<Shard>) {
        self.entries.send_modify(|places| put(places, at, shard.clone().recipient()));
        self.ends.send_modify(|places| put(places, at, shard.clone().recipient()));
    }
}

fn put<M>(places: &mut Places<M>, at: usize, recipient: Recipient<M>)
where
    M: Message + Send,
    M::Result: Send,
{
    let mut changed = places.to_vec();
    changed[at] = Some(recipient);
    *places = changed.into();
}

impl ShardSpec {
    /// How they are started: over that directory the first time, and over the journal as it is then each time after.
    pub fn raise(self, directory: Directory, told: Told) -> Raise {
        let (mut first, mut generation) = (Some(directory), 0);
        Box::new(move |life| {
            let this = generation;
            generation += 1;
            let (spec, told) = (self.clone(), told.clone());
            match first.take() {
                Some(directory) => spec.up(directory, this, life, told).boxed_local(),
                None => spec.up_anew(this, life, told).boxed_local(),
            }
        })
    }

    async fn up(self, directory: Directory, generation: u64, life: Life, told: Told) {
        let at = self.at;
        let shard = self.start(directory, generation, life, &told);
        // One that dies before it is up is followed by another.
        if shard.send(Up).await.is_ok() {
            told.is_at(at, &shard);
        }
    }

    /// What the workflows had in memory is in the journal; who waited for an answer was told that it was lost. Workflows of
    /// the life before have no lane any more, so that they append nothing.
    async fn up_anew(mut self, generation: u64, life: Life, told: Told) {
        // What the dead lane had handed over is committed or has failed after this.
        let _ = self.ways.journal.fence().await;
        forget(&mut self.ways.policy);
        let head = self.ways.journal.view().position.load(std::sync::atomic::Ordering::Acquire);
        let mut timers = self.neighbours.timers.clone();
        self.up(Directory::Any(head), generation, life, told).await;
        reload(&mut timers);
    }

    fn start(self, directory: Directory, generation: u64, life: Life, told: &Told) -> Addr<Shard> {
        let (lane_here, shard_here) = Twin::pair();
        let lane = Lane::new(self.ways.clone(), life.clone(), lane_here);
        let lane = Lane::start_in_arbiter(&self.arbiter, move |ctx| {
            ctx.set_mailbox_capacity(4 * limits::ADMISSION);
            lane
        });
        // Before anything can be granted over it.
        told.lanes.send_modify(|places| put(places, self.at, lane.clone().recipient()));
        let stride = self.of as u64;
        Shard::start_in_arbiter(&self.arbiter.clone(), move |ctx| {
            let links = Links {
                lane,
                shard: ctx.address().recipient(),
                shard_gone: ctx.address().recipient(),
                clock: self.clock,
                definitions: self.definitions,
                in_force: self.in_force,
                rules: self.rules,
                journal: self.ways.journal,
                index: self.index,
                readers: self.readers,
                // Each life of a shard has numbers of its own, far from those of the one before.
                entities: Entities::default(),
                next_ask: Cell::new((generation << 40) * stride + self.at as u64),
                ask_stride: stride,
                holder: self.holder,
                faults: self.faults,
            };
            Shard::new(Rc::new(links), self.neighbours, self.keep, (self.view, directory), (life, shard_here))
        })
    }
}

/// Past the mailbox's capacity: one message a death, and without it the dead lane's reservations would stand for ever. A
/// policy actor that is dead itself has none.
#[allow(clippy::disallowed_methods)]
fn forget(policy: &mut Post<Recipient<ToPolicy>>) {
    if let Some(policy) = policy.address() {
        policy.do_send(ToPolicy { forget: true, ..ToPolicy::default() });
    }
}

/// Past the mailbox's capacity: one message a death, and without it what the dead shard owed to the outside would wait for
/// the next start. Timers that are dead themselves read the table when they are back.
#[allow(clippy::disallowed_methods)]
fn reload(timers: &mut Post<Addr<Timers>>) {
    if let Some(timers) = timers.address() {
        timers.do_send(Reload);
    }
}
