//! What was probably meant by a name that nobody knows.

/// The name that was probably meant, if one is near enough to say so.
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    within(1 + given.chars().count() / 3, given, names)
}

/// The same where the name may well be one of its own: two slips of the finger at most, one in a name of less than eight, and none in a very
/// short one.
pub fn slip<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    match given.chars().count() {
        0..3 => None,
        3..8 => within(1, given, names),
        _ => within(2, given, names),
    }
}

fn within<'a>(far: usize, given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let all = names.into_iter().map(|name| (distance(given, name), name));
    all.filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name)
}

/// How many characters must be put in, taken out, changed, or change places with the next, to make one text the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (down, a) in from.iter().enumerate() {
        let mut next = vec![down + 1];
        for (at, b) in to.iter().enumerate() {
            let mut least = (row[at] + usize::from(a != b)).min(row[at + 1] + 1).min(next[at] + 1);
            if down > 0 && at > 0 && from[down - 1] == *b && to[at - 1] == *a {
                least = least.min(above[at - 1] + 1);
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_guessed_and_another_word_is_not() {
        let names = ["db", "shards", "durability"];
        assert_eq!(nearest("shard", names), Some("shards"));
        assert_eq!(nearest("durabilty", names), Some("durability"));
        assert_eq!(nearest("colour", names), None);
    }

    #[test]
    fn of_names_that_may_be_ones_own_slips_alone_are_guessed() {
        let names = ["task", "status", "completed"];
        assert_eq!(["tsak", "taks", "tasks"].map(|it| slip(it, names)), [Some("task"); 3]);
        assert_eq!(slip("compelted", names), Some("completed"));
        assert_eq!(["team", "state", "complete it"].map(|it| slip(it, names)), [None; 3]);
    }

    #[test]
    fn how_many_slips_are_guessed_goes_by_the_characters_that_were_given() {
        let table = [
            ("it", "its", false),           // of two characters none
            ("éa", "éb", false),            // of two, though they are three bytes
            ("itz", "its", true),           // of three one
            ("tiz", "its", false),          // but not two
            ("paymnet", "payment", true),   // of seven one
            ("pyamnet", "payment", false),  // but not two
            ("shpimnet", "shipment", true), // of eight two
            ("shipmentxy", "shipment", true),
            ("hspimnet", "shipment", false), // but not three
        ];
        for (given, name, is_guessed) in table {
            assert_eq!(slip(given, [name]), is_guessed.then_some(name), "{given}");
        }
    }

    #[test]
    fn of_several_names_the_nearest_is_guessed() {
        assert_eq!(slip("shipmentt", ["shopments", "shipment", "shipmenttts"]), Some("shipment"));
    }
}
