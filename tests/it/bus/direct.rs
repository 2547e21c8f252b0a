//! Direct messages.

use regie::bus::{Subscribe, TellError};

use super::helpers::{ids, numbered, seen, submit, takes};
use crate::runtime_support::{Stage, event, within};

#[test]
fn a_direct_message_reaches_one_alone_and_is_not_recorded() {
    within(async {
        let (tells, seen) = seen();
        let stage = Stage::with(|builder| builder.subscriber("mail", Subscribe::to("a"), takes(&tells))).await;
        let mut named = stage.handle.subscribe(Subscribe::to("a").named("screen")).await.unwrap();
        let mut other = stage.handle.subscribe(Subscribe::to(">")).await.unwrap();
        stage.handle.tell("screen", event("b", "c", "for-screen").build().unwrap()).await.unwrap();
        let told = named.next().await.unwrap().unwrap();
        assert!(told.is_direct() && told.event().id == "for-screen" && !named.ack(&told));
        stage.handle.tell("mail", event("b", "c", "for-mail").build().unwrap()).await.unwrap();
        assert_eq!(seen.next(), "for-mail");
        submit(&stage.handle, "a", "c", numbered(1)).await;
        assert_eq!(ids(&mut other, 1).await, numbered(1));
        stage.close().await;
    });
}

#[test]
fn a_message_for_nobody_or_for_a_full_queue_is_handed_back() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let message = || event("b", "c", "m").build().unwrap();
        let named = stage.handle.subscribe(Subscribe::to("a").named("screen").queue(1)).await.unwrap();
        stage.handle.tell("screen", message()).await.unwrap();
        let full = stage.handle.tell("screen", message()).await.unwrap_err();
        assert_eq!((full.why, full.event.event().id.as_str()), (TellError::Full, "m"));
        drop(named);
        for name in ["screen", "nobody"] {
            assert_eq!(stage.handle.tell(name, message()).await.unwrap_err().why, TellError::Gone);
        }
        stage.close().await;
    });
}
