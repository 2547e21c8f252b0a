//! The head does not depend on how turns were batched.

use proptest::prelude::*;
use regie_journal::{Head, Journal, Tip, Turn, verify};

use crate::helpers::{OpenedExt, Place, Story};

fn turns() -> Vec<Turn> {
    let mut story = Story::default();
    let mut turns = story.events(5, 6);
    turns.push(story.records("c1", vec![vec![], vec![], vec![]]));
    turns
}

fn cut(turns: &[Turn], cuts: &[usize]) -> Vec<Vec<Turn>> {
    let mut batches = vec![Vec::new()];
    for (nth, turn) in turns.iter().enumerate() {
        if cuts.contains(&nth) {
            batches.push(Vec::new());
        }
        batches.last_mut().unwrap().push(turn.clone());
    }
    batches
}

fn outcome(opened: &mut regie_journal::Opened, batches: Vec<Vec<Turn>>) -> (Head, Vec<Option<Tip>>) {
    for batch in batches {
        opened.writer.append(&batch).unwrap();
    }
    let mut reader = opened.reader();
    let tips = (0..5).map(|at| reader.tip(&format!("c{at}")).unwrap()).collect();
    assert_eq!(verify(&mut *opened.readers.truth().unwrap(), &mut |_| {}).unwrap().first_break, None);
    (opened.writer.head(), tips)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_batches_give_the_same_head_and_tips(cuts in proptest::collection::vec(0_usize..31, 0..12)) {
        let whole = outcome(&mut Journal::memory(), vec![turns()]);
        prop_assert_eq!(&outcome(&mut Journal::memory(), cut(&turns(), &cuts)), &whole);
        prop_assert_eq!(&outcome(&mut Place::new().open(), cut(&turns(), &cuts)), &whole);
    }
}
