//! How fast facts become state again: what a wake, a verification and a replay do.

use regie::core::event::{CorrelationId, LifeState};
use regie::core::workflow::{Definitions, EncodedRecord, Fact, Record, State, evolve};

use crate::events::event;
use crate::measure::{Stopwatch, median, rate};
use crate::{Figure, Scale};

const ROUNDS: usize = 5;
/// Records of one workflow: as many as are replayed where there is no snapshot yet.
const RECORDS: usize = 256;

/// Facts a second of a core's time, decoded and evolved.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let workflows = scale.of(2_000);
    let encoded = history();
    let definitions = Definitions::default();
    let facts = 1 + 2 * RECORDS;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let watch = Stopwatch::start();
        (0..workflows).for_each(|_| replay(&encoded, &definitions));
        rates.push(rate(facts * workflows, watch.processor()));
    }
    let ours = format!("{:.0}", median(rates));
    vec![Figure { name: "recovery, facts/s".into(), ours, floor: "-".into(), ratio: "-".into(), goal: ">= 500000" }]
}

fn replay(encoded: &[EncodedRecord], definitions: &Definitions) {
    let mut state = State::default();
    for record in encoded {
        let decoded = Record::decode(&record.bytes).expect("a record");
        assert_eq!(state.digest.chain(&record.bytes), record.digest, "the chain");
        evolve(&mut state, &decoded, definitions).expect("a legal record");
        state.digest = record.digest;
    }
    std::hint::black_box(state);
}

fn history() -> Vec<EncodedRecord> {
    let mut digest = regie::core::Digest::ZERO;
    let record = |nth: usize| {
        let sequence = nth as u64 + 1;
        let event = event(nth, 1);
        let (format, raw, identity) = (event.format(), event.raw().clone(), event.identity());
        let mut facts = vec![
            Fact::Received { format, raw, identity, made_id: None, emitted: false },
            Fact::Moved { event: sequence, to: LifeState::Processed, reason: "recorded".into(), by: None },
        ];
        if nth == 0 {
            facts.insert(0, Fact::Opened { correlation: CorrelationId::from("work-0") });
        }
        let encoded = Record { sequence, at: event.event().timestamp, facts }.encode(digest);
        digest = encoded.digest;
        encoded
    };
    (0..RECORDS).map(record).collect()
}
