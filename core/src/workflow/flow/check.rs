//! What is wrong with a flow, each fault with its place; and the tree, if nothing is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::builder::{FlowBuilder, Task};
use super::handler::Flow;
use super::model::{Awaited, Call, Dot, Join, Kind, Node, Raised, Then, Tree, UndoCall, below};
use super::tasks::{CallTask, Draft, EachTask};
use crate::event::Pattern;
use crate::limits;
use crate::workflow::own::is_own_name;
use crate::workflow::step::{BAD_LIMIT, UNDO_FAULT, faults_of, is_a_wait};

/// One thing that is wrong with a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFault {
    /// The path of the task; empty for the flow itself.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for FlowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.what) } else { write!(f, "{}: {}", self.path, self.what) }
    }
}

/// All that is wrong with a flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the flow '{name}' cannot be: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct FlowFaults {
    /// The flow's name.
    pub name: String,
    /// What is wrong, in the order of the tasks.
    pub faults: Vec<FlowFault>,
}

/// Checks a flow whole, and builds it.
pub(super) fn build(flow: FlowBuilder) -> Result<Flow, FlowFaults> {
    let mut checks = Checks { nodes: Vec::new(), faults: Vec::new() };
    if !is_name(&flow.name) {
        checks.fault("", NAMING);
    }
    if is_own_name(&flow.name) {
        checks.fault("", "names that begin with 'regie.' are the runtime's own");
    }
    if flow.version == 0 {
        checks.fault("", "its version is 1 at least");
    }
    let starts_on = match &flow.starts_on {
        None => {
            checks.fault("", "it does not say which events begin it");
            None
        }
        Some(text) => checks.pattern("", text),
    };
    let root = Task {
        when: None,
        input: None,
        output: flow.output,
        export: None,
        timeout: flow.timeout,
        then: Then::Next,
        draft: Draft::Sequence(flow.tasks),
    };
    let mut said = BTreeSet::new();
    for name in flow.farewells.names() {
        if !is_name(name) || !said.insert(name) {
            checks.fault("", &format!("'{name}' is sent at its end: {NAMING}, and no two have the same"));
        }
    }
    checks.add(("", String::new()), root, 0);
    if checks.nodes.len() > limits::FLOW_TASKS + 1 {
        checks.fault("", &format!("it has {} tasks; at most {}", checks.nodes.len() - 1, limits::FLOW_TASKS));
    }
    checks.begun_at_once();
    match starts_on {
        Some(starts_on) if checks.faults.is_empty() => {
            let (name, version, tree) = (flow.name, flow.version, Tree::new(checks.nodes));
            Ok(Flow { name, version, starts_on, tree, farewells: flow.farewells })
        }
        _ => Err(FlowFaults { name: flow.name, faults: checks.faults }),
    }
}

const NAMING: &str = "a name has 1 to 60 letters, digits, '-', '_' or '.'";

fn is_name(name: &str) -> bool {
    let is_fine = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.');
    (1..=60).contains(&name.len()) && name.chars().all(is_fine)
}

struct Checks {
    nodes: Vec<Node>,
    faults: Vec<FlowFault>,
}

impl Checks {
    fn fault(&mut self, path: &str, what: &str) {
        self.faults.push(FlowFault { path: path.into(), what: what.into() });
    }

    /// What certainly begins in one turn with a task is no more than a turn may ask for, time limits and all.
    fn begun_at_once(&mut self) {
        let mut counts = vec![0_usize; self.nodes.len()];
        // What a task holds stands after it.
        for at in (0..self.nodes.len()).rev() {
            let node = &self.nodes[at];
            let of = |child: &usize| counts.get(*child).copied().unwrap_or(0);
            let within = match &node.kind {
                _ if node.when.is_some() => continue,
                Kind::Call(_) | Kind::Emit(_) | Kind::Run(_) => 1,
                Kind::Sequence(children) => children.first().map_or(0, of),
                Kind::Fork { children, .. } => children.iter().map(of).sum(),
                Kind::Steps(dots) => dots.iter().filter(|dot| dot.after.is_empty()).map(|dot| of(&dot.node)).sum(),
                Kind::Try { tried, .. } => of(tried),
                Kind::Listen { .. } => 0,
                _ => continue,
            };
            let (count, most) = (within + usize::from(node.timeout.is_some()), limits::REACTION_EFFECTS);
            if count > most {
                let path = node.path.clone();
                self.fault(
                    &path,
                    &format!("{count} effects begin at once with it, time limits and all; at most {most}"),
                );
            } else {
                counts[at] = count;
            }
        }
    }

    fn pattern(&mut self, path: &str, text: &str) -> Option<Pattern> {
        match Pattern::parse(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.fault(path, &format!("'{text}': {error}"));
                None
            }
        }
    }

    /// Adds a task and all within it; comes back with its place in the tree.
    fn add(&mut self, (name, path): (&str, String), task: Task, depth: usize) -> usize {
        let at = self.nodes.len();
        if depth > limits::FLOW_DEPTH {
            self.fault(&path, &format!("it is more than {} deep", limits::FLOW_DEPTH));
        }
        if !task.timeout.is_none_or(is_a_wait) {
            self.fault(&path, BAD_LIMIT);
        }
        let Task { when, input, output, export, timeout, then, draft } = task;
        if let Some((variable, _)) = export.as_ref().filter(|(variable, _)| !is_name(variable)) {
            self.fault(&path, &format!("'{variable}': {NAMING}"));
        }
        let (name, kind) = (name.to_string(), Kind::Sequence(Vec::new()));
        let node = Node { name, path: path.clone(), when, input, output, export, timeout, then, kind };
        self.nodes.push(node);
        // What is too deep is not looked into: it would go on for ever, or as deep as it is.
        if depth <= limits::FLOW_DEPTH {
            let kind = self.kind(&path, draft, depth);
            self.nodes[at].kind = kind;
            self.goes(at);
        }
        at
    }

    fn kind(&mut self, path: &str, draft: Draft, depth: usize) -> Kind {
        let depth = depth + 1;
        match draft {
            Draft::Call(call) => self.call(path, call),
            Draft::Set(fields) => {
                for (name, _) in fields.iter().filter(|(name, _)| !is_name(name)) {
                    self.fault(path, &format!("'{name}': {NAMING}"));
                }
                Kind::Set(fields)
            }
            Draft::Sequence(tasks) => Kind::Sequence(self.children(path, tasks, depth)),
            Draft::Steps(tasks) => self.steps(path, tasks, depth),
            Draft::Fork(branches, join) => {
                let count = branches.len();
                self.join(path, join, count);
                Kind::Fork { children: self.children(path, branches, depth), join }
            }
            Draft::Each(each) => self.each(path, *each, depth),
            Draft::Switch(cases) => Kind::Switch(cases),
            Draft::Choose(cases) => {
                let tests: Vec<_> = cases.iter().map(|(_, test, _)| test.clone()).collect();
                let tasks = cases.into_iter().map(|(name, _, task)| (name, task)).collect();
                Kind::Choose(tests.into_iter().zip(self.children(path, tasks, depth)).collect())
            }
            Draft::Attempt(attempt) => {
                let faults = attempt.retry.iter().flat_map(|(retry, _)| faults_of(None, retry));
                faults.for_each(|fault| self.fault(path, fault));
                let mut tasks = vec![attempt.tried];
                tasks.extend(attempt.caught);
                let children = self.children(path, tasks, depth);
                let (tried, caught) = (children[0], children.get(1).copied());
                Kind::Try { tried, catches: attempt.catches, retry: attempt.retry, caught }
            }
            Draft::Raise(kind, message) => Kind::Raise(Raised { kind, message }),
            Draft::Emit(event) => Kind::Emit(event),
            Draft::Run(event) => Kind::Run(event),
            Draft::Listen(listen) => {
                let on = listen
                    .on
                    .into_iter()
                    .filter_map(|(text, test)| self.pattern(path, &text).map(|kind| Awaited { kind, test }));
                let on = on.collect();
                Kind::Listen { on, all: listen.all }
            }
            Draft::Wait(instant) => Kind::Wait(instant),
        }
    }

    fn each(&mut self, path: &str, each: EachTask, depth: usize) -> Kind {
        if !(1..=limits::FLOW_LEAVES).contains(&each.at_most) {
            self.fault(path, &format!("1 to {} of its items may be under way at once", limits::FLOW_LEAVES));
        }
        if !is_name(&each.variable) {
            self.fault(path, &format!("'{}': {NAMING}", each.variable));
        }
        let Some(body) = each.body else {
            self.fault(path, "it does not say what is to be done for each item");
            return Kind::Sequence(Vec::new());
        };
        let child = self.children(path, vec![body], depth)[0];
        let (items, variable, at_most, join) = (each.items, each.variable, each.at_most, each.join);
        Kind::Each { items, variable, at_most, child, join }
    }

    fn call(&mut self, path: &str, call: CallTask) -> Kind {
        for agent in [Some(&call.agent), call.undo.as_ref()].into_iter().flatten() {
            if agent.is_empty() || agent.len() > limits::ID_BYTES || agent.contains(char::is_control) {
                self.fault(path, "an agent's name has 1 to 255 bytes without control characters");
            }
        }
        if call.undo.is_none() && call.undo_with.is_some() {
            self.fault(path, "it says what puts it back, and not who");
        }
        faults_of(call.timeout, &call.retry).for_each(|fault| self.fault(path, fault));
        if call.undo.is_some() {
            let faults = faults_of(call.undo_timeout, &call.undo_retry);
            faults.for_each(|fault| self.fault(path, &format!("{UNDO_FAULT}{fault}")));
        }
        let undo = call.undo.map(|agent| UndoCall {
            agent,
            input: call.undo_with,
            timeout_ms: call.undo_timeout.map(in_ms),
            retry: call.undo_retry,
        });
        Kind::Call(Call {
            agent: call.agent,
            timeout_ms: call.timeout.map(in_ms),
            retry: call.retry,
            max_elapsed: call.max_elapsed,
            never_for: call.never_for,
            undo,
        })
    }

    fn join(&mut self, path: &str, join: Join, count: usize) {
        let need = match join {
            Join::AtLeast(need) => need,
            _ => 1,
        };
        if need == 0 || need > count {
            self.fault(path, &format!("{need} of its {count} branches can never be done"));
        }
        if count > limits::FLOW_LEAVES {
            self.fault(path, &format!("it has {count} branches; at most {} may be under way", limits::FLOW_LEAVES));
        }
    }

    fn children(&mut self, path: &str, tasks: Vec<(String, Task)>, depth: usize) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let mut children = Vec::with_capacity(tasks.len());
        for (name, task) in tasks {
            let path = below(path, &name);
            if !is_name(&name) {
                self.fault(&path, NAMING);
            }
            if !seen.insert(name.clone()) {
                self.fault(&path, "two tasks beside one another have that name");
            }
            children.push(self.add((&name, path), task, depth));
        }
        children
    }

    fn steps(&mut self, path: &str, tasks: Vec<(String, Vec<String>, Task)>, depth: usize) -> Kind {
        let names: BTreeMap<String, usize> =
            tasks.iter().enumerate().map(|(at, (name, ..))| (name.clone(), at)).collect();
        let mut after: Vec<Vec<usize>> = Vec::with_capacity(tasks.len());
        for (name, wanted, _) in &tasks {
            let mut known = Vec::new();
            for other in wanted {
                match names.get(other) {
                    Some(at) => known.push(*at),
                    None => {
                        self.fault(&below(path, name), &format!("it comes after '{other}', which is not beside it"))
                    }
                }
            }
            known.sort_unstable();
            known.dedup();
            after.push(known);
        }
        if let Some(cycle) = cycle(&after) {
            let named: Vec<&str> = cycle.iter().map(|at| tasks[*at].0.as_str()).collect();
            self.fault(path, &format!("each waits for the other: {}", named.join(" after ")));
        }
        if tasks.is_empty() {
            self.fault(path, "it has no tasks");
        }
        let plain = tasks.into_iter().map(|(name, _, task)| (name, task)).collect();
        let nodes = self.children(path, plain, depth);
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
        for (at, others) in after.iter().enumerate() {
            others.iter().for_each(|other| before[*other].push(at));
        }
        let dots = nodes.into_iter().zip(after).zip(before);
        Kind::Steps(dots.map(|((node, after), before)| Dot { node, after, before }).collect())
    }

    /// Where the children of a task go on is beside them.
    fn goes(&mut self, at: usize) {
        let mut faults = Vec::new();
        let all = self.nodes[at].kind.children();
        let children = matches!(self.nodes[at].kind, Kind::Sequence(_)).then(|| all.clone());
        for child in all.iter().map(|child| &self.nodes[*child]) {
            let mut goes: Vec<&Then> = vec![&child.then];
            if let Kind::Switch(cases) = &child.kind {
                goes.extend(cases.iter().map(|(_, then)| then));
            }
            for then in goes {
                let is_beside = |name: &String| all.iter().any(|other| self.nodes[*other].name == *name);
                match (then, &children) {
                    (Then::To(name), Some(_)) if !is_beside(name) => {
                        faults.push((child.path.clone(), format!("it goes on at '{name}', which is not beside it")));
                    }
                    (Then::To(_) | Then::Exit, None) => {
                        let what = "only a task of a sequence can say where to go on";
                        faults.push((child.path.clone(), what.to_string()));
                    }
                    _ => {}
                }
            }
        }
        if let Some(children) = children {
            faults
                .extend(self.unreachable(&children).into_iter().map(|path| (path, "nothing leads to it".to_string())));
        }
        faults.into_iter().for_each(|(path, what)| self.fault(&path, &what));
    }

    /// Tasks of a sequence that nothing leads to.
    fn unreachable(&self, children: &[usize]) -> Vec<String> {
        let named = |name: &str| children.iter().position(|child| self.nodes[*child].name == name);
        let mut reached = BTreeSet::new();
        let mut left = if children.is_empty() { Vec::new() } else { vec![0] };
        while let Some(at) = left.pop() {
            if !reached.insert(at) {
                continue;
            }
            let node = &self.nodes[children[at]];
            let mut goes = vec![&node.then];
            if let Kind::Switch(cases) = &node.kind {
                let always = cases.iter().any(|(test, _)| test.is_none());
                // A case that always holds is the last way out.
                goes = if always { Vec::new() } else { goes };
                goes.extend(cases.iter().map(|(_, then)| then));
            }
            left.extend(goes.into_iter().filter_map(|then| match then {
                Then::Next => Some(at + 1).filter(|next| *next < children.len()),
                Then::To(name) => named(name),
                Then::Exit | Then::End => None,
            }));
        }
        (0..children.len()).filter(|at| !reached.contains(at)).map(|at| self.nodes[children[at]].path.clone()).collect()
    }
}

fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Some that wait for one another, if any do.
fn cycle(after: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut waits: Vec<usize> = after.iter().map(Vec::len).collect();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (at, others) in after.iter().enumerate() {
        others.iter().for_each(|other| before[*other].push(at));
    }
    let mut ready: Vec<usize> = (0..after.len()).filter(|at| waits[*at] == 0).collect();
    while let Some(at) = ready.pop() {
        for next in &before[at] {
            waits[*next] -= 1;
            if waits[*next] == 0 {
                ready.push(*next);
            }
        }
    }
    let first = waits.iter().position(|waits| *waits > 0)?;
    // From any that still waits, those that it waits for lead into a circle.
    let (mut seen, mut at) = (Vec::new(), first);
    while !seen.contains(&at) {
        seen.push(at);
        at = *after[at].iter().find(|other| waits[**other] > 0)?;
    }
    let start = seen.iter().position(|other| *other == at)?;
    seen.drain(..start);
    seen.push(at);
    Some(seen)
}
