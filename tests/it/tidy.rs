//! The repository's own rules, held over every file of it; each is shown to catch what it is for.

use std::fs;
use std::path::{Path, PathBuf};

/// The numbers of the lines, from 1, that break a rule. The path is relative to the repository's root.
type Rule = fn(path: &str, text: &str) -> Vec<usize>;

const LINES_MAX: usize = 500;
/// A lock's reason stands in a comment with this word, at most this many lines above it.
const REASON: (&str, usize) = ("lock:", 3);

/// The words that a rule looks for are put together from parts, so that this file does not break its own rules.
const RULES: &[(&str, Rule)] = &[
    ("a source file begins by saying what it is for, after //!", begins_with_its_purpose),
    ("a source file has at most 500 lines: split it by idea", is_short),
    ("a file ends with one newline", ends_with_one_newline),
    ("no tabs", |_, text| lines_with(text, &["\t"])),
    ("nothing is left undone", |_, text| {
        lines_with(
            text,
            &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("TO", "DO"), concat!("FIX", "ME")],
        )
    }),
    ("no debug prints", |_, text| lines_with(text, &[concat!("db", "g!")])),
    ("no test is ignored", |_, text| lines_with(text, &[concat!("#[", "ignore")])),
    ("no test sleeps: drive the clock, or wait for what should happen", no_test_sleeps),
    ("a lock has its reason in a comment with `lock:` right above it", locks_have_a_reason),
];

fn begins_with_its_purpose(_: &str, text: &str) -> Vec<usize> {
    if text.starts_with("//! ") { Vec::new() } else { vec![1] }
}

fn is_short(_: &str, text: &str) -> Vec<usize> {
    if text.lines().count() > LINES_MAX { vec![LINES_MAX + 1] } else { Vec::new() }
}

fn ends_with_one_newline(_: &str, text: &str) -> Vec<usize> {
    if text.ends_with('\n') && !text.ends_with("\n\n") { Vec::new() } else { vec![text.lines().count()] }
}

fn no_test_sleeps(path: &str, text: &str) -> Vec<usize> {
    let first = if is_test(path) {
        1
    } else {
        let unit_tests = text.find("#[cfg(test)]\nmod ");
        unit_tests.map_or(usize::MAX, |at| text[..at].lines().count() + 1)
    };
    lines_with(text, &[concat!("sle", "ep(")]).into_iter().filter(|line| *line >= first).collect()
}

fn locks_have_a_reason(path: &str, text: &str) -> Vec<usize> {
    if is_test(path) {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let (word, above) = REASON;
    let is_reason = |line: &&str| line.split_once("//").is_some_and(|(_, comment)| comment.contains(word));
    let has_reason = |line: usize| lines[line.saturating_sub(above + 1)..line].iter().any(is_reason);
    lines_with(text, &["Mutex<", "RwLock<"]).into_iter().filter(|line| !has_reason(*line)).collect()
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests")
}

fn lines_with(text: &str, words: &[&str]) -> Vec<usize> {
    let has_one = |line: &str| words.iter().any(|word| line.contains(word));
    text.lines().enumerate().filter(|(_, line)| has_one(line)).map(|(at, _)| at + 1).collect()
}

/// Every breach, as `path:line: rule`.
fn breaches(path: &str, text: &str) -> Vec<String> {
    let of_rule = |(name, rule): &(&str, Rule)| -> Vec<String> {
        rule(path, text).into_iter().map(|line| format!("{path}:{line}: {name}")).collect()
    };
    RULES.iter().flat_map(of_rule).collect()
}

/// Whether a manifest, its comments aside, sets panics to abort.
fn aborts_on_panic(manifest: &str) -> bool {
    let bare = |line: &str| line.split('#').next().unwrap_or("").replace([' ', '\''], "").replace('"', "");
    manifest.lines().any(|line| bare(line).contains("panic=abort"))
}

/// Folders that the architecture page does not name, as `name/`.
fn unnamed(architecture: &str, folders: &[String]) -> Vec<String> {
    let is_start = |at: usize| !architecture[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
    let is_named = |folder: &String| architecture.match_indices(&format!("{folder}/")).any(|(at, _)| is_start(at));
    folders.iter().filter(|folder| !is_named(folder)).cloned().collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, but for what is built and what is hidden; `.cargo` is looked into, for it sets profiles too.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name == ".cargo" || (name != "target" && !name.starts_with('.'))
    };
    let expand = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.filter(is_ours).flat_map(expand).collect()
}

fn texts(wanted: fn(&Path) -> bool) -> Vec<(String, String)> {
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    let read = |path: PathBuf| (relative(&path), fs::read_to_string(&path).unwrap());
    files(&root()).into_iter().filter(|path| wanted(path)).map(read).collect()
}

#[test]
fn every_source_file_keeps_the_rules() {
    let sources = texts(|path| path.extension().is_some_and(|it| it == "rs"));
    assert!(sources.len() > 40, "only {} source files were found", sources.len());
    let found: Vec<String> = sources.iter().flat_map(|(path, text)| breaches(path, text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn no_manifest_aborts_on_a_panic_because_supervision_rests_on_unwinding() {
    let manifests = texts(|path| path.extension().is_some_and(|it| it == "toml"));
    assert!(manifests.iter().any(|(path, _)| path == "Cargo.toml"));
    let found: Vec<&String> =
        manifests.iter().filter(|(_, text)| aborts_on_panic(text)).map(|(path, _)| path).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_architecture_page_names_every_folder_of_every_package() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for package in ["src", "core/src", "journal/src", "actors/src"] {
        let entries = fs::read_dir(root().join(package)).unwrap().map(|entry| entry.unwrap());
        let folders =
            entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap());
        assert_eq!(unnamed(&page, &folders.collect::<Vec<_>>()), Vec::<String>::new(), "folders of {package}");
    }
}

#[test]
fn each_rule_catches_what_it_is_for() {
    let lock = concat!("    held: Mut", "ex<u8>,");
    let long = "//! Long.\n".to_string() + &"\n".repeat(LINES_MAX) + "x\n";
    let seeded = [
        ("src/a.rs", "use std::fmt;\n", "a source file begins"),
        ("src/a.rs", "//!\nuse std::fmt;\n", "a source file begins"),
        ("src/a.rs", long.as_str(), "at most 500 lines"),
        ("src/a.rs", "//! A.", "one newline"),
        ("src/a.rs", "//! A.\n\n", "one newline"),
        ("src/a.rs", "//! A.\n\tlet x = 1;\n", "no tabs"),
        ("src/a.rs", concat!("//! A.\n    to", "do!()\n"), "left undone"),
        ("src/a.rs", concat!("//! A.\n// FIX", "ME later\n"), "left undone"),
        ("src/a.rs", concat!("//! A.\n    db", "g!(x);\n"), "debug prints"),
        ("src/a.rs", concat!("//! A.\n#[", "ignore = \"slow\"]\n"), "is ignored"),
        ("tests/it/a.rs", concat!("//! A.\n    sle", "ep(SECOND);\n"), "no test sleeps"),
        ("src/a.rs", concat!("//! A.\n#[cfg(test)]\nmod tests {\n    sle", "ep(SECOND);\n}\n"), "no test sleeps"),
        ("src/a.rs", &format!("//! A.\n{lock}\n"), "a lock has its reason"),
        ("src/a.rs", &format!("//! A.\n    // lock: too far\n\n\n\n{lock}\n"), "a lock has its reason"),
    ];
    for (path, text, rule) in seeded {
        let found = breaches(path, text);
        assert_eq!(found.len(), 1, "{rule}: {found:?}");
        assert!(found[0].contains(rule), "{rule}: {found:?}");
    }
}

#[test]
fn what_only_looks_like_a_breach_is_none() {
    let lock = concat!("    held: RwL", "ock<u8>,");
    let fine = [
        (
            "src/a.rs",
            format!("//! A.\n    // lock: it stands in for a file,\n    // and is held for a copy.\n{lock}\n"),
        ),
        ("tests/it/a.rs", format!("//! A.\n{lock}\n")),
        ("src/a.rs", concat!("//! A.\nfn nap() {\n    thread::sle", "ep(SECOND);\n}\n").to_string()),
    ];
    for (path, text) in fine {
        assert_eq!(breaches(path, &text), Vec::<String>::new());
    }
}

#[test]
fn an_abort_on_panic_is_seen_in_any_spelling_but_not_in_a_comment() {
    let abort = concat!("panic = \"ab", "ort\"");
    assert!(aborts_on_panic(&format!("[profile.release]\n{abort} # smaller\n")));
    assert!(aborts_on_panic(&format!("[profile]\nrelease = {{ {} }}\n", abort.replace(' ', "").replace('"', "'"))));
    assert!(!aborts_on_panic(&format!("# Never `{abort}`.\n")));
}

#[test]
fn a_folder_counts_as_named_only_under_its_whole_name() {
    let folders = ["event".to_string(), "query".to_string()];
    assert_eq!(unnamed("`core/src/event/` and subquery/", &folders), ["query"]);
    assert!(unnamed("  event/  the envelope\n  query/  filters\n", &folders).is_empty());
}
