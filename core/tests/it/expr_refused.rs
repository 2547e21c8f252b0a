//! What is refused before anything is evaluated, with line and column.

use regie_core::expr::{ExprError, Program, Scope, Shape};
use regie_core::limits;

/// The names that policies have.
pub(crate) fn scope() -> Scope {
    let workflow = Shape::object([("status", Shape::id()), ("events", Shape::Int), ("state", Shape::Any)]);
    let signal = Shape::object([("kind", Shape::id()), ("confidence", Shape::Any)]);
    Scope::new()
        .with_event()
        .with_now()
        .with("workflow", workflow)
        .with("entity", Shape::Any)
        .with("signals", Shape::List { of: Box::new(signal), most: 100 })
}

fn refused(text: &str) -> ExprError {
    match Program::condition(text, &scope()) {
        Ok(program) => panic!("taken, at a cost of {}: {text:.100}", program.cost()),
        Err(error) => error,
    }
}

/// Text, line, column, and a part of the reason.
type Case = (&'static str, usize, usize, &'static str);

fn all_refused(cases: &[Case]) {
    for (text, line, column, why) in cases {
        let error = refused(text);
        assert_eq!((error.line, error.column), (*line, *column), "{text}: {error}");
        assert!(error.why.contains(why), "{text}: {error}");
    }
}

#[test]
fn what_cannot_be_parsed_is_refused_where_it_breaks() {
    all_refused(&[
        ("", 1, 1, "too early"),
        ("event.type ==", 1, 14, "too early"),
        ("true &&\n  (false", 2, 9, "too early"),
        ("event.type = 'a'", 1, 12, "'=='"),
        ("true & false", 1, 6, "doubled"),
        ("'é' == $", 1, 8, "no meaning"),
        ("'é' == 'x", 1, 8, "no end"),
        ("'é' == 'x\n'", 1, 8, "does not end"),
        ("event.type == '''x", 1, 15, "no end"),
        ("event.`type` == 'a'", 1, 7, "backticks"),
        ("true false", 1, 6, "false"),
        ("1 == 99999999999999999999", 1, 6, "invalid int"),
        ("has(event)", 1, 5, "has()"),
    ]);
}

#[test]
fn what_there_is_not_is_refused_by_name() {
    all_refused(&[
        ("event.tpye == 'a'", 1, 7, "'tpye'"),
        ("true ||\n event.actor.knid == 'user'", 2, 14, "'knid'"),
        ("event['tpye'] == 'a'", 1, 7, "'tpye'"),
        ("has(event.tpye)", 1, 11, "'tpye'"),
        ("event.?tpye.orValue('') == ''", 1, 8, "'tpye'"),
        ("evnet.type == 'a'", 1, 1, "event, now"),
        ("workflow.sattus == 'a'", 1, 10, "status"),
        ("signals.exists(s, s.knid == 'a')", 1, 21, "'knid'"),
        ("event.related.exists(r, r.kind == 'a')", 1, 27, "'kind'"),
        ("[1].exists(x, y > 1)", 1, 15, "'y'"),
        ("[1].exists(x, x > 1) && x > 1", 1, 25, "'x'"),
        ("lenght(event.type) > 3", 1, 1, "'lenght'"),
        ("event.type.startWith('a')", 1, 12, "'startWith'"),
        ("math.gratest(1, 2) == 2", 1, 6, "'gratest'"),
        ("Point{x: 1} == null", 1, 6, "no messages"),
    ]);
}

#[test]
fn a_call_with_the_wrong_arguments_is_refused() {
    all_refused(&[
        ("size('a', 'b') == 1", 1, 1, "2 arguments"),
        ("event.type.startsWith() ", 1, 12, "0 arguments"),
        ("startsWith(event.type, 'a')", 1, 1, "called on a value"),
        ("'1'.int() == 1", 1, 5, "not called on a value"),
        ("event.type.contains(1)", 1, 12, "(string, int)"),
        ("signals.all(s)", 1, 9, "these arguments"),
        ("has(event.type, 1)", 1, 1, "one field"),
        ("event.type.matches('(a')", 1, 20, "no regular expression"),
    ]);
}

#[test]
fn types_that_cannot_fit_are_refused() {
    all_refused(&[
        ("'a' + 1 == 'a1'", 1, 5, "(string, int)"),
        ("!1", 1, 1, "'!'"),
        ("1 && true", 1, 1, "int"),
        ("false || event.type", 1, 16, "string"),
        ("'1' == 1", 1, 5, "(string, int)"),
        ("event.schema_version == '1'", 1, 22, "(int, string)"),
        ("event.type > 1", 1, 12, "(string, int)"),
        ("event.timestamp > '2026-01-01T00:00:00Z'", 1, 17, "(timestamp, string)"),
        ("now - 5 > event.timestamp", 1, 5, "(timestamp, int)"),
        ("-event.type == 'a'", 1, 1, "string"),
        ("event.type.x == 1", 1, 12, "string has no fields"),
        ("event.type[0] == 'a'", 1, 11, "(string, int)"),
        ("'a' in 'abc'", 1, 5, "(string, string)"),
        ("'abc'.all(c, c == 'a')", 1, 7, "over string"),
        ("event.type ? true : false", 1, 7, "string"),
        ("{null: 1} == {}", 1, 2, "null"),
        ("signals.exists(s, 'yes')", 1, 19, "string"),
        ("event == event", 1, 1, "fields"),
        ("event[event.type] == 1", 1, 6, "named"),
        ("'type' in event", 1, 8, "has(event.field)"),
    ]);
}

#[test]
fn a_condition_that_is_known_to_be_no_bool_is_refused_and_a_value_is_not() {
    all_refused(&[("1 + 1", 1, 1, "int"), ("event.type", 1, 1, "string"), ("[true]", 1, 1, "list")]);
    assert!(Program::compile("1 + 1", &scope()).is_ok());
    assert!(Program::condition("event.payload", &scope()).is_ok());
}

#[test]
fn what_is_too_long_or_too_deep_is_refused_before_it_is_parsed() {
    let many = 100_000;
    let repeated = |text: &str| text.repeat(many);
    for text in [repeated("("), repeated("!") + "true", repeated("-") + "1", repeated("a ? b : "), "'x'".repeat(many)] {
        assert!(refused(&text).why.contains("bytes"), "{:.20}", text);
    }
    let deep = limits::EXPRESSION_DEPTH + 1;
    let nested = |open: &str, close: &str| format!("{}true{}", open.repeat(deep), close.repeat(deep));
    let texts = [
        nested("(", ")"),
        nested("[", "]"),
        nested("{'a':", "}"),
        nested("size(", ")"),
        nested("!", ""),
        nested("true ? true : ", ""),
        nested("true && (", ")"),
        nested("[1].all(x, ", ")"),
        format!("true{}", " == true".repeat(deep)),
        format!("event.payload{}", ".a".repeat(deep)),
        format!("event.payload{}", "['a']".repeat(deep)),
    ];
    for text in texts {
        assert!(refused(&text).why.contains("deep"), "{text:.40}");
    }
    let error = refused(&nested("(", ")"));
    assert_eq!((error.line, error.column), (1, limits::EXPRESSION_DEPTH));
}

#[test]
fn what_is_as_deep_or_as_long_as_it_may_be_is_taken_on_a_small_stack() {
    let deep = limits::EXPRESSION_DEPTH - 2;
    let nested = |open: &str, close: &str| format!("{}true{}", open.repeat(deep), close.repeat(deep));
    let texts = vec![
        nested("(", ")"),
        nested("!", ""),
        nested("true ? true : ", ""),
        format!("true{}", " == true".repeat(deep)),
        format!("event.type in [{}'x']", "'abcdefgh', ".repeat(1_300)),
        format!("event.type == 'a'{}", " || event.priority == 'P0'".repeat(600)),
    ];
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || {
        for text in texts {
            let taken = Program::condition(&text, &scope());
            assert!(taken.is_ok(), "{taken:?}");
        }
    });
    thread.expect("a thread").join().expect("no overflow");
}

#[test]
fn loops_and_patterns_and_the_whole_have_bounds() {
    let within = |text: &str, by: &str, range: &str| format!("{range}.all({by}, {text})");
    let five = ["a", "b", "c", "d", "e"].iter().fold("true".to_string(), |text, by| within(&text, by, "[1]"));
    assert!(refused(&five).why.contains("loops"));
    assert!(refused(&format!("event.type.matches('{}')", "a".repeat(1_001))).why.contains("1001 bytes"));
    assert!(refused("event.type.matches('\\\\w{100}')").why.contains("compiled"));
    let product = "event.payload.a.all(x, event.payload.b.all(y, x == y))";
    let error = refused(product);
    assert!(error.why.contains(&limits::EXPRESSION_COST.to_string()), "{error}");
    assert!(refused("event.payload.t.replace('', event.payload.u).size() > 1").why.contains("costs"));
}

#[test]
fn a_loop_over_the_parts_of_a_part_is_not_taken_for_a_product() {
    let parts = "event.payload.orders.exists(o, o.lines.exists(l, l.amount > 100))";
    let program = Program::condition(parts, &scope()).expect("one pass over the payload");
    assert!(program.cost() > 1_000_000, "a large payload is a long list: {}", program.cost());
    let small = Program::condition("signals.exists(s, s.kind == 'risk')", &scope()).expect("small");
    assert!(small.cost() < 50_000, "{}", small.cost());
    assert!(Program::condition("event.type == 'a'", &scope()).expect("smaller").cost() < 20);
}
