//! Embedding: the runtime runs beside whatever runs already, and ends in good order.

use futures::executor::block_on;
use regie::actors::agent::{AgentLimits, Candidate, Route};
use regie::core::Json;
use regie::core::event::{LifeState, Status};
use regie::core::workflow::flow::{Flow, call};
use regie::core::workflow::machine::Machine;
use regie::testing::ScriptedAgent;
use regie::{Handle, Runtime, StartError};

use crate::runtime_support::{Acts, Folder, Stage, note, script, within};

const fn is_clone_send_and_sync<T: Clone + Send + Sync + 'static>() {}
const _: () = is_clone_send_and_sync::<Handle>();

const fn is_send<T: Send + 'static>() {}
const _: () = is_send::<Runtime>();

/// Starts a runtime, submits, asks and shuts down.
async fn whole_life() {
    let runtime = regie::builder().start().await.unwrap();
    let handle = runtime.handle();
    let answer = handle.submit(note("c", "1").build().unwrap()).await.unwrap();
    assert_eq!((answer.status, answer.event_state), (Status::New, Some(LifeState::Processed)));
    assert_eq!(handle.stats(Default::default()).await.unwrap().events, 1);
    assert!(handle.wait(&"c".into(), None).await.is_ok());
    let shutdown = runtime.shutdown().await;
    assert_eq!((shutdown.left_owed, shutdown.error), (0, None));
}

#[test]
fn it_runs_from_a_plain_thread() {
    within(whole_life());
}

#[test]
fn it_runs_from_a_tokio_runtime_of_many_threads_without_time() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    tokio.block_on(async { tokio::spawn(whole_life()).await.unwrap() });
}

#[test]
fn it_is_used_by_many_tasks_of_a_tokio_runtime() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    tokio.block_on(async {
        let stage = Stage::with(|builder| builder).await;
        let submit = |nth: usize| {
            let handle = stage.handle.clone();
            tokio::spawn(async move { handle.submit(note(&format!("c-{nth}"), "1").build().unwrap()).await.unwrap() })
        };
        let tasks: Vec<_> = (0..500).map(submit).collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().event_state, Some(LifeState::Processed));
        }
        stage.close().await;
    });
}

#[test]
fn it_runs_inside_an_actix_system_that_runs_already() {
    let thread = std::thread::spawn(|| {
        actix::System::new().block_on(async {
            whole_life().await;
            assert!(actix::System::try_current().is_some());
        })
    });
    within(async move { thread.join().unwrap() });
}

#[test]
fn two_runtimes_live_in_one_process() {
    within(async {
        let (first, second) = (Stage::with(|builder| builder).await, Stage::with(|builder| builder).await);
        first.submit(note("c", "1")).await;
        second.submit(note("c", "1")).await;
        first.close().await;
        assert_eq!(second.submit(note("c", "2")).await.status, Status::New);
        assert_eq!(second.stats().await.events, 2);
        second.close().await;
    });
}

/// What was answered is there, and its owner's lock is given back: once the last of it is gone, another may open it.
#[test]
fn a_runtime_that_is_dropped_ends_in_good_order() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.journal(folder.journal())).await;
        stage.submit(note("c", "1")).await;
        let Stage { runtime, handle, .. } = stage;
        drop(runtime);
        let refused = loop {
            match handle.submit(note("c", "1").build().unwrap()).await {
                Ok(_) => std::thread::yield_now(),
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused.reason.code(), "closing" | "lost"), "{refused}");
        let again = loop {
            match regie::builder().journal(folder.journal()).start().await {
                Err(StartError::Journal(regie::journal::StoreError::Owned { .. })) => std::thread::yield_now(),
                started => break started.unwrap(),
            }
        };
        assert_eq!(again.handle().stats(Default::default()).await.unwrap().events, 1);
    });
}

#[test]
fn two_handlers_or_agents_of_one_name_are_refused_at_the_start() {
    let handler = || {
        script("twin", "work.>", |_, _: regie::core::workflow::Input<'_>, _: &regie::core::workflow::Moment<'_>| {
            Ok(regie::core::workflow::Reaction::none())
        })
    };
    let agent = || Acts(|_| Box::pin(futures::future::pending()) as futures::future::BoxFuture<'static, _>);
    let handlers = block_on(regie::builder().handler(handler()).handler(handler()).start());
    assert!(matches!(handlers, Err(StartError::HandlerTwice(name)) if name == "twin version 1"));
    let limits = AgentLimits::default();
    let agents = block_on(regie::builder().agent("a", agent(), limits).agent("a", agent(), limits).start());
    assert!(matches!(agents, Err(StartError::AgentTwice(name)) if name == "a"));
}

#[test]
fn a_step_that_asks_who_is_not_there_is_refused_at_the_start() {
    let limits = AgentLimits::default();
    let start = |pay: &str, undo: &str| {
        let flow = Flow::named("order").starts_on("order.placed").task("pay", call(pay).undo(undo)).build().unwrap();
        let route = Route::new("money").to(Candidate::agent("bank"));
        block_on(regie::builder().handler(flow).agent("bank", ScriptedAgent::new(), limits).route(route).start())
    };
    for (pay, undo, asked) in [("bnak", "bank", "bnak"), ("money", "refunds", "refunds")] {
        let refused = start(pay, undo).err().expect("nobody is there").to_string();
        let why = format!("'order' version 1 asks '{asked}' in its step 'pay'");
        assert!(refused.contains(&why) && refused.contains("there is: bank, money"), "{refused}");
    }
    assert!(start("money", "bank").is_ok());
}

#[test]
fn of_an_older_version_that_is_no_reason_not_to_start() {
    let version = |number: u32, pay: &str| {
        Flow::named("order").version(number).starts_on("order.placed").task("pay", call(pay)).build().unwrap()
    };
    let start = |first: &str, second: &str| {
        let builder = regie::builder().handler(version(1, first)).handler(version(2, second));
        block_on(builder.agent("bank", ScriptedAgent::new(), AgentLimits::default()).start())
    };
    assert!(start("closed", "bank").is_ok());
    assert!(matches!(start("bank", "closed"), Err(StartError::NoSuchAgent { version: 2, .. })));
}

#[test]
fn so_is_one_of_a_machine() {
    let machine = Machine::<bool, ()>::named("light", false).starts_on("light.made").step("shine", "lamp", |step| step);
    let machine = machine.on::<Json>(false, "light.made", |way| way);
    let machine = machine.enter(false, |deeds| deeds.start("shine", |_, _| Json::null()));
    let machine = machine.on_done::<Json>(false, "shine", |way| way.go(true)).completes(true, |_| Json::null()).build();
    let refused =
        block_on(regie::builder().handler(machine.unwrap()).start()).err().expect("nobody is there").to_string();
    assert!(refused.contains("'light' version 1 asks 'lamp' in its step 'shine'"), "{refused}");
    assert!(refused.ends_with("there is: none at all"), "{refused}");
}
