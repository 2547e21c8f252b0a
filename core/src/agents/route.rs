//! A route: which of several agents takes a task, and why.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, Who};
use crate::event::Pattern;
use crate::expr::{Program, Scope, Shape, View};
use crate::near::nearest;
use crate::{Json, limits};

/// A route as it is written: it has a name among the agents', and candidates.
///
/// ```
/// use regie_core::agents::{Candidate, Route};
/// let route = Route::new("bank")
///     .to(Candidate::agent("giro").kind("transfer.*"))
///     .to(Candidate::capability("payments").prefer(1).when("task.amount < 1000"))
///     .fallback(Candidate::agent("clerk"));
/// assert_eq!(route.name, "bank");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name, by which it is called like an agent.
    pub name: String,
    /// Who may take a task: by preference, then by load.
    pub candidates: Vec<Candidate>,
    /// Who takes it where none of those does, in this order.
    pub fallbacks: Vec<Candidate>,
}

/// Why a route cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route '{route}': {why}")]
pub struct RouteError {
    /// Which route.
    pub route: String,
    /// Why.
    pub why: String,
}

impl Route {
    /// A route without candidates yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), candidates: Vec::new(), fallbacks: Vec::new() }
    }

    /// One candidate more.
    #[must_use]
    pub fn to(mut self, candidate: Candidate) -> Self {
        self.candidates.push(candidate);
        self
    }

    /// One more who takes what nobody else does.
    #[must_use]
    pub fn fallback(mut self, candidate: Candidate) -> Self {
        self.fallbacks.push(candidate);
        self
    }

    /// Checks it against the agents that there are, by name with what they can.
    ///
    /// # Errors
    /// If it names what there is not, or a condition of it cannot be.
    pub fn compile(&self, agents: &BTreeMap<String, BTreeSet<String>>) -> Result<CompiledRoute, RouteError> {
        let wrong = |why: String| RouteError { route: self.name.clone(), why };
        let preferred = self.candidates.iter().map(|candidate| (Rank::Preferred(candidate.preference), candidate));
        let fallbacks = (1..).zip(&self.fallbacks).map(|(nth, candidate)| (Rank::Fallback(nth), candidate));
        let mut ways = Vec::new();
        for (rank, candidate) in preferred.chain(fallbacks) {
            let kinds = candidate.kinds.iter().map(|kind| Pattern::parse(kind)).collect::<Result<Vec<_>, _>>();
            let kinds = kinds.map_err(|error| wrong(error.to_string()))?;
            let when = candidate.when.as_ref().map(|when| Program::condition(when, &scope())).transpose();
            let when = when.map_err(|error| wrong(format!("the condition of {}: {error}", candidate.who)))?;
            for agent in meant(&candidate.who, agents).map_err(wrong)? {
                ways.push(Way { rank, agent, kinds: kinds.clone(), when: when.clone() });
            }
        }
        let cost: u64 = ways.iter().filter_map(|way| way.when.as_ref()).map(Program::cost).sum();
        match ways.len() {
            _ if cost > limits::EXPRESSION_COST => {
                let most = limits::EXPRESSION_COST;
                Err(wrong(format!("its conditions cost up to {cost} steps together; at most {most} are taken")))
            }
            0 => Err(wrong("it has no candidates".into())),
            count if count > limits::ROUTE_CANDIDATES => {
                Err(wrong(format!("it has {count} candidates; at most {} are taken", limits::ROUTE_CANDIDATES)))
            }
            _ => Ok(CompiledRoute { name: self.name.clone(), ways }),
        }
    }
}

/// The agents that are meant, by name.
fn meant(who: &Who, agents: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<String>, String> {
    let near = |given: &str, names: &mut dyn Iterator<Item = &str>| {
        nearest(given, names).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default()
    };
    match who {
        Who::Agent(name) if agents.contains_key(name) => Ok(vec![name.clone()]),
        Who::Agent(name) => {
            Err(format!("there is no agent '{name}'{}", near(name, &mut agents.keys().map(String::as_str))))
        }
        Who::Capability(what) => {
            let able = agents.iter().filter(|(_, can)| can.contains(what)).map(|(name, _)| name.clone());
            let able: Vec<String> = able.collect();
            if !able.is_empty() {
                return Ok(able);
            }
            let mut all = agents.values().flatten().map(String::as_str);
            Err(format!("no agent has the capability '{what}'{}", near(what, &mut all)))
        }
    }
}

/// What a condition may name.
fn scope() -> Scope {
    Scope::new().with("task", Shape::Any)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Preferred(u32),
    Fallback(u32),
}

/// A route that was checked.
#[derive(Clone, Debug)]
pub struct CompiledRoute {
    name: String,
    ways: Vec<Way>,
}

#[derive(Clone, Debug)]
struct Way {
    rank: Rank,
    agent: String,
    kinds: Vec<Pattern>,
    when: Option<Program>,
}

/// How an agent is, as a route sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why it takes no call now, if it takes none.
    pub trouble: Option<String>,
    /// Calls that run or wait.
    pub calls: u64,
    /// Calls that may run at once.
    pub places: u64,
}

/// An agent that may take a task, and why it is this one's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Who.
    pub agent: String,
    /// Why.
    pub why: String,
}

/// Why a candidate did not take a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Who.
    pub agent: String,
    /// Why not.
    pub why: String,
}

impl PassedOver {
    /// Of an agent; of a long reason the beginning counts.
    pub fn new(agent: impl Into<String>, why: &str) -> Self {
        Self { agent: agent.into(), why: why.chars().take(limits::ROUTE_WHY_CHARS).collect() }
    }
}

/// What a route came to, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The route.
    pub route: String,
    /// Who took the task; nobody if none could.
    pub agent: Option<String>,
    /// Why this one.
    pub why: String,
    /// Why each other that was looked at before did not.
    pub passed_over: Vec<PassedOver>,
}

/// In which order a task is offered, and who is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who may take it, in this order.
    pub chosen: Vec<Chosen>,
    /// Who may not.
    pub passed_over: Vec<PassedOver>,
}

impl CompiledRoute {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who may take it, each once.
    pub fn agents(&self) -> BTreeSet<&str> {
        self.ways.iter().map(|way| way.agent.as_str()).collect()
    }

    /// In which order a task is offered to its candidates: by preference, then by load, then by name; the fallbacks last.
    pub fn order(&self, task: &Json, standing: impl Fn(&str) -> Option<Standing>) -> Order {
        let kind = kind_of(task);
        let mut order = Order { chosen: Vec::new(), passed_over: Vec::new() };
        let mut able: Vec<(&Way, Standing)> = Vec::new();
        for way in &self.ways {
            let other = able.iter().position(|(other, _)| other.agent == way.agent);
            if other.is_some_and(|at| able[at].0.rank <= way.rank) {
                continue; // it may take it by a way that is as good
            }
            match way.may_take(task, kind.as_deref(), standing(&way.agent)) {
                Ok(standing) => match other {
                    Some(at) => able[at] = (way, standing),
                    None => able.push((way, standing)),
                },
                Err(_) if order.passed_over.iter().any(|it| it.agent == way.agent) => {} // the first reason is told
                Err(why) => order.passed_over.push(PassedOver::new(&way.agent, &why)),
            }
        }
        // Who may take it by a later way is not passed over.
        order.passed_over.retain(|it| able.iter().all(|(way, _)| way.agent != it.agent));
        able.sort_by(|(left, at_left), (right, at_right)| {
            let by_load = || by_load(at_left, at_right).then_with(|| left.agent.cmp(&right.agent));
            left.rank.cmp(&right.rank).then_with(by_load)
        });
        for (way, standing) in &able {
            let rivals = able.iter().filter(|(other, _)| other.rank == way.rank).count();
            order.chosen.push(Chosen { agent: way.agent.clone(), why: why(way.rank, rivals, standing) });
        }
        order
    }
}

impl Way {
    fn may_take(&self, task: &Json, kind: Option<&str>, standing: Option<Standing>) -> Result<Standing, String> {
        if !self.kinds.is_empty() && !kind.is_some_and(|kind| self.kinds.iter().any(|it| it.matches(kind))) {
            let kind = kind.map_or("the task has none".into(), |kind| format!("the task's is '{kind}'"));
            return Err(format!("it takes other kinds of tasks: {kind}"));
        }
        if let Some(when) = &self.when {
            match when.truth(&View::new().json("task", task)) {
                Ok(true) => {}
                Ok(false) => return Err(format!("its condition does not hold: {}", when.text())),
                Err(error) => return Err(format!("its condition cannot be told: {error}")),
            }
        }
        let standing = standing.ok_or("there is no such agent")?;
        standing.trouble.clone().map_or(Ok(standing), Err)
    }
}

/// The kind of a task: its field `kind`, if that is a text.
fn kind_of(task: &Json) -> Option<String> {
    #[derive(Deserialize)]
    struct Kinded {
        kind: String,
    }
    task.to::<Kinded>().ok().map(|task| task.kind)
}

/// Less of its places taken comes first.
fn by_load(left: &Standing, right: &Standing) -> std::cmp::Ordering {
    let share = |it: &Standing, other: &Standing| u128::from(it.calls) * u128::from(other.places.max(1));
    share(left, right).cmp(&share(right, left))
}

fn why(rank: Rank, rivals: usize, standing: &Standing) -> String {
    let rank = match rank {
        Rank::Preferred(preference) => format!("preference {preference}"),
        Rank::Fallback(nth) => format!("fallback {nth}"),
    };
    let load = format!("{} of {} places taken", standing.calls, standing.places);
    if rivals > 1 { format!("{rank}, the least loaded of {rivals} left: {load}") } else { format!("{rank}: {load}") }
}
