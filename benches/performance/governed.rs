//! Governed events in memory, for each second of a core's time, beside events of a type that no policy is about; and whether
//! the policies' thread is what the shards wait for.

use std::time::Duration;

use regie::core::governance::{CooldownMode, KeyKind, Policy, PolicySet, When};
use regie::prelude::*;

use crate::events::{drive, events};
use crate::measure::{Stopwatch, median, rate, thread_times};
use crate::{Figure, Scale};

const ROUNDS: usize = 5;
const IN_FLIGHT: usize = 512;
const SHARDS: usize = 2;

/// None of them holds. What they look at is what conditions of policies look at.
const CONDITIONS: [&str; 20] = [
    "event.priority == 'P0'",
    "event.actor.kind == 'agent'",
    "event.actor.id in ['ben', 'cem', 'dora']",
    "event.payload.count > 100",
    "event.payload.count > 5 && event.payload.note == ''",
    "!event.payload.ok",
    "event.payload.note.startsWith('re:')",
    "event.payload.note.contains('urgent')",
    "event.payload.amount == '13.00'",
    "event.entity.type == 'order' && event.entity.id == '7'",
    "event.session_key == 's-1'",
    "event.type.endsWith('.paid')",
    "event.source == 'test'",
    "event.changes.size() > 3",
    "'owner' in event.changes",
    "event.payload.count * 2 - 1 >= 30",
    "event.payload.size() > 10",
    "'vip' in event.metadata",
    "event.schema_version == 7",
    "event.correlation_id == event.id",
];

/// Conditions, then cooldowns, each by how many there are; then the threads.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let count = scale.of(100_000);
    let plain: Vec<f64> = (0..ROUNDS).map(|_| once(count, PolicySet::default()).0).collect();
    let mut figures = vec![figure("events/s per core, in memory; no policy", median(plain.clone()), &plain)];
    for many in [1, 5, 20] {
        let name = format!("the same under {many} conditions (CEL); no policy");
        let rounds: Vec<f64> = (0..ROUNDS).map(|_| once(count, conditions(many)).0).collect();
        figures.push(figure(&name, median(rounds), &plain));
    }
    for many in [1, 5, 20] {
        let name = format!("the same under {many} cooldowns; no policy");
        let (rates, threads): (Vec<f64>, Vec<Threads>) = (0..ROUNDS).map(|_| once(count, cooldowns(many))).unzip();
        figures.push(figure(&name, median(rates), &plain));
        figures.push(busy(many, &threads));
    }
    figures
}

fn figure(name: &str, ours: f64, plain: &[f64]) -> Figure {
    let plain = median(plain.to_vec());
    Figure {
        name: name.into(),
        ours: format!("{ours:.0}"),
        floor: format!("{plain:.0}"),
        ratio: format!("{:.2}", ours / plain),
        goal: "told",
    }
}

/// How long the thread of the policies worked, and the busiest shard's.
pub(crate) struct Threads {
    policies: Duration,
    shard: Duration,
}

/// Whoever waits for another works less than that one: a thread that works less than those who ask it is no bottleneck.
fn busy(many: usize, threads: &[Threads]) -> Figure {
    let millis =
        |time: fn(&Threads) -> Duration| median(threads.iter().map(|it| time(it).as_secs_f64() * 1e3).collect());
    let (ours, floor) = (millis(|it| it.policies), millis(|it| it.shard));
    Figure {
        name: format!("ms that the policies' thread worked, {many} of them; a shard"),
        ours: format!("{ours:.0}"),
        floor: format!("{floor:.0}"),
        ratio: format!("{:.2}", ours / floor.max(1e-9)),
        goal: "< 1",
    }
}

/// Events for each second of a core's time, and how long the threads worked.
pub(crate) fn once(count: usize, policies: PolicySet) -> (f64, Threads) {
    futures::executor::block_on(async {
        let builder = builder().journal(JournalConfig::memory()).policies(policies).shards(SHARDS);
        let runtime = builder.start().await.expect("a runtime");
        let handle = runtime.handle();
        let given = events(count);
        let watch = Stopwatch::start();
        drive(&handle, given, IN_FLIGHT).await;
        let processor = watch.processor();
        let times = thread_times();
        let longest =
            |name: &str| times.iter().filter(|it| it.0.starts_with(name)).map(|it| it.1).max().unwrap_or_default();
        let threads = Threads { policies: longest("regie-system"), shard: longest("actix-rt") };
        runtime.shutdown().await;
        (rate(count, processor), threads)
    })
}

fn pattern() -> Pattern {
    Pattern::parse("bench.>").expect("a pattern")
}

fn conditions(many: usize) -> PolicySet {
    let veto = |(nth, text): (usize, &&str)| {
        Policy::veto_when(&format!("veto-{nth}"), pattern(), "never", When::cel(text).expect("a condition"))
    };
    PolicySet::new(CONDITIONS.iter().take(many).enumerate().map(veto).collect()).expect("a set")
}

/// Each has a say over each event and stops none: the ask is what is measured.
fn cooldowns(many: usize) -> PolicySet {
    let window = Duration::from_micros(1);
    let cooldown = |nth: usize| {
        Policy::cooldown(&format!("pace-{nth}"), pattern(), window, KeyKind::Correlation, CooldownMode::Discard)
    };
    PolicySet::new((0..many).map(cooldown).collect()).expect("a set")
}
