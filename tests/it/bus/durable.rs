//! Durable subscriptions: over restarts, and over the death of the process or of the bus.
//!
//! `REGIE_BUS_KILLS` says how often the process is killed (5 unless said).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use regie::actors::faults::{FaultPoint, Faults};
use regie::bus::{Delivery, From, Subscribe, SubscribeError};
use regie::core::event::CorrelationId;
use regie::core::query::Filter;
use regie::journal::{Journal, SqliteOptions};

use super::helpers::{ids, numbered, seen, submit, takes};
use crate::kill::number_from;
use crate::runtime_support::{Dice, Folder, Stage, event, within, within_at_most};

#[test]
fn one_goes_on_after_a_restart_where_it_was_acknowledged() {
    within(async {
        let folder = Folder::new();
        let start = async || regie::builder().journal(folder.journal()).start().await.unwrap();
        let runtime = start().await;
        let handle = runtime.handle();
        let mut billing = handle.subscribe(Subscribe::to("a").durable("billing")).await.unwrap();
        submit(&handle, "a", "c", numbered(10)).await;
        for _ in 0..4 {
            let delivery = billing.next().await.unwrap().unwrap();
            assert!(billing.ack(&delivery) && !billing.ack(&delivery));
        }
        assert_eq!(ids(&mut billing, 2).await, ["e-5", "e-6"]);
        runtime.shutdown().await;

        let runtime = start().await;
        submit(&runtime.handle(), "a", "c", ["x".to_string()]).await;
        let from_start = Subscribe::to("a").durable("billing").from(From::Start);
        let mut billing = runtime.handle().subscribe(from_start).await.unwrap();
        let rest: Vec<String> = numbered(10).into_iter().skip(4).chain(["x".to_string()]).collect();
        assert_eq!(ids(&mut billing, 7).await, rest, "what it begins with is for the first time alone");
        runtime.shutdown().await;
    });
}

#[test]
fn who_leaves_and_comes_back_at_once_goes_on_where_it_was_acknowledged() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let subscribe = || stage.handle.subscribe(Subscribe::to("a").durable("billing"));
        let mut billing = subscribe().await.unwrap();
        submit(&stage.handle, "a", "c", numbered(6)).await;
        for round in 1..=6 {
            let delivery = billing.next().await.unwrap().unwrap();
            assert_eq!(delivery.event().id, format!("e-{round}"));
            assert!(billing.ack(&delivery));
            drop(billing);
            billing = subscribe().await.unwrap();
        }
        stage.close().await;
    });
}

#[test]
fn a_cursor_is_recorded_every_256_deliveries_or_after_100_ms_and_not_more_often() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut billing = stage.handle.subscribe(Subscribe::to("a").durable("billing")).await.unwrap();
        let mut own = stage.handle.subscribe(Subscribe::to("regie.>").with_own()).await.unwrap();
        submit(&stage.handle, "a", "c", numbered(300)).await;
        // Position 1 opens the correlation of the cursor.
        for _ in 0..300 {
            let delivery = billing.next().await.unwrap().unwrap();
            billing.ack(&delivery);
        }
        let mut through = 0;
        while through < 257 {
            through = through_of(&own.next().await.unwrap().unwrap());
        }
        while through < 301 {
            stage.clock.advance(Duration::from_millis(100));
            through = own.next().now_or_never().map_or(through, |next| through_of(&next.unwrap().unwrap()));
        }
        let records = stage.handle.records(&CorrelationId::from("regie/subscription/billing")).await.unwrap();
        assert!(records.len() <= 4, "{} records", records.len());
        stage.close().await;
    });
}

#[test]
fn one_that_hands_out_more_than_it_is_acknowledged_for_is_repeated_from_the_first_that_was_not() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let subscribe = || stage.handle.subscribe(Subscribe::to("a").durable("billing"));
        let mut billing = subscribe().await.unwrap();
        submit(&stage.handle, "a", "c", numbered(3)).await;
        billing.next().await.unwrap().unwrap();
        let second = billing.next().await.unwrap().unwrap();
        billing.ack(&second);
        drop(billing);
        assert_eq!(ids(&mut subscribe().await.unwrap(), 3).await, numbered(3));
        stage.close().await;
    });
}

#[test]
fn the_death_of_the_bus_costs_no_delivery_and_repeats_only_what_handlers_had_not_done_with() {
    for (point, every) in [(FaultPoint::BusLook, 7), (FaultPoint::BusOffer, 40)] {
        within(async move {
            let ((tells, seen), come) = (seen(), Arc::new(AtomicU32::new(0)));
            let died = Arc::clone(&come);
            let deaths = Faults::when(move |at, part| {
                let nth = if at == point && &**part == "bus" { come.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
                nth > 0 && nth % every == 0 && nth <= 5 * every
            });
            let stage =
                Stage::with(|builder| builder.faults(deaths).subscriber("s", Subscribe::to("a"), takes(&tells)));
            let stage = stage.await;
            let mut waits = stage.handle.subscribe(Subscribe::to("a").queue(8)).await.unwrap();
            let mut plain = stage.handle.subscribe(Subscribe::to("a")).await.unwrap();
            submit(&stage.handle, "a", "c", numbered(300)).await;
            assert_eq!(ids(&mut plain, 300).await, numbered(300));
            assert_eq!(ids(&mut waits, 300).await, numbered(300));
            let mut handled = Vec::new();
            while handled.last().is_none_or(|id| id != "e-300") {
                handled.push(seen.next());
            }
            let fresh = once(&handled);
            assert_eq!(fresh, numbered(300));
            assert!(handled.len() < 400, "it repeats too much: {}", handled.len());
            assert!(died.load(Ordering::Relaxed) >= every, "it never died");
            stage.close().await;
        });
    }
}

#[test]
fn when_the_bus_is_given_up_its_subscriptions_end_and_new_ones_are_refused() {
    within(async {
        let dies = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&dies);
        let faults =
            Faults::when(move |at, part| at == FaultPoint::BusLook && &**part == "bus" && told.load(Ordering::Relaxed));
        let stage = Stage::with(|builder| builder.faults(faults)).await;
        let mut plain = stage.handle.subscribe(Subscribe::to("a")).await.unwrap();
        submit(&stage.handle, "a", "c", numbered(3)).await;
        assert_eq!(ids(&mut plain, 3).await, numbered(3));
        dies.store(true, Ordering::Relaxed);
        submit(&stage.handle, "a", "c", ["last".to_string()]).await;
        assert!(plain.next().await.is_none(), "it ends, and keeps nobody waiting");
        assert_eq!(stage.handle.subscribe(Subscribe::to("a")).await.err(), Some(SubscribeError::Closing));
    });
}

fn through_of(delivery: &Delivery) -> u64 {
    let payload: serde_json::Value = delivery.event().payload.to().unwrap();
    payload["through"].as_u64().unwrap()
}

/// Each for the first time that it comes.
fn once(all: &[String]) -> Vec<String> {
    let mut known = std::collections::HashSet::new();
    all.iter().filter(|id| known.insert(id.as_str())).cloned().collect()
}

/// Run by the test below as a process of its own, and nothing otherwise: it prints the position of each delivery and then
/// acknowledges it.
#[test]
fn a_process_that_is_killed() {
    let Some(path) = std::env::var_os("REGIE_BUS_CHILD") else { return };
    within_at_most(Duration::from_secs(600), async move {
        let builder = regie::builder().journal(regie::JournalConfig::sqlite(path)).control(false);
        let runtime = builder.start().await.unwrap();
        let handle = runtime.handle();
        let subscribe = Subscribe::to("a").durable("billing").from(From::Start).queue(16);
        let mut billing = handle.subscribe(subscribe).await.unwrap();
        let life = std::process::id();
        std::thread::spawn(move || {
            for nth in 0.. {
                let id = format!("{life}-{nth}");
                let sent = handle.enqueue(event("a", &format!("c-{}", nth % 5), &id).build().unwrap());
                drop(futures::executor::block_on(async { sent.await.unwrap().await }));
            }
        });
        while let Some(delivery) = billing.next().await {
            let delivery = delivery.unwrap();
            // Past the harness, which keeps what is printed to itself.
            writeln!(std::io::stderr(), "at {}", delivery.position()).unwrap();
            billing.ack(&delivery);
        }
    });
}

fn start_child(folder: &Folder) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "bus::durable::a_process_that_is_killed", "--nocapture"]);
    command.env("REGIE_BUS_CHILD", folder.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Lets a process see some deliveries, and kills it; the positions that it saw.
fn live_and_die(folder: &Folder, least: usize) -> Vec<u64> {
    let mut child = start_child(folder);
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut positions: Vec<u64> = Vec::new();
    while positions.len() < least {
        let line = told.next().expect("it ended by itself").unwrap();
        positions.extend(line.strip_prefix("at ").and_then(|at| at.parse::<u64>().ok()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    positions.extend(told.map_while(Result::ok).filter_map(|line| line.strip_prefix("at ")?.parse::<u64>().ok()));
    positions
}

/// The cursor as the journal has it, and the positions of all that there was to see.
pub(super) fn journal_of(folder: &Folder) -> (u64, Vec<u64>) {
    let opened = Journal::open(SqliteOptions::at(folder.path())).unwrap();
    let mut indexer = opened.indexer.unwrap();
    indexer.catch_up().unwrap();
    let mut reader = opened.readers.open().unwrap();
    let (mut cursor, mut all) = (0, Vec::new());
    let each = &mut |stored: regie::journal::StoredEvent| {
        let event = stored.incoming.event();
        if event.kind == "a" {
            all.push(stored.position);
        } else if event.kind == "regie.subscription.advanced" {
            let payload: serde_json::Value = event.payload.to().unwrap();
            cursor = cursor.max(payload["through"].as_u64().unwrap());
        }
        std::ops::ControlFlow::Continue(())
    };
    reader.events(&Filter { own: true, ..Filter::default() }, each).unwrap();
    all.sort_unstable();
    indexer.close();
    (cursor, all)
}

#[test]
fn over_many_kills_all_is_seen_in_order_and_only_what_was_not_recorded_as_acknowledged_is_seen_again() {
    let kills = number_from("REGIE_BUS_KILLS").unwrap_or(5);
    let seed = number_from("REGIE_SEED").unwrap_or(kills + u64::from(std::process::id()));
    println!("REGIE_SEED={seed}");
    let (mut dice, folder) = (Dice(seed), Folder::new());
    let (mut seen_up_to, mut cursor, mut repeated) = (0, 0, 0);
    for life in 1..=kills {
        let seen = live_and_die(&folder, 1 + dice.below(600) as usize);
        let (next_cursor, all) = journal_of(&folder);
        let begins = seen[0];
        assert!(begins > cursor, "life {life} begins at {begins}, and {cursor} was acknowledged");
        let expected: Vec<u64> =
            all.iter().copied().filter(|at| (begins..=seen[seen.len() - 1]).contains(at)).collect();
        assert_eq!(seen, expected, "life {life} has a gap or a repeat, REGIE_SEED={seed}");
        let skipped = all.iter().find(|at| **at > seen_up_to && **at < begins);
        assert_eq!(skipped, None, "life {life} passes over what nobody saw, REGIE_SEED={seed}");
        repeated += seen.iter().filter(|at| **at <= seen_up_to).count();
        assert!(next_cursor <= seen[seen.len() - 1].max(cursor), "what nobody saw was acknowledged");
        (seen_up_to, cursor) = (seen_up_to.max(seen[seen.len() - 1]), next_cursor);
    }
    println!("{kills} kills, {seen_up_to} positions, {repeated} deliveries came twice");
}
