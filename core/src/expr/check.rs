//! The check before anything is evaluated: a walk over the parsed tree that refuses what cannot succeed, and where.
//!
//! The tree is known to be shallow (`scan.rs`), so the walk may call itself.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, SelectExpr};

use super::ExprError;
use super::function;
use super::kind::{Kind, Known};
use super::pattern::{Pattern, environment};
use super::rewrite;
use super::scope::{EVENT, RELATED, Scope, Shape};
use super::source::Source;
use crate::limits;

/// The walk, and what it has found so far.
pub(super) struct Checker<'s> {
    pub(super) scope: &'s Scope,
    pub(super) source: &'s Source<'s>,
    /// Names of the scope that are used.
    pub(super) names: BTreeSet<String>,
    /// The patterns that are written out, by the names that they have in the tree.
    pub(super) patterns: Vec<(String, Pattern)>,
    /// The variables of the loops around, the innermost last.
    locals: Vec<(String, Known<'s>)>,
    loops: usize,
}

impl<'s> Checker<'s> {
    pub(super) fn new(scope: &'s Scope, source: &'s Source<'s>) -> Self {
        let (names, patterns, locals) = Default::default();
        Self { scope, source, names, patterns, locals, loops: 0 }
    }

    /// Checks a node and all below, and says what it will be.
    pub(super) fn visit(&mut self, node: &mut IdedExpr) -> Result<Known<'s>, ExprError> {
        let id = node.id;
        match &mut node.expr {
            Expr::Literal(literal) => Ok(Kind::of_literal(literal).into()),
            Expr::Ident(name) if self.is_event(name) => {
                self.source.refuse(id, "an event is seen by its fields: event.type, event.payload ...")
            }
            Expr::Ident(name) => self.name(id, name),
            Expr::Select(select) if select.test => self.test(node),
            Expr::Select(select) => self.select(id, select),
            Expr::Call(call) => match self.related_call(call) {
                Some(field) => {
                    node.expr = field;
                    self.visit(node)
                }
                None => self.call(id, call),
            },
            Expr::List(list) => {
                list.elements.iter_mut().try_for_each(|element| self.visit(element).map(drop))?;
                Ok(Kind::List.into())
            }
            Expr::Map(map) => {
                map.entries.iter_mut().try_for_each(|entry| self.entry(entry.id, &mut entry.expr))?;
                Ok(Kind::Map.into())
            }
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension),
            Expr::Struct(message) => {
                self.source.refuse(id, format!("there are no messages here, so no '{}'", message.type_name))
            }
            Expr::Unspecified => self.source.refuse(id, "this is no expression"),
        }
    }

    /// As `visit`, where an event may stand: its fields are taken at once.
    pub(super) fn operand(&mut self, node: &mut IdedExpr) -> Result<Known<'s>, ExprError> {
        match &node.expr {
            Expr::Ident(name) if self.is_event(name) => self.name(node.id, name),
            _ => self.visit(node),
        }
    }

    /// Whether a node is the event itself.
    pub(super) fn is_event_node(&self, node: &IdedExpr) -> bool {
        matches!(&node.expr, Expr::Ident(name) if self.is_event(name))
    }

    fn is_event(&self, name: &str) -> bool {
        name.trim_start_matches('.') == EVENT
            && self.local(name).is_none()
            && matches!(self.scope.get(EVENT), Some(Shape::Object(_)))
    }

    /// Whether a name is that of the related entities.
    fn names_related(&self, name: &str) -> bool {
        name.trim_start_matches('.') == RELATED && self.local(name).is_none() && self.scope.get(RELATED).is_some()
    }

    /// `related("task")`, as the field that it stands for.
    fn related_call(&self, call: &CallExpr) -> Option<Expr> {
        let is_meant = call.target.is_none() && self.names_related(&call.func_name);
        if is_meant { rewrite::field_of(RELATED, call) } else { None }
    }

    /// Whether a value is of the related entities: their lists, and what is filtered, mapped, chosen or joined of them.
    fn is_related(&self, node: &IdedExpr) -> bool {
        match &node.expr {
            Expr::Ident(name) => self.names_related(name),
            Expr::Select(select) => self.is_related(&select.operand),
            Expr::Comprehension(of) => self.is_related(&of.iter_range),
            Expr::Call(call) => {
                let of = call.target.as_deref().into_iter().chain(call.args.iter().take(1));
                of.into_iter().any(|node| self.is_related(node))
            }
            _ => false,
        }
    }

    fn local(&self, name: &str) -> Option<Known<'s>> {
        self.locals.iter().rev().find(|(local, _)| local == name).map(|(_, known)| *known)
    }

    fn name(&mut self, id: u64, name: &str) -> Result<Known<'s>, ExprError> {
        if let Some(known) = self.local(name) {
            return Ok(known);
        }
        let name = name.trim_start_matches('.');
        match self.global(name) {
            Some(known) => Ok(known),
            None => {
                let names = self.scope.names().join(", ");
                self.source.refuse(id, format!("there is no name '{name}'; there are: {names}"))
            }
        }
    }

    /// A name of the scope, or a type's.
    fn global(&mut self, name: &str) -> Option<Known<'s>> {
        if let Some(shape) = self.scope.get(name) {
            self.names.insert(name.to_string());
            return Some(Known::shaped(shape));
        }
        environment().types().find_type(name).map(|_| Kind::Type.into())
    }

    fn select(&mut self, id: u64, select: &mut SelectExpr) -> Result<Known<'s>, ExprError> {
        // A name with dots comes first, as it does in the evaluator.
        if let Some(path) = path(&select.operand) {
            let root = path.split('.').next().unwrap_or_default();
            let known =
                if self.local(root).is_none() { self.global(&format!("{path}.{}", select.field)) } else { None };
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let operand = self.operand(&mut select.operand)?;
        self.field(self.source.at(id), operand, &select.field)
    }

    /// A field of something; it is refused where there cannot be one.
    pub(super) fn field(&self, at: usize, of: Known<'s>, field: &str) -> Result<Known<'s>, ExprError> {
        match of.shape {
            Some(Shape::Object(fields)) => match fields.get(field) {
                Some(shape) => Ok(Known::shaped(shape)),
                None => {
                    let fields: Vec<_> = fields.keys().copied().collect();
                    self.source
                        .refuse_at(at, format!("there is no field '{field}' here; there are: {}", fields.join(", ")))
                }
            },
            Some(Shape::Map { of, .. }) => Ok(Known::shaped(of)),
            _ if function::has_fields(of.kind) => Ok(Known::ANY),
            _ => self.source.refuse_at(at, format!("{} has no fields, so no '{field}'", of.kind.name())),
        }
    }

    /// `has(operand.field)`.
    fn test(&mut self, node: &mut IdedExpr) -> Result<Known<'s>, ExprError> {
        let Expr::Select(select) = &mut node.expr else { return Ok(Kind::Bool.into()) };
        let operand = self.operand(&mut select.operand)?;
        // The parser has put `has` in the place of the field.
        let at = self.source.field_after(self.source.at(select.operand.id));
        self.field(at, operand, &select.field)?;
        // The event's own fields are all there for the evaluator, and null where the event has none.
        if self.is_event_node(&select.operand) {
            rewrite::is_there(node);
        } else if matches!(&select.operand.expr, Expr::Select(inner) if self.is_event_node(&inner.operand)) {
            rewrite::is_there_within(node);
        }
        Ok(Kind::Bool.into())
    }

    fn entry(&mut self, id: u64, entry: &mut EntryExpr) -> Result<(), ExprError> {
        let EntryExpr::MapEntry(entry) = entry else { return self.source.refuse(id, "this is no entry of a map") };
        let key = self.visit(&mut entry.key)?.kind;
        if !function::is_key(key) {
            return self.source.refuse(entry.key.id, format!("{} cannot be a key", key.name()));
        }
        self.visit(&mut entry.value).map(drop)
    }

    fn comprehension(&mut self, id: u64, of: &mut ComprehensionExpr) -> Result<Known<'s>, ExprError> {
        let range = self.visit(&mut of.iter_range)?;
        if !function::is_range(range.kind) {
            return self.source.refuse(id, format!("a loop runs over a list or a map, not over {}", range.kind.name()));
        }
        if self.loops == limits::EXPRESSION_LOOPS {
            return self
                .source
                .refuse(id, format!("at most {} loops are taken within each other", limits::EXPRESSION_LOOPS));
        }
        if self.is_related(&of.iter_range) {
            rewrite::all_of_some(of);
        }
        self.loops += 1;
        let accumulator = self.visit(&mut of.accu_init)?;
        self.locals.push((of.accu_var.clone(), accumulator));
        self.locals.push((of.iter_var.clone(), range.element()));
        let second = of.iter_var2.clone().map(|name| (name, Known::ANY));
        let locals = self.locals.len() - 2;
        self.locals.extend(second);
        self.visit(&mut of.loop_cond)?;
        self.visit(&mut of.loop_step)?;
        self.locals.truncate(locals + 1);
        let result = self.visit(&mut of.result)?;
        self.locals.truncate(locals);
        self.loops -= 1;
        Ok(result)
    }
}

/// A name with dots, if that is what a node spells.
pub(super) fn path(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Ident(name) => Some(name.trim_start_matches('.').to_string()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}
