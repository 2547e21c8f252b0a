//! Inside an actix system that already runs: an actor of yours submits events to a runtime beside it.

use actix::prelude::*;
use regie::Handle;
use regie::prelude::*;

struct Clerk(Handle);

#[derive(Message)]
#[rtype(result = "Option<LifeState>")]
struct Note(&'static str);

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl actix::Handler<Note> for Clerk {
    type Result = ResponseFuture<Option<LifeState>>;

    fn handle(&mut self, Note(text): Note, _: &mut Self::Context) -> Self::Result {
        let handle = self.0.clone();
        Box::pin(async move {
            let event = Event::new("clerk.note", "desk").payload(serde_json::json!(text)).build().ok()?;
            handle.submit(event).await.ok()?.event_state
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    actix::System::new().block_on(async {
        let runtime = builder().start().await?;
        let clerk = Clerk(runtime.handle()).start();
        for text in ["the phone rang", "nobody was there"] {
            println!("{text}: {:?}", clerk.send(Note(text)).await?);
        }
        let shutdown = runtime.shutdown().await;
        println!("shut down in {:?}", shutdown.took);
        Ok(())
    })
}
