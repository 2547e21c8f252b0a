//! What the model knows of the workflows that there are: their steps, in plain words.

/// A step of a workflow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) workflow: &'static str,
    /// Its name: the path of its task in a flow.
    pub(crate) name: &'static str,
    /// How often it is tried.
    pub(crate) tries: u32,
    /// How often putting it back is tried, if something does that.
    pub(crate) undo: Option<u32>,
    /// How often it may begin, unless a person has the run go on.
    pub(crate) rounds: u32,
}

const fn step(workflow: &'static str, name: &'static str, tries: u32, undo: Option<u32>) -> Step {
    Step { workflow, name, tries, undo, rounds: 1 }
}

pub(crate) const STEPS: &[Step] = &[
    step("saga", "reserve", 2, Some(2)),
    step("saga", "pay", 3, Some(2)),
    step("saga", "pack", 2, Some(3)),
    step("saga", "wrap", 2, Some(2)),
    step("saga", "send", 2, None),
    step("forks", "first", 3, Some(2)),
    step("forks", "both/a", 2, Some(2)),
    step("forks", "both/b", 2, Some(2)),
    step("forks", "both/c", 2, None),
    step("forks", "soon/some/p", 2, Some(2)),
    step("forks", "more", 2, None),
    step("forks", "graph/x", 2, Some(2)),
    step("forks", "graph/y", 2, Some(2)),
    Step { rounds: 2, ..step("forks", "tried/it", 1, Some(2)) },
    step("waits", "ask", 3, Some(2)),
    step("parent", "before", 3, Some(2)),
    step("parent", "race/call", 2, None),
    step("parent", "after", 2, None),
    step("child", "one", 2, Some(2)),
    step("child", "two", 2, None),
    step("order", "pack", 2, Some(2)),
    step("order", "ship", 2, Some(2)),
];

/// All of them: a correlation of one begins with its name.
pub(crate) const WORKFLOWS: [&str; 6] = ["saga", "forks", "waits", "parent", "child", "order"];

/// Events that a task without a time limit listens to, and those that one with a limit does, by the tasks.
pub(crate) const LISTENERS: [(&str, &str, bool); 2] = [("paid/on", "waits.paid", true), ("done", "waits.done", false)];

/// States of the machine in which an event has a place that it keeps else.
pub(crate) const TAKES: [(&str, &str); 2] = [("Waiting", "order.paid"), ("OnItsWay", "order.arrived")];

/// Events that are taken or kept, and by nobody passed over.
pub(crate) const TAKEN: [&str; 6] =
    ["order.placed", "order.paid", "order.arrived", "order.lost", "waits.paid", "waits.done"];

/// What clients send to them, by their names.
pub(crate) const KINDS: [(&str, &[&str]); 7] = [
    ("saga", &["saga.begin", "saga.begin", "saga.wait", "saga.desk"]),
    ("forks", &["forks.begin"]),
    ("waits", &["waits.begin", "waits.paid", "waits.done", "waits.paid", "waits.done"]),
    ("order", &["order.placed", "order.arrived", "order.paid", "order.arrived"]),
    ("parent", &["parent.begin"]),
    ("child", &["child.begin"]),
    ("order", &["order.placed", "order.placed", "order.paid", "order.arrived", "order.noted", "order.lost"]),
];

/// The workflow that a correlation is of, if it is of one.
pub(crate) fn workflow_of(correlation: &str) -> Option<&'static str> {
    let name = correlation.split('-').next().unwrap_or_default();
    WORKFLOWS.into_iter().find(|workflow| *workflow == name && name.len() < correlation.len())
}

/// What is said of a step.
pub(crate) fn step_of(workflow: &str, name: &str) -> &'static Step {
    let found = STEPS.iter().find(|step| step.workflow == workflow && step.name == name);
    found.unwrap_or_else(|| panic!("{workflow} has no step {name}"))
}
