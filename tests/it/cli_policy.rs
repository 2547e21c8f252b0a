//! `regie policy`: checking, explaining and trying a policy file; and the same of one event by API.

use regie::Foreseen;
use regie::core::governance::{CooldownMode, Verdict};
use serde_json::{Value, json};

use crate::runtime_support::{Stage, at, note_by, one_a_second, set, within};
use crate::support::{Place, Ran, event, gzipped, lines, with};

const GAP: &str =
    "[[policy]]\nname = \"gap\"\nkind = \"cooldown\"\nmatch = \"note\"\nwindow = \"60s\"\nmode = \"defer\"\n";

fn note(id: &str, time: &str) -> Value {
    event(id, "note", &format!("of-{id}"), &format!("2026-03-02T{time}Z"))
}

/// One note at nine, in a journal that was run under the policies `p.toml`.
fn after_one(policies: &str) -> Place {
    let place = Place::new();
    place.file("p.toml", policies);
    place.file("one.jsonl", lines(&[note("a", "09:00:00")]));
    place.run(&["run", "one.jsonl", "--clock", "event", "--policies", "p.toml"]).succeeds();
    place
}

fn explained(place: &Place, events: &[Value], more: &[&str]) -> Vec<Value> {
    place.file("now.jsonl", lines(events));
    let arguments = ["policy", "explain", "now.jsonl", "--json", "--at", "2026-03-02T09:00:12Z"];
    place.run(&[&arguments[..], more].concat()).succeeds().json_lines()
}

#[test]
fn a_good_file_is_told_as_a_table_and_a_bad_one_with_every_fault() {
    let place = Place::new();
    place.file("good.toml", GAP);
    place.run(&["policy", "check", "good.toml"]).succeeds().tells(&[
        "gap",
        "cooldown",
        "at most one in 1m",
        "1 policy",
    ]);
    let json = place.run(&["policy", "check", "good.toml", "--json"]).succeeds().json();
    assert_eq!((&json["policies"][0]["name"], &json["max_deferrals"]), (&json!("gap"), &json!(100)));
    place.file("bad.toml", format!("{}{GAP}{GAP}", GAP.replace("60s", "soon").replace("gap", "first")));
    let told = place.run(&["policy", "check", "bad.toml"]).exits(2);
    assert_eq!(told.out, "");
    told.tells(&["bad.toml:5:10: 'soon'", "bad.toml:14:8: two policies have the name 'gap'"]);
    place.run(&["policy", "check", "none.toml"]).exits(2).tells(&["none.toml", "cannot be read"]);
    place.run(&["policy", "check"]).exits(2).tells(&["no policy file is named"]);
}

#[test]
fn the_schema_that_is_printed_is_the_one_that_is_shipped() {
    let shipped = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.schema.json")).unwrap();
    assert_eq!(Place::new().run(&["policy", "schema"]).succeeds().out, shipped);
}

#[test]
fn an_event_is_explained_as_the_journal_stands_and_nothing_is_spent() {
    let place = after_one(GAP);
    let head = place.run(&["head"]).succeeds().out;
    let told = explained(&place, &[note("b", "09:00:12"), note("c", "09:00:12"), note("a", "09:00:00")], &[]);
    for (nth, id) in ["b", "c"].into_iter().enumerate() {
        let said = ["id", "verdict", "by", "until", "remaining_ms"].map(|key| told[nth][key].clone());
        let until = json!("2026-03-02T09:01:00.000Z"); // both: neither booked it
        assert_eq!(said, [json!(id), json!("deferred"), json!("gap"), until, json!(48_000)]);
    }
    assert_eq!((&told[2]["verdict"], &told[2]["by"]), (&json!("known"), &json!("processed")));
    assert_eq!(place.run(&["head"]).succeeds().out, head);
}

#[test]
fn another_set_than_the_journals_can_be_named_and_without_a_journal_nothing_has_happened_yet() {
    let place = after_one(GAP);
    place.file("short.toml", GAP.replace("60s", "5s"));
    let b = [note("b", "09:00:12")];
    assert_eq!(explained(&place, &b, &["--policies", "short.toml"])[0]["verdict"], "accepted");
    assert_eq!(explained(&place, &b, &["--policies", "p.toml"])[0]["verdict"], "deferred");
    let nowhere = Place::new();
    nowhere.file("p.toml", GAP);
    assert_eq!(explained(&nowhere, &b, &["--policies", "p.toml"])[0]["verdict"], "accepted");
    nowhere.run(&["policy", "explain", "now.jsonl"]).exits(2).tells(&["no policy file is named"]);
    nowhere.run(&["policy", "explain", "now.jsonl", "--db", "none.db", "--policies", "p.toml"]).exits(5);
}

#[test]
fn who_would_be_asked_and_what_conditions_see_is_explained_too() {
    let asks = "[[policy]]\nname = \"look\"\nkind = \"reason\"\nmatch = \"note\"\nreasoner = \"risk\"\n";
    let place = after_one(GAP);
    place.file("asks.toml", asks);
    let told = explained(&place, &[note("b", "09:00:12")], &["--policies", "asks.toml"]);
    assert_eq!((&told[0]["verdict"], &told[0]["reason"]), (&json!("asking"), &json!("first asked: risk")));
    let sees = "[[policy]]\nname = \"twice\"\nkind = \"veto\"\nmatch = \"note\"\nwhen = \"workflow.records == 1\"\n";
    let again = with(note("b", "09:00:12"), json!({"correlation_id": "of-a"}));
    place.file("sees.toml", sees);
    let told = explained(&place, &[again, note("c", "09:00:12")], &["--policies", "sees.toml"]);
    assert_eq!((&told[0]["verdict"], &told[1]["verdict"]), (&json!("discarded"), &json!("accepted")));
}

fn backtest(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["policy", "backtest", "--policies", "p.toml"], more].concat())
}

fn three() -> Place {
    let place = Place::new();
    place.file("p.toml", GAP);
    place.file("q.toml", GAP.replace("60s", "5s"));
    place.file("a.jsonl", lines(&[note("a", "09:00:00"), note("b", "09:00:30")]));
    place.file("b.jsonl.gz", gzipped(&lines(&[note("c", "09:00:02"), note("b", "09:00:30")])));
    place
}

#[test]
fn files_are_read_in_the_order_given_and_may_be_zipped() {
    let place = three();
    let report = backtest(&place, &["--events", "a.jsonl", "b.jsonl.gz", "--json", "--ids"]).succeeds().json();
    let ids = &report["policies"][0]["types"]["note"]["ids"];
    assert_eq!(
        (ids["deferred"].clone(), report["known"].clone(), report["waiting"].clone()),
        (json!(["b", "c"]), json!(1), json!(2))
    );
    let report = backtest(&place, &["--events", "b.jsonl.gz", "a.jsonl", "--json", "--ids"]).succeeds().json();
    assert_eq!(
        report["policies"][0]["types"]["note"]["ids"]["accepted"],
        json!(["c"]),
        "a is late and meets c's window"
    );
}

#[test]
fn another_set_is_compared_event_by_event() {
    let report = backtest(&three(), &["--events", "a.jsonl", "--against", "q.toml", "--json"]).succeeds().json();
    let differences = report["against"]["differences"].as_array().unwrap();
    let wanted = json!({
        "id": "b", "correlation_id": "of-b", "type": "note", "timestamp": "2026-03-02T09:00:30.000Z",
        "policies": {"verdict": "deferred", "by": "gap", "until": "2026-03-02T09:01:00.000Z"},
        "against": {"verdict": "accepted", "by": null, "until": null},
    });
    assert_eq!(differences, &[wanted]);
    let told = backtest(&three(), &["--events", "a.jsonl", "--against", "q.toml"]).succeeds();
    told.tells(&["Under the other set 1 event fares otherwise", "deferred -> accepted"]);
    backtest(&three(), &["--events", "a.jsonl", "--against", "p.toml"])
        .succeeds()
        .tells(&["every event fares the same"]);
}

#[test]
fn bad_lines_are_told_and_the_rest_is_tried() {
    let place = three();
    place.file(
        "bad.jsonl",
        format!(
            "{}nonsense\n{}",
            lines(&[note("a", "09:00:00")]),
            lines(&[with(note("o", "09:00:01"), json!({"correlation_id": "regie/own"}))])
        ),
    );
    let told = backtest(&place, &["--events", "bad.jsonl", "--json"]).exits(4);
    let report = told.json();
    assert_eq!(["events", "unreadable", "refused"].map(|key| report[key].clone()), [json!(1), json!(1), json!(1)]);
    told.tells(&["bad.jsonl:2: not JSON", "regie/"]);
    backtest(&place, &["--events", "none.jsonl"]).exits(2).tells(&["none.jsonl"]);
    backtest(&place, &[]).exits(5);
    let backwards = ["--events", "a.jsonl", "--from", "2026-03-02T10:00:00Z", "--to", "2026-03-02T09:00:00Z"];
    backtest(&place, &backwards).exits(2).tells(&["nothing can be between"]);
}

#[test]
fn what_is_told_of_reasoners_says_where_signals_come_from() {
    let place = three();
    place.file("p.toml", "[[policy]]\nname = \"look\"\nkind = \"reason\"\nmatch = \"note\"\nreasoner = \"risk\"\n");
    backtest(&place, &["--events", "a.jsonl"]).succeeds().tells(&["there are no signals"]).fits(80);
}

#[test]
fn every_key_of_the_json_output_is_in_the_docs() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md")).unwrap();
    let section = page.split("\n## regie policy\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let report =
        backtest(&three(), &["--events", "a.jsonl", "--against", "q.toml", "--json", "--ids"]).succeeds().json();
    let of_type = &report["policies"][0]["types"]["note"];
    let explained = &explained(&after_one(GAP), &[note("b", "09:00:12")], &[])[0];
    let difference = &report["against"]["differences"][0];
    let parts = [
        &report,
        &report["policies"][0],
        of_type,
        &of_type["examples"]["deferred"][0],
        difference,
        &difference["policies"],
        explained,
    ];
    let keys = parts.iter().flat_map(|part| part.as_object().unwrap().keys());
    let missing: Vec<&String> = keys.filter(|key| !section.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_policy_flag_of_a_run_wins_over_the_environment() {
    let place = Place::new().with("REGIE_POLICIES", "none.toml");
    place.file("p.toml", GAP);
    place.file("two.jsonl", lines(&[note("a", "09:00:00"), note("b", "09:00:30")]));
    let report =
        place.run(&["run", "two.jsonl", "--clock", "event", "--policies", "p.toml", "--json"]).succeeds().json();
    assert_eq!(report["states"]["deferred"], json!(1), "{report}");
}

fn verdict(foreseen: &Foreseen) -> &Verdict {
    match foreseen {
        Foreseen::Judged(judgement) => &judgement.verdict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_may_ask_what_would_become_of_an_event_and_nothing_is_spent() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(set(vec![one_a_second(CooldownMode::Defer)]))).await;
        let by_ana = |id: &str| note_by("ana", id, id);
        for _ in 0..3 {
            let foreseen = stage.handle.check(&by_ana("e1").build().unwrap()).await.unwrap();
            assert_eq!(verdict(&foreseen), &Verdict::Accepted);
        }
        assert_eq!(stage.handle.position(), 0, "nothing is recorded");
        stage.submit(by_ana("e1")).await;
        stage.advance_to(at(400)).await;
        for _ in 0..3 {
            let foreseen = stage.handle.check(&by_ana("e2").build().unwrap()).await.unwrap();
            assert!(
                matches!(verdict(&foreseen), Verdict::Deferred { until, .. } if *until == at(1_000)),
                "{foreseen:?}"
            );
        }
        assert_eq!(
            stage.submit(by_ana("e2")).await.deferred_until,
            Some(at(1_000)),
            "the slot was given back each time"
        );
        let known = stage.handle.check(&by_ana("e1").build().unwrap()).await.unwrap();
        assert!(matches!(known, Foreseen::Known(Some(_))), "{known:?}");
        stage.close().await;
    });
}
