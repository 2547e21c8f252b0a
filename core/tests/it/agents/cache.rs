//! Results in memory: their time, their bounds, and which of them goes first.

use proptest::prelude::*;
use regie_core::agents::{Cache, CacheRule, Kept};
use regie_core::{Digest, Json, Timestamp};

use super::{at, ms};

fn key(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn kept(text: &str, until: i64) -> Kept {
    Kept { result: Json::of(text), until: at(until) }
}

fn cache(entries: usize, bytes: usize) -> Cache {
    Cache::new(CacheRule::new(ms(100)).bounds(entries, bytes))
}

#[test]
fn a_result_holds_until_its_time_is_up() {
    let mut cache = cache(9, 9_999);
    cache.put(key("a"), kept("x", 100));
    assert_eq!(cache.get(&key("a"), at(99)), Some(Json::of("x")));
    assert_eq!((cache.get(&key("a"), at(100)), cache.size()), (None, (0, 0)));
}

#[test]
fn the_one_that_was_asked_for_longest_ago_goes_first() {
    let mut cache = cache(2, 9_999);
    cache.put(key("a"), kept("a", 100));
    cache.put(key("b"), kept("b", 100));
    assert!(cache.get(&key("a"), at(1)).is_some());
    cache.put(key("c"), kept("c", 100));
    let held = ["a", "b", "c"].map(|name| cache.get(&key(name), at(1)).is_some());
    assert_eq!(held, [true, false, true]);
}

#[test]
fn what_is_larger_than_all_of_it_is_not_kept_and_drives_nothing_out() {
    let mut cache = cache(9, 400);
    cache.put(key("small"), kept("s", 100));
    cache.put(key("large"), kept(&"l".repeat(400), 100));
    assert!(cache.get(&key("small"), at(1)).is_some() && cache.get(&key("large"), at(1)).is_none());
}

proptest! {
    #[test]
    fn it_never_holds_more_than_its_bounds_nor_gives_what_is_over(
        steps in prop::collection::vec((0_u8..12, 0_usize..300, 0_i64..30, any::<bool>()), 1..300),
    ) {
        let (mut cache, mut now) = (cache(5, 1_500), Timestamp::from_millis(0));
        let mut last = std::collections::BTreeMap::new();
        for (name, length, wait, puts) in steps {
            now = now.after(ms(wait as u64));
            let digest = Digest::of(&[name]);
            if puts {
                let result = Kept { result: Json::of(&"x".repeat(length)), until: now.after(ms(100)) };
                cache.put(digest, result.clone());
                last.insert(name, result);
            } else if let Some(found) = cache.get(&digest, now) {
                prop_assert!(last.get(&name).is_some_and(|kept| kept.result == found && now < kept.until));
            }
            let (entries, bytes) = cache.size();
            prop_assert!(entries <= 5 && bytes <= 1_500, "{} entries, {} bytes", entries, bytes);
        }
    }
}
