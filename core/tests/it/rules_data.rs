//! The logs in the shared data through the evaluator: what rules make of them is what was computed from the raw sources.

use std::process::{Command, Stdio};

use regie_core::automation::{Committed, Evaluator, Run};
use regie_core::event::{Event, Incoming, Origin};
use regie_core::{Digest, Json};

use super::helpers::shared;
use super::rules_help::set;

const JIRA: &str = r#"
[[relation]]
from = "issue"
to = "version"
ids = '''entity.fields[?"fix_versions"].orValue([]) == null ? []
  : entity.fields[?"fix_versions"].orValue([]).map(version, entity.id.substring(0, entity.id.lastIndexOf("-")) + "|" + version)'''

[[rule]]
name = "alert"
on = "jira.issue.created"
when = 'event.changes.priority.after in ["Blocker", "Critical"]'
[[rule.do]]
emit = { type = "orchestration.alert.raised", priority = "P0", payload = { issue = "${subject.id}" } }

[[rule]]
name = "version-released"
about = "version"
on = "jira.issue.>"
when = 'related.issue.all(issue, issue.status in ["Resolved", "Closed"])'
[[rule.do]]
emit = { type = "release.version.released", payload = { members = "${related.issue.size()}" } }
"#;

const ORDERS: &str = r#"
[[rule]]
name = "order-packed"
about = "order"
on = "shop.create_package"
when = 'related.item.all(item, item.related[?"package"].orValue([]).size() > 0)'
[[rule.do]]
emit = { type = "order.packed", payload = { items = "${related.item.size()}" } }
"#;

/// A log's events, or none where there are no data.
fn log(name: &str) -> Option<Vec<Incoming>> {
    shared(&format!("{name}.expected.json"))?;
    let path = format!("{}/../../shared/data/{name}.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let unpacked = Command::new("gzip").args(["-dc", &path]).stdin(Stdio::null()).output().expect("gzip runs");
    assert!(unpacked.status.success(), "{path}");
    let text = String::from_utf8(unpacked.stdout).expect("UTF-8");
    Some(text.lines().map(|line| Incoming::read(line.as_bytes(), Origin::File).expect("a good event")).collect())
}

/// Each run with its trigger.
fn runs<'e>(rules: &str, events: &'e [Incoming]) -> Vec<(&'e Event, Run)> {
    let mut evaluator = Evaluator::new(set(rules));
    let mut all = Vec::new();
    for (event, position) in events.iter().map(Incoming::event).zip(1..) {
        let taken = evaluator.take(&Committed { event, position, recorded_at: event.timestamp, by: position });
        assert_eq!(taken.errors, []);
        all.extend(taken.runs.into_iter().map(|run| (event, run)));
    }
    let failed: Vec<_> = all.iter().filter_map(|(_, run)| run.error.as_ref()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    all
}

/// A field of what a run's one event says.
fn said(run: &Run, field: &str) -> String {
    super::rules_help::emitted(run, 0).event().payload.value()[field].to_string()
}

fn subject(run: &Run) -> &str {
    run.subject.as_ref().map_or("", |subject| &subject.id)
}

fn expected(log: &str, rule: &str, field: &str) -> String {
    let text = shared(&format!("{log}.expected.json")).expect("it was there");
    Json::parse(&text).expect("JSON").value()[rule][field].to_string().trim_matches('"').to_string()
}

fn sha256(lines: &[String]) -> String {
    Digest::of(lines.concat().as_bytes()).to_string()
}

#[test]
fn the_jira_log_gives_its_alerts_and_its_releases() {
    let Some(events) = log("jira_apache") else { return };
    let runs = runs(JIRA, &events);
    let (alerts, releases): (Vec<_>, Vec<_>) = runs.iter().partition(|(_, run)| run.rule == "alert");
    assert_eq!((alerts.len(), releases.len()), (48, 130));
    let line = |(event, run): &&(&Event, Run)| {
        let issue = event.entity.as_ref().map_or("", |entity| &entity.id);
        format!("{}|{}|{issue}|{}\n", event.timestamp, subject(run), said(run, "members"))
    };
    let lines: Vec<String> = releases.iter().map(line).collect();
    let wanted = expected(
        "jira_apache",
        "version_completion_rule",
        "sha256_of_fire_lines_timestamp|project|version|issue|members",
    );
    assert_eq!(sha256(&lines), wanted);
}

#[test]
fn the_order_log_packs_each_order_once() {
    let Some(events) = log("ocel_order") else { return };
    let runs = runs(ORDERS, &events);
    assert_eq!(runs.len(), 2_000);
    let line = |(event, run): &(&Event, Run)| format!("{}|{}|{}\n", event.timestamp, subject(run), said(run, "items"));
    let lines: Vec<String> = runs.iter().map(line).collect();
    let wanted = expected("ocel_order", "orders_all_items_packaged_rule", "sha256_of_lines_timestamp|order|items");
    assert_eq!(sha256(&lines), wanted);
}
