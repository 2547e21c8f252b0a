//! Governance: an agent may note once a minute. Time is a stage's, so that nothing has to be waited for.

use std::time::Duration;

use regie::core::governance::{CooldownMode, KeyKind, Policy, PolicySet};
use regie::prelude::*;
use regie::testing::{Stage, assert_state};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let notes = Pattern::parse("agent.note")?;
    let policy = Policy::cooldown("one-a-minute", notes, Duration::from_secs(60), KeyKind::Actor, CooldownMode::Defer);
    let policies = PolicySet::new(vec![policy])?;
    futures::executor::block_on(async {
        let stage = Stage::with(|builder| builder.policies(policies)).await;
        for nth in 1..=3 {
            let note = Event::new("agent.note", "notes").id(format!("n-{nth}")).actor(Principal::agent("coder"));
            let answer = stage.submit(note).await;
            assert_state(&answer, if nth == 1 { LifeState::Processed } else { LifeState::Deferred });
            let until = answer.deferred_until.map(|until| format!(" until {until}")).unwrap_or_default();
            println!("note {nth}: {:?}{until}", answer.event_state);
        }
        stage.advance(Duration::from_secs(120)).await;
        println!("two minutes later: {:?}", stage.states().await);
        assert!(stage.states().await.values().all(|state| *state == LifeState::Processed));
        stage.close().await;
        Ok(())
    })
}
