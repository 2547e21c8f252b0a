//! A bad policy file is refused whole, with line, column and the reason.

use regie_core::governance::PolicySet;
use regie_core::limits;

/// One good entry, its lines numbered from 1, with one of them put in another's place.
fn with(line: usize, text: &str) -> String {
    let mut lines = vec![
        "[[policy]]",
        "name = \"one-a-minute\"",
        "kind = \"cooldown\"",
        "match = \"agent.note\"",
        "window = \"60s\"",
        "key = \"actor\"",
        "mode = \"discard\"",
        "reason = \"calm down\"",
        "order = 1",
    ];
    lines[line - 1] = text;
    lines.join("\n")
}

fn assert_refused(text: &str, line: usize, column: usize, why: &str) {
    let error = PolicySet::parse(text).expect_err(text);
    assert!(error.why.contains(why), "{text}\n{error}: does not tell '{why}'");
    assert_eq!((error.line, error.column), (line, column), "{text}\n{error}");
}

#[test]
fn each_fault_of_an_entry_is_told_at_its_place() {
    let rows = [
        (1, "[[policies]]", 1, 3, "unknown field `policies`"),
        (2, "", 1, 1, "missing field `name`"),
        (2, "name = 7", 2, 8, "expected a string"),
        (3, "kind = \"veto\"", 3, 8, "this version knows 'cooldown'"),
        (3, "", 1, 1, "missing field `kind`"),
        (4, "match = \"a..b\"", 4, 9, "a segment is empty"),
        (4, "match = \">.a\"", 4, 9, "'>' stands for all that follow"),
        (4, "", 1, 1, "missing field `match`"),
        (5, "window = \"soon\"", 5, 10, "no duration such as"),
        (5, "window = 60", 5, 10, "expected a string"),
        (5, "window = \"0s\"", 5, 10, "longer than nothing"),
        (5, "window = \"367d\"", 5, 10, "at most 366 days"),
        (5, "window = \"99999999999999999999d\"", 5, 10, "no duration"),
        (5, "window = \"9999999999999999d\"", 5, 10, "longer than can be told"),
        (5, "window = \"-1s\"", 5, 10, "no duration"),
        (5, "wndow = \"60s\"", 5, 1, "unknown field `wndow`"),
        (5, "", 1, 1, "a cooldown needs 'window'"),
        (6, "key = \"user\"", 6, 7, "unknown variant `user`"),
        (7, "mode = \"drop\"", 7, 8, "unknown variant `drop`"),
        (7, "", 1, 1, "a cooldown needs 'mode'"),
        (9, "order = \"first\"", 9, 9, "invalid type"),
        (9, "order = 1 2", 9, 9, ""),
        (9, "order = ", 9, 9, ""),
        (9, "order", 9, 6, ""),
    ];
    for (line, text, at, column, why) in rows {
        assert_refused(&with(line, text), at, column, why);
    }
}

#[test]
fn a_column_counts_characters_and_not_bytes() {
    assert_refused("[[policy]]\nreason = \"été\"  # é\nname = \"é\" x", 3, 12, "");
}

#[test]
fn a_fault_in_a_later_entry_is_told_there() {
    let second = format!("{}\n\n{}", with(1, "[[policy]]"), with(5, "window = \"x\"").replace("one-a", "two-a"));
    assert_refused(&second, 15, 10, "no duration");
    let twice = format!("{}\n\n{}", with(1, "[[policy]]"), with(1, "[[policy]]"));
    assert_refused(&twice, 12, 8, "two policies have the name");
}

#[test]
fn what_is_too_large_or_too_many_is_refused() {
    assert_refused(&" ".repeat(limits::CONFIG_BYTES + 1), 1, 1, "bytes; at most");
    let many: String = (0..=limits::POLICIES).map(|nth| with(2, &format!("name = \"p{nth}\"")) + "\n").collect();
    assert_refused(&many, 1, 1, "policies; at most");
}

#[test]
fn an_empty_file_is_the_set_of_none() {
    let set = PolicySet::parse("# nothing yet\n").expect("a good file");
    assert_eq!((set.len(), set.digest()), (0, None));
}

#[test]
fn every_fault_that_can_be_told_is_told_at_once_and_the_first_is_the_parsers() {
    let bad = [with(5, "window = \"soon\""), with(3, "kind = \"cooldwn\""), with(2, ""), with(6, "keys = 1")];
    let text = format!("max_deferrals = 0\nmost = 1\n{}\n", bad.join("\n"));
    let faults = PolicySet::faults(&text);
    let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(1, 17), (2, 1), (7, 10), (14, 8), (21, 1), (35, 1)], "{faults:#?}");
    let first = PolicySet::parse(&text).expect_err("a bad file");
    assert!(faults.iter().any(|fault| fault.line == first.line), "{first}");
    assert_eq!(PolicySet::faults(&with(1, "[[policy]]")), []);
}

#[test]
fn what_is_no_toml_is_told_alone_and_a_name_twice_at_the_second() {
    let good = with(1, "[[policy]]");
    let faults = |text: String| PolicySet::faults(&text).into_iter().map(|it| it.line).collect::<Vec<_>>();
    assert_eq!(faults(format!("{good}\nreason = \n{}", with(5, "window = \"soon\""))), [10]);
    assert_eq!(faults(format!("{good}\n{good}\n")), [11]);
    assert_eq!(faults(" ".repeat(limits::CONFIG_BYTES + 1)), [1]);
    assert_eq!(faults("policy = 3\n".into()), [1]);
}
