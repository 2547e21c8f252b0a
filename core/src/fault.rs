//! Where a fault of a file stands: what the readers of policy files and of catalogues share.

use toml::Spanned;

use crate::expr::ExprError;

/// What is wrong, and at which byte.
pub(crate) type Fault = (usize, String);

/// The place of a byte: line, and column in characters, both from 1.
pub(crate) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or("").chars().count() + 1)
}

/// A fault within an expression. Its place is exact where the text stands in the file as it is: on one line, without
/// escapes; the expression's own line and column are told in any case.
pub(crate) fn inside(text: &Spanned<String>, what: &str, error: &ExprError) -> Fault {
    let (start, written) = (text.span().start, text.span().len());
    let plain = written == text.get_ref().len() + 2;
    let before: usize = text.get_ref().chars().take(error.column.saturating_sub(1)).map(char::len_utf8).sum();
    let at = if plain && error.line == 1 { start + 1 + before } else { start };
    let place =
        if plain { String::new() } else { format!("line {}, column {} of the {what}: ", error.line, error.column) };
    (at, format!("{place}{}", error.why))
}
