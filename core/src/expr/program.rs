//! A program: compiled and checked once, cheap to clone, evaluated anywhere.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::ast::SourceInfo;
use cel::common::types::CelBool;
use cel::common::value::Val;
use cel::parser::ParseErrors;
use cel::{Context, IdedExpr, Value};

use super::check::Checker;
use super::kind::Kind;
use super::pattern::{Pattern, environment};
use super::source::{Source, refusal};
use super::view::{Names, View};
use super::{EvalError, ExprError, Scope, cost, json, scan, uses};
use crate::{Json, limits};

/// An expression that was compiled, checked and priced. Cheap to clone.
#[derive(Clone)]
pub struct Program(Arc<Compiled>);

struct Compiled {
    text: String,
    tree: IdedExpr,
    names: Vec<String>,
    patterns: Vec<(String, Pattern)>,
    cost: u64,
}

impl Program {
    /// Compiles an expression that may have any value; the first thing that is wrong with it is told with its place.
    pub fn compile(text: &str, scope: &Scope) -> Result<Self, ExprError> {
        compile(text, scope).map(|(program, _, _)| program)
    }

    /// Compiles a condition: one whose value is known to be no bool is refused.
    pub fn condition(text: &str, scope: &Scope) -> Result<Self, ExprError> {
        let (program, kind, at) = compile(text, scope)?;
        if kind.fits(Kind::Bool) {
            return Ok(program);
        }
        Err(ExprError { why: format!("a condition is true or false, and this is {}", kind.name()), ..at })
    }

    /// The text that it was compiled from.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The names of the scope that it uses, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names.iter().map(String::as_str)
    }

    /// Whether it uses a name of the scope.
    pub fn uses(&self, name: &str) -> bool {
        self.names().any(|used| used == name)
    }

    /// The fields of a name that it looks at; nothing if it may look at any.
    pub(crate) fn fields_of(&self, name: &str) -> Option<BTreeSet<String>> {
        uses::fields_of(&self.0.tree, name)
    }

    /// Every field that it selects, and every text that it is written with.
    pub(crate) fn words(&self) -> BTreeSet<String> {
        uses::words(&self.0.tree)
    }

    /// Whether it looks at a field of that name of anything but the event.
    pub(crate) fn selects(&self, field: &str) -> bool {
        uses::selects(&self.0.tree, field)
    }

    /// What it costs at worst, in steps of some 100 ns; never above [`EXPRESSION_COST`](limits::EXPRESSION_COST).
    pub fn cost(&self) -> u64 {
        self.0.cost
    }

    /// Evaluates a condition.
    pub fn truth(&self, view: &View<'_>) -> Result<bool, EvalError> {
        self.run(view, |value| match value.downcast_ref::<CelBool>() {
            Some(value) => Ok(*value.inner()),
            None => Err(EvalError::NotBool { found: value.get_type().name().to_string() }),
        })
    }

    /// Evaluates to a JSON value.
    pub fn value(&self, view: &View<'_>) -> Result<Json, EvalError> {
        self.run(view, json::tell)
    }

    fn run<T>(&self, view: &View<'_>, tell: impl FnOnce(&dyn Val) -> Result<T, EvalError>) -> Result<T, EvalError> {
        let names = Names { view, patterns: &self.0.patterns };
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(Arc::clone(environment()));
            context.set_variable_resolver(&names);
            match Value::resolve_val(&self.0.tree, &context) {
                Ok(value) => tell(value.as_ref()),
                Err(error) => Err(error.into()),
            }
        }));
        let result = attempt.unwrap_or(Err(EvalError::Panicked));
        // What was not given explains the failure; where the rest decided alone, it is not missed.
        result.map_err(|error| view.lacks(self).unwrap_or(error))
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.text, f)
    }
}

/// The program, what it will come to, and where that would have to be refused.
fn compile(text: &str, scope: &Scope) -> Result<(Program, Kind, ExprError), ExprError> {
    scan::check(text)?;
    let (mut tree, info) = parse(text)?;
    let source = Source { text, info };
    let mut checker = Checker::new(scope, &source);
    let kind = checker.visit(&mut tree)?.kind;
    let (names, patterns) = (checker.names.into_iter().collect(), checker.patterns);
    let cost = cost::of(&tree, scope);
    if cost > limits::EXPRESSION_COST {
        let why = format!("it costs up to {cost} steps; at most {} are taken", limits::EXPRESSION_COST);
        return Err(refusal(text, 0, why));
    }
    let compiled = Compiled { text: text.to_string(), tree, names, patterns, cost };
    Ok((Program(Arc::new(compiled)), kind, refusal(text, 0, "")))
}

fn parse(text: &str) -> Result<(IdedExpr, SourceInfo), ExprError> {
    let parsed = catch_unwind(|| environment().parser().parse_with_source_info(text));
    match parsed {
        Ok(Ok(parsed)) => Ok(parsed),
        Ok(Err(errors)) => Err(first(errors)),
        Err(_) => Err(refusal(text, 0, "the parser gave up on this")),
    }
}

fn first(errors: ParseErrors) -> ExprError {
    let place = |number: isize| usize::try_from(number).unwrap_or(1).max(1);
    match errors.errors.into_iter().next() {
        Some(error) => ExprError {
            line: place(error.pos.0),
            column: place(error.pos.1),
            why: understood(error.msg.trim_start_matches("Syntax error: ")),
        },
        None => ExprError { line: 1, column: 1, why: "this is no expression".to_string() },
    }
}

/// The parser lists every token that could have been; that there is none of them is enough.
fn understood(message: &str) -> String {
    let short = message.split(" expecting ").next().unwrap_or(message);
    match short {
        _ if short.contains("'<EOF>'") => "the expression ends too early".to_string(),
        _ => short.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_the_evaluator_is_a_failure_of_this_evaluation_alone() {
        // No text is parsed to an empty tree, and the evaluator panics on one.
        let (text, tree, names, patterns) = Default::default();
        let program = Program(Arc::new(Compiled { text, tree, names, patterns, cost: 0 }));
        assert_eq!(program.truth(&View::new()), Err(EvalError::Panicked));
        assert_eq!(program.value(&View::new()), Err(EvalError::Panicked));
    }
}
