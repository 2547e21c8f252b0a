//! What rules cannot do, and what of it is told.

use regie::actors::agent::AgentLimits;
use regie::core::automation::RuleSet;
use regie::core::event::{EntityRef, Principal};
use regie::core::query::Filter;
use regie::core::workflow::Reaction;
use regie::runtime::RunState;
use regie::testing::ScriptedAgent;
use serde_json::json;

use super::{emitted, rules, runs};
use crate::runtime_support::{Folder, Stage, event, script, within};
use crate::support::{self, Place, Ran, lines, sprint, with};

#[test]
fn a_file_with_one_bad_rule_is_refused_whole_with_its_place_and_the_old_set_stays() {
    let place = Place::new();
    let good = "[[rule]]\nname = 'a'\non = 'x'\ndo = [{ emit = { type = 'y' } }]\n";
    for (bad, told) in [
        ("[[rule]]\nname = 'b'\non = 'x..y'\ndo = [{ emit = { type = 'y' } }]\n", "r.toml:7:"),
        ("[[rule]]\nname = 'b'\non = 'x'\nwhen = 'evnt.id == 1'\ndo = [{ emit = { type = 'y' } }]\n", "evnt"),
        ("[[rule]]\nname = 'b'\non = 'x'\nwhen = 'event.tpye == \"x\"'\ndo = [{ emit = { type = 'y' } }]\n", "tpye"),
        ("[[rule]]\nname = 'a'\non = 'x'\ndo = [{ emit = { type = 'y' } }]\n", "'a'"),
        ("[[rule]]\nname = 'b'\non = 'x'\ndo = [{ dance = 1 }]\n", "dance"),
    ] {
        place.file("r.toml", format!("{good}{bad}"));
        place.run(&["rules", "check", "r.toml"]).exits(2).tells(&[told]);
    }
    place.file("r.toml", good);
    place.run(&["rules", "check", "r.toml"]).succeeds().tells(&["nothing wrong"]);
}

/// A rule whose second act is refused, after its first is done.
const HALF_WAY: &str = r#"
shipped = false

[[rule]]
name = "half"
on = "order.placed"
[[rule.do]]
update = { flagged = true }
[[rule.do]]
call = { agent = "mailer", task = { order = "${subject.id}" } }
"#;

#[test]
fn an_act_that_fails_half_way_puts_back_what_was_done_before_it() {
    within(async {
        let mailer = ScriptedAgent::new().fails("no mail today");
        // On files, where what an update came to is told by an index that follows behind.
        let folder = Folder::new();
        let stage = Stage::with(|builder| {
            let builder = builder.rules(rules(HALF_WAY)).journal(folder.journal());
            builder.agent("mailer", mailer.clone(), AgentLimits::default())
        })
        .await;
        let order = EntityRef::new("order", "1");
        let placed = event("order.placed", "order-1", "1").entity(order.clone());
        stage.submit(placed.change("flagged", (), false)).await;
        stage.settle().await;
        for _ in 0..4 {
            stage.advance(std::time::Duration::from_secs(10)).await;
        }
        let [report] = runs(&stage.handle).await.try_into().unwrap();
        assert!(matches!(&report.state, RunState::Failed { error } if error.contains("no mail today")), "{report:?}");
        assert_eq!(mailer.calls().len(), 3);
        let state = stage.handle.state(&order, None).await.unwrap().unwrap();
        assert_eq!(state.fields["flagged"].text(), "false");
        stage.close().await;
    });
}

#[test]
fn a_rule_that_fails_is_isolated_and_shows_its_error() {
    within(async {
        let set = r#"
            shipped = false
            [[rule]]
            name = "broken"
            on = "order.placed"
            when = "event.payload.amount > 10"
            do = [{ emit = { type = "never" } }]
            [[rule]]
            name = "well"
            on = "order.placed"
            do = [{ emit = { type = "seen" } }]
        "#;
        let stage = Stage::with(|builder| builder.rules(rules(set))).await;
        stage.submit(event("order.placed", "c", "1").payload(serde_json::json!({"amount": "many"}))).await;
        let runs = runs(&stage.handle).await;
        let failed: Vec<_> = runs.iter().filter(|report| report.state != RunState::Done).collect();
        assert!(matches!(failed.as_slice(), [one] if one.run.rule == "broken"), "{runs:?}");
        assert_eq!(emitted(&stage.handle).await.into_iter().collect::<Vec<_>>(), [("seen".to_string(), 1)]);
        stage.close().await;
    });
}

#[test]
fn an_undo_without_a_name_or_of_an_unknown_run_is_a_value() {
    within(async {
        let stage = Stage::with(|builder| builder.rules(RuleSet::shipped())).await;
        let unsigned = stage.handle.undo("x", Principal::user("ana"), " ", false).await.unwrap_err();
        assert_eq!(unsigned.code(), "unsigned");
        let unknown = stage.handle.undo("x", Principal::user("ana"), "why", false).await.unwrap_err();
        assert_eq!(unknown.code(), "no_run");
        assert!(stage.handle.events(Filter { own: true, ..Filter::default() }).await.unwrap().is_empty());
        stage.close().await;
    });
}

#[test]
fn a_workflow_that_nobody_has_is_not_begun_and_the_run_fails_with_those_there_are() {
    within(async {
        let start = |name: &str, workflow: &str, kind: &str| {
            let start = format!("start = {{ workflow = '{workflow}', type = '{kind}', correlation = 'r-{name}' }}");
            format!("[[rule]]\nname = '{name}'\non = 'order.placed'\ndo = [{{ {start} }}]\n")
        };
        let rules_of = [start("a", "nobody", "asked"), start("b", "review", "other"), start("c", "review", "asked")];
        let review = script("review", "asked", |_, _, _| Ok(Reaction::none()));
        let set = rules(&format!("shipped = false\n{}", rules_of.join("\n")));
        let stage = Stage::with(|builder| builder.rules(set).handler(review)).await;
        stage.submit(event("order.placed", "order-1", "1")).await;
        let told: Vec<String> = runs(&stage.handle).await.iter().map(|report| format!("{:?}", report.state)).collect();
        assert!(told.iter().any(|it| it.contains("there is no workflow 'nobody'; there is: review")), "{told:?}");
        assert!(told.iter().any(|it| it.contains("'review' begins on 'asked', and not on 'other'")), "{told:?}");
        assert_eq!(told.iter().filter(|it| *it == "Done").count(), 1, "{told:?}");
        assert_eq!(stage.handle.records(&"r-a".into()).await.unwrap().len(), 0);
        assert_eq!(stage.handle.records(&"r-c".into()).await.unwrap().len(), 1);
        stage.close().await;
    });
}

const DRY_RUN: [&str; 4] = ["rules", "dry-run", "--events", "next.jsonl"];
const USED: &str = "its id was used before with other content";

/// Tries an event of the runtime's own, and one whose id the journal knows with other content; both forms of what is told.
fn tried(more: &[&str]) -> Ran {
    let place = Place::new().holding(&sprint());
    let other = with(sprint()[0].clone(), json!({"payload": 1}));
    let own = support::event("o-1", "regie.rule.ran", "c", "2026-03-03T09:00:00Z");
    place.file("next.jsonl", lines(&[sprint()[1].clone(), other, own]));
    place.run(&[&DRY_RUN, more].concat()).exits(4)
}

#[test]
fn a_dry_run_tells_programs_which_events_would_not_come_in_and_why() {
    let refused =
        |event: &str, of: &str, why: &str| json!({"refused": {"event": event, "correlation": of, "why": why}});
    let reserved = "\"type\": types that begin with 'regie.' are the runtime's own: 'regie.rule.ran'";
    let told = tried(&["--json"]).json_lines();
    assert_eq!(told, [refused("e-1", "sprint-001", USED), refused("o-1", "c", reserved)]);
}

#[test]
fn a_dry_run_tells_people_which_events_would_not_come_in_and_why() {
    let used = format!("\ne-1 of sprint-001 would be refused: {USED}\n");
    tried(&[]).tells(&[
        "0 runs would follow from 0 events (1 more are known)",
        &used,
        "\no-1 of c would be refused: \"type\": types",
    ]);
}

#[test]
fn a_dry_run_takes_an_event_that_comes_twice_once_and_refuses_its_id_with_other_content() {
    let place = Place::new();
    let new = support::event("n-1", "a.b", "c", "2026-03-03T09:00:00Z");
    let other = with(new.clone(), json!({"payload": 1}));
    place.file("next.jsonl", lines(&[new.clone(), new, other]));
    let told = place.run(&DRY_RUN).exits(4);
    told.tells(&["from 1 event (1 more are known)", &format!("n-1 of c would be refused: {USED}")]);
}

#[test]
fn runs_of_a_rule_that_never_ran_name_those_that_have_and_no_run_at_all_cannot_be_asked_for() {
    let place = Place::new();
    place.file("r.toml", "shipped = false\n[[rule]]\nname = 'seen'\non = 'x'\ndo = [{ emit = { type = 'y' } }]\n");
    place.file("e.jsonl", r#"{"id":"1","type":"x","correlation_id":"c","timestamp":"2026-01-01T09:00:00Z"}"#);
    place.run(&["run", "e.jsonl", "--rules", "r.toml"]).succeeds();
    place.run(&["rules", "runs", "--rule", "seen"]).succeeds().tells(&["1 run"]);
    place.run(&["rules", "runs", "--rule", "nix"]).exits(3).tells(&["'nix' has run", "those that have: seen"]);
    place.run(&["rules", "runs", "--limit", "0"]).exits(2);
    place.run(&["rules", "runs", "--rule", ""]).exits(2);
}
