//! What is refused, and where.

use regie::StartError;
use regie::bus::{Routes, Subscribe, SubscribeError};

use super::helpers::{seen, takes};
use crate::runtime_support::{Stage, within};

#[test]
fn a_bad_pattern_name_or_size_is_refused_when_it_is_subscribed() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let refused = async |subscribe| stage.handle.subscribe(subscribe).await.map(|_| ()).unwrap_err();
        let why = refused(Subscribe::to("a").and("a..b")).await.to_string();
        assert!(why.contains("'a..b'") && why.contains("a segment is empty"), "{why}");
        let why = refused(Subscribe::to("a").durable("x y")).await.to_string();
        assert!(why.contains("character 2"), "{why}");
        let too_much = refused(Subscribe::to("a").queue(1_000_000)).await;
        assert!(matches!(too_much, SubscribeError::TooMuch { limit: 65_536, .. }), "{too_much}");
        let many = (0..300).fold(Subscribe::to("a"), |all, nth| all.and(format!("a{nth}")));
        assert!(matches!(refused(many).await, SubscribeError::TooMuch { limit: 256, .. }));
        stage.close().await;
    });
}

#[test]
fn a_bad_filter_is_refused_with_its_place() {
    let refused = Subscribe::to("a").filter("event.priority == 'P0' &&\n event.tpye == 'a'").unwrap_err();
    assert_eq!((refused.line, refused.column), (2, 8));
    let (tells, _seen) = seen();
    let refused = Routes::new().when("entity.fields.x", "r", takes(&tells)).unwrap_err();
    assert_eq!((refused.line, refused.column), (1, 1));
}

#[test]
fn a_name_has_one_holder_at_a_time() {
    within(async {
        let (tells, _seen) = seen();
        let stage = Stage::with(|builder| builder.subscriber("mail", Subscribe::to("a"), takes(&tells))).await;
        stage.handle.bus_stats().await;
        let first = stage.handle.subscribe(Subscribe::to("a").durable("billing")).await.unwrap();
        for name in ["billing", "mail"] {
            let held = stage.handle.subscribe(Subscribe::to("a").durable(name)).await.unwrap_err();
            assert!(matches!(held, SubscribeError::Held { .. }), "{name}: {held}");
        }
        drop(first);
        stage.handle.subscribe(Subscribe::to("a").durable("billing")).await.unwrap();
        stage.close().await;
    });
}

#[test]
fn a_program_with_a_bad_subscriber_does_not_start() {
    within(async {
        let (tells, _seen) = seen();
        let start = async |name: &str, pattern: &str| {
            let builder = regie::builder().subscriber(name, Subscribe::to(pattern), takes(&tells));
            builder.start().await.map(|_| ()).unwrap_err()
        };
        assert!(matches!(start("a/b", "a").await, StartError::Subscriber { .. }));
        assert!(matches!(start("a", ">.a").await, StartError::Subscriber { .. }));
        let twice = regie::builder().subscriber("a", Subscribe::to("a"), takes(&tells));
        let twice = twice.subscriber("a", Subscribe::to("b"), takes(&tells)).start().await.map(|_| ()).unwrap_err();
        assert!(matches!(twice, StartError::AgentTwice(_)), "{twice}");
    });
}
