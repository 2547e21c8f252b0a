//! The few changes that a checked tree gets before it is evaluated.

use cel::IdedExpr;
use cel::common::ast::operators::{GREATER, LOGICAL_AND, NOT_EQUALS};
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, SelectExpr};

use super::pattern::MATCHES;

/// `operand.field` was tested: it is there if it is not null.
pub(super) fn is_there(node: &mut IdedExpr) {
    if let Expr::Select(select) = &mut node.expr {
        select.test = false;
    }
    let value = std::mem::take(node);
    *node = not_null(value);
}

/// `operand.field` is tested where the operand itself may be null: then it is not there.
pub(super) fn is_there_within(node: &mut IdedExpr) {
    let Expr::Select(select) = &node.expr else { return };
    let (id, operand) = (node.id, (*select.operand).clone());
    let test = std::mem::take(node);
    *node = call(id, LOGICAL_AND, vec![not_null(operand), test]);
}

/// `text.matches(pattern)`, or `matches(text, pattern)`, by our own function; a pattern that is compiled already by its name.
pub(super) fn matching(call: &mut CallExpr, pattern: Option<&str>) {
    if let Some(target) = call.target.take() {
        call.args.insert(0, *target);
    }
    call.func_name = MATCHES.to_string();
    if let (Some(name), Some(argument)) = (pattern, call.args.get_mut(1)) {
        argument.expr = Expr::Ident(name.to_string());
    }
}

/// `related.task.all(...)`: it begins with whether there is one, so that of none it is false. Other loops stay as they are.
pub(super) fn all_of_some(of: &mut ComprehensionExpr) {
    let init = &of.accu_init;
    if !matches!(&init.expr, Expr::Literal(LiteralValue::Boolean(yes)) if *yes.inner()) {
        return;
    }
    let id = init.id;
    let size = call(id, "size", vec![of.iter_range.clone()]);
    let none = IdedExpr { id, expr: Expr::Literal(LiteralValue::Int(0.into())) };
    of.accu_init = call(id, GREATER, vec![size, none]);
}

/// `related("task")` is `related.task`.
pub(super) fn field_of(name: &str, call: &CallExpr) -> Option<Expr> {
    let [argument] = call.args.as_slice() else { return None };
    let Expr::Literal(LiteralValue::String(field)) = &argument.expr else { return None };
    let operand = Box::new(IdedExpr { id: argument.id, expr: Expr::Ident(name.to_string()) });
    Some(Expr::Select(SelectExpr { operand, field: field.inner().to_string(), test: false }))
}

fn not_null(value: IdedExpr) -> IdedExpr {
    let id = value.id;
    call(id, NOT_EQUALS, vec![value, IdedExpr { id, expr: Expr::Literal(LiteralValue::Null) }])
}

fn call(id: u64, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id, expr: Expr::Call(CallExpr { func_name: name.to_string(), target: None, args }) }
}
