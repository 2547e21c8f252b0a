//! What an embedder does while the disk fails: this test binary, started again by a scenario with the disk preloaded.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures::FutureExt;
use regie::actors::agent::{AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::event::{Incoming, Origin};
use regie::core::query::Filter;
use regie::core::workflow::{AgentOutcome, Input, Moment, Reaction};
use regie::{Builder, Handle, JournalConfig, Refused, Runtime, StartError};

use super::bench::{ANSWERS, JOURNAL};
use crate::runtime_support::{Acts, script};

/// How often an event is sent again that was refused for a reason that passes.
const TRIES: u32 = 100;

/// How long it waits before that, in real time: the disk and the runtime's index, which looks again after a second, have no other.
const PAUSE: Duration = Duration::from_millis(50);

/// The child's exit codes are those of the command: 0 done, 5 the journal cannot be used.
#[test]
fn a_child_does_what_it_is_told() {
    let Ok(act) = std::env::var("REGIE_CHILD") else { return };
    let done = futures::executor::block_on(child(&act));
    if let Err(why) = &done {
        eprintln!("stopped: {why}");
    }
    std::process::exit(if done.is_ok() { 0 } else { 5 });
}

async fn child(act: &str) -> Result<(), String> {
    let runtime = start(act).await.map_err(|error| error.to_string())?;
    let done = send_all(act, &runtime.handle()).await;
    let closed = runtime.shutdown().await.error;
    done.and(closed.map_or(Ok(()), |error| Err(error.to_string())))
}

async fn start(act: &str) -> Result<Runtime, StartError> {
    let journal = JournalConfig::sqlite(Path::new("disk").join(JOURNAL));
    let builder = regie::builder().journal(std::path::absolute("disk").map_or(journal, |disk| {
        JournalConfig::sqlite(disk.join(JOURNAL)) // the disk knows its files by absolute paths
    }));
    let builder = builder.shards(2);
    match act {
        "passivates" => builder.keep(1, Duration::ZERO),
        "agents" => with_agent(builder),
        _ => builder,
    }
    .start()
    .await
}

/// Each event asks an agent, and ends with what that says.
fn with_agent(builder: Builder) -> Builder {
    let asks = script("asks", "agent.>", |_, input: Input<'_>, _: &Moment<'_>| {
        Ok(match input {
            Input::Event(_) => Reaction::none().call("ask", "oracle", Json::null()),
            Input::Agent { outcome: AgentOutcome::Done(said), .. } => Reaction::none().complete(said),
            other => Reaction::none().fail(format!("{other:?}")),
        })
    });
    let oracle = Acts(|_: AgentTask| futures::future::ready(Ok(Json::of("42"))).boxed());
    builder.handler(asks).agent("oracle", oracle, AgentLimits::default())
}

async fn send_all(act: &str, handle: &Handle) -> Result<(), String> {
    let answers = std::path::absolute("disk").unwrap().join(ANSWERS);
    let mut answers = OpenOptions::new().create(true).append(true).open(answers).unwrap();
    for line in std::fs::read_to_string("events.jsonl").unwrap().lines() {
        send(handle, Incoming::read(line.as_bytes(), Origin::File).unwrap(), &mut answers).await?;
        if act == "queries" {
            count(handle).await?;
        }
    }
    handle.settle().await;
    Ok(())
}

/// Nothing happens for which it could wait: a disk has room again without telling.
fn pause() {
    let (_never, told) = std::sync::mpsc::channel::<()>();
    let _ = told.recv_timeout(PAUSE);
}

/// Sends an event until it is taken, as an embedder would who is told that the trouble passes.
async fn send(handle: &Handle, event: Incoming, answers: &mut File) -> Result<(), String> {
    let mut event = event;
    let mut why = String::new();
    for _ in 0..TRIES {
        match handle.submit(event).await {
            Ok(result) => {
                let line = format!("{}\n", serde_json::to_string(&result).unwrap());
                return answers.write_all(line.as_bytes()).map_err(|error| error.to_string());
            }
            Err(Refused { reason, event: again }) if reason.is_passing() => {
                why = reason.to_string();
                event = *again;
                pause();
            }
            Err(refused) => return Err(refused.reason.to_string()),
        }
    }
    Err(format!("refused {TRIES} times: {why}"))
}

/// Asks until it is answered, in the same way.
async fn count(handle: &Handle) -> Result<(), String> {
    let mut tries = 0..TRIES;
    while let Err(error) = handle.stats(Filter::default()).await {
        if !error.is_passing() || tries.next().is_none() {
            return Err(error.to_string());
        }
        pause();
    }
    Ok(())
}
