//! Rules as they are written: what a file may say, where a bad one is refused, and that code and file say the same.

use regie_core::automation::{Emit, Rule, RuleSet, RuleSetError};
use regie_core::entity::Relation;
use regie_core::event::{Catalogue, EntityRef, Priority};
use serde_json::json;

use super::rules_help::{one, set};

const RULE: &str = "[[rule]]\nname = \"r\"\non = \"a.>\"\n";

fn refused(text: &str) -> (usize, usize, String) {
    let error = RuleSet::parse(text).expect_err(text);
    (error.line, error.column, error.why)
}

fn refused_rule(rest: &str, line: usize, column: usize, why: &str) {
    let found = refused(&format!("{RULE}{rest}"));
    assert!((found.0, found.1) == (line, column) && found.2.contains(why), "{rest}: {found:?}");
}

#[test]
fn a_bad_part_is_named_with_its_line_and_column() {
    refused_rule("when = 'event.tpye == \"x\"'\ndo = [{ notify = { a = 1 } }]", 4, 15, "no field 'tpye'");
    refused_rule(
        "when = '''\nrelated.task.size() > 0\n  && evnt.id == \"x\"'''\ndo = [{ notify = {} }]",
        6,
        6,
        "no name 'evnt'",
    );
    refused_rule(
        "when = \"event.type == \\\"x\\\" && 1\"\ndo = [{ notify = {} }]",
        4,
        8,
        "column 22 of the expression",
    );
    refused_rule("when = 'event.id'\ndo = [{ notify = {} }]", 4, 9, "a condition is true or false");
    refused_rule(
        "[[rule.do]]\nemit = { type = \"b\", payload = { x = \"it is ${subjct.id}\" } }",
        5,
        47,
        "no name 'subjct'",
    );
    refused_rule("[[rule.do]]\nemit = { type = \"b\", payload = [1, \"${1\"] }", 5, 37, "no '}'");
    refused_rule("[[rule.do]]\nemit = { type = \"b.>\" }", 5, 17, "no wildcards");
    refused_rule("[[rule.do]]\nemit = { type = \"b\", priority = \"P7\" }", 5, 33, "none of P0");
    refused_rule("[[rule.do]]\nemit = { type = \"b\", metadata = { run = \"x\" } }", 5, 33, "filled in by the runtime");
    refused_rule("[[rule.do]]\nupdate = { a = 1 }\nnotify = { b = 2 }", 4, 1, "just one of");
    refused_rule(
        "[[rule.do]]\nentity = { type = \"t\", id = \"1\" }\ncall = { agent = \"a\", task = 1 }",
        5,
        10,
        "about no entity",
    );
    refused_rule("[[rule.do]]\nnotfy = { a = 1 }", 5, 1, "notfy");
    refused_rule("", 1, 1, "does something");
    refused_rule("about = \"\"\ndo = [{ notify = {} }]", 4, 9, "bytes");
}

#[test]
fn a_bad_pattern_name_or_relation_is_refused_where_it_stands() {
    let found = refused("[[rule]]\nname = \"r\"\non = [\"a.b\", \"a..b\"]\ndo = [{ notify = {} }]\n");
    assert!((found.0, found.1) == (3, 14) && found.2.contains("a segment is empty"), "{found:?}");
    let rule = format!("{RULE}do = [{{ notify = {{}} }}]\n");
    let found = refused(&format!("{rule}{rule}"));
    assert!((found.0, found.1) == (6, 8) && found.2.contains("two rules have the name 'r'"), "{found:?}");
    let found = refused(&rule.replace("\"r\"", "\"task-blocked\""));
    assert!(found.0 == 2 && found.2.contains("two rules"), "a shipped rule's name is taken: {found:?}");
    let found = refused("[[relation]]\nfrom = \"a\"\nto = \"b\"\nids = 'subject.id'\n");
    assert!((found.0, found.1) == (4, 8) && found.2.contains("no name 'subject'"), "{found:?}");
    assert_eq!(refused("[[rule]]\nname = ").0, 2);
}

#[test]
fn every_fault_of_a_file_is_told_and_one_bad_rule_refuses_the_whole() {
    let good = format!("{RULE}do = [{{ notify = {{}} }}]\n");
    let text = format!(
        "{good}{}{}",
        good.replace("\"r\"", "\"s\"").replace("a.>", "a..b"),
        good.replace("{}", "{ a = '${x}' }")
    );
    let lines: Vec<_> = RuleSet::faults(&text, None).into_iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [7, 10, 12]);
    assert!(RuleSet::parse(&text).is_err());
    assert_eq!(RuleSet::faults(&good, None), []);
}

#[test]
fn the_shipped_rules_are_there_unless_a_file_leaves_them_out() {
    let names = |text: &str| -> Vec<String> {
        RuleSet::parse(text).unwrap().rules().map(|rule| rule.name().to_string()).collect()
    };
    let all = ["sprint-completed", "task-blocked", "task-urgent", "session-started"];
    assert_eq!(names(""), all);
    assert_eq!(names("shipped = true"), all);
    assert_eq!(names("shipped = [\"sprint-completed\"]"), ["sprint-completed"]);
    assert!(names("shipped = false").is_empty());
    assert!(RuleSet::parse("shipped = false").unwrap().digest().is_none());
    assert_eq!(RuleSet::shipped().without("task-urgent").len(), 3);
    assert!(refused("shipped = [\"sprint-compleated\"]").2.contains("there are: sprint-completed"));
}

#[test]
fn a_type_that_nobody_tells_of_is_refused_where_types_are_known() {
    let knows = |kind: &str| ["task", "sprint"].contains(&kind);
    let text = |about: &str, of: &str| {
        format!(
            "shipped = false\n{RULE}about = \"{about}\"\nwhen = 'related.{of}.size() > 0'\ndo = [{{ notify = {{}} }}]\n"
        )
    };
    assert!(RuleSet::parse_knowing(&text("sprint", "task"), &knows).is_ok());
    assert_eq!(RuleSet::parse_knowing(&text("sprnt", "task"), &knows).unwrap_err().line, 5);
    let error = RuleSet::parse_knowing(&text("sprint", "tsk"), &knows).unwrap_err();
    assert!(error.line == 6 && error.why.contains("'tsk'"), "{error}");
}

#[test]
fn a_rule_in_code_is_the_same_as_in_a_file() {
    let rule = Rule::named("r")
        .about("version")
        .on("a.>")
        .on("b")
        .when("related.issue.all(i, i.status == 'closed')")
        .emit(
            Emit::new("x.y")
                .about(EntityRef::new("t", "${subject.id}"))
                .priority(Priority::P1)
                .related(EntityRef::new("u", "1"))
                .change("odd field", json!({"n": [1, 2.5, null]}))
                .payload("say \"${subject.id}\"\n"),
        )
        .emit(Emit::new("x.z").about_nothing().session("s").correlation("c").metadata("k", "v"))
        .update(json!({"status": "done"}))
        .update_of(EntityRef::new("t", "2"), json!({"n": 1}))
        .notify(json!({"to": "ana"}))
        .start("flow", "flow.begin", "f-${subject.id}", json!({}))
        .call("agent", json!({"do": true}))
        .build()
        .unwrap();
    let set = one(rule);
    let again = RuleSet::parse(set.text()).unwrap_or_else(|error| panic!("{error}\n{}", set.text()));
    assert_eq!((again.text(), again.digest()), (set.text(), set.digest()));
    assert_eq!(again.rule("r").unwrap().on().len(), 2);
}

#[test]
fn a_bad_rule_in_code_says_which_part_of_it() {
    let error = Rule::named("r").on("a").notify(json!({"x": [1, "${y}"]})).build().unwrap_err();
    assert_eq!((error.part.as_str(), error.rule.as_str()), ("do[0].notify.x[1]", "r"));
    assert_eq!(Rule::named("r").notify(1).build().unwrap_err().part, "on");
    assert_eq!(Rule::named("r").on("a").update(1).build().unwrap_err().part, "do[0].update");
    assert!(RuleSet::new(vec![]).unwrap().is_empty());
}

#[test]
fn comments_and_spaces_do_not_make_another_rule() {
    let a = set(&format!("{RULE}do = [{{ notify = {{ a = 1 }} }}]\n"));
    let b = set(&format!("# of mine\n{}\n[[rule.do]]\nnotify = {{ a = 1 }}\n", RULE.replace(" = ", "=")));
    assert_eq!(a.digest(), b.digest());
    assert_ne!(a.digest(), set(&format!("{RULE}do = [{{ notify = {{ a = 2 }} }}]\n")).digest());
}

#[test]
fn what_the_page_shows_is_taken() {
    let page = include_str!("../../../docs/rules.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() >= 4, "{}", blocks.len());
    for block in blocks {
        assert_eq!(RuleSet::faults(block, None), [], "{block}");
    }
}

#[test]
fn all_faults_of_all_rules_are_told_at_once() {
    let text = r#"shiped = false
[[relation]]
from = "a"
to = "b"
[[relation]]
from = "a"
to = "b"
ids = "event.id"
[[rule]]
name = "one"
on = ["a..b", "regie.rule.ran"]
when = 'evnt.id == ""'
do = [{ emit = { type = "regie.x", correlation = "regie/${subject.id}", payload = ["${x}", "${y} ${z}"] } }]
[[rule]]
name = "two"
on = "a"
dance = 1
[[rule]]
name = "one"
about = "regie"
on = "a"
do = [{ emit = { type = "a. .b" } }, { notfy = 1 }, { update = {}, entity = { type = "", id = "1" } }]
[[rule]]
name = "three"
about = "regie"
on = "a"
do = [{ emit = { type = "a. .b" } }, { update = {}, entity = { type = "", id = "1" } }]
"#;
    let faults = RuleSet::faults(text, None);
    let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [1, 6, 11, 11, 12, 13, 13, 13, 13, 13, 17, 22, 27, 27, 27, 27], "{faults:#?}");
    for why in ["'a' to 'b' is declared above", "set off no rule", "'regie/' are", "'regie.' are", "'dance'", "'notfy'"]
    {
        let told = |fault: &regie_core::automation::RuleFileError| fault.why.replace('`', "'").contains(why);
        assert!(faults.iter().any(told), "{why}: {faults:#?}");
    }
}

#[test]
fn relations_of_a_file_take_the_place_of_what_is_shipped_and_two_of_one_pair_are_no_set() {
    let own = "[[relation]]\nfrom = \"task\"\nto = \"sprint\"\nids = \"event.payload.sprint\"\n";
    let set = RuleSet::parse(own).unwrap();
    assert_eq!(set.relations().iter().map(|it| it.ids.is_some()).collect::<Vec<_>>(), [true]);
    let by = |ids: &str| Relation::by_ids("task", "sprint", ids).unwrap();
    assert_eq!(RuleSet::shipped().relating(&[by("event.id")]).unwrap().relations().len(), 1);
    let twice = set.relating(&[by("event.id")]).unwrap_err();
    assert!(matches!(twice, RuleSetError::RelationTwice { .. }), "{twice}");
}

#[test]
fn names_near_those_that_the_catalogue_knows_are_doubted_and_others_are_ones_own() {
    let text = |about: &str, on: &str, when: &str, act: &str| {
        format!(
            "shipped = false\n[[rule]]\nname = \"r\"\nabout = \"{about}\"\non = \"{on}\"\nwhen = '{when}'\ndo = [{act}]\n"
        )
    };
    let (on, when, act) =
        ("orchestration.task.>", "entity.fields.status == \"blocked\"", "{ update = { progress = 1 } }");
    let doubts = |text: String| -> Vec<(usize, String)> {
        assert_eq!(RuleSet::faults(&text, None), [], "{text}");
        RuleSet::doubts(&text, &Catalogue::shipped()).into_iter().map(|doubt| (doubt.line, doubt.why)).collect()
    };
    for (bad, line, meant) in [
        (text("tsak", on, when, act), 4, "'task'"),
        (text("task", "orchestration.taks.>", when, act), 5, "'orchestration.task.>'"),
        (text("task", "orchestration.task.asigned", when, act), 5, "'orchestration.task.assigned'"),
        (text("task", on, "entity.fields.staus == \"x\"", act), 6, "'status'"),
        (text("task", on, "entity.fields.status == \"bolcked\"", act), 6, "'blocked'"),
        (text("task", on, "related.sprnt.size() > 0", act), 6, "'sprint'"),
        (text("task", on, when, "{ update = { progres = 1 } }"), 7, "'progress'"),
        (
            text("task", on, when, "{ emit = { type = \"orchestration.alert.rased\" } }"),
            7,
            "'orchestration.alert.raised'",
        ),
    ] {
        let found = doubts(bad.clone());
        assert!(matches!(found.as_slice(), [(at, why)] if *at == line && why.contains(meant)), "{found:?}\n{bad}");
    }
    for good in [
        text("task", on, when, act),
        text("parcel", "shop.parcel.packed", "entity.fields.stage == \"blocker\"", "{ update = { progres = 1 } }"),
        text("task", on, "entity.fields.points > 3", "{ update = { points = 1, owner = \"ana\" } }"),
    ] {
        assert_eq!(doubts(good), []);
    }
}
