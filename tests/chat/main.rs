//! The chat model against a server on loopback that does whatever a server can do wrong.

#[allow(dead_code)] // not every test needs all of it
#[path = "../../actors/tests/it/stage.rs"]
mod stage;

mod budget;
mod secrets;
mod server;
mod trouble;
mod words;

use regie::reasoning::chat::ChatModel;
use regie::reasoning::{Reasoner, Reply, Request};
use server::Server;
use stage::Stage;

/// A model behind a server, tried once.
fn model(server: &Server) -> ChatModel {
    ChatModel::new(&server.base(), "tiny").unwrap().attempts(1)
}

/// A question that may take 5 s.
fn question() -> Request {
    let mut request = stage::about(serde_json::json!({"sum": 7}));
    request.limit_ms = 5_000;
    request
}

/// Asks a model, without a gate.
async fn reply(stage: &Stage, model: ChatModel) -> Reply {
    begin(stage, model).await.unwrap()
}

fn begin(stage: &Stage, model: ChatModel) -> tokio::task::JoinHandle<Reply> {
    stage.pool.spawn(async move { model.reason(question()).await })
}

/// Why there is no advice.
async fn refusal(stage: &Stage, model: ChatModel) -> String {
    regie::reasoning::Outcome::from(reply(stage, model).await.unwrap_err()).to_string()
}
