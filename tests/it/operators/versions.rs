//! Versions: a run keeps its own over a restart, new ones take the newest, and one is taken over if it fits.

use regie::Builder;
use regie::core::Json;
use regie::core::event::{CorrelationId, Pattern};
use regie::core::workflow::{Handler, HandlerError, Input, Moment, Reaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ana;
use crate::runtime_support::{Folder, Stage, event, pattern, within};

/// Counts events, each as much as its version says; its facts are of that type.
struct Counts<F> {
    version: u32,
    fact: fn() -> F,
}

impl<F: Serialize + DeserializeOwned + 'static> Handler for Counts<F> {
    type State = u64;
    type Fact = F;

    fn name(&self) -> &str {
        "counts"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn starts_on(&self) -> Pattern {
        pattern("count.>")
    }

    fn decide(&self, _: &u64, _: Input<'_>, _: &Moment<'_>) -> Result<Reaction<F>, HandlerError> {
        Ok(Reaction::none().note((self.fact)()))
    }

    fn evolve(&self, sum: &mut u64, _: F) {
        *sum += u64::from(self.version);
    }
}

#[derive(Serialize, Deserialize)]
struct Renamed {
    by: u64,
}

fn old(builder: Builder) -> Builder {
    builder.handler(Counts { version: 1, fact: || 1_u64 })
}

/// A second version that reads the first one's facts, and a third that does not.
fn new(builder: Builder) -> Builder {
    let third = Counts { version: 3, fact: || Renamed { by: 1 } };
    old(builder).handler(Counts { version: 2, fact: || 1_u64 }).handler(third)
}

async fn count(stage: &Stage, correlation: &str, id: &str) {
    stage.submit(event("count.one", correlation, id)).await;
}

/// The version that a run has, and its state.
async fn stands(stage: &Stage, correlation: &str) -> (u32, Json) {
    let report = stage.handle.workflow(&correlation.into()).await.unwrap().unwrap();
    (report.version, report.state.unwrap())
}

#[test]
fn a_run_keeps_its_version_and_is_taken_over_by_one_that_fits_for_good() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| old(builder).journal(folder.journal())).await;
        count(&stage, "a", "1").await;
        count(&stage, "b", "1").await;
        stage.close().await;

        let stage = Stage::with(|builder| new(builder).journal(folder.journal())).await;
        count(&stage, "a", "2").await;
        count(&stage, "c", "1").await;
        assert_eq!((stands(&stage, "a").await, stands(&stage, "c").await.0), ((1, Json::of(&2)), 3));
        let check = stage.handle.check_migration("counts", 1, 2).await.unwrap();
        assert_eq!((check.checked, check.misfits), (2, vec![]));
        let check = stage.handle.check_migration("counts", 1, 3).await.unwrap();
        let misfits: Vec<&str> = check.misfits.iter().map(|misfit| misfit.correlation_id.as_str()).collect();
        assert_eq!((misfits, check.misfits[0].why.contains("sequence 1")), (vec!["a", "b"], true));
        assert_eq!(stage.handle.check_migration("counts", 1, 9).await.unwrap_err().code(), "unknown_definition");

        let a = CorrelationId::from("a");
        assert_eq!(stage.handle.migrate(&a, 3, ana(), "newest").await.unwrap_err().code(), "misfit");
        assert_eq!(stands(&stage, "a").await, (1, Json::of(&2)));
        let migrates = (2, "to-two");
        stage.handle.migrate_once(&a, migrates, ana(), "better").await.unwrap();
        let report = stage.handle.migrate_once(&a, migrates, ana(), "better: its answer was lost").await.unwrap();
        assert_eq!((report.version, report.state), (2, Some(Json::of(&4))));
        count(&stage, "a", "3").await;
        assert_eq!(stage.handle.check_migration("counts", 1, 2).await.unwrap().checked, 1);
        stage.close().await;

        let stage = Stage::with(|builder| new(builder).journal(folder.journal())).await;
        assert_eq!((stands(&stage, "a").await, stands(&stage, "b").await), ((2, Json::of(&6)), (1, Json::of(&1))));
        assert_eq!(stage.handle.migrate(&"nobody".into(), 2, ana(), "x").await.unwrap_err().code(), "no_run");
        stage.close().await;
    });
}
