//! Values with expressions in their texts: `"about ${subject.id}"`.

use serde_json::Value;

use super::fault::{Fault, Faults, Step};
use super::scene::scope;
use crate::Json;
use crate::expr::{EvalError, Program, View};

/// A value that is made out when its rule fires.
#[derive(Clone, Debug)]
pub(super) enum Template {
    /// Always the same.
    Fixed(Json),
    /// A text that is one expression: whatever that gives.
    One(Program),
    /// A text with expressions in it.
    Text(Vec<Piece>),
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Plain(String),
    Expression(Program),
}

impl Template {
    /// Compiles a value with all its texts. What cannot be is told, and stands there as null.
    pub(super) fn of(value: &Value, path: &[Step], faults: &Faults) -> Self {
        match value {
            Value::String(text) => Self::text(text, path, faults),
            Value::Array(values) => {
                let one = |(at, value)| Self::of(value, &within(path, Step::At(at)), faults);
                Self::List(values.iter().enumerate().map(one).collect())
            }
            Value::Object(fields) => {
                let one = |(name, value): (&String, &Value)| {
                    (name.clone(), Self::of(value, &within(path, Step::Key(name.clone())), faults))
                };
                Self::Object(fields.iter().map(one).collect())
            }
            plain => Self::Fixed(Json::of(plain)),
        }
    }

    /// Compiles a text.
    pub(super) fn text(text: &str, path: &[Step], faults: &Faults) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = 0;
        while let Some(found) = text[rest..].find("${").map(|at| rest + at) {
            if text[..found].ends_with('$') && found > rest {
                // `$${` is `${`, and no expression.
                plain += &text[rest..found];
                plain += "{";
                rest = found + 2;
                continue;
            }
            plain += &text[rest..found];
            let begin = found + 2;
            let Some(length) = length(&text[begin..]) else {
                faults.tell(Fault::at(path, "an expression that begins with '${' has no '}'").offset(found));
                return Self::Fixed(Json::null());
            };
            let program = Program::compile(&text[begin..begin + length], scope())
                .map_err(|error| Fault::expression(path, &text[begin..begin + length], begin, &error));
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.extend(faults.keep(program).map(Piece::Expression));
            rest = begin + length + 1;
        }
        plain += &text[rest..];
        match pieces.as_slice() {
            [] => Self::Fixed(Json::of(&plain)),
            [Piece::Expression(program)] if plain.is_empty() => Self::One(program.clone()),
            _ => {
                pieces.extend((!plain.is_empty()).then_some(Piece::Plain(plain)));
                Self::Text(pieces)
            }
        }
    }

    /// What it begins with, whatever its expressions give.
    pub(super) fn prefix(&self) -> Option<String> {
        match self {
            Self::Fixed(json) => json.to().ok(),
            Self::Text(pieces) => match pieces.first() {
                Some(Piece::Plain(plain)) => Some(plain.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// The text that it is, if that is always the same.
    pub(super) fn fixed(&self) -> Option<String> {
        match self {
            Self::Fixed(json) => json.to().ok(),
            _ => None,
        }
    }

    /// The value.
    pub(super) fn fill(&self, view: &View<'_>) -> Result<Json, EvalError> {
        let mut text = String::new();
        self.write(view, &mut text)?;
        Json::parse(&text).map_err(|error| EvalError::NoJson(error.to_string()))
    }

    /// The value as a text; a number is one too.
    pub(super) fn fill_text(&self, view: &View<'_>) -> Result<String, EvalError> {
        match self.fill(view)?.value() {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(EvalError::Failed(format!("a text is wanted, and this is {}", crate::json::kind_of(&other)))),
        }
    }

    /// All expressions in it.
    pub(super) fn programs<'t>(&'t self, all: &mut Vec<&'t Program>) {
        match self {
            Self::Fixed(_) => {}
            Self::One(program) => all.push(program),
            Self::Text(pieces) => all.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Expression(program) => Some(program),
                Piece::Plain(_) => None,
            })),
            Self::List(values) => values.iter().for_each(|value| value.programs(all)),
            Self::Object(fields) => fields.iter().for_each(|(_, value)| value.programs(all)),
        }
    }

    fn write(&self, view: &View<'_>, out: &mut String) -> Result<(), EvalError> {
        match self {
            Self::Fixed(json) => out.push_str(json.text()),
            Self::One(program) => out.push_str(program.value(view)?.text()),
            Self::Text(pieces) => {
                let text = pieces.iter().map(|piece| piece.fill(view)).collect::<Result<String, _>>()?;
                out.push_str(Json::of(&text).text());
            }
            Self::List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    value.write(view, out)?;
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (at, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push_str(Json::of(name).text());
                    out.push(':');
                    value.write(view, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

impl Piece {
    fn fill(&self, view: &View<'_>) -> Result<String, EvalError> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::Expression(program) => Ok(match program.value(view)? {
                json if json.text().starts_with('"') => json.to().unwrap_or_default(),
                json => json.text().to_string(),
            }),
        }
    }
}

fn within(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().cloned().chain([step]).collect()
}

/// The length of an expression up to the brace that closes it: not one within a text or within braces of its own.
fn length(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}
