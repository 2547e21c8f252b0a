//! The sets in force are recorded with the first turn under them, and only when they differ.

use std::sync::Arc;

use regie_core::Digest;
use regie_core::workflow::Fact;
use regie_journal::{Journal, Opened, POLICIES, Placed, RULES, SetInForce, SetKind, Turn};

use crate::helpers::{OpenedExt, Place, Story};

fn under(text: &str, turn: Turn) -> Turn {
    let set = SetInForce { kind: SetKind::Policies, digest: Digest::of(text.as_bytes()), text: text.into(), by: None };
    Turn { sets: vec![Arc::new(set)], ..turn }
}

fn watched(text: &str, mut turn: Turn) -> Turn {
    let set = SetInForce { kind: SetKind::Rules, digest: Digest::of(text.as_bytes()), text: text.into(), by: None };
    turn.sets.push(Arc::new(set));
    turn
}

fn recorded(opened: &mut Opened) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    for stored in opened.reader().load(POLICIES, 0).unwrap() {
        for fact in stored.record.facts {
            if let Fact::PolicySet { text, .. } = fact {
                found.push((stored.position, text));
            }
        }
    }
    found
}

#[test]
fn a_set_is_recorded_once_and_before_the_first_turn_under_it() {
    let (mut opened, mut story) = (Journal::memory(), Story::default());
    let turns = [story.event("a", "free"), under("one", story.event("a", "1")), under("one", story.event("b", "1"))];
    let placed = opened.writer.append(&turns).unwrap().placed;
    assert_eq!(placed, [1, 3, 4].map(|first| Ok(Placed { first })));
    opened.writer.append(&[under("one", story.event("a", "2"))]).unwrap();
    assert_eq!(recorded(&mut opened), [(2, "one".to_string())]);
}

#[test]
fn another_set_is_recorded_again_and_so_is_the_first_when_it_comes_back() {
    let (mut opened, mut story) = (Journal::memory(), Story::default());
    let turns = ["one", "two", "one"].map(|text| under(text, story.event("a", text)));
    let turns: Vec<_> = turns.into_iter().collect();
    opened.writer.append(&turns[..1]).unwrap();
    opened.writer.append(&turns[1..]).unwrap();
    let texts: Vec<_> = recorded(&mut opened).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["one", "two", "one"]);
}

#[test]
fn reopening_records_nothing_and_knows_the_last_set() {
    let (place, mut story) = (Place::new(), Story::default());
    let head = place.write(&[under("one", story.event("a", "1"))]).head;
    assert_eq!(place.open().writer.head(), head);
    place.write(&[under("one", story.event("a", "2"))]);
    assert_eq!(recorded(&mut place.open()), [(1, "one".to_string())]);
    place.write(&[under("two", story.event("a", "3"))]);
    assert_eq!(recorded(&mut place.open()).len(), 2);
}

#[test]
fn policies_and_rules_are_recorded_each_in_a_correlation_of_its_own() {
    let (mut opened, mut story) = (Journal::memory(), Story::default());
    let both = |turn| watched("rules", under("policies", turn));
    opened.writer.append(&[both(story.event("a", "1")), both(story.event("b", "1"))]).unwrap();
    assert_eq!(recorded(&mut opened), [(1, "policies".to_string())]);
    let rules = opened.reader().load(RULES, 0).unwrap();
    assert_eq!(rules.iter().map(|stored| stored.position).collect::<Vec<_>>(), [2]);
    assert!(rules[0].record.facts.iter().any(|fact| matches!(fact, Fact::RuleSet { text, .. } if text == "rules")));
}
