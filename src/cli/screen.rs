//! Text for people: how wide it may be, whether it may have colours, and how it is cut and wrapped.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use regie_core::event::reorders;

/// Standard output, with what it can show.
pub(super) struct Screen {
    out: BufWriter<StdoutLock<'static>>,
    pub(super) look: Look,
}

/// How text may look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns that a line may have; any number where nobody said.
    pub(super) width: Option<usize>,
    /// Whether it may have colours.
    pub(super) colour: bool,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Faint,
    Good,
    Doubtful,
    Bad,
}

/// A width that story and summary keep to even where nobody said one.
pub(super) const READABLE: usize = 80;

impl Screen {
    pub(super) fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self { look: Look::of(terminal), out: BufWriter::with_capacity(64 * 1024, stdout.lock()) }
    }

    /// Ends the output in good order; a pipe that has closed is found out here at the latest.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Look {
    fn of(terminal: bool) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let said = set("COLUMNS").and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        let real = || terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0)).filter(|it| *it > 0);
        let width = said.or_else(|| if terminal { real().or(Some(READABLE)) } else { None });
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        Self { width, colour: terminal && !dumb && set("NO_COLOR").is_none() }
    }

    /// A width to wrap at: what there is, but no more than can be read in comfort.
    pub(super) fn readable(self) -> usize {
        self.width.unwrap_or(READABLE).clamp(40, 120)
    }

    /// The text in the colour of its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colour || text.is_empty() => return text.to_string(),
            Tone::Plain => return text.to_string(),
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Doubtful => "33",
            Tone::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// What came from outside, made harmless: a terminal must not obey what stands in an event.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() || reorders(it) { '\u{fffd}' } else { it }).collect()
}

/// The text in at most so many characters; where some are cut off, the last that is left is an ellipsis.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The same, but its end is kept.
pub(super) fn cut_front(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_string();
    }
    let end: String = text.chars().skip(length - width.saturating_sub(1)).collect();
    format!("…{end}")
}

/// The text in pieces of at most so many characters, of which nothing is left out.
pub(super) fn pieces(text: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(width.max(1)).map(|piece| piece.iter().collect()).collect()
}

/// The text in lines of at most so many characters, cut at spaces where there are any.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let gap = usize::from(used > 0);
        if used + gap + word.len() > width && used > 0 {
            lines.push(String::new());
            used = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            push(&mut lines, &word, &mut used);
            lines.push(String::new());
            used = 0;
            word = rest;
        }
        push(&mut lines, &word, &mut used);
    }
    lines
}

fn push(lines: &mut [String], word: &[char], used: &mut usize) {
    let Some(line) = lines.last_mut() else { return };
    if *used > 0 {
        line.push(' ');
        *used += 1;
    }
    line.extend(word);
    *used += word.len();
}

/// A whole number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 event`, `2 events`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_a_short_one_is_left() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut_front("abcdef", 4), "…def");
    }

    #[test]
    fn lines_are_wrapped_at_spaces_and_long_words_are_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert!(wrap("a  lot of words in here", 5).iter().all(|line| line.chars().count() <= 5));
    }

    #[test]
    fn a_terminal_is_not_given_orders_by_an_event() {
        assert_eq!(plain("a\u{1b}[2Jb\u{9b}"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(plain("a\u{202e}b\u{2028}ö"), "a\u{fffd}b\u{fffd}ö");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([grouped(7), grouped(1_234), grouped(1_234_567)], ["7", "1,234", "1,234,567"]);
    }
}
