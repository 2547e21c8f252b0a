//! An entity's state is the fold by timestamp and position, whatever came first.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regie_core::entity::fold;
use regie_core::event::{EntityRef, Event, Incoming};

use super::helpers::at;

/// A change of one field at a time: with the place in the shuffled order of arrival, which gives the position.
fn changes() -> impl Strategy<Value = Vec<(i64, u8, u16, bool)>> {
    proptest::collection::vec((0_i64..6, 0_u8..3, any::<u16>(), proptest::bool::weighted(0.8)), 0..30).prop_shuffle()
}

fn event(stamp: i64, field: u8, value: u16) -> Incoming {
    let event = Event::new("t", "c").timestamp(at(stamp)).entity(EntityRef::new("task", "1"));
    event.change(format!("f{field}"), (), value).build().expect("a good event")
}

proptest! {
    #[test]
    fn each_field_has_its_last_after_by_timestamp_and_position(changes in changes()) {
        let events: Vec<_> = changes.iter().map(|(stamp, field, value, _)| event(*stamp, *field, *value)).collect();
        let mut arrived: Vec<(&Event, u64, bool)> = events.iter().zip(1..).zip(&changes)
            .map(|((event, position), change)| (event.event(), position, change.3)).collect();
        arrived.sort_by_key(|(event, position, _)| (event.timestamp, *position));
        let state = fold(arrived);

        let mut expected: BTreeMap<String, (i64, usize, u16)> = BTreeMap::new();
        for (position, (stamp, field, value, about)) in changes.iter().enumerate().filter(|(_, change)| change.3) {
            let newest = expected.entry(format!("f{field}")).or_insert((*stamp, position, *value));
            if *about && (newest.0, newest.1) <= (*stamp, position) {
                *newest = (*stamp, position, *value);
            }
        }
        let fields = state.as_ref().map(|state| state.fields.clone()).unwrap_or_default();
        let found: Vec<_> = fields.iter().map(|(field, value)| (field.clone(), value.to_string())).collect();
        let expected: Vec<_> = expected.into_iter().map(|(field, (.., value))| (field, value.to_string())).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(state.as_ref().map_or(0, |state| state.events), changes.len() as u64);
        prop_assert_eq!(state.and_then(|state| state.last), changes.iter().map(|change| at(change.0)).max());
    }
}
