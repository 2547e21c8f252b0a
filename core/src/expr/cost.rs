//! What an expression costs at worst, told from how large its input may be.
//!
//! The parts of a value are together no larger than it is. So a loop over a value of `b` bytes costs at worst what it costs
//! for as many elements as fit, each of the smallest size, and once for an element of all `b` bytes: what is spent on parts
//! of the element is not multiplied by their number.

use cel::IdedExpr;
use cel::common::ast::operators::{CONDITIONAL, IN, INDEX, OPT_INDEX, OPT_SELECT};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};

use super::check::path;
use super::function::{self, Price};
use super::pattern::MATCHES;
use super::scope::{Scope, Shape};
use crate::limits;

/// The cost of a tree that was checked, in steps.
pub(super) fn of(tree: &IdedExpr, scope: &Scope) -> u64 {
    Pricer { scope, locals: Vec::new() }.price(tree).cost
}

/// What a part costs, and how large its value may be.
#[derive(Clone, Copy, Debug, Default)]
struct Priced {
    cost: u64,
    size: Size,
}

/// Most bytes, and most elements of a list or keys of a map.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    bytes: u64,
    items: u64,
}

/// The fewest bytes of an element: one digit and a comma.
const LEAST: Size = Size { bytes: 2, items: 1 };
/// A number, a bool, a timestamp.
const SMALL: Size = Size { bytes: 32, items: 0 };
/// Bytes that are copied or compared in one step.
const STRIDE: u64 = 64;
/// Steps of one turn of a loop, besides what it evaluates: its element is copied and named.
const TURN: u64 = 2;
/// Steps to compile a pattern that is not written out.
const PATTERN: u64 = 20_000;

impl Size {
    fn of(shape: &Shape) -> Self {
        let input = limits::EXPRESSION_INPUT_BYTES as u64;
        match shape {
            Shape::Any => Self { bytes: input, items: input / LEAST.bytes },
            Shape::Bool | Shape::Int | Shape::Time => SMALL,
            Shape::Text { bytes } => Self { bytes: *bytes as u64, items: 0 },
            Shape::List { of, most } | Shape::Map { of, most } => {
                let bytes = Self::of(of).bytes.saturating_mul(*most as u64);
                Self { bytes: bytes.min(input), items: *most as u64 }
            }
            Shape::Object(fields) => {
                let bytes = fields.values().map(|field| Self::of(field).bytes).fold(0, u64::saturating_add);
                Self { bytes: bytes.min(input), items: fields.len() as u64 }
            }
        }
    }

    fn and(self, other: Size) -> Self {
        let (bytes, items) = (self.bytes.saturating_add(other.bytes), self.items.saturating_add(other.items));
        Self { bytes, items }
    }
}

impl Priced {
    fn and(self, other: Priced) -> Self {
        Self { cost: self.cost.saturating_add(other.cost), size: self.size.and(other.size) }
    }

    fn plus(self, cost: u64) -> Self {
        Self { cost: self.cost.saturating_add(cost), ..self }
    }

    fn sized(self, size: Size) -> Self {
        Self { size, ..self }
    }

    /// The cost and size of this many of it.
    fn times(self, count: u64) -> Self {
        let size = Size { bytes: self.size.bytes.saturating_mul(count), items: self.size.items.saturating_mul(count) };
        Self { cost: self.cost.saturating_mul(count), size }
    }
}

struct Pricer<'s> {
    scope: &'s Scope,
    locals: Vec<(&'s str, Size)>,
}

impl<'s> Pricer<'s> {
    fn price(&mut self, node: &'s IdedExpr) -> Priced {
        match &node.expr {
            Expr::Literal(literal) => Priced { cost: 1, size: literal_size(literal) },
            Expr::Ident(name) => Priced { cost: 1, size: self.name(name) },
            Expr::Select(select) => {
                let named = path(node).and_then(|path| self.scoped(&path));
                let operand = self.price(&select.operand).plus(1);
                named.map_or(operand, |size| operand.sized(size))
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let all = self.all(&list.elements);
                all.plus(all.size.bytes / STRIDE).sized(Size { items: list.elements.len() as u64, ..all.size })
            }
            Expr::Map(map) => map.entries.iter().fold(Priced::default(), |sum, entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    let entry = self.price(&entry.key).and(self.price(&entry.value)).plus(2);
                    let size =
                        Size { items: sum.size.items + 1, bytes: sum.size.bytes.saturating_add(entry.size.bytes) };
                    sum.and(entry).sized(size)
                }
                EntryExpr::StructField(_) => sum,
            }),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) | Expr::Unspecified => Priced::default(),
        }
    }

    fn all(&mut self, nodes: &'s [IdedExpr]) -> Priced {
        nodes.iter().fold(Priced::default(), |sum, node| sum.and(self.price(node))).plus(1)
    }

    fn name(&self, name: &str) -> Size {
        let local = self.locals.iter().rev().find(|(local, _)| *local == name).map(|(_, size)| *size);
        local.or_else(|| self.scoped(name.trim_start_matches('.'))).unwrap_or(SMALL)
    }

    /// The size of a path of the scope, if it begins with no variable of a loop.
    fn scoped(&self, path: &str) -> Option<Size> {
        if let Some(shape) = self.scope.get(path) {
            return Some(Size::of(shape));
        }
        let (outer, field) = path.rsplit_once('.')?;
        let root = path.split('.').next()?;
        if self.locals.iter().any(|(local, _)| *local == root) {
            return None;
        }
        match self.shape(outer)? {
            Shape::Object(fields) => fields.get(field).map(Size::of),
            Shape::Map { of, .. } => Some(Size::of(of)),
            _ => None,
        }
    }

    fn shape(&self, path: &str) -> Option<&'s Shape> {
        let named = self.scope.get(path);
        let within = || match (self.shape(path.rsplit_once('.')?.0)?, path.rsplit_once('.')?.1) {
            (Shape::Object(fields), field) => fields.get(field),
            (Shape::Map { of, .. }, _) => Some(&**of),
            _ => None,
        };
        named.or_else(within)
    }

    fn call(&mut self, call: &'s CallExpr) -> Priced {
        let each: Vec<Priced> = call.args.iter().map(|arg| self.price(arg)).collect();
        let args = each.iter().copied().fold(Priced::default(), Priced::and).plus(1);
        let sizes: Vec<Size> = each.iter().map(|arg| arg.size).collect();
        match (call.func_name.as_str(), sizes.as_slice()) {
            (CONDITIONAL, [_, yes, no]) => args.sized(yes.and(*no)),
            (INDEX | OPT_INDEX | OPT_SELECT, [of, _]) => args.sized(*of),
            ("_+_", _) => args.plus(args.size.bytes / STRIDE),
            (IN, [wanted, within]) => {
                let compared = wanted.bytes.saturating_mul(within.items).min(within.bytes) / STRIDE;
                args.plus(compared.saturating_add(within.items / 8)).sized(SMALL)
            }
            (MATCHES, [text, pattern]) => {
                let compiled = if is_compiled(call) { 0 } else { PATTERN };
                args.plus(text.bytes / 2).plus(compiled).plus(pattern.bytes).sized(SMALL)
            }
            (name, [a, b]) if !name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                args.plus(a.bytes.min(b.bytes) / STRIDE).sized(SMALL)
            }
            (name, _) => self.function(name, call, args),
        }
    }

    fn function(&mut self, name: &str, call: &'s CallExpr, args: Priced) -> Priced {
        let qualified =
            call.target.as_deref().and_then(path).and_then(|path| function::find(&format!("{path}.{name}"), false));
        let found = qualified.or_else(|| function::find(name, call.target.is_some()));
        let target = match (&call.target, found) {
            (Some(target), Some(function)) if function.member => self.price(target),
            _ => Priced::default(),
        };
        let whole = target.and(args);
        let (bytes, others) = (whole.size.bytes, args.size.bytes);
        let replaced = target.size.bytes.saturating_add(1).saturating_mul(others.saturating_add(1));
        match found.map_or(Price::Flat, |function| function.price) {
            Price::Flat => whole.sized(SMALL),
            Price::Reads => whole.plus(bytes / STRIDE).sized(SMALL),
            Price::Copies => whole.plus(bytes / STRIDE).sized(Size { bytes: bytes.saturating_add(32), items: 0 }),
            Price::Passes => whole,
            Price::Matches => whole.plus(bytes),
            Price::Splits => whole.plus(bytes).sized(Size { bytes, items: bytes.saturating_add(1) }),
            Price::Joins => {
                let joined = target.size.items.saturating_mul(others).saturating_add(target.size.bytes);
                whole.plus(joined / STRIDE).sized(Size { bytes: joined, items: 0 })
            }
            Price::Replaces => whole.plus(replaced / STRIDE).sized(Size { bytes: replaced, items: 0 }),
        }
    }

    fn comprehension(&mut self, of: &'s ComprehensionExpr) -> Priced {
        let (range, start) = (self.price(&of.iter_range), self.price(&of.accu_init));
        // Elements are no fewer bytes than LEAST, and together no more than the range.
        let count = range.size.items;
        let least = self.turn(of, LEAST, start.size).times(count);
        let whole = self.turn(of, range.size, start.size);
        let turns = least.and(whole);
        let made = Size { bytes: turns.size.bytes, items: count };
        self.locals.push((&of.accu_var, made));
        let result = self.price(&of.result);
        self.locals.pop();
        let cost = [range.cost, start.cost, turns.cost, result.cost].into_iter().fold(0, u64::saturating_add);
        Priced { cost, size: result.size }
    }

    fn turn(&mut self, of: &'s ComprehensionExpr, element: Size, accumulator: Size) -> Priced {
        self.locals.push((&of.accu_var, accumulator));
        self.locals.push((&of.iter_var, element));
        let second = of.iter_var2.as_deref().map(|name| (name, element));
        let locals = self.locals.len() - 2;
        self.locals.extend(second);
        let condition = self.price(&of.loop_cond);
        let step = self.price(&of.loop_step);
        self.locals.truncate(locals);
        let cost = condition.cost.saturating_add(step.cost).saturating_add(TURN + element.bytes / STRIDE);
        Priced { cost, size: step.size }
    }
}

fn is_compiled(call: &CallExpr) -> bool {
    matches!(call.args.get(1).map(|arg| &arg.expr), Some(Expr::Ident(name)) if name.starts_with('@'))
}

fn literal_size(literal: &LiteralValue) -> Size {
    match literal {
        LiteralValue::String(text) => Size { bytes: text.inner().len() as u64, items: 0 },
        LiteralValue::Bytes(bytes) => Size { bytes: bytes.inner().len() as u64, items: 0 },
        _ => SMALL,
    }
}
