//! Regular expressions: those that are written out are compiled with their program, all are bounded.

use std::any::Any;
use std::sync::{Arc, LazyLock};

use cel::common::types::{self, CelBool, CelString, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{Env, ExecutionError, extensions};
use regex::{Regex, RegexBuilder};

use crate::limits;

/// What `matches` is called in a program that was checked.
pub(super) const MATCHES: &str = "@matches";

static PATTERN: Type = Type::new_unspecified_type("regie.pattern");

/// A compiled regular expression, as a value that only [`MATCHES`] takes.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > limits::PATTERN_BYTES {
            return Err(format!("a pattern of {} bytes; at most {} are taken", text.len(), limits::PATTERN_BYTES));
        }
        let built = RegexBuilder::new(text).size_limit(limits::PATTERN_COMPILED_BYTES).build();
        built.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(most) => {
                format!("the pattern takes more than {most} bytes when it is compiled")
            }
            other => last_line(&other.to_string()),
        })
    }
}

/// The regex crate draws the pattern first; what is wrong stands in the last line.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    format!("no regular expression: {}", line.trim_start_matches("error: "))
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

/// The evaluator's functions and ours, made once.
pub(super) fn environment() -> &'static Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        // These fail only where a name is declared twice: a fault that the first test meets.
        let added = env
            .add_extension(extensions::strings)
            .and_then(|()| env.add_extension(extensions::math))
            .and_then(|()| {
                env.add_overload(MATCHES, "compiled", vec![types::STRING_TYPE, PATTERN.to_owned()], compiled)
            })
            .and_then(|()| env.add_overload(MATCHES, "text", vec![types::STRING_TYPE, types::STRING_TYPE], text));
        debug_assert!(added.is_ok(), "{added:?}");
        Arc::new(env)
    });
    &ENVIRONMENT
}

fn compiled<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match (text_of(&args, 0), args.get(1).and_then(|pattern| pattern.downcast_ref::<Pattern>())) {
        (Some(text), Some(Pattern(regex))) => Ok(CowVal::owned(CelBool::from(regex.is_match(text)))),
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}

fn text<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (Some(text), Some(pattern)) = (text_of(&args, 0), text_of(&args, 1)) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let pattern = Pattern::compile(pattern).map_err(|why| ExecutionError::function_error("matches", why))?;
    Ok(CowVal::owned(CelBool::from(pattern.0.is_match(text))))
}

fn text_of<'a>(args: &'a [CowVal<'_, '_>], at: usize) -> Option<&'a str> {
    args.get(at)?.downcast_ref::<CelString>().map(CelString::inner)
}
