//! More than the runtime can take: refusals are values, what was accepted is done, and what is under way has a bound.
//! How long answers take meanwhile is a benchmark: `cargo bench --bench performance -- overload`.

use regie::actors::agent::{AgentError, AgentLimits};
use regie::core::Json;
use regie::core::query::Filter;
use regie::core::workflow::{Input, Reaction};
use regie::{Handle, Reason, Refused};

use crate::runtime_support::{Blocks, Folder, Gate, Stage, event, note, script, within};

const PLACES: usize = 64;
const THREADS: usize = 8;
/// Events of each thread, all offered at once: ten times the places there are.
const OFFERED: usize = 10 * PLACES;

/// What a thread's events came to: accepted, refused for want of a place.
async fn offer(handle: Handle, thread: usize) -> (usize, usize) {
    let submits = (0..OFFERED)
        .map(|nth| handle.submit(note(&format!("c-{}", nth % 50), &format!("{thread}-{nth}")).build().unwrap()));
    let answers = futures::future::join_all(submits).await;
    let full = |refused: &Refused| refused.reason == Reason::Full { limit: PLACES } && refused.reason.is_passing();
    let refused = answers.iter().filter(|answer| answer.as_ref().is_err_and(full)).count();
    (answers.iter().filter(|answer| answer.is_ok()).count(), refused)
}

#[test]
fn under_ten_times_its_load_all_is_accepted_and_done_or_refused_and_handed_back() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.admission(PLACES).journal(folder.journal())).await;
        let offer_all = |thread| {
            let handle = stage.handle.clone();
            std::thread::spawn(move || futures::executor::block_on(offer(handle, thread)))
        };
        let threads: Vec<_> = (0..THREADS).map(offer_all).collect();
        let mut most = 0;
        while !threads.iter().all(|thread| thread.is_finished()) {
            most = stage.handle.metrics().await.under_way.max(most);
        }
        let told = threads.into_iter().map(|thread| thread.join().unwrap());
        let (accepted, refused) = told.fold((0, 0), |sum, (accepted, refused)| (sum.0 + accepted, sum.1 + refused));
        assert_eq!(accepted + refused, THREADS * OFFERED);
        assert!(refused > THREADS * OFFERED / 2, "only {refused} were refused");
        // Who is answered gives back its place before it is counted out: one on each of the two shards may still be counted.
        assert!(most <= PLACES as u64 + 2, "{most} were under way");
        let events = stage.handle.events(Filter::default()).await.unwrap();
        assert_eq!(events.len(), accepted);
        stage.close().await;
    });
}

#[test]
fn what_was_refused_is_taken_when_it_is_sent_again() {
    within(async {
        let stage = Stage::with(|builder| builder.admission(PLACES)).await;
        let submits = (0..OFFERED).map(|nth| stage.handle.submit(note("c", &nth.to_string()).build().unwrap()));
        let mut refused: Vec<Refused> =
            futures::future::join_all(submits).await.into_iter().filter_map(Result::err).collect();
        assert!(!refused.is_empty());
        while let Some(Refused { event, .. }) = refused.pop() {
            assert!(stage.handle.submit(*event).await.is_ok());
        }
        assert_eq!(stage.stats().await.events as usize, OFFERED);
    });
}

#[test]
fn agents_that_hold_their_threads_leave_other_work_alone() {
    within(async {
        let gate = Gate::default();
        let waits = gate.clone();
        let stuck = Blocks(move |_| {
            waits.pass();
            Ok::<_, AgentError>(Json::null())
        });
        let calls = script("calls", "work.call", |_, input, _| {
            Ok(match input {
                Input::Event(_) => Reaction::none().call("step", "stuck", Json::null()),
                _ => Reaction::none().complete(&()),
            })
        });
        let few = AgentLimits { concurrency: 4, ..AgentLimits::default() };
        let stage = Stage::with(|builder| builder.handler(calls).blocking_agent("stuck", stuck, few)).await;
        for nth in 0..100 {
            stage.submit(event("work.call", &format!("w-{nth}"), "1")).await;
        }
        gate.wait_for(4);
        for nth in 0..1_000 {
            stage.submit(note(&format!("n-{}", nth % 10), &nth.to_string())).await;
        }
        let agents = stage.handle.metrics().await.agents;
        assert_eq!((agents["stuck"].done, agents["stuck"].waiting), (0, 96));
        gate.open();
        stage.handle.settle().await;
        assert_eq!(stage.handle.metrics().await.runs_finished, 100);
    });
}
