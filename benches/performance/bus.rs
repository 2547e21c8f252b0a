//! What subscribers cost whoever submits, and what it costs to tell many.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use regie::bus::{Blocks, Delivery, HandleError, Retry, Subscribe, Subscription};
use regie::{Builder, Runtime};

use crate::events::{drive, event, events};
use crate::measure::{Stopwatch, median, rate};
use crate::{Figure, Scale};

const ROUNDS: usize = 5;
const IN_FLIGHT: usize = 512;
const FANS: [usize; 3] = [1, 100, 10_000];

/// The publisher with and without bad subscribers, and one event told to many.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(published(scale.of(100_000), bad));
        without.push(published(scale.of(100_000), |builder| builder));
    }
    let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without).collect());
    let publisher = Figure {
        name: "events/s in memory beside bad subscribers; none".into(),
        ours: format!("{:.0}", median(with)),
        floor: format!("{:.0}", median(without)),
        ratio: format!("{ratio:.2}"),
        goal: "told",
    };
    let fan = |count: usize| {
        let told = median((0..ROUNDS).map(|_| fanned(scale.of(count), scale.of(2_000_000 / count.max(100)))).collect());
        Figure {
            name: format!("ns of a core for each of {count} told of an event"),
            ours: format!("{told:.0}"),
            floor: String::new(),
            ratio: String::new(),
            goal: "told",
        }
    };
    std::iter::once(publisher).chain(FANS.map(fan)).collect()
}

/// One that sleeps, one that panics, and one that leaves its queue full.
fn bad(builder: Builder) -> Builder {
    let sleeps = Blocks(|_: Arc<Delivery>| -> Result<(), HandleError> {
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    });
    let panics = |_: Arc<Delivery>| {
        std::panic::resume_unwind(Box::new("on purpose")); // without a trace in the output
        #[allow(unreachable_code)]
        ready(Ok(()))
    };
    let all = || Subscribe::to("bench.>").queue(64).retry(Retry::times(1_000));
    builder.blocking_subscriber("sleeps", all(), sleeps).subscriber("panics", all(), panics)
}

fn started(more: fn(Builder) -> Builder) -> Runtime {
    block_on(more(regie::builder().grace(Duration::ZERO)).start()).expect("a runtime")
}

/// Events a second.
fn published(count: usize, more: fn(Builder) -> Builder) -> f64 {
    let runtime = started(more);
    let handle = runtime.handle();
    let stuck = block_on(handle.bus_stats()).subscriptions.len();
    // It never takes anything out.
    let leaves = (stuck > 0).then(|| block_on(handle.subscribe(Subscribe::to("bench.>").queue(64))));
    let given = events(count);
    let watch = Stopwatch::start();
    block_on(drive(&handle, given, IN_FLIGHT));
    let rate = rate(count, watch.took());
    drop(leaves);
    block_on(runtime.shutdown());
    rate
}

/// Nanoseconds of a core for each that is told: from the journal's record into all queues, beyond what the event costs alone.
fn fanned(subscribers: usize, deliveries: usize) -> f64 {
    let events = (deliveries / subscribers).clamp(1, 4_096);
    let spent = |subscribers: usize| {
        let runtime = started(|builder| builder);
        let handle = runtime.handle();
        let subscribe = || block_on(handle.subscribe(Subscribe::to("bench.>").queue(events))).expect("a subscription");
        let mut all: Vec<Subscription> = (0..subscribers).map(|_| subscribe()).collect();
        let given = (0..events).map(|nth| event(nth, events)).collect();
        let watch = Stopwatch::start();
        block_on(drive(&handle, given, IN_FLIGHT));
        for _ in 0..if all.is_empty() { 0 } else { events } {
            let last = all.len() - 1;
            block_on(all[last].next()).expect("a delivery").expect("a delivery");
        }
        let took = watch.processor();
        block_on(runtime.shutdown());
        took
    };
    let (told, alone) = (spent(subscribers), spent(0));
    told.saturating_sub(alone).as_nanos() as f64 / (events * subscribers) as f64
}
