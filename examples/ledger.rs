//! The shortest use: events go in, answers come out, and the state of a thing can be asked for at any instant.

use regie::core::Timestamp;
use regie::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    futures::executor::block_on(async {
        let runtime = builder().start().await?;
        let handle = runtime.handle();
        let task = EntityRef::new("task", "T-1");
        let moves = [
            ("09:00", "open", "created"),
            ("10:00", "in_progress", "status_changed"),
            ("11:00", "done", "status_changed"),
        ];
        for (nth, (at, status, what)) in moves.into_iter().enumerate() {
            let event = Event::new(format!("task.{what}"), "task-1")
                .id(format!("e-{nth}"))
                .timestamp(Timestamp::parse(&format!("2026-03-02T{at}:00Z"))?)
                .actor(Principal::user("ana"))
                .entity(task.clone())
                .change("status", None::<&str>, status)
                .build()?;
            let answer = handle.submit(event).await?;
            println!("position {}: {:?}", answer.position.unwrap_or(0), answer.event_state);
        }
        let half_past_ten = Timestamp::parse("2026-03-02T10:30:00Z")?;
        let then = handle.state(&task, Some(half_past_ten)).await?.ok_or("nothing had touched it")?;
        println!("at half past ten: {}", then.fields["status"]);
        assert_eq!(then.fields["status"].text(), "\"in_progress\"");
        runtime.shutdown().await;
        Ok(())
    })
}
