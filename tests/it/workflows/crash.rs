//! Sagas that are killed at every boundary: after each append, before and after each answer of an agent.
//!
//! `REGIE_SAGAS=all` tries sagas of 1 to 8 steps that fail at each of them, and ones that are cancelled; unless said, a few.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use regie::actors::agent::{AgentError, AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::event::Principal;
use regie::core::retry::Retry;
use regie::core::workflow::Fact;
use regie::core::workflow::flow::{Flow, call, wait};
use regie::{Builder, JournalConfig};
use rusqlite::Connection;

use crate::runtime_support::{Acts, Folder, Stage, at, event, within_at_most};

const DAY_MS: i64 = 24 * 3_600 * 1_000;
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A saga of so many steps; the one with that number fails for good, if there is one; or it rests after one until it is
/// cancelled.
#[derive(Clone, Copy, Debug)]
struct Saga {
    steps: usize,
    fails: Option<usize>,
    cancelled: Option<usize>,
}

impl Saga {
    fn flow(self) -> Flow {
        let step = || {
            let retry = Retry { first: Duration::from_secs(3_600), ..Retry::times(2) };
            call("world").retry(retry).undo("world").undo_retry(retry)
        };
        let tasks = (0..self.steps).fold(Flow::named("saga").starts_on("go"), |flow, at| {
            let flow = flow.task(&format!("s{at}"), step());
            if self.cancelled == Some(at) { flow.task("rest", wait(1_000 * DAY)) } else { flow }
        });
        tasks.build().expect("a good flow")
    }

    /// Somebody cancels it once it rests, and again until that is answered. What is not possible any more is no fault.
    async fn cancel(self, stage: &Stage) {
        if self.cancelled.is_some() && owes_rest(stage).await {
            drop(stage.handle.cancel(&"c".into(), Principal::user("ada"), "not wanted").await);
        }
    }

    /// How it is to end.
    fn ends(self) -> &'static str {
        match self {
            Saga { fails: Some(_), .. } => "failed",
            Saga { cancelled: Some(_), .. } => "cancelled",
            _ => "completed",
        }
    }

    /// Steps that are begun.
    fn begun(self) -> usize {
        self.fails.or(self.cancelled).map_or(self.steps, |at| at + 1)
    }
}

/// What the agents have done to the world: by token, so that what is asked twice is done once.
#[derive(Clone, Default)]
struct World {
    done: BTreeSet<String>,
    asked: Vec<String>,
}

/// When the process is killed: at that call, before or after it is done.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kill {
    call: usize,
    done: bool,
}

/// A journal, and the world beside it, as a kill left them.
struct Left {
    journal: Folder,
    world: World,
}

type Shared = Arc<Mutex<(World, Option<Left>)>>;

/// The agent: its first try at the step that fails is an error, and so is the second.
fn act(
    saga: Saga,
    shared: Shared,
    kill: Option<(Kill, Arc<Folder>)>,
) -> impl Fn(AgentTask) -> futures::future::BoxFuture<'static, Result<Json, AgentError>> {
    move |task| {
        let mut guard = shared.lock().unwrap();
        let call = guard.0.asked.len();
        let dies = |done: bool| {
            kill.as_ref().filter(|(kill, _)| *kill == Kill { call, done }).map(|(_, folder)| folder.image())
        };
        guard.0.asked.push(task.token());
        if let Some(journal) = dies(false) {
            guard.1 = Some(Left { journal, world: guard.0.clone() });
            return futures::future::pending().boxed();
        }
        let fails = saga.fails.is_some_and(|at| task.key.step == format!("s{at}"));
        if !fails {
            guard.0.done.insert(task.token());
        }
        if let Some(journal) = dies(true) {
            guard.1 = Some(Left { journal, world: guard.0.clone() });
            return futures::future::pending().boxed();
        }
        futures::future::ready(if fails { Err(AgentError::new("no")) } else { Ok(Json::of("ok")) }).boxed()
    }
}

fn builder(
    saga: Saga,
    journal: JournalConfig,
    shared: &Shared,
    kill: Option<(Kill, Arc<Folder>)>,
) -> impl FnOnce(Builder) -> Builder {
    let acts = Acts(act(saga, Arc::clone(shared), kill));
    move |builder| {
        let limits = AgentLimits { timeout: Duration::from_secs(100 * 24 * 3_600), ..AgentLimits::default() };
        builder.journal(journal).handler(saga.flow()).agent("world", acts, limits).grace(Duration::ZERO)
    }
}

/// How a run ended: its status, what was done to the world, what was asked of it.
#[derive(Debug, PartialEq)]
struct Ended {
    status: String,
    done: BTreeSet<String>,
    asked: BTreeSet<String>,
}

/// It goes on from there for thirty days.
async fn go_on(saga: Saga, journal: &Folder, world: World) -> Ended {
    let shared: Shared = Arc::new(Mutex::new((world, None)));
    let stage = Stage::with(builder(saga, journal.journal(), &shared, None)).await;
    stage.settle().await;
    saga.cancel(&stage).await;
    for _ in 0..30 {
        stage.advance(DAY).await;
    }
    // Whoever sent the event was not answered: it sends it again.
    stage.submit(event("go", "c", "e")).await;
    stage.settle().await;
    saga.cancel(&stage).await;
    for _ in 0..30 {
        stage.advance(DAY).await;
    }
    let status = stage.handle.look(&"c".into()).await.unwrap().run.expect("a run").status.to_string();
    stage.close().await;
    let world = &shared.lock().unwrap().0;
    Ended { status, done: world.done.clone(), asked: world.asked.iter().cloned().collect() }
}

/// Runs it until it is killed; nothing if that call never comes.
async fn killed(saga: Saga, kill: Kill) -> Option<Left> {
    let (folder, shared) = (Arc::new(Folder::new()), Shared::default());
    let stage = Stage::with(builder(saga, folder.journal(), &shared, Some((kill, Arc::clone(&folder))))).await;
    stage.submit(event("go", "c", "e")).await;
    // Never settled: the call at which it is killed never ends.
    while shared.lock().unwrap().1.is_none() && !stage.handle.look(&"c".into()).await.unwrap().ended {
        if stage.clock.now() < at(20 * DAY_MS) {
            stage.clock.advance_to(stage.clock.now().after(Duration::from_secs(600)));
        }
        saga.cancel(&stage).await;
        std::thread::yield_now();
    }
    let left = shared.lock().unwrap().1.take();
    drop(stage);
    left
}

/// Whether it rests: every step before that is done.
async fn owes_rest(stage: &Stage) -> bool {
    stage.handle.look(&"c".into()).await.unwrap().owed.iter().any(|key| key.step == "rest")
}

/// Where the turns of a journal begin.
fn turns(journal: &Folder) -> Vec<i64> {
    let open = Connection::open(journal.path()).unwrap();
    let mut read = open.prepare("SELECT position FROM turns ORDER BY position").unwrap();
    read.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A copy of a journal without what comes after a turn; what is to be woken is told by the rest.
fn cut_after(whole: &Folder, turn: i64) -> Folder {
    let left = whole.image();
    let cut = Connection::open(left.path()).unwrap();
    cut.execute("DELETE FROM turns WHERE position > ?1", [turn]).unwrap();
    cut.execute_batch("DROP TABLE wake").unwrap();
    for end in ["-index", "-index-wal"] {
        let _ = std::fs::remove_file(format!("{}{end}", left.path().display()));
    }
    left
}

/// The calls whose ends a journal tells, by token: read by a program that has no saga, so that nothing goes on meanwhile.
async fn told(journal: &Folder) -> BTreeSet<String> {
    let image = journal.image();
    let stage = Stage::with(|builder| builder.journal(image.journal())).await;
    let records = stage.handle.records(&"c".into()).await.unwrap();
    stage.close().await;
    let facts = records.into_iter().flat_map(|stored| stored.record.facts);
    let tokens = facts.filter_map(|fact| match fact {
        Fact::Ended { key, .. } => Some(format!("c/{key}")),
        _ => None,
    });
    tokens.collect()
}

/// The journal up to each of its turns. What it tells of by then is not asked again; all else is asked after it, and nothing
/// that was never asked before.
async fn cut_at_each_turn(saga: Saga, whole: &Folder, undisturbed: &Ended) -> usize {
    let turns = turns(whole);
    for turn in &turns {
        let left = cut_after(whole, *turn);
        let told = told(&left).await;
        let Ended { status, asked, .. } = go_on(saga, &left, World::default()).await;
        assert_eq!(status, undisturbed.status, "{saga:?}, cut after position {turn}");
        let wanted: BTreeSet<String> = undisturbed.asked.difference(&told).cloned().collect();
        assert_eq!(asked, wanted, "{saga:?}, cut after position {turn}");
    }
    turns.len()
}

async fn kill_everywhere(saga: Saga) -> (usize, usize) {
    let whole = Folder::new();
    let undisturbed = go_on(saga, &whole, World::default()).await;
    assert!(undisturbed.status.starts_with(saga.ends()), "{saga:?}: {undisturbed:?}");
    let (mut kills, mut call) = (0, 0);
    'calls: loop {
        for done in [false, true] {
            let Some(left) = killed(saga, Kill { call, done }).await else { break 'calls };
            let ended = go_on(saga, &left.journal, left.world).await;
            assert_eq!(ended, undisturbed, "{saga:?}, killed at call {call}, done: {done}");
            kills += 1;
        }
        call += 1;
    }
    (kills, cut_at_each_turn(saga, &whole, &undisturbed).await)
}

fn sagas() -> Vec<Saga> {
    let all = std::env::var("REGIE_SAGAS").is_ok_and(|which| which == "all");
    let ways = |steps: usize| {
        let well = Saga { steps, fails: None, cancelled: None };
        let ill = (0..steps).map(move |at| Saga { fails: Some(at), ..well });
        let unwanted = (0..steps).map(move |at| Saga { cancelled: Some(at), ..well });
        std::iter::once(well).chain(ill).chain(unwanted)
    };
    match all {
        true => (1..=8).flat_map(ways).collect(),
        false => vec![
            Saga { steps: 2, fails: None, cancelled: None },
            Saga { steps: 3, fails: Some(2), cancelled: None },
            Saga { steps: 2, fails: None, cancelled: Some(1) },
        ],
    }
}

#[test]
fn a_saga_that_is_killed_at_any_boundary_ends_as_if_it_had_not_been() {
    within_at_most(Duration::from_secs(3_600), async {
        let (mut kills, mut cuts) = (0, 0);
        for saga in sagas() {
            let (more_kills, more_cuts) = kill_everywhere(saga).await;
            assert!(more_kills >= 2 * saga.begun());
            (kills, cuts) = (kills + more_kills, cuts + more_cuts);
        }
        println!("{kills} kills at agents, {cuts} after appends");
        assert!(cuts > kills / 4);
    });
}
