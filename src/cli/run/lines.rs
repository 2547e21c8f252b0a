//! Lines of a file, bounded: one that is too long is passed over without being held.

use std::io::{self, BufRead, BufReader, Read};

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its bytes, without the line's end.
    Bytes(Vec<u8>),
    /// It has more than the limit; so many bytes were passed over.
    TooLong(u64),
}

/// Reads lines that have something in them, with their numbers from 1.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    number: u64,
    limit: usize,
}

const BUFFER: usize = 256 * 1024;
/// What some programs put before UTF-8. Files that were joined have it in their midst.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl<R: Read> Lines<R> {
    /// Lines of at most `limit` bytes.
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input: BufReader::with_capacity(BUFFER, input), number: 0, limit }
    }

    /// The number of the last line given.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the next line must be waited for: it is not wholly here yet.
    pub(super) fn must_wait(&self) -> bool {
        !self.input.buffer().contains(&b'\n')
    }

    /// The next line that has something in it; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        while let Some(line) = self.read()? {
            match line {
                Line::Bytes(bytes) if bytes.trim_ascii().is_empty() => {}
                line => return Ok(Some((self.number, line))),
            }
        }
        Ok(None)
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let mut length = 0_u64;
        loop {
            let here = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                here => here?,
            };
            if here.is_empty() && length == 0 {
                return Ok(None);
            }
            let end = here.iter().position(|byte| *byte == b'\n');
            let part = &here[..end.unwrap_or(here.len())];
            // Some bytes of grace: a carriage return is no part of the line, nor is a byte order mark.
            let room = (self.limit + BYTE_ORDER_MARK.len() + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            length += used as u64;
            let last = end.is_some() || here.is_empty();
            self.input.consume(used);
            if last {
                self.number += 1;
                return Ok(Some(self.trimmed(bytes, length - u64::from(end.is_some()))));
            }
        }
    }

    /// Takes off what is no part of the line.
    fn trimmed(&self, mut bytes: Vec<u8>, length: u64) -> Line {
        let whole = bytes.len() as u64 == length;
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if whole && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        if bytes.len() > self.limit { Line::TooLong(length) } else { Line::Bytes(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(u64, Line)> {
        let mut lines = Lines::new(text, 8);
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    fn bytes(text: &str) -> Line {
        Line::Bytes(text.into())
    }

    #[test]
    fn empty_lines_are_passed_over_and_counted() {
        assert_eq!(lines(b"a\n\n  \nb"), [(1, bytes("a")), (4, bytes("b"))]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn what_is_no_part_of_a_line_is_taken_off() {
        assert_eq!(lines(b"\xEF\xBB\xBF12345678\r\nb\r\n"), [(1, bytes("12345678")), (2, bytes("b"))]);
    }

    #[test]
    fn files_that_were_joined_have_their_byte_order_marks_taken_off() {
        assert_eq!(
            lines(b"\xEF\xBB\xBFa\n\xEF\xBB\xBFb\n\xEF\xBB\xBF\nc"),
            [(1, bytes("a")), (2, bytes("b")), (4, bytes("c"))]
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_read() {
        let mut text = vec![b'x'; 3 * BUFFER];
        text.extend(b"\nok\n");
        assert_eq!(lines(&text), [(1, Line::TooLong(3 * BUFFER as u64)), (2, bytes("ok"))]);
    }
}
