//! Names as Mermaid shows them.

use std::fmt::Write;

/// A name as Mermaid shows it: what may mean something to it, or to us, is written by its number.
pub(super) fn escaped(name: &str) -> String {
    let mut told = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            ' ' | '.' | '_' | '-' | '*' => told.push(letter),
            letter if letter.is_alphanumeric() => told.push(letter),
            letter => drop(write!(told, "#{};", u32::from(letter))),
        }
    }
    told
}
