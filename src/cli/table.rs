//! Tables for people: columns that align, and fit the width there is.

use std::io::{self, Write};

use super::screen::{Look, Tone, cut, cut_front};

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// The width below which it is not cut.
    pub(super) least: usize,
    /// Whether its end tells more than its beginning.
    tail: bool,
}

/// A table; it may be printed in parts, which keep the widths of the first.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<(String, Tone)>>,
    widths: Option<Vec<usize>>,
}

const GAP: &str = "  ";
/// What is left of a column that is cut as far as can be.
const NARROWEST: usize = 4;

impl Column {
    /// A column of texts.
    pub(super) const fn text(title: &'static str, least: usize) -> Self {
        Self { title, least, tail: false }
    }

    /// A column of texts whose ends tell the most, such as dotted names.
    pub(super) const fn tail(title: &'static str, least: usize) -> Self {
        Self { title, least, tail: true }
    }
}

impl Table {
    pub(super) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), widths: None }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Rows that wait to be printed.
    pub(super) fn waiting(&self) -> usize {
        self.rows.len()
    }

    /// Prints what waits; the first time with the titles above.
    pub(super) fn print(&mut self, out: &mut dyn Write, look: Look) -> io::Result<()> {
        let first = self.widths.is_none();
        let widths = self.widths.get_or_insert_with(|| fit(&self.columns, &self.rows, look.width)).clone();
        if first && self.columns.iter().any(|column| !column.title.is_empty()) {
            let titles: Vec<_> = self.columns.iter().map(|it| (it.title.to_string(), Tone::Faint)).collect();
            self.line(out, look, &widths, &titles)?;
        }
        for row in std::mem::take(&mut self.rows) {
            self.line(out, look, &widths, &row)?;
        }
        Ok(())
    }

    fn line(&self, out: &mut dyn Write, look: Look, widths: &[usize], cells: &[(String, Tone)]) -> io::Result<()> {
        let mut line = String::new();
        let last = cells.len().saturating_sub(1);
        for (at, (text, tone)) in cells.iter().enumerate() {
            let width = widths[at];
            let text = match look.width {
                None => text.clone(),
                Some(_) if self.columns[at].tail => cut_front(text, width),
                Some(_) => cut(text, width),
            };
            let fill = " ".repeat(width.saturating_sub(text.chars().count()));
            let painted = look.paint(*tone, &text);
            line.push_str(if at > 0 { GAP } else { "" });
            line.push_str(&painted);
            if at < last {
                line.push_str(&fill);
            }
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// The widths of the columns: what they need, and where that is too much, less for the widest that may be cut.
fn fit(columns: &[Column], rows: &[Vec<(String, Tone)>], width: Option<usize>) -> Vec<usize> {
    let needed = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| text.chars().count()).max();
    let title = |at: usize| columns[at].title.chars().count();
    let mut widths: Vec<usize> = (0..columns.len()).map(|at| needed(at).unwrap_or(0).max(title(at))).collect();
    let Some(width) = width else { return widths };
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    let least = |at: usize| columns[at].least.max(title(at));
    // Where even the least widths are too much, any column gives way.
    for floor in [&least as &dyn Fn(usize) -> usize, &|_| NARROWEST] {
        while widths.iter().sum::<usize>() + gaps > width {
            let may_shrink = |at: &usize| widths[*at] > floor(*at);
            let Some(widest) = (0..columns.len()).filter(may_shrink).max_by_key(|at| widths[*at]) else { break };
            widths[widest] -= 1;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(width: Option<usize>, rows: &[[&str; 2]]) -> String {
        let mut table = Table::new([Column::text("name", 4), Column::text("count", 5)]);
        rows.iter().for_each(|row| table.row(row.map(|text| (text.to_string(), Tone::Plain))));
        let mut out = Vec::new();
        table.print(&mut out, Look { width, colour: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_align() {
        assert_eq!(
            printed(None, &[["a", "1"], ["long name", "12345"]]),
            "name       count\na          1\nlong name  12345\n"
        );
    }

    #[test]
    fn a_table_fits_the_width_by_cutting_its_texts() {
        assert_eq!(printed(Some(14), &[["a long name", "12345"]]), "name     count\na long…  12345\n");
    }
}
