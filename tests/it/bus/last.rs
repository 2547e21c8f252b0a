//! The last acknowledgements: of who is ended, and of who leaves, while an earlier cursor is on its way to the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use regie::actors::faults::{FaultPoint, Faults};
use regie::bus::{Blocks, Delivery, Subscribe};

use super::durable::journal_of;
use super::helpers::{Done, numbered, submit};
use crate::runtime_support::{Folder, Gate, Stage, within};

/// Once it is armed, the next record of that subscription's cursor waits at a gate.
fn held_cursor(name: &'static str) -> (Faults, Gate, Arc<AtomicBool>) {
    let (gate, armed) = (Gate::default(), Arc::new(AtomicBool::new(false)));
    let (waits, arms) = (gate.clone(), Arc::clone(&armed));
    let faults = Faults::when(move |at, correlation| {
        if at == FaultPoint::Decide && correlation.ends_with(name) && arms.swap(false, Ordering::Relaxed) {
            waits.pass();
        }
        false
    });
    (faults, gate, armed)
}

#[test]
fn what_a_handler_does_with_while_the_last_cursor_is_being_recorded_is_recorded_before_the_end() {
    within(async {
        let (folder, handler, (faults, cursor, armed)) = (Folder::new(), Gate::default(), held_cursor("/billing"));
        let waits = handler.clone();
        let second_waits = Blocks(move |delivery: Arc<Delivery>| -> Done {
            if delivery.event().id == "e-2" {
                waits.pass();
            }
            Ok(())
        });
        let stage = Stage::with(|builder| {
            let builder = builder.journal(folder.journal()).faults(faults);
            builder.blocking_subscriber("billing", Subscribe::to("a"), second_waits)
        })
        .await;
        submit(&stage.handle, "a", "c", numbered(2)).await;
        handler.wait_for(1);
        armed.store(true, Ordering::Relaxed);
        let handle = stage.handle.clone();
        // On a thread of its own: it waits where it stands, and the end is not to wait for that.
        let ends = std::thread::spawn(move || {
            cursor.wait_for(1);
            handler.open();
            while block_on(handle.bus_stats()).subscriptions[0].acknowledged < 2 {}
            cursor.open();
        });
        stage.close().await;
        ends.join().unwrap();
        let (cursor, all) = journal_of(&folder);
        assert_eq!(cursor, all[1]);
    });
}

/// Somebody acknowledges something and leaves while an earlier cursor is on its way; what of it is recorded in the end.
async fn left_behind(comes_back: bool) {
    let (folder, (faults, cursor, armed)) = (Folder::new(), held_cursor("/billing"));
    let stage = Stage::with(|builder| builder.journal(folder.journal()).faults(faults)).await;
    let subscribe = || stage.handle.subscribe(Subscribe::to("a").durable("billing"));
    let mut billing = subscribe().await.unwrap();
    submit(&stage.handle, "a", "c", numbered(2)).await;
    let [first, second] = [billing.next().await.unwrap().unwrap(), billing.next().await.unwrap().unwrap()];
    armed.store(true, Ordering::Relaxed);
    billing.ack(&first);
    while cursor.came() == 0 {
        stage.clock.advance(Duration::from_millis(100));
        stage.handle.bus_stats().await;
    }
    billing.ack(&second);
    drop(billing);
    while !stage.handle.bus_stats().await.subscriptions.is_empty() {}
    let back = if comes_back { Some(subscribe().await.unwrap()) } else { None };
    cursor.open();
    stage.close().await;
    drop(back);
    let (cursor, all) = journal_of(&folder);
    assert_eq!(cursor, all[1], "comes back: {comes_back}");
}

#[test]
fn what_who_leaves_had_acknowledged_last_is_recorded_whether_somebody_takes_the_name_again_or_not() {
    within(async {
        left_behind(false).await;
        left_behind(true).await;
    });
}
