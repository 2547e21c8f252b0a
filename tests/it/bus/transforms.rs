//! Transforms ahead of a subscriber.

use regie::bus::{LetterFilter, Retry, Subscribe, Subscriber, TransformError, TransformFault, Transforms};
use regie::core::event::Event;

use super::helpers::{numbered, seen, submit, takes};
use crate::runtime_support::{Stage, event, within};

fn ready(event: Event) -> Result<Event, String> {
    Ok(event)
}

fn renamed(event: Event) -> Result<Event, String> {
    Ok(Event { id: format!("{}!", event.id), ..event })
}

fn apply(transforms: &Transforms) -> Result<Event, TransformError> {
    transforms.apply(event("a", "c", "e").build().unwrap().event().clone())
}

#[test]
fn transforms_run_in_their_order_and_what_goes_wrong_is_told_by_name() {
    let to_b = |event: Event| Ok::<_, String>(Event { kind: "b".into(), ..event });
    let good = Transforms::new().then("same", ready).then("rename", renamed).then_gives("to b", "b", to_b);
    let given = apply(&good).unwrap();
    assert_eq!((given.id.as_str(), given.kind.as_str()), ("e!", "b"));
    let fault = |transforms: Transforms| {
        let TransformError { step, fault } =
            apply(&transforms.then("never", |_| -> Result<Event, String> { unreachable!() })).unwrap_err();
        assert_eq!(step, "bad");
        fault
    };
    let refuses = Transforms::new().then("bad", |_| Err::<Event, _>("no"));
    assert_eq!(fault(refuses), TransformFault::Refused("no".into()));
    let panics = Transforms::new().then("bad", |_| -> Result<Event, String> { panic!("oh") });
    assert_eq!(fault(panics), TransformFault::Panicked("oh".into()));
    let other =
        |declared: &str, given: &str| TransformFault::OtherType { declared: declared.into(), given: given.into() };
    assert_eq!(fault(Transforms::new().then("bad", to_b)), other("a", "b"));
    assert_eq!(fault(Transforms::new().then_gives("bad", "x", to_b)), other("x", "b"));
}

#[test]
fn a_transform_that_panics_makes_a_dead_letter_at_once_and_the_next_delivery_goes_on() {
    within(async {
        let (tells, seen) = seen();
        let breaks = |event: Event| -> Result<Event, String> {
            assert_ne!(event.id, "e-1", "not this one");
            renamed(event)
        };
        let subscriber = takes(&tells).transform(Transforms::new().then("breaks", breaks));
        let subscribe = Subscribe::to("a").retry(Retry::times(5));
        let stage = Stage::with(|builder| builder.subscriber("s", subscribe, subscriber)).await;
        let mut letters = stage.handle.subscribe(Subscribe::to("regie.dead_letter").with_own()).await.unwrap();
        submit(&stage.handle, "a", "c", numbered(2)).await;
        assert_eq!(seen.next(), "e-2!");
        letters.next().await.unwrap().unwrap();
        let dead = stage.handle.dead_letters(LetterFilter::default()).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert!(dead[0].error.starts_with("the transform 'breaks' panicked"), "{}", dead[0].error);
        stage.close().await;
    });
}
