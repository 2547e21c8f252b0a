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
        (3, "kind = \"vote\"", 3, 8, "this version knows 'priority'"),
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
        (7, "mode = \"drop\"", 7, 8, "neither 'discard' nor 'defer'"),
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

/// One good entry of a kind, with one line more at its end: the seventh where the entry has six.
fn of_kind(lines: &[&str], more: &str) -> String {
    let head = ["[[policy]]", "name = \"p\"", "match = \">\""];
    head.iter().chain(lines).chain([&more]).map(|line| format!("{line}\n")).collect()
}

const WINDOW: [&str; 5] =
    ["kind = \"window\"", "mode = \"defer\"", "zone = \"Europe/Berlin\"", "start = \"09:00\"", "end = \"17:00\""];

/// The same with one of its lines in another's place.
fn window(line: usize, text: &str, more: &str) -> String {
    let mut lines = WINDOW;
    lines[line] = text;
    of_kind(&lines, more)
}

#[test]
fn each_fault_of_a_session_window_is_told_at_its_place() {
    let rows = [
        (window(2, "zone = \"Europe/Berlyn\"", ""), 6, 8, "'Europe/Berlyn' is no time zone"),
        (window(2, "", ""), 1, 1, "a window needs 'zone'"),
        (window(3, "start = \"9:00\"", ""), 7, 9, "'9:00' is no time of day"),
        (window(3, "start = \"24:00\"", ""), 7, 9, "an end alone"),
        (window(4, "end = \"25:00\"", ""), 8, 7, "'25:00' is no time of day"),
        (window(4, "end = \"09:00\"", ""), 8, 7, "has no length; a whole day is 00:00 to 24:00"),
        (window(4, "end = 17:00:61", ""), 8, 7, ""),
        (of_kind(&WINDOW, "days = [\"mon\", \"tuesday\"]"), 9, 16, "'tuesday' is no day"),
        (of_kind(&WINDOW, "days = []"), 9, 8, "it never opens"),
        (of_kind(&WINDOW, "at_most = 0"), 9, 11, "0 is no number from 1"),
        (of_kind(&WINDOW, "at_most = -1"), 9, 11, "-1 is no number from 1"),
        (of_kind(&WINDOW, "at_most = 4294967296"), 9, 11, "is no number from 1 to 4294967295"),
        (of_kind(&WINDOW, "holidays = [\"2026-02-30\"]"), 9, 13, "'2026-02-30' is no date"),
        (of_kind(&WINDOW, "rate = 1"), 9, 8, "a window takes no 'rate'"),
        (of_kind(&WINDOW, "[[policy.hours]]\nfrom = 2026-01-02\nto = 2026-01-01\nclosed = true"), 11, 6, "is before"),
        (
            of_kind(&WINDOW, "[[policy.hours]]\nfrom = 2026-01-02\nstart = \"09:00\""),
            9,
            1,
            "need 'start' and 'end', or 'closed",
        ),
        (of_kind(&WINDOW, "[[policy.hours]]\nfrom = 2026-01-02\nshut = true"), 11, 1, "unknown field `shut`"),
    ];
    for (text, line, column, why) in rows {
        assert_refused(&text, line, column, why);
    }
}

#[test]
fn each_fault_of_the_other_kinds_is_told_at_its_place() {
    let rate = |rate: &str, per: &str| of_kind(&["kind = \"rate\"", "mode = \"defer\"", rate, per], "burst = 2");
    let burst = |text: &str| of_kind(&["kind = \"rate\"", "mode = \"defer\"", "rate = 1", "per = \"1s\""], text);
    let quiet = |wait: &str, more: &str| of_kind(&["kind = \"debounce\"", wait], more);
    let rows = [
        (rate("rate = 0", "per = \"1s\""), 6, 8, "0 is no number from 1"),
        (rate("rate = 1001", "per = \"1ms\""), 6, 8, "more than one in a microsecond"),
        (rate("rate = 1", "per = \"0s\""), 7, 7, "longer than nothing"),
        (rate("rate = 1", "per = \"367d\""), 7, 7, "at most 366 days"),
        (rate("rate = 1", ""), 1, 1, "a rate needs 'per'"),
        (burst("burst = 0"), 8, 9, "0 is no number from 1"),
        (burst("window = \"1s\""), 8, 10, "a rate takes no 'window'"),
        (quiet("wait = \"0ms\"", ""), 5, 8, "longer than nothing"),
        (quiet("wait = \"2s\"", "max = \"1s\""), 6, 7, "its longest wait is shorter"),
        (quiet("wait = \"2s\"", "mode = \"defer\""), 6, 8, "a debounce takes no 'mode'"),
        (quiet("", ""), 1, 1, "a debounce needs 'wait'"),
        (of_kind(&["kind = \"veto\"", "when = \"true\""], "key = \"actor\""), 6, 7, "a veto takes no 'key'"),
        (
            of_kind(&["kind = \"concurrency\"", "limit = 1"], "reason = \"\\u001b[31mred\""),
            2,
            8,
            "no control characters",
        ),
        (of_kind(&["kind = \"concurrency\""], "limit = 0"), 5, 9, "0 is no number from 1"),
        (of_kind(&["kind = \"concurrency\""], ""), 1, 1, "a concurrency needs 'limit'"),
    ];
    for (text, line, column, why) in rows {
        assert_refused(&text, line, column, why);
    }
}

#[test]
fn dates_and_times_may_stand_with_or_without_quotes() {
    let more = "holidays = [\"2026-12-25\", 2026-12-26]\n[[policy.hours]]\nfrom = 2026-12-24\nstart = 09:00:00\nend = \"12:00\"";
    assert!(PolicySet::parse(&of_kind(&WINDOW, more)).is_ok());
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
    let bad = [
        with(5, "window = \"soon\""),
        with(3, "kind = \"cooldwn\"").replace("one-a-minute", "another"),
        with(2, ""),
        with(6, "keys = 1"),
    ];
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
