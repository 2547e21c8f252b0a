//! Beside a journal that takes nothing more: all comes to rest, and the next life goes on with what was owed.

use std::time::Duration;

use regie::Builder;
use regie::actors::agent::AgentLimits;
use regie::core::Json;
use regie::core::automation::RuleSet;
use regie::core::event::LifeState;
use regie::core::query::{Order, RunFilter};
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use rusqlite::Connection;

use crate::runtime_support::{Blocks, Folder, Gate, Stage, event, script, within};

const HOUR: Duration = Duration::from_secs(3_600);
const NONE: &str = "shipped = false";
const TELLS: &str = r#"
shipped = false

[[rule]]
name = "tell"
on = "order.placed"
do = [{ emit = { type = "order.told" } }]
"#;

/// An order waits an hour, or for an agent.
fn wants(_: &u64, input: Input<'_>, moment: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    Ok(match input {
        Input::Event(event) if event.id == "waits" => Reaction::none().timer("bell", moment.now.after(HOUR)),
        Input::Event(_) => Reaction::none().call("step", "slow", Json::null()),
        Input::Timer { .. } | Input::Agent { .. } => Reaction::none().complete("done"),
        _ => Reaction::none(),
    })
}

/// The runtime on a file, with an agent that is at work until the gate is opened.
async fn open(folder: &Folder, gate: &Gate, rules: &str) -> Stage {
    let (gate, rules) = (gate.clone(), RuleSet::parse(rules).unwrap());
    let slow = Blocks(move |_| {
        gate.pass();
        Ok(Json::null())
    });
    let build = |builder: Builder| {
        let builder = builder.journal(folder.journal()).rules(rules).handler(script("wants", "order.placed", wants));
        builder.blocking_agent("slow", slow, AgentLimits::default())
    };
    Stage::with(build).await
}

/// From the first turn on of which that holds, nobody knows what stands.
fn breaks_where(condition: &str, folder: &Folder) {
    let fault = format!(
        "CREATE TRIGGER fault BEFORE INSERT ON turns WHEN {condition} BEGIN SELECT RAISE(ABORT, 'on purpose'); END"
    );
    Connection::open(folder.path()).unwrap().execute_batch(&fault).unwrap();
}

/// The file as it stands now, on a disk that takes writes again.
fn mended(folder: &Folder) -> Folder {
    let image = folder.image();
    Connection::open(image.path()).unwrap().execute_batch("DROP TRIGGER fault").unwrap();
    image
}

/// Waits until all is at rest, which is to be soon, and tells whether nothing more is taken.
async fn is_latched_at_rest(stage: &Stage) -> bool {
    stage.settle().await;
    let refused = stage.handle.submit(event("other", "elsewhere", "1").build().unwrap()).await;
    refused.is_err_and(|refused| refused.reason.code() == "latched")
}

async fn ended(stage: &Stage) -> usize {
    stage.settle().await;
    let runs = stage.handle.workflows(RunFilter::default()).await.unwrap();
    runs.iter().filter(|stored| stored.run.status.is_over()).count()
}

#[test]
fn a_call_whose_end_is_not_taken_is_made_again_in_the_next_life() {
    within(async {
        let (folder, gate) = (Folder::new(), Gate::default());
        let stage = open(&folder, &gate, NONE).await;
        stage.submit(event("order.placed", "o-1", "asks")).await;
        gate.wait_for(1);
        breaks_where("true", &folder);
        gate.open();
        assert!(is_latched_at_rest(&stage).await);
        let image = mended(&folder);
        let stage = open(&image, &gate, NONE).await;
        assert_eq!((ended(&stage).await, gate.came()), (1, 2));
        stage.close().await;
    });
}

#[test]
fn a_timer_that_comes_to_nothing_is_due_in_the_next_life() {
    within(async {
        let (folder, gate) = (Folder::new(), Gate::default());
        let stage = open(&folder, &gate, NONE).await;
        stage.submit(event("order.placed", "o-1", "waits")).await;
        breaks_where("true", &folder);
        stage.advance(HOUR).await;
        assert!(is_latched_at_rest(&stage).await);
        let image = mended(&folder);
        let stage = open(&image, &gate, NONE).await;
        stage.advance(HOUR).await;
        assert_eq!(ended(&stage).await, 1);
        stage.close().await;
    });
}

#[test]
fn what_a_rule_gave_and_could_not_be_recorded_is_found_anew_in_the_next_life() {
    within(async {
        let (folder, gate) = (Folder::new(), Gate::default());
        let stage = open(&folder, &gate, TELLS).await;
        breaks_where("instr(NEW.body, 'regie/run/') > 0", &folder);
        stage.submit(event("order.placed", "o-1", "waits")).await;
        assert!(is_latched_at_rest(&stage).await);
        assert_eq!(stage.stats().await.events, 1);
        let (_, trouble) = stage.handle.rules_view().last_trouble().unwrap();
        assert!(trouble.contains("latched"), "{trouble}");
        let image = mended(&folder);
        let stage = open(&image, &gate, TELLS).await;
        stage.settle().await;
        assert_eq!(stage.states().await["o-1/waits"], LifeState::Processed);
        assert_eq!(stage.handle.runs(None, None, Order::Oldest).await.unwrap().len(), 1);
        stage.close().await;
    });
}
