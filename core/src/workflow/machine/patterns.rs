//! How two patterns of event types stand to each other.

use crate::event::Pattern;

/// Whether every type that fits the narrow one fits the wide one too.
pub(super) fn covers(wide: &Pattern, narrow: &Pattern) -> bool {
    let (mut wide, mut narrow) = (wide.as_str().split('.'), narrow.as_str().split('.'));
    loop {
        match (wide.next(), narrow.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(segment)) if segment != ">" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether some type fits both.
pub(super) fn meet(one: &Pattern, other: &Pattern) -> bool {
    let (mut one, mut other) = (one.as_str().split('.'), other.as_str().split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    /// Every name of one to three segments out of two.
    fn names() -> Vec<String> {
        let one = ["a", "b"].map(String::from).to_vec();
        let longer = |names: &[String]| -> Vec<String> {
            names.iter().flat_map(|name| ["a", "b"].map(|last| format!("{name}.{last}"))).collect()
        };
        let two = longer(&one);
        let three = longer(&two);
        [one, two, three].concat()
    }

    #[test]
    fn both_are_what_the_names_that_fit_say() {
        let texts = ["a", "b", "*", ">", "a.b", "a.*", "*.b", "*.*", "a.>", "*.>", "a.b.a", "a.*.b", "a.b.>", "b.>"];
        for (one, other) in texts.iter().flat_map(|one| texts.iter().map(move |other| (pattern(one), pattern(other)))) {
            let both = names().iter().any(|name| one.matches(name) && other.matches(name));
            assert_eq!(meet(&one, &other), both, "{one} and {other}");
            let all = names().iter().all(|name| !other.matches(name) || one.matches(name));
            // Names here end at three segments: what only longer ones tell apart is not told.
            assert!(!covers(&one, &other) || all, "{one} over {other}");
            assert!(covers(&one, &other) || !all || other.as_str().contains('>') || one.as_str().contains('>'));
        }
    }
}
