//! Tables for people: columns that align, and fit the width there is.

use std::io::{self, Write};

use super::screen::{Look, Tone, cut, cut_front, pieces, wrap};

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// The width below which it is not made narrower, as long as others can be.
    pub(super) least: usize,
    /// The width below which it never is.
    narrowest: usize,
    narrow: Narrow,
}

/// What becomes of a text that is wider than its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Narrow {
    /// Its end is cut off.
    Beginning,
    /// Its beginning is cut off.
    End,
    /// It goes on in the next line.
    Whole,
    /// The same, with its words in one piece where they fit.
    Words,
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
        Self { title, least, narrowest: NARROWEST, narrow: Narrow::Beginning }
    }

    /// A column of texts whose ends tell the most, such as dotted names.
    pub(super) const fn tail(title: &'static str, least: usize) -> Self {
        Self { title, least, narrowest: NARROWEST, narrow: Narrow::End }
    }

    /// A column of names that tell things apart: whatever were cut off, two might read alike.
    pub(super) const fn id(title: &'static str, least: usize) -> Self {
        Self { title, least, narrowest: NARROWEST, narrow: Narrow::Whole }
    }

    /// A column of texts that say nothing where they are cut, such as times, whose longest word has so many letters.
    pub(super) const fn words(title: &'static str, least: usize, narrowest: usize) -> Self {
        Self { title, least, narrowest, narrow: Narrow::Words }
    }

    /// A text in the lines that it takes here.
    fn lines(self, text: &str, width: usize) -> Vec<String> {
        match self.narrow {
            Narrow::Beginning => vec![cut(text, width)],
            Narrow::End => vec![cut_front(text, width)],
            Narrow::Whole => pieces(text, width),
            Narrow::Words => wrap(text, width),
        }
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
        let texts = cells.iter().zip(self.columns.iter().zip(widths));
        let texts: Vec<Vec<String>> = match look.width {
            None => texts.map(|((text, _), _)| vec![text.clone()]).collect(),
            Some(_) => texts.map(|((text, _), (column, width))| column.lines(text, *width)).collect(),
        };
        let high = texts.iter().map(Vec::len).max().unwrap_or(0);
        for nth in 0..high {
            let mut line = String::new();
            for (at, (_, tone)) in cells.iter().enumerate() {
                let text = texts[at].get(nth).map_or("", String::as_str);
                line.push_str(if at > 0 { GAP } else { "" });
                line.push_str(&look.paint(*tone, text));
                let fill = widths[at].saturating_sub(text.chars().count());
                line.extend(std::iter::repeat_n(' ', if at + 1 < cells.len() { fill } else { 0 }));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
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
    for floor in [&least as &dyn Fn(usize) -> usize, &|at| columns[at].narrowest] {
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

    #[test]
    fn ids_are_never_cut_and_go_on_below() {
        let mut table = Table::new([Column::id("id", 8), Column::text("state", 5)]);
        let ids = ["0190-aaaa-one", "0190-bbbb-one", "0190-aaaa-two"];
        ids.iter().for_each(|id| table.row([*id, "done"].map(|text| (text.to_string(), Tone::Plain))));
        let mut out = Vec::new();
        table.print(&mut out, Look { width: Some(15), colour: false }).unwrap();
        let wanted = "id        state\n0190-aaa  done\na-one\n0190-bbb  done\nb-one\n0190-aaa  done\na-two\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
