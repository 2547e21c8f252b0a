//! The text of an expression, and where its parts stand in it.

use cel::common::ast::SourceInfo;

use super::ExprError;

/// The text, with the place of each node.
pub(super) struct Source<'t> {
    pub(super) text: &'t str,
    pub(super) info: SourceInfo,
}

impl Source<'_> {
    /// Where a node is: an operator at its sign, a call at the function's name.
    pub(super) fn at(&self, id: u64) -> usize {
        let at = self.info.offset_for(id).map_or(0, |(start, _)| start as usize).min(self.text.len());
        match self.text.as_bytes().get(at) {
            Some(b'(') => self.name_before(at).unwrap_or(at),
            Some(b'.') => self.field_after(at),
            _ => at,
        }
    }

    /// Where the field begins that is next selected after a byte.
    pub(super) fn field_after(&self, byte: usize) -> usize {
        let dot = self.text[byte..].find('.').map_or(byte, |dot| byte + dot + 1);
        self.text[dot..].find(|c: char| !c.is_whitespace() && c != '?').map_or(byte, |skip| dot + skip)
    }

    /// Where the name begins that stands right before a parenthesis; a parenthesis that only groups has none.
    fn name_before(&self, at: usize) -> Option<usize> {
        let before = self.text[..at].trim_end();
        let name = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        (name.len() < before.len()).then_some(name.len())
    }

    /// A refusal of a node.
    pub(super) fn refuse<T>(&self, id: u64, why: impl Into<String>) -> Result<T, ExprError> {
        self.refuse_at(self.at(id), why)
    }

    /// A refusal at a byte.
    pub(super) fn refuse_at<T>(&self, byte: usize, why: impl Into<String>) -> Result<T, ExprError> {
        Err(refusal(self.text, byte, why))
    }
}

/// A refusal at a byte of a text.
pub(super) fn refusal(text: &str, byte: usize, why: impl Into<String>) -> ExprError {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    ExprError { line, column: before[line_start..].chars().count() + 1, why: why.into() }
}
