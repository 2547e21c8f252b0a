//! When several tasks are over: a fork's branches, or the items of a loop.

use std::collections::BTreeMap;

use super::model::{Join, Kind, Node, Tree};
use super::state::{End, Where};
use crate::Json;

/// How several tasks stand.
pub(super) enum Joined {
    /// It is over, and gives that.
    Over(Json),
    Goes,
}

/// Whether enough of them are over.
pub(super) fn joined(tree: &Tree, node: &Node, at: &Where) -> Joined {
    let (join, total) = match (&node.kind, at) {
        (Kind::Fork { children, join }, _) => (*join, children.len()),
        (Kind::Each { join, .. }, Where::Each { items, .. }) => (*join, items.len()),
        _ => return Joined::Goes,
    };
    match join {
        // Nothing is put in order before all are there: a long loop asks this after each item.
        Join::All | Join::Collect if ended(at) < total => Joined::Goes,
        Join::All | Join::Collect => Joined::Over(in_order(tree, node, at, join == Join::Collect)),
        Join::AtLeast(need) => {
            let well = well(at);
            if well.len() >= need { Joined::Over(Json::of(&well[..need])) } else { Joined::Goes }
        }
        Join::First => well(at).into_iter().next().map_or(Joined::Goes, Joined::Over),
    }
}

/// Whether a failure of one is just one end of several.
pub(super) fn counts_failures(node: &Node, at: &Where) -> bool {
    let (join, total) = match (&node.kind, at) {
        (Kind::Fork { children, join }, _) => (*join, children.len()),
        (Kind::Each { join, .. }, Where::Each { items, .. }) => (*join, items.len()),
        _ => return false,
    };
    let can_still = |need: usize| total.saturating_sub(ended(at) - well(at).len() + 1) >= need;
    match join {
        Join::All => false,
        Join::Collect => true,
        Join::AtLeast(need) => can_still(need),
        Join::First => can_still(1),
    }
}

fn ended(at: &Where) -> usize {
    match at {
        Where::Fork { ends, .. } => ends.len(),
        Where::Each { ends, .. } => ends.len(),
        _ => 0,
    }
}

/// What those gave that went well, the earliest first.
fn well(at: &Where) -> Vec<Json> {
    let output = |end: &End| if let End::Done(output) = end { Some(output.clone()) } else { None };
    let mut all: Vec<Json> = match at {
        Where::Fork { ends, .. } => ends.iter().filter_map(|(_, end)| output(end)).collect(),
        Where::Each { ends, .. } => ends.iter().filter_map(|(_, end)| output(end)).collect(),
        _ => Vec::new(),
    };
    all.reverse();
    all
}

/// What each gave, in the order in which they are written.
fn in_order(tree: &Tree, node: &Node, at: &Where, with_failures: bool) -> Json {
    let told = |end: &End| match end {
        End::Done(output) if with_failures => Json::of(&BTreeMap::from([("output", output)])),
        End::Done(output) => output.clone(),
        End::Failed(error) => Json::of(&BTreeMap::from([("error", error)])),
    };
    match (&node.kind, at) {
        (Kind::Fork { children, .. }, Where::Fork { ends, .. }) => {
            let by_name: BTreeMap<&str, Json> = ends.iter().map(|(name, end)| (name.as_str(), told(end))).collect();
            let names = children.iter().map(|child| tree.nodes[*child].name.as_str());
            Json::of(&names.map(|name| by_name.get(name).cloned().unwrap_or_default()).collect::<Vec<Json>>())
        }
        (_, Where::Each { ends, .. }) => {
            let by_item: BTreeMap<usize, Json> = ends.iter().map(|(item, end)| (*item, told(end))).collect();
            Json::of(&by_item.into_values().collect::<Vec<Json>>())
        }
        _ => Json::null(),
    }
}
