//! `related` in conditions: the lists of related entities, of which `all` over none is false.

use regie_core::expr::{Program, Scope, View};
use regie_core::limits;

use super::helpers::json;

fn scope() -> Scope {
    Scope::new().with_event().with_related()
}

fn holds(condition: &str, related: &str) -> bool {
    let related = json(related);
    Program::condition(condition, &scope()).unwrap().truth(&View::new().json("related", &related)).unwrap()
}

const NONE: &str = r#"{"task": []}"#;
const MIXED: &str = r#"{"task": [{"id": "1", "status": "done"}, {"id": "2", "status": "open"}]}"#;
const DONE: &str = r#"{"task": [{"id": "1", "status": "done"}, {"id": "2", "status": "done"}]}"#;

#[test]
fn all_of_what_is_related_is_false_where_there_is_none() {
    for spelling in [
        "related.task.all(t, t.status == 'done')",
        "related['task'].all(t, t.status == 'done')",
        "related('task').all(t, t.status == 'done')",
        "related.task.filter(t, t.id != '3').all(t, t.status == 'done')",
        "related.task.map(t, t.status).all(s, s == 'done')",
        "(related.task + related.task).all(t, t.status == 'done')",
    ] {
        assert_eq!([NONE, MIXED, DONE].map(|it| holds(spelling, it)), [false, false, true], "{spelling}");
    }
}

#[test]
fn all_of_other_lists_is_true_where_there_is_none_as_cel_has_it() {
    assert!(holds("[].all(t, t == 1)", NONE));
    assert!(holds("related.task.exists(t, t.id == '1') || [related].all(related, related.task == [])", NONE));
    assert!(!holds("related.task.exists(t, true)", NONE));
}

#[test]
fn what_is_filtered_away_counts_as_none() {
    let condition = "related.task.filter(t, t.id == '3').all(t, t.status == 'done')";
    assert_eq!([NONE, MIXED, DONE].map(|it| holds(condition, it)), [false, false, false]);
}

#[test]
fn a_loop_within_a_loop_over_all_that_may_be_related_is_refused() {
    assert!(
        Program::condition("related.a.all(x, x.status == 'done')", &scope()).unwrap().cost() < limits::EXPRESSION_COST
    );
    let nested = "related.a.all(x, related.b.all(y, y.n == x.n))";
    assert!(Program::condition(nested, &scope()).unwrap_err().why.contains("steps"));
}

#[test]
fn without_related_in_the_scope_the_name_is_refused() {
    let refused = Program::condition("related('task').size() > 0", &Scope::new().with_event()).unwrap_err();
    assert!(refused.why.contains("no function 'related'"), "{refused}");
}
