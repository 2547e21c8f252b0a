//! Nothing that is written, and nothing that comes in, makes an expression panic.

use proptest::prelude::*;
use regie_core::event::Event;
use regie_core::expr::{Program, View};
use regie_core::{Json, Timestamp};

use crate::expr_refused::scope;

const WORDS: &[&str] = &[
    "event",
    ".",
    "type",
    "payload",
    "actor",
    "now",
    "signals",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "in",
    "1",
    "0",
    "2.5",
    "3u",
    "'a'",
    "\"é\"",
    "r'\\'",
    "b'x'",
    "true",
    "null",
    "has(",
    "size(",
    ".all(x, ",
    ".map(x, ",
    ".filter(x, x",
    "x",
    ".matches('a+')",
    "duration('1h')",
    "timestamp(",
    "int(",
    "string(",
    ".startsWith(",
    "\n",
    " ",
    "// c\n",
    "'''",
    "event.payload.a",
    "event.?actor",
    "[?",
    "optional.of(",
];

/// Compiles a text and evaluates what is taken.
fn run(text: &str) {
    let refused = |error: regie_core::expr::ExprError| {
        let lines: Vec<&str> = text.split('\n').collect();
        let line = lines.get(error.line - 1).unwrap_or_else(|| panic!("no line {} in {text:?}", error.line));
        assert!((1..=line.chars().count() + 1).contains(&error.column), "{error} in {text:?}");
    };
    match Program::compile(text, &scope()) {
        Ok(program) => evaluate(&program),
        Err(error) => refused(error),
    }
}

fn evaluate(program: &Program) {
    let event =
        Event::new("a.b", "c").payload(serde_json::json!({"a": [1, {"b": "x"}], "x": 1.5})).build().expect("good");
    let signals = Json::of(&serde_json::json!([{"kind": "risk", "confidence": 0.5}]));
    let view = View::new().event(event.event()).now(Timestamp::from_millis(0)).json("signals", &signals);
    let _ = program.truth(&view);
    let _ = program.value(&view);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        run(&text);
    }

    #[test]
    fn no_row_of_tokens_makes_it_panic(words in prop::collection::vec(prop::sample::select(WORDS), 0..30)) {
        run(&words.concat());
    }

    #[test]
    fn no_bytes_around_a_good_text_make_it_panic(before in ".{0,3}", after in ".{0,3}", cut in 0_usize..40) {
        let good = "event.payload.a.exists(x, x.b == 'é') || !(now > event.timestamp)";
        let kept: String = good.chars().skip(cut).collect();
        run(&format!("{before}{kept}{after}"));
    }
}
