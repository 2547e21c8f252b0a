//! What rules know of entities and their relations.

use regie_core::automation::{Committed, World};
use regie_core::entity::Relation;
use regie_core::event::{EntityRef, Event};

use super::helpers::at;

fn ana() -> EntityRef {
    EntityRef::new("person", "ana")
}

/// Tells that a task's field names somebody.
fn tell(world: &mut World, position: u64, relations: &[Relation], field: &str, person: &str) {
    let recorded_at = at(i64::try_from(position).unwrap());
    let event = Event::new("t", "c").id(position.to_string()).timestamp(recorded_at);
    let event = event.entity(EntityRef::new("task", "1")).change(field, None::<i32>, person).build().unwrap();
    let committed = Committed { event: event.event(), position, recorded_at, by: position };
    assert_eq!(world.tell(&committed, relations), []);
}

fn by(field: &str) -> Relation {
    Relation::by_ids("task", "person", &format!("entity.fields[?'{field}'].orValue([])")).unwrap()
}

#[test]
fn who_is_related_in_two_ways_is_still_related_when_one_of_them_ends() {
    let (mut world, relations) = (World::new(), [by("owner"), by("reviewer")]);
    tell(&mut world, 1, &relations, "owner", "ana");
    tell(&mut world, 2, &relations, "reviewer", "ana");
    tell(&mut world, 3, &relations, "owner", "ben");
    assert_eq!(world.related(&ana()).len(), 1);
    tell(&mut world, 4, &relations, "reviewer", "ben");
    assert_eq!(world.related(&ana()).len(), 0);
    assert_eq!(world.related(&EntityRef::new("task", "1")).len(), 1);
}

#[test]
fn what_was_told_already_changes_nothing() {
    let (mut world, relations) = (World::new(), [by("owner")]);
    tell(&mut world, 1, &relations, "owner", "ana");
    tell(&mut world, 2, &relations, "owner", "ben");
    let before = world.clone();
    tell(&mut world, 1, &relations, "owner", "eve");
    tell(&mut world, 2, &relations, "owner", "eve");
    assert_eq!(world, before);
}
