//! What is wrong with a rule, and with which part of it.

use std::cell::RefCell;
use std::fmt;

use crate::expr::ExprError;

/// A step from a rule to one of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field.
    Key(String),
    /// An element of a list.
    At(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_string())
    }
}

/// What is wrong with a part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Which part.
    pub(super) path: Vec<Step>,
    /// At which byte of the part's text, where it is in a text.
    pub(super) offset: Option<usize>,
    /// Where in an expression, if it is in one.
    within: Option<(usize, usize)>,
    /// What.
    pub(super) why: String,
}

impl Fault {
    pub(super) fn at(path: &[Step], why: impl Into<String>) -> Self {
        Self { path: path.to_vec(), offset: None, within: None, why: why.into() }
    }

    pub(super) fn offset(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    /// In an expression that begins at a byte of the part's text.
    pub(super) fn expression(path: &[Step], text: &str, begin: usize, error: &ExprError) -> Self {
        let line: usize = text.split_inclusive('\n').take(error.line - 1).map(str::len).sum();
        let column: usize = text[line..].chars().take(error.column - 1).map(char::len_utf8).sum();
        let mut fault = Self::at(path, &error.why).offset(begin + line + column);
        fault.within = Some((error.line, error.column));
        fault
    }

    /// What is wrong, with the place in its expression if there is one.
    pub(super) fn told(&self) -> String {
        match self.within {
            Some((line, column)) => format!("line {line}, column {column} of the expression: {}", self.why),
            None => self.why.clone(),
        }
    }
}

/// What is wrong, gathered while the rest is looked at: all of it is told at once.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    pub(super) fn tell(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    /// What comes of something that may be wrong; then that is told.
    pub(super) fn keep<T>(&self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.tell(fault)).ok()
    }

    /// Something, if nothing is wrong.
    pub(super) fn unless<T>(self, whole: T) -> Result<T, Vec<Fault>> {
        let faults = self.0.into_inner();
        if faults.is_empty() { Ok(whole) } else { Err(faults) }
    }
}

/// A path as a reader would say it: `do[0].emit.payload`.
pub(super) struct Path<'p>(pub(super) &'p [Step]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if nth == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::At(at) => write!(f, "[{at}]")?,
            }
        }
        Ok(())
    }
}
