//! What answers take while something else takes all it can, to what they take without it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use regie::Handle;
use regie::actors::agent::{AgentError, AgentLimits, AgentTask, BlockingAgent};
use regie::core::Json;
use regie::core::event::Incoming;
use regie::core::query::Filter;
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use regie::prelude::*;

use crate::events::{drive, event, events};
use crate::measure::{median, quantile, resident};
use crate::{Figure, Scale};

const ROUNDS: usize = 3;
/// Places for events under way.
const PLACES: usize = 512;
const OTHERS: usize = 64;

/// p99 of what is accepted under ten times the load; p99 of the others beside a flood, blocking agents and a slow reader.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let count = scale.of(40_000);
    let mut figures = overloaded(count);
    for (name, trouble) in TROUBLES {
        let pairs = (0..ROUNDS).map(|_| {
            let [alone, beside] = [nothing as Trouble, trouble].map(|trouble| others(count, trouble));
            (beside, alone)
        });
        figures.push(ratio(format!("p99 of {OTHERS} in flight, {name}; alone"), pairs.collect(), "told"));
    }
    figures
}

fn ratio(name: String, pairs: Vec<(Duration, Duration)>, goal: &'static str) -> Figure {
    let millis = |time: &Duration| time.as_secs_f64() * 1e3;
    let middle = median(pairs.iter().map(|(ours, floor)| millis(ours) / millis(floor)).collect());
    let ours = median(pairs.iter().map(|(ours, _)| millis(ours)).collect());
    let floor = median(pairs.iter().map(|(_, floor)| millis(floor)).collect());
    let [ours, floor] = [ours, floor].map(|it| format!("{it:.2} ms"));
    Figure { name, ours, floor, ratio: format!("{middle:.2}"), goal }
}

/// Saturated: every place is taken all the time, and nobody is refused. Then ten times as much is offered.
fn overloaded(count: usize) -> Vec<Figure> {
    let (mut pairs, mut shares, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = JournalConfig::sqlite(folder.path().join("overload"));
        futures::executor::block_on(async {
            let runtime = builder().journal(journal).admission(PLACES).start().await.expect("a runtime");
            let handle = runtime.handle();
            let mut took = drive(&handle, events(count), PLACES).await;
            let saturated = quantile(&mut took, 0.99);
            let before = resident();
            let (mut took, refused) = offer(&handle, count).await;
            bytes.push(resident().saturating_sub(before) as f64 / 1e6);
            shares.push((took.len() + refused) as f64 / took.len() as f64);
            pairs.push((quantile(&mut took, 0.99), saturated));
            runtime.shutdown().await;
        });
    }
    let told = |name: &str, ours: String| Figure {
        name: name.into(),
        ours,
        floor: "-".into(),
        ratio: "-".into(),
        goal: "told",
    };
    vec![
        ratio("p99 of the accepted, overloaded; saturated".into(), pairs, "<= 2"),
        told("offered for each one accepted", format!("{:.1}", median(shares))),
        told("MB that memory grew meanwhile", format!("{:.1}", median(bytes))),
    ]
}

/// Offers as many as it can, without waiting for any, until so many are accepted; what is handed back is offered again.
async fn offer(handle: &Handle, count: usize) -> (Vec<Duration>, usize) {
    let mut given: Vec<Incoming> = (0..count).map(|nth| event(10_000_000 + nth, 1_000)).collect();
    let (mut took, mut refused) = (Vec::with_capacity(count), 0);
    let mut under_way = FuturesUnordered::new();
    let submit = async |event: Incoming| {
        let entered = Instant::now();
        handle.submit(event).await.map(|_| entered.elapsed())
    };
    while took.len() < count {
        let ten = given.len().saturating_sub(10);
        given.drain(ten..).for_each(|event| under_way.push(submit(event)));
        while let Some(Some(done)) = under_way.next().now_or_never() {
            match done {
                Ok(time) => took.push(time),
                Err(back) => {
                    refused += 1;
                    given.push(*back.event);
                }
            }
        }
    }
    (took, refused)
}

/// What disturbs the others, until it is told to stop.
type Trouble = fn(&Handle, &AtomicBool);

const TROUBLES: [(&str, Trouble); 3] =
    [("beside a flood on one correlation", flood), ("beside agents that block", block), ("beside a slow reader", read)];

fn nothing(_: &Handle, _: &AtomicBool) {}

fn flood(handle: &Handle, stop: &AtomicBool) {
    futures::executor::block_on(async {
        let (mut nth, mut under_way) = (0_usize, FuturesUnordered::new());
        while !stop.load(Ordering::Relaxed) {
            nth += 1;
            let event = Event::new("bench.flood", "flooded").id(format!("f-{nth}")).build().expect("a good event");
            under_way.push(handle.enqueue(event).await.expect("a place"));
            while under_way.len() > 2_100 {
                drop(under_way.next().await); // taken, or refused: it is crowded
            }
        }
        while under_way.next().await.is_some() {}
    });
}

fn block(handle: &Handle, stop: &AtomicBool) {
    futures::executor::block_on(async {
        let mut nth = 0;
        while !stop.load(Ordering::Relaxed) {
            nth += 1;
            let call = Event::new("bench.call", format!("call-{nth}")).id("1").build().expect("a good event");
            drop(handle.submit(call).await);
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

fn read(handle: &Handle, stop: &AtomicBool) {
    let mut reader = handle.readers().open().expect("a reader");
    while !stop.load(Ordering::Relaxed) {
        let looked = reader.events(&Filter::default(), &mut |_| {
            std::thread::sleep(Duration::from_millis(1));
            if stop.load(Ordering::Relaxed) {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        });
        looked.expect("a journal");
    }
}

/// The p99 of the others.
fn others(count: usize, trouble: Trouble) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = JournalConfig::sqlite(folder.path().join("others"));
    let runtime = futures::executor::block_on(
        builder().journal(journal).handler(Calls).blocking_agent("sleeper", Sleeper, AgentLimits::default()).start(),
    );
    let runtime = runtime.expect("a runtime");
    let (handle, stop) = (runtime.handle(), AtomicBool::new(false));
    let mut took = std::thread::scope(|scope| {
        scope.spawn(|| trouble(&handle, &stop));
        let took = futures::executor::block_on(drive(&handle, events(count), OTHERS));
        stop.store(true, Ordering::Relaxed);
        took
    });
    futures::executor::block_on(runtime.shutdown());
    quantile(&mut took, 0.99)
}

/// Calls an agent that sleeps, once.
struct Calls;

impl Handler for Calls {
    type State = ();
    type Fact = ();

    fn name(&self) -> &str {
        "calls"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("bench.call").expect("a pattern")
    }

    fn decide(&self, (): &(), input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<()>, HandlerError> {
        Ok(match input {
            Input::Event(_) => Reaction::none().call("step", "sleeper", Json::null()),
            _ => Reaction::none().complete(&()),
        })
    }

    fn evolve(&self, (): &mut (), (): ()) {}
}

struct Sleeper;

impl BlockingAgent for Sleeper {
    fn handle(&self, _: AgentTask) -> Result<Json, AgentError> {
        std::thread::sleep(Duration::from_millis(200));
        Ok(Json::null())
    }
}
