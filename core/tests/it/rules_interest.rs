//! Of what was committed rules keep what they rest on, and no more.

use regie_core::automation::{Committed, Evaluator, RuleSet};
use regie_core::event::{EntityRef, Event};

/// How many entities a set knows after an event about a thing of each of these types.
fn known(rules: &RuleSet, kinds: &[&str]) -> usize {
    let mut evaluator = Evaluator::new(rules.clone());
    for (kind, position) in kinds.iter().zip(1..) {
        let event = Event::new(format!("{kind}.made"), "c").entity(EntityRef::new(*kind, "1")).change("a", (), 1);
        let event = event.build().unwrap();
        let recorded_at = regie_core::Timestamp::from_millis(0);
        let taken = evaluator.take(&Committed { event: event.event(), position, recorded_at, by: position });
        assert_eq!(taken.errors, []);
    }
    evaluator.world().len()
}

fn rule(more: &str) -> RuleSet {
    RuleSet::parse(&format!("shipped = false\n[[rule]]\nname = 'r'\non = 'other'\n{more}")).unwrap()
}

const KINDS: [&str; 4] = ["task", "sprint", "order", "package"];

#[test]
fn the_shipped_rules_know_tasks_and_sprints_alone() {
    assert_eq!(known(&RuleSet::shipped(), &KINDS), 2);
}

#[test]
fn no_rule_at_all_knows_nothing() {
    assert_eq!(known(&RuleSet::default(), &KINDS), 0);
}

#[test]
fn a_rule_knows_what_it_names_and_all_where_it_may_look_at_any() {
    let notify = "do = [{ notify = { a = 1 } }]\n";
    for (more, count) in [
        (notify.to_string(), 0),
        (format!("about = 'order'\n{notify}"), 1),
        (format!("about = 'order'\nwhen = 'related.package.all(it, it.a == 1)'\n{notify}"), 2),
        (format!("when = 'entity.fields.a == 1'\n{notify}"), 4),
        (format!("about = 'order'\nwhen = 'related.size() > 1'\n{notify}"), 4),
        ("do = [{ update = { a = 2 } }]\n".to_string(), 4),
        ("about = 'order'\ndo = [{ update = { a = 2 } }]\n".to_string(), 1),
    ] {
        assert_eq!(known(&rule(&more), &KINDS), count, "{more}");
    }
}

#[test]
fn what_a_rule_watches_for_is_taken_in_whatever_it_is_about() {
    assert_eq!(known(&rule("do = [{ notify = { a = 1 } }]\n"), &["other"]), 0);
    let watching = RuleSet::parse(
        "shipped = false\n[[rule]]\nname = 'r'\non = 'order.made'\nabout = 'sprint'\ndo = [{ notify = { a = 1 } }]\n",
    );
    assert_eq!(known(&watching.unwrap(), &KINDS), 2);
}
