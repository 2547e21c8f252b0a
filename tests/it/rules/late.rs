//! Rules that come into force late know what was there before, though nobody looked at it then.

use regie::core::automation::RuleSet;
use regie::core::event::{EntityRef, EventBuilder};

use super::runs;
use crate::runtime_support::{Stage, event, within};

fn task(kind: &str, task: &str, id: &str, status: &str) -> EventBuilder {
    event(kind, task, id).entity(EntityRef::new("task", task)).related(EntityRef::new("sprint", "S")).change(
        "status",
        (),
        status,
    )
}

#[test]
fn rules_that_are_recorded_after_many_events_know_those_events() {
    within(async {
        let stage = Stage::with(|builder| builder.rules(RuleSet::shipped())).await;
        for nth in 0..20 {
            stage.submit(task("import.task", &format!("T-{nth}"), "made", "in_progress")).await;
            stage.settle().await;
        }
        assert_eq!(stage.handle.rules_view().position(), stage.handle.position());
        assert_eq!(stage.handle.rules_view().entities(), 0);
        // The first event that a rule watches for: the sprint has twenty other tasks that are not done.
        stage.submit(task("orchestration.task.status_changed", "T-20", "done", "completed")).await;
        assert_eq!(runs(&stage.handle).await.len(), 0);
        assert_eq!(stage.handle.rules_view().entities(), 22);
        for nth in 0..20 {
            stage.submit(task("orchestration.task.status_changed", &format!("T-{nth}"), "done", "completed")).await;
        }
        assert_eq!(runs(&stage.handle).await.len(), 1);
        stage.close().await;
    });
}
