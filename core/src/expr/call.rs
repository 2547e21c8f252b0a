//! The check of operators and functions.

use cel::IdedExpr;
use cel::common::ast::operators::{CONDITIONAL, IN, INDEX, LOGICAL_AND, LOGICAL_OR, OPT_INDEX, OPT_SELECT};
use cel::common::ast::{CallExpr, Expr, LiteralValue};

use super::ExprError;
use super::check::{Checker, path};
use super::error::plain;
use super::function::{self, Function, Price};
use super::kind::{Kind, Known};
use super::operator;
use super::pattern::Pattern;
use super::rewrite;

type Checked<'s> = Result<Known<'s>, ExprError>;

impl<'s> Checker<'s> {
    /// Checks a call, an operator's or a function's.
    pub(super) fn call(&mut self, id: u64, call: &mut CallExpr) -> Checked<'s> {
        match (call.func_name.as_str(), call.args.as_mut_slice()) {
            (CONDITIONAL, [condition, yes, no]) => {
                let found = self.visit(condition)?.kind;
                if !found.fits(Kind::Bool) {
                    return self
                        .source
                        .refuse(condition.id, format!("a choice is made by a bool, not by {}", found.name()));
                }
                let (yes, no) = (self.visit(yes)?, self.visit(no)?);
                Ok(if yes.kind == no.kind { yes.kind.into() } else { Known::ANY })
            }
            (LOGICAL_AND, [left, right]) => self.logic(false, left, right),
            (LOGICAL_OR, [left, right]) => self.logic(true, left, right),
            (INDEX | OPT_INDEX | OPT_SELECT, [_, _]) => self.index(id, call),
            (IN, [_, container]) if self.is_event_node(container) => {
                self.source.refuse(id, "whether an event has a field is asked by has(event.field)")
            }
            (operator, _) if !is_name(operator) => self.operator(id, call),
            _ => self.function(id, call),
        }
    }

    /// Refuses an operand that is no bool, unless the other decides alone, as CEL has it.
    fn logic(&mut self, decides: bool, left: &mut IdedExpr, right: &mut IdedExpr) -> Checked<'s> {
        let kinds = [self.visit(left)?.kind, self.visit(right)?.kind];
        let decided = is_bool(left, decides) || is_bool(right, decides);
        for (node, kind) in [left, right].into_iter().zip(kinds) {
            if !kind.fits(Kind::Bool) && !decided {
                let operator = if decides { "||" } else { "&&" };
                return self.source.refuse(node.id, format!("'{operator}' takes bools, not {}", kind.name()));
            }
        }
        Ok(Kind::Bool.into())
    }

    fn index(&mut self, id: u64, call: &mut CallExpr) -> Checked<'s> {
        let [of, index] = call.args.as_mut_slice() else { return Ok(Known::ANY) };
        let event = self.is_event_node(of);
        let (known, kind) = (self.operand(of)?, self.visit(index)?.kind);
        let optional = call.func_name != INDEX;
        if let Expr::Literal(LiteralValue::String(field)) = &index.expr
            && known.shape.is_some()
            && known.kind != Kind::List
        {
            let found = self.field(self.source.at(index.id), known, field.inner())?;
            return Ok(if optional { Kind::Optional.into() } else { found });
        }
        if event {
            return self.source.refuse(id, "an event's fields are named: event.type, or event['type']");
        }
        match operator::result(&call.func_name, &[known.kind, kind]) {
            Some(result) if optional => Ok(result.into()),
            Some(_) => Ok(if known.kind == Kind::List { known.element() } else { Known::ANY }),
            None => self.misfit(id, &call.func_name, &[known.kind, kind]),
        }
    }

    fn operator(&mut self, id: u64, call: &mut CallExpr) -> Checked<'s> {
        let kinds = self.kinds(&mut call.args)?;
        match operator::result(&call.func_name, &kinds) {
            Some(result) => Ok(result.into()),
            None => self.misfit(id, &call.func_name, &kinds),
        }
    }

    fn kinds(&mut self, args: &mut [IdedExpr]) -> Result<Vec<Kind>, ExprError> {
        args.iter_mut().map(|arg| self.visit(arg).map(|known| known.kind)).collect()
    }

    fn misfit<T>(&self, id: u64, function: &str, kinds: &[Kind]) -> Result<T, ExprError> {
        let kinds: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        self.source.refuse(id, format!("'{}' does not take ({})", plain(function), kinds.join(", ")))
    }

    fn function(&mut self, id: u64, call: &mut CallExpr) -> Checked<'s> {
        let function = self.known(id, call)?;
        let mut kinds = match call.target.as_deref_mut().filter(|_| function.member) {
            Some(target) => vec![self.visit(target)?.kind],
            None => Vec::new(),
        };
        kinds.extend(self.kinds(&mut call.args)?);
        if !function.rows.iter().any(|(wanted, _)| wanted.len() == kinds.len()) {
            let count = kinds.len() - usize::from(function.member);
            return self
                .source
                .refuse(id, format!("'{}' does not take {count} argument{}", call.func_name, plural(count)));
        }
        let Some(result) = operator::overload(function.rows, &kinds) else {
            return self.misfit(id, &call.func_name, &kinds);
        };
        if function.price == Price::Matches {
            self.pattern(call)?;
        }
        Ok(result.into())
    }

    /// The function that is called, by its name alone, as the evaluator finds it.
    fn known(&self, id: u64, call: &CallExpr) -> Result<&'static Function, ExprError> {
        let name = call.func_name.as_str();
        let Some(target) = &call.target else {
            return match (function::find(name, false), function::find(name, true)) {
                (Some(function), _) => Ok(function),
                (None, Some(_)) => self.source.refuse(id, format!("'{name}' is called on a value: x.{name}(...)")),
                (None, None) => self.unknown(id, name),
            };
        };
        let qualified = path(target).and_then(|path| function::find(&format!("{path}.{name}"), false));
        match (qualified.or_else(|| function::find(name, true)), function::find(name, false)) {
            (Some(function), _) => Ok(function),
            (None, Some(_)) => self.source.refuse(id, format!("'{name}' is not called on a value: {name}(x)")),
            (None, None) => self.unknown(id, name),
        }
    }

    fn unknown<T>(&self, id: u64, name: &str) -> Result<T, ExprError> {
        let why = match name {
            "has" => "'has' takes one field: has(x.field)".to_string(),
            _ if function::MACROS.contains(&name) => format!("'{name}' does not take these arguments"),
            _ => format!("there is no function '{name}'"),
        };
        self.source.refuse(id, why)
    }

    /// Compiles a pattern that is written out.
    fn pattern(&mut self, call: &mut CallExpr) -> Result<(), ExprError> {
        let Some(argument) = call.args.last() else { return Ok(()) };
        let Expr::Literal(LiteralValue::String(text)) = &argument.expr else {
            rewrite::matching(call, None);
            return Ok(());
        };
        match Pattern::compile(text.inner()) {
            Ok(pattern) => {
                let name = format!("@pattern{}", self.patterns.len());
                rewrite::matching(call, Some(&name));
                self.patterns.push((name, pattern));
                Ok(())
            }
            Err(why) => self.source.refuse(argument.id, why),
        }
    }
}

fn is_name(function: &str) -> bool {
    function.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn is_bool(node: &IdedExpr, value: bool) -> bool {
    matches!(&node.expr, Expr::Literal(LiteralValue::Boolean(found)) if *found.inner() == value)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
