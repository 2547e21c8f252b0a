//! What a program looks at, told from its tree.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::operators::{INDEX, OPT_INDEX, OPT_SELECT};
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};

use super::scope::EVENT;

/// The fields of a name that a tree looks at, if it never looks at the name otherwise.
pub(super) fn fields_of(tree: &IdedExpr, name: &str) -> Option<BTreeSet<String>> {
    let (mut fields, mut uses, mut taken) = (BTreeSet::new(), 0_usize, 0_usize);
    walk(tree, &mut |node| {
        uses += usize::from(is_name(node, name));
        if let Some(field) = field(node, name) {
            taken += 1;
            fields.insert(field.to_string());
        }
    });
    (uses == taken).then_some(fields)
}

/// Whether a tree selects such a field of anything but the event.
pub(super) fn selects(tree: &IdedExpr, field: &str) -> bool {
    let mut found = false;
    walk(tree, &mut |node| {
        found |= match &node.expr {
            Expr::Select(select) => select.field == field && !is_name(&select.operand, EVENT),
            Expr::Call(call) => index(call).is_some_and(|(of, literal)| literal == field && !is_name(of, EVENT)),
            _ => false,
        };
    });
    found
}

/// Every field that a tree selects, and every text that stands in it.
pub(super) fn words(tree: &IdedExpr) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    walk(tree, &mut |node| match &node.expr {
        Expr::Select(select) => drop(words.insert(select.field.clone())),
        Expr::Literal(LiteralValue::String(text)) => drop(words.insert(text.inner().to_string())),
        _ => {}
    });
    words
}

fn is_name(node: &IdedExpr, name: &str) -> bool {
    matches!(&node.expr, Expr::Ident(found) if found.trim_start_matches('.') == name)
}

fn field<'t>(node: &'t IdedExpr, of: &str) -> Option<&'t str> {
    match &node.expr {
        Expr::Select(select) if is_name(&select.operand, of) => Some(&select.field),
        Expr::Call(call) => index(call).filter(|(operand, _)| is_name(operand, of)).map(|(_, literal)| literal),
        _ => None,
    }
}

/// What is indexed, and the text that it is indexed by.
fn index(call: &CallExpr) -> Option<(&IdedExpr, &str)> {
    match (call.func_name.as_str(), call.args.as_slice()) {
        (INDEX | OPT_INDEX | OPT_SELECT, [of, at]) => match &at.expr {
            Expr::Literal(LiteralValue::String(text)) => Some((of, text.inner())),
            _ => None,
        },
        _ => None,
    }
}

fn walk(node: &IdedExpr, see: &mut impl FnMut(&IdedExpr)) {
    see(node);
    match &node.expr {
        Expr::Select(select) => walk(&select.operand, see),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(|part| walk(part, see)),
        Expr::List(list) => list.elements.iter().for_each(|part| walk(part, see)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    walk(&entry.key, see);
                    walk(&entry.value, see);
                }
            }
        }
        Expr::Comprehension(of) => {
            for part in [&of.iter_range, &of.accu_init, &of.loop_cond, &of.loop_step, &of.result] {
                walk(part, see);
            }
        }
        _ => {}
    }
}
