//! Pictures of flows, read back.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::retry::Retry;
use regie_core::workflow::Definitions;
use regie_core::workflow::flow::{
    Flow, IntoTask, attempt, call, choose, each, fork, listen, raise, set, steps, switch,
};
use serde_json::json;

use super::run;

/// What a picture holds: its arrows by the first lines of their ends, and what is written on them.
#[derive(Debug, Default)]
struct Picture {
    names: BTreeMap<String, String>,
    whats: BTreeMap<String, String>,
    arrows: BTreeSet<(String, String, String)>,
    current: Vec<String>,
}

fn shown(text: &str) -> String {
    let mut pieces = text.split('#');
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |told, piece| {
        let (number, rest) = piece.split_once(';').expect("an entity ends");
        let letter = number.parse().ok().and_then(char::from_u32).expect("a letter");
        format!("{told}{letter}{rest}")
    })
}

impl Picture {
    fn arrow(&mut self, from: &str, rest: &str) {
        let (label, to) = match rest.strip_prefix("|\"") {
            Some(rest) => rest.split_once("\"| ").expect("a label ends"),
            None => ("", rest.trim()),
        };
        let name = |id: &str| self.names.get(id).cloned().unwrap_or_else(|| panic!("{id} is not drawn"));
        self.arrows.insert((name(from), name(to), shown(label)));
    }

    fn has(&self, from: &str, to: &str, label: &str) -> bool {
        self.arrows.contains(&(from.into(), to.into(), label.into()))
    }
}

fn read(text: &str) -> Picture {
    let (mut picture, mut arrows) = (Picture::default(), Vec::new());
    assert_eq!(text.lines().next(), Some("flowchart TD"));
    for line in text.lines().skip(1).map(str::trim) {
        if let Some((from, rest)) = line.split_once(" --> ").or_else(|| line.split_once(" -.-> ")) {
            arrows.push((from, rest));
        } else if let Some((from, rest)) = line.split_once(" -->").or_else(|| line.split_once(" -.->")) {
            arrows.push((from, rest));
        } else if let Some(rest) = line.strip_prefix("class ") {
            picture.current = rest.trim_end_matches(" current").split(',').map(str::to_string).collect();
        } else if !line.starts_with("classDef ") {
            let (id, rest) = line.split_once(['(', '[', '{', '>']).unwrap_or_else(|| panic!("not understood: {line}"));
            let text = rest.split('"').nth(1).expect("a text");
            let (name, what) = text.split_once("<br/>").unwrap_or((if text == " " { id } else { text }, ""));
            picture.names.insert(id.into(), shown(name));
            picture.whats.insert(shown(name), shown(what));
        }
    }
    arrows.into_iter().for_each(|(from, rest)| picture.arrow(from, rest));
    picture.current = picture.current.iter().map(|id| picture.names[id].clone()).collect();
    picture
}

fn big() -> Flow {
    let tried = attempt("charge", call("c")).otherwise("note", set("failed", |_| json!(true)));
    let graph = steps().task("first", &[], call("d")).task("second", &["first"], call("e").when(|_| true));
    Flow::named("big")
        .starts_on("go")
        .task("both", fork().branch("left", call("a")).branch("right", call("b").undo("unb")))
        .task("again", tried)
        .task("which", switch().case(|_| true, "again").otherwise("loop"))
        .task("loop", each("item", |_| json!([1, 2])).task("one", call("f")).at_most(2))
        .task("graph", graph)
        .task("hears", listen("yes.>").or("no.>"))
        .task("chosen", choose().case("bad", |_| true, raise("bad \"end\"", |_| json!("why"))))
        .build()
        .expect("a good flow")
}

#[test]
fn a_picture_tells_tasks_and_what_comes_after_each() {
    let picture = read(&big().to_mermaid());
    assert!(picture.has("start", "both", "") && picture.has("both", "left", "") && picture.has("right", "all", ""));
    assert!(picture.has("which", "charge", "case 1") && picture.has("which", "loop", "else"), "{picture:#?}");
    assert!(picture.has("charge", "note", "on failure") && picture.has("note", "which", ""));
    assert!(picture.has("first", "second", "") && !picture.has("graph", "second", ""));
    assert!(picture.has("chosen", "end_", "else") && !picture.arrows.iter().any(|(from, ..)| from == "bad"));
    assert_eq!(picture.whats["right"], "by b, undone by unb");
    assert_eq!(picture.whats["second"], "by e, if it is to be");
    assert_eq!(picture.whats["loop"], "for each item, 2 at once");
    assert_eq!(picture.whats["hears"], "listens to yes.> or no.>");
    assert_eq!(picture.whats["bad"], "raises bad \"end\"");
    assert_eq!(big().to_mermaid(), big().to_mermaid(), "it is the same each time");
}

#[test]
fn a_picture_marks_what_is_under_way() {
    let mut bench = run(big(), json!(null));
    assert_eq!(read(&bench.diagram()).current, ["left", "right"]);
    bench.done("both/left", json!(1));
    assert_eq!(read(&bench.diagram()).current, ["right"]);
}

#[test]
fn a_program_draws_what_it_defines() {
    let mut definitions = Definitions::default();
    definitions.add(big());
    assert_eq!(definitions.diagram("big", 1), Some(big().to_mermaid()));
    assert_eq!(definitions.diagram("big", 2), None);
}

#[test]
fn what_is_tried_again_in_vain_fails() {
    let again = attempt("charge", call("c")).retry(Retry { attempts: 3, ..Retry::default() });
    let flow = Flow::named("f").starts_on("go").task("again", again).task("last", call("d")).build();
    let picture = read(&flow.expect("a good flow").to_mermaid());
    assert!(picture.has("charge", "charge", "on failure, 3 times in all"), "{picture:#?}");
    assert!(picture.has("charge", "last", "") && !picture.has("charge", "last", "on failure"));
}
