//! How often an agent is called: never more than is said, and as soon as that lets it.

use proptest::prelude::*;
use regie_core::Timestamp;
use regie_core::agents::{Bucket, CallRate};

use super::{at, ms};

#[test]
fn a_burst_goes_at_once_and_the_rest_evenly() {
    let rate = CallRate::new(10, ms(1_000)).burst(3);
    let mut bucket = Bucket::default();
    let mut begun = Vec::new();
    for _ in 0..6 {
        let now = bucket.ready_at(&rate, begun.last().copied().unwrap_or(at(0)), 0);
        bucket.take(&rate, now);
        begun.push(now);
    }
    assert_eq!(begun, [0, 0, 0, 100, 200, 300].map(at));
    assert_eq!(bucket.ready_at(&rate, at(10_000), 0), at(10_000), "a rest fills it again");
}

#[test]
fn who_comes_knows_when_their_turn_is_with_those_ahead() {
    let rate = CallRate::new(3, ms(1_000));
    let mut bucket = Bucket::default();
    let told: Vec<Timestamp> = (0..3).map(|ahead| bucket.ready_at(&rate, at(0), ahead)).collect();
    assert_eq!(told, [0, 333_334, 666_667].map(Timestamp::from_micros), "rounded up: never a call too many");
    let after_three_million = bucket.ready_at(&rate, at(0), 3_000_000);
    assert!(after_three_million >= at(1_000_000_000), "{after_three_million}: what is rounded adds up");
    let mut now = at(0);
    for told in told {
        now = bucket.ready_at(&rate, now, 0);
        bucket.take(&rate, now);
        assert!(now >= told && now.since(told) < ms(1), "{now} {told}");
    }
}

proptest! {
    #[test]
    fn no_window_has_more_calls_than_the_burst_and_the_rate_give(
        (calls, per, burst) in (1_u32..50, 1_u64..5_000, 1_u32..20),
        arrivals in prop::collection::vec(0_i64..500, 1..100),
    ) {
        let rate = CallRate::new(calls, ms(per)).burst(burst);
        let (mut bucket, mut arrived, mut begun) = (Bucket::default(), 0, Vec::<Timestamp>::new());
        for wait in arrivals {
            arrived += wait;
            let now = begun.last().copied().unwrap_or(at(0)).max(at(arrived));
            let ready = bucket.ready_at(&rate, now, 0);
            bucket.take(&rate, ready);
            begun.push(ready);
        }
        for (first, from) in begun.iter().enumerate() {
            for (last, to) in begun.iter().enumerate().skip(first) {
                let span = to.since(*from).as_nanos();
                let may = u128::from(burst) + span * u128::from(calls) / u128::from(per * 1_000_000);
                prop_assert!((last - first + 1) as u128 <= may, "{} calls within {} ns", last - first + 1, span);
            }
        }
    }
}
