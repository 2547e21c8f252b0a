//! A flow as a picture: a chart that Mermaid draws.

use std::collections::BTreeSet;

use super::handler::Flow;
use super::model::{Call, Dot, Join, Kind, Node, Then, Tree};
use super::state::FlowState;
use crate::workflow::drawn::escaped;

const START: &str = "start";
const END: &str = "end_";

impl Flow {
    /// The flow as a Mermaid chart (`flowchart TD`): each task with what it does, forks and joins, cases, loops, and where a
    /// failure goes. The same flow gives the same text.
    pub fn to_mermaid(&self) -> String {
        draw(&self.tree, &BTreeSet::new())
    }

    /// The same, with the tasks marked that are under way.
    pub fn to_mermaid_at(&self, state: &FlowState) -> String {
        let under_way = state.under_way().filter_map(|path| self.tree.at(path));
        let is_leaf = |at: &usize| self.tree.nodes[*at].kind.children().is_empty();
        draw(&self.tree, &under_way.filter(is_leaf).collect())
    }
}

fn draw(tree: &Tree, current: &BTreeSet<usize>) -> String {
    let mut picture = Picture { tree, lines: vec!["flowchart TD".into()], ends: Vec::new() };
    picture.lines.push(format!("    {START}((\" \"))"));
    picture.lines.push(format!("    {END}(((\" \")))"));
    picture.arrow(START, &picture.entry(0), None);
    let ends = picture.task(0);
    let flow_ends = std::mem::take(&mut picture.ends);
    picture.arrows(ends.into_iter().chain(flow_ends), END);
    if !current.is_empty() {
        picture.lines.push("    classDef current stroke-width:4px".into());
        let ids: Vec<String> = current.iter().map(|at| id(*at)).collect();
        picture.lines.push(format!("    class {} current", ids.join(",")));
    }
    picture.lines.join("\n") + "\n"
}

/// An arrow whose head is not known yet: whence, and what is written on it.
type Loose = (String, Option<String>);

struct Picture<'a> {
    tree: &'a Tree,
    lines: Vec<String>,
    /// What ends the flow out of turn.
    ends: Vec<Loose>,
}

fn id(at: usize) -> String {
    format!("n{at}")
}

fn join_id(at: usize) -> String {
    format!("j{at}")
}

impl Picture<'_> {
    /// Where an arrow to a task goes.
    fn entry(&self, at: usize) -> String {
        match &self.tree.nodes[at].kind {
            Kind::Sequence(children) => children.first().map_or_else(|| id(at), |first| self.entry(*first)),
            Kind::Try { tried, .. } => self.entry(*tried),
            _ => id(at),
        }
    }

    fn arrow(&mut self, from: &str, to: &str, label: Option<&str>) {
        let label = label.map(|label| format!("|\"{}\"|", escaped(label))).unwrap_or_default();
        self.lines.push(format!("    {from} -->{label} {to}"));
    }

    fn arrows(&mut self, from: impl IntoIterator<Item = Loose>, to: &str) {
        for (from, label) in from {
            self.arrow(&from, to, label.as_deref());
        }
    }

    /// Draws a task and all in it; gives what leads on from it.
    fn task(&mut self, at: usize) -> Vec<Loose> {
        let tree = self.tree;
        let node = &tree.nodes[at];
        match &node.kind {
            Kind::Sequence(children) => self.sequence(at, children),
            Kind::Try { tried, retry, caught, .. } => {
                let again = retry.as_ref().map(|(retry, _)| retry.attempts);
                self.attempt((*tried, again), *caught)
            }
            Kind::Fork { children, join } => self.several((at, children), *join, "fork"),
            Kind::Each { child, variable, at_most, join, .. } => {
                let what = format!("for each {variable}, {at_most} at once");
                self.several((at, &[*child]), *join, &what)
            }
            Kind::Steps(dots) => self.graph(at, dots),
            Kind::Choose(cases) => {
                self.shape(at, node);
                let mut ends = Vec::new();
                for (nth, (test, child)) in (1..).zip(cases) {
                    self.arrow(&id(at), &self.entry(*child), Some(&case(nth, test.is_some())));
                    ends.extend(self.task(*child));
                }
                if cases.iter().all(|(test, _)| test.is_some()) {
                    ends.push((id(at), Some("else".into())));
                }
                ends
            }
            Kind::Raise(_) => {
                self.shape(at, node);
                Vec::new()
            }
            _ => {
                self.shape(at, node);
                vec![(id(at), None)]
            }
        }
    }

    /// Children that wait for one another.
    fn graph(&mut self, at: usize, dots: &[Dot]) -> Vec<Loose> {
        self.shape(at, &self.tree.nodes[at]);
        let join = self.join(at, "all");
        for dot in dots {
            if dot.after.is_empty() {
                self.arrow(&id(at), &self.entry(dot.node), None);
            }
            let ends = self.task(dot.node);
            for next in &dot.before {
                self.arrows(ends.clone(), &self.entry(dots[*next].node));
            }
            if dot.before.is_empty() {
                self.arrows(ends, &join);
            }
        }
        vec![(join, None)]
    }

    fn sequence(&mut self, at: usize, children: &[usize]) -> Vec<Loose> {
        if children.is_empty() {
            self.lines.push(format!("    {}((\" \"))", id(at)));
            return vec![(id(at), None)];
        }
        let mut ends = Vec::new();
        for (nth, child) in children.iter().enumerate() {
            let tree = self.tree;
            let node = &tree.nodes[*child];
            let next = children.get(nth + 1).copied();
            let after = (children, next);
            if let Kind::Switch(cases) = &node.kind {
                self.shape(*child, node);
                for (nth, (test, then)) in (1..).zip(cases) {
                    let way = vec![(id(*child), Some(case(nth, test.is_some())))];
                    self.lead(way, then, after, &mut ends);
                }
                if cases.iter().all(|(test, _)| test.is_some()) {
                    self.lead(vec![(id(*child), Some("else".into()))], &node.then, after, &mut ends);
                }
            } else {
                let loose = self.task(*child);
                self.lead(loose, &node.then, after, &mut ends);
            }
        }
        ends
    }

    /// Leads on to what comes then.
    fn lead(&mut self, from: Vec<Loose>, then: &Then, (all, next): (&[usize], Option<usize>), ends: &mut Vec<Loose>) {
        let to = match then {
            Then::Next => next,
            Then::To(name) => all.iter().copied().find(|at| self.tree.nodes[*at].name == *name),
            Then::Exit => None,
            Then::End => return self.ends.extend(from),
        };
        match to {
            Some(to) => self.arrows(from, &self.entry(to)),
            None => ends.extend(from),
        }
    }

    fn attempt(&mut self, (tried, again): (usize, Option<u32>), caught: Option<usize>) -> Vec<Loose> {
        let entry = self.entry(tried);
        let mut ends = self.task(tried);
        if let Some(again) = again {
            self.lines.push(format!("    {entry} -.->|\"on failure, {again} times in all\"| {entry}"));
        }
        match caught {
            Some(caught) => {
                self.lines.push(format!("    {entry} -.->|\"on failure\"| {}", self.entry(caught)));
                ends.extend(self.task(caught));
            }
            // Tried again in vain, with nothing to be done instead, it fails.
            None if again.is_some() => {}
            None => ends.push((entry, Some("on failure".into()))),
        }
        ends
    }

    fn several(&mut self, (at, children): (usize, &[usize]), join: Join, what: &str) -> Vec<Loose> {
        let tree = self.tree;
        let name = told(&tree.nodes[at], what);
        self.lines.push(format!("    {}{{{{\"{name}\"}}}}", id(at)));
        let join = self.join(at, &joined(join));
        for child in children {
            self.arrow(&id(at), &self.entry(*child), None);
            let ends = self.task(*child);
            self.arrows(ends, &join);
        }
        vec![(join, None)]
    }

    fn join(&mut self, at: usize, how: &str) -> String {
        self.lines.push(format!("    {}((\"{}\"))", join_id(at), escaped(how)));
        join_id(at)
    }

    /// The shape of a task, with what it does.
    fn shape(&mut self, at: usize, node: &Node) {
        let (open, what, close) = match &node.kind {
            Kind::Call(call) => ("[", calls(call), "]"),
            Kind::Set(values) => {
                let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
                ("[/", format!("sets {}", names.join(", ")), "/]")
            }
            Kind::Switch(_) | Kind::Choose(_) => ("{", "which".into(), "}"),
            Kind::Raise(raised) => ("[[", format!("raises {}", raised.kind), "]]"),
            Kind::Emit(_) => (">", "sends an event".into(), "]"),
            Kind::Listen { on, all } => {
                let kinds: Vec<String> = on.iter().map(|awaited| awaited.kind.to_string()).collect();
                ("([", format!("listens to {}", kinds.join(if *all { " and " } else { " or " })), "])")
            }
            Kind::Wait(_) => ("([", "waits".into(), "])"),
            Kind::Run(_) => ("[[", "runs a workflow".into(), "]]"),
            _ => ("{{", "steps".into(), "}}"),
        };
        let name = told(node, &what);
        self.lines.push(format!("    {}{open}\"{name}\"{close}", id(at)));
    }
}

/// A task's name and what it does, on two lines.
fn told(node: &Node, what: &str) -> String {
    let when = if node.when.is_some() { ", if it is to be" } else { "" };
    format!("{}<br/>{}", escaped(&node.name), escaped(&format!("{what}{when}")))
}

fn calls(call: &Call) -> String {
    let undo = call.undo.as_ref().map(|undo| format!(", undone by {}", undo.agent));
    format!("by {}{}", call.agent, undo.unwrap_or_default())
}

fn case(nth: usize, has_test: bool) -> String {
    if has_test { format!("case {nth}") } else { "else".into() }
}

fn joined(join: Join) -> String {
    match join {
        Join::All => "all".into(),
        Join::Collect => "all, be it well or not".into(),
        Join::AtLeast(many) => format!("{many} of them"),
        Join::First => "the first".into(),
    }
}
