//! The floor of a step: the same changes of thread with nothing between them, beside the same agents, as many at once.
//!
//! An agent's end goes from the pool to a gate, from there to a shard, to the journal and back; what follows from the shard to
//! the gate and to the pool. The journal gathers what has come, and, if it is durable, appends a kilobyte for each and syncs.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::runtime::Handle;

/// What the journal appends for each step.
const RECORD: [u8; 1_024] = [7; 1_024];

/// One that goes round: a workflow's steps, one after another.
struct Round {
    left: usize,
    committed: Option<Instant>,
    ended: Option<Instant>,
    /// From the commit before to this beginning.
    before: Option<Duration>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Ended(Round);

#[derive(Message)]
#[rtype(result = "()")]
struct Goes(Round);

#[derive(Message)]
#[rtype(result = "()")]
struct Committed(Vec<Round>);

/// Where the gate is, which is where all begins.
struct Gate {
    pool: Handle,
    takes: Duration,
    shard: Addr<Shard>,
}

struct Shard {
    journal: Sender<Round>,
    gate: Option<Addr<Gate>>,
    took: Sender<Duration>,
}

impl Actor for Gate {
    type Context = Context<Self>;
}

impl Actor for Shard {
    type Context = Context<Self>;
}

#[allow(clippy::disallowed_methods)] // the floor is bare
fn send<A: Actor<Context = Context<A>> + Handler<M>, M: Message<Result = ()> + Send + 'static>(to: &Addr<A>, it: M) {
    to.do_send(it);
}

impl Handler<Goes> for Gate {
    type Result = ();
    fn handle(&mut self, Goes(mut round): Goes, ctx: &mut Self::Context) {
        let (gate, takes) = (ctx.address(), self.takes);
        self.pool.spawn(async move {
            round.before = round.committed.map(|committed| committed.elapsed());
            tokio::time::sleep(takes).await;
            round.ended = Some(Instant::now());
            send(&gate, Ended(round));
        });
    }
}

impl Handler<Ended> for Gate {
    type Result = ();
    fn handle(&mut self, ended: Ended, _: &mut Self::Context) {
        send(&self.shard, ended);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Meets(Addr<Gate>);

impl Handler<Meets> for Shard {
    type Result = ();
    fn handle(&mut self, Meets(gate): Meets, _: &mut Self::Context) {
        self.gate = Some(gate);
    }
}

impl Handler<Ended> for Shard {
    type Result = ();
    fn handle(&mut self, Ended(round): Ended, _: &mut Self::Context) {
        self.journal.send(round).expect("a journal");
    }
}

impl Handler<Committed> for Shard {
    type Result = ();
    fn handle(&mut self, Committed(rounds): Committed, _: &mut Self::Context) {
        for round in rounds {
            let after = round.ended.map_or(Duration::ZERO, |ended| ended.elapsed());
            let _ = round.before.map(|before| self.took.send(before + after));
            if let (Some(gate), Some(left)) = (&self.gate, round.left.checked_sub(1)) {
                send(gate, Goes(Round { left, committed: Some(Instant::now()), ..round }));
            }
        }
    }
}

fn journal(inbox: &Receiver<Round>, mut file: Option<File>, shard: &Receiver<Addr<Shard>>) {
    let Ok(shard) = shard.recv() else { return };
    while let Ok(first) = inbox.recv() {
        let rounds: Vec<Round> = std::iter::once(first).chain(inbox.try_iter()).collect();
        if let Some(file) = &mut file {
            file.write_all(&RECORD.repeat(rounds.len())).expect("room");
            file.sync_data().expect("a sync");
        }
        send(&shard, Committed(rounds));
    }
}

/// How long steps took beside their agents, so many rounds at once, each of so many steps; the first of each is not counted.
pub(super) fn bare(at_once: usize, steps: usize, takes: Duration, file: Option<File>) -> Vec<Duration> {
    let pool = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a pool");
    let (took, all) = channel();
    let (to_journal, inbox) = channel();
    let (meets, shard_of) = channel();
    let writes = std::thread::spawn(move || journal(&inbox, file, &shard_of));
    let of_pool = pool.handle().clone();
    let system = System::new();
    let (arbiters, gate) = system.block_on(async move {
        let arbiters = [Arbiter::new(), Arbiter::new()];
        let begins = move |_: &mut Context<Shard>| Shard { journal: to_journal, gate: None, took };
        let shard = Shard::start_in_arbiter(&arbiters[0].handle(), begins);
        let to_shard = shard.clone();
        let begins = move |_: &mut Context<Gate>| Gate { pool: of_pool, takes, shard: to_shard };
        let gate = Gate::start_in_arbiter(&arbiters[1].handle(), begins);
        send(&shard, Meets(gate.clone()));
        meets.send(shard).expect("a journal");
        (arbiters, gate)
    });
    for _ in 0..at_once {
        // Spread over the time of one step, as the workflows are.
        std::thread::sleep(takes / at_once as u32);
        send(&gate, Goes(Round { left: steps - 1, committed: None, ended: None, before: None }));
    }
    let measured = all.iter().take(at_once * (steps - 1)).collect();
    for arbiter in arbiters {
        arbiter.stop();
        arbiter.join().expect("an arbiter");
    }
    pool.shutdown_background();
    drop(gate);
    writes.join().expect("a journal");
    measured
}
