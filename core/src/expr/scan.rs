//! A look at the text before it is parsed: the parser calls itself for each level, so that how deep it will go must be
//! known first. No tree: tokens, and a count per bracket that is open.

use super::ExprError;
use super::source::refusal;
use crate::limits;

/// Refuses what is too long, too deep, or no text of tokens at all.
pub(super) fn check(text: &str) -> Result<(), ExprError> {
    if text.len() > limits::EXPRESSION_BYTES {
        let why = format!("{} bytes; an expression has at most {}", text.len(), limits::EXPRESSION_BYTES);
        return Err(refusal(text, 0, why));
    }
    let (mut at, mut groups, mut follows) = (0, vec![Group::default()], false);
    while at < text.len() {
        let (token, length) = token(&text[at..]).map_err(|why| refusal(text, at, why))?;
        // An index is an operator; a list begins an operand.
        if follows && text[at..].starts_with('[') {
            step(Token::Deeper, &mut groups);
        }
        follows = match token {
            Token::Space => follows,
            _ => matches!(token, Token::Close | Token::Flat),
        };
        step(token, &mut groups);
        if groups.iter().rev().fold(0, |inside, group| group.depth(inside)) > limits::EXPRESSION_DEPTH {
            let why = format!("nested too deep; at most {} levels are taken", limits::EXPRESSION_DEPTH);
            return Err(refusal(text, at, why));
        }
        at += length;
    }
    Ok(())
}

/// What a token does to the depth.
enum Token {
    /// A bracket that opens.
    Open,
    /// A bracket that closes.
    Close,
    /// `,`: the next element begins afresh.
    Next,
    /// `&&`, `||`: the next operand begins afresh; the tree of such a row is balanced.
    Row,
    /// `?`: what follows is one deeper, to the end of the group.
    Choice,
    /// Any other operator: one deeper, to the end of the operand.
    Deeper,
    /// A name, a literal.
    Flat,
    /// A space, a comment, a colon.
    Space,
}

/// The depth within one bracket: never less than the tree's, and more where that makes it simpler.
#[derive(Default)]
struct Group {
    choices: usize,
    chain: usize,
    rows: usize,
    /// The deepest that any operand before was.
    deepest: usize,
    /// The deepest bracket within the operand.
    within: usize,
}

impl Group {
    /// With how deep the bracket is that is open within.
    fn depth(&self, inside: usize) -> usize {
        let rows = usize::BITS - self.rows.leading_zeros();
        1 + self.choices + rows as usize + self.deepest.max(self.chain + self.within.max(inside))
    }

    fn operand_ends(&mut self) {
        self.deepest = self.deepest.max(self.chain + self.within);
        (self.chain, self.within) = (0, 0);
    }
}

fn step(token: Token, groups: &mut Vec<Group>) {
    let ended = if matches!(token, Token::Close) && groups.len() > 1 { groups.pop() } else { None };
    let Some(group) = groups.last_mut() else { return };
    match token {
        Token::Open => groups.push(Group::default()),
        Token::Close => group.within = group.within.max(ended.map_or(0, |group| group.depth(0))),
        Token::Next => {
            let deepest = group.depth(0) - 1;
            *group = Group { deepest, ..Group::default() };
        }
        Token::Row => {
            group.operand_ends();
            group.rows += 1;
        }
        Token::Choice => group.choices += 1,
        Token::Deeper => group.chain += 1,
        Token::Flat | Token::Space => {}
    }
}

/// The first token of a text that is not empty, and its length.
fn token(text: &str) -> Result<(Token, usize), String> {
    if let Some(length) = string(text)? {
        return Ok((Token::Flat, length));
    }
    if text.starts_with("//") {
        return Ok((Token::Space, text.find('\n').unwrap_or(text.len())));
    }
    for row in ["&&", "||"] {
        if text.starts_with(row) {
            return Ok((Token::Row, 2));
        }
    }
    for pair in ["==", "!=", "<=", ">="] {
        if text.starts_with(pair) {
            return Ok((Token::Deeper, 2));
        }
    }
    one(text)
}

fn one(text: &str) -> Result<(Token, usize), String> {
    let first = text.chars().next().unwrap_or(' ');
    let word = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let token = match first {
        '(' | '[' | '{' => Token::Open,
        ')' | ']' | '}' => Token::Close,
        ',' => Token::Next,
        '?' => Token::Choice,
        '.' | '!' | '-' | '+' | '*' | '/' | '%' | '<' | '>' => Token::Deeper,
        ':' | ' ' | '\t' | '\n' | '\r' | '\x0c' => Token::Space,
        // `in` is an operator; taken for a name where it is part of none.
        _ if word > 0 => return Ok((if &text[..word] == "in" { Token::Deeper } else { Token::Flat }, word)),
        '`' => return Err("names in backticks are not taken; write x['name']".to_string()),
        '=' => return Err("'=' is no operator; equality is '=='".to_string()),
        '&' | '|' => return Err(format!("'{first}' is no operator; it is doubled")),
        other => return Err(format!("'{}' has no meaning here", other.escape_default())),
    };
    Ok((token, first.len_utf8()))
}

/// The length of the text or bytes literal that a text begins with, if it does.
fn string(text: &str) -> Result<Option<usize>, String> {
    let quoted = |at: &usize| matches!(text.as_bytes().get(*at), Some(b'"' | b'\'')) && is_prefix(&text[..*at]);
    let Some(prefix) = (0..=2).find(quoted) else { return Ok(None) };
    let raw = matches!(text.as_bytes()[..prefix].last(), Some(b'r' | b'R'));
    let body = &text[prefix..];
    let quote = if body.starts_with("\"\"\"") || body.starts_with("'''") { &body[..3] } else { &body[..1] };
    let mut at = quote.len();
    loop {
        let rest = &body[at..];
        let Some(next) = rest.chars().next() else { return Err("this text has no end".to_string()) };
        if rest.starts_with(quote) {
            return Ok(Some(prefix + at + quote.len()));
        }
        if quote.len() == 1 && matches!(next, '\n' | '\r') {
            return Err("this text does not end on its line; one over several lines has three quotes".to_string());
        }
        at += next.len_utf8();
        if next == '\\' && !raw {
            at += body[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
}

fn is_prefix(text: &str) -> bool {
    matches!(text, "" | "r" | "R" | "b" | "B" | "br" | "bR" | "Br" | "BR")
}
