//! What a model may spend.

use std::sync::Arc;
use std::time::Duration;

use regie::reasoning::chat::ChatModel;
use regie::reasoning::{Outcome, Reasoner, Reply};

use crate::server::{Act, Server, signal};
use crate::stage::Stage;
use crate::{model, question, refusal};

async fn asks(stage: &Stage, model: &Arc<ChatModel>) -> Reply {
    let model = Arc::clone(model);
    stage.pool.spawn(async move { model.reason(question()).await }).await.unwrap()
}

fn told(reply: Reply) -> String {
    Outcome::from(reply.unwrap_err()).to_string()
}

#[test]
fn a_call_that_would_take_more_than_any_may_is_not_made() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![signal()]);
        let told = refusal(&stage, model(&server).call_tokens(600)).await;
        assert!(told.starts_with("refused: its token budget: the call would take about "), "{told}");
        assert!(told.ends_with("at most 600 are allowed") && server.calls().is_empty(), "{told}");
    });
}

#[test]
fn what_a_period_gives_is_spent_by_what_calls_cost_and_comes_back_with_time() {
    Stage::play(|stage| async move {
        let server = Server::new((0..12).map(|_| signal()).collect());
        // A call is taken for some 1,000 tokens, and costs 100 as the server tells.
        let limited = model(&server).budget(1_200, Duration::from_secs(60)).clock(stage.clock.clone());
        let limited = Arc::new(limited);
        let refused = loop {
            if let Err(error) = asks(&stage, &limited).await {
                break told(Err(error));
            }
        };
        assert!(refused.starts_with("refused: its token budget: ") && refused.contains("are there in"), "{refused}");
        let made = server.calls().len();
        assert!((2..=4).contains(&made), "{made} calls: what was taken too much for the first came back");
        stage.advance(60_000);
        assert!(asks(&stage, &limited).await.is_ok());
    });
}

#[test]
fn a_call_that_was_turned_away_cost_nothing_and_one_that_broke_off_may_have() {
    Stage::play(|stage| async move {
        let away = || Act::Answer(400, "", String::new());
        let server = Server::new(vec![away(), away(), Act::Raw(Vec::new())]);
        let limited = model(&server).budget(1_200, Duration::from_secs(60)).clock(stage.clock.clone());
        let limited = Arc::new(limited);
        for _ in 0..2 {
            assert!(told(asks(&stage, &limited).await).starts_with("failed: the server says 400"));
        }
        assert!(told(asks(&stage, &limited).await).starts_with("failed: the call failed"));
        assert!(told(asks(&stage, &limited).await).starts_with("refused"));
    });
}
