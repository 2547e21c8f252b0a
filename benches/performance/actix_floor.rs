//! The floor of turns in memory: bare actix actors that do the same asks, hashing and encoding, and nothing else.
//!
//! One actor a correlation behind a router a shard, a policy actor that is asked once an event, a journal actor that
//! chains digests. No supervision, no bound, no identity, no state, no recovery.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use regie::core::Digest;
use regie::core::event::{CorrelationId, Incoming, LifeState};
use regie::core::workflow::{EncodedRecord, Fact, Record};
use tokio::sync::oneshot;

#[derive(Message)]
#[rtype(result = "()")]
struct Enter(Incoming, oneshot::Sender<u64>);

#[derive(Message)]
#[rtype(result = "()")]
struct Ask(CorrelationId, Addr<Workflow>);

#[derive(Message)]
#[rtype(result = "()")]
struct Granted(#[allow(dead_code)] bool);

#[derive(Message)]
#[rtype(result = "()")]
struct Append(EncodedRecord, Addr<Workflow>);

#[derive(Message)]
#[rtype(result = "()")]
struct Appended(u64);

struct Shard {
    workflows: HashMap<CorrelationId, Addr<Workflow>>,
    policy: Addr<Policy>,
    journal: Addr<Journal>,
}

struct Workflow {
    correlation: CorrelationId,
    sequence: u64,
    digest: Digest,
    policy: Addr<Policy>,
    journal: Addr<Journal>,
    asked: std::collections::VecDeque<Incoming>,
    waiting: std::collections::VecDeque<oneshot::Sender<u64>>,
}

#[derive(Default)]
struct Policy(HashMap<CorrelationId, Instant>);

#[derive(Default)]
struct Journal {
    head: Digest,
    records: Vec<EncodedRecord>,
}

macro_rules! actors {
    ($($actor:ty),*) => { $(impl Actor for $actor { type Context = Context<Self>; })* };
}
actors!(Shard, Workflow, Policy, Journal);

#[allow(clippy::disallowed_methods)] // the floor is bare
fn send<A: Actor<Context = Context<A>> + Handler<M>, M: Message<Result = ()> + Send + 'static>(
    to: &Addr<A>,
    message: M,
) {
    to.do_send(message);
}

impl Handler<Enter> for Shard {
    type Result = ();
    fn handle(&mut self, enter: Enter, _: &mut Self::Context) {
        let correlation = enter.0.event().correlation_id.clone();
        let workflow = self.workflows.entry(correlation.clone()).or_insert_with(|| {
            let (policy, journal) = (self.policy.clone(), self.journal.clone());
            let (asked, waiting) = Default::default();
            Workflow { correlation, sequence: 0, digest: Digest::ZERO, policy, journal, asked, waiting }.start()
        });
        send(workflow, enter);
    }
}

impl Handler<Enter> for Workflow {
    type Result = ();
    fn handle(&mut self, Enter(event, reply): Enter, ctx: &mut Self::Context) {
        self.asked.push_back(event);
        self.waiting.push_back(reply);
        send(&self.policy, Ask(self.correlation.clone(), ctx.address()));
    }
}

impl Handler<Ask> for Policy {
    type Result = ();
    fn handle(&mut self, Ask(key, workflow): Ask, _: &mut Self::Context) {
        let now = Instant::now();
        let before = self.0.insert(key, now);
        send(&workflow, Granted(before.is_none_or(|at| now - at > Duration::from_micros(1))));
    }
}

impl Handler<Granted> for Workflow {
    type Result = ();
    fn handle(&mut self, _: Granted, ctx: &mut Self::Context) {
        let Some(event) = self.asked.pop_front() else { return };
        self.sequence += 1;
        let received = Fact::Received {
            format: event.format(),
            raw: event.raw().clone(),
            identity: event.identity(),
            made_id: None,
            emitted: false,
        };
        let reason = "recorded".to_string();
        let moved = Fact::Moved { event: self.sequence, to: LifeState::Processed, reason, by: None };
        let record = Record { sequence: self.sequence, at: event.event().timestamp, facts: vec![received, moved] };
        let encoded = record.encode(self.digest);
        self.digest = encoded.digest;
        send(&self.journal, Append(encoded, ctx.address()));
    }
}

impl Handler<Append> for Journal {
    type Result = ();
    fn handle(&mut self, Append(encoded, workflow): Append, _: &mut Self::Context) {
        self.head = self.head.chain(&encoded.digest.0);
        self.records.push(encoded);
        send(&workflow, Appended(self.records.len() as u64));
    }
}

impl Handler<Appended> for Workflow {
    type Result = ();
    fn handle(&mut self, Appended(position): Appended, _: &mut Self::Context) {
        if let Some(reply) = self.waiting.pop_front() {
            let _ = reply.send(position);
        }
    }
}

/// Drives events through the floor, so many under way at once, over two shards.
pub(crate) fn run(events: Vec<Incoming>, in_flight: usize) {
    let system = System::new();
    system.block_on(async {
        let arbiters: Vec<Arbiter> = (0..4).map(|_| Arbiter::new()).collect();
        let policy = Policy::start_in_arbiter(&arbiters[2].handle(), |_| Policy::default());
        let journal = Journal::start_in_arbiter(&arbiters[3].handle(), |_| Journal::default());
        let shard = |at: usize| {
            let (policy, journal) = (policy.clone(), journal.clone());
            Shard::start_in_arbiter(&arbiters[at].handle(), move |_| Shard {
                workflows: HashMap::new(),
                policy,
                journal,
            })
        };
        let shards = [shard(0), shard(1)];
        let mut answers = FuturesUnordered::new();
        for event in events {
            if answers.len() >= in_flight {
                answers.next().await;
            }
            let (reply, answer) = oneshot::channel();
            let at = event.event().correlation_id.as_bytes().iter().map(|byte| usize::from(*byte)).sum::<usize>() % 2;
            send(&shards[at], Enter(event, reply));
            answers.push(answer);
        }
        while answers.next().await.is_some() {}
        for arbiter in arbiters {
            arbiter.stop();
        }
    });
}

struct Station(Option<Addr<Station>>, u64, Option<oneshot::Sender<()>>);

impl Actor for Station {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Pass;

impl Handler<Pass> for Station {
    type Result = ();
    fn handle(&mut self, pass: Pass, _: &mut Self::Context) {
        if let Some(next) = &self.0 {
            return send(next, pass);
        }
        self.1 -= 1;
        if self.1 == 0 {
            let _ = self.2.take().map(|done| done.send(()));
        }
    }
}

/// Passes so many messages along four actors of one thread.
pub(crate) fn pipeline(count: usize) {
    System::new().block_on(async {
        let (done, end) = oneshot::channel();
        let last = Station(None, count as u64, Some(done)).start();
        let third = Station(Some(last), 0, None).start();
        let second = Station(Some(third), 0, None).start();
        let first = Station(Some(second), 0, None).start();
        for _ in 0..count {
            send(&first, Pass);
        }
        let _ = end.await;
    });
}

/// An actor that holds nothing, started; for what one weighs.
pub(crate) struct Idle(#[allow(dead_code)] pub(crate) u64);

impl Actor for Idle {
    type Context = Context<Self>;
}
