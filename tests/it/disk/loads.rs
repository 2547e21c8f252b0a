//! Loads that are recorded: what is sent, under which policies, and how the process is disturbed meanwhile.

use std::collections::HashSet;

use regie::journal::Durability;
use serde_json::{Value, json};

use super::bench::{Answers, Bench, JOURNAL};
use super::log::Call;
use crate::runtime_support::{Dice, at};
use crate::support::lines;

/// Some events are put off and some discarded, so that there are timers, wakes and judgements.
pub(crate) const POLICIES: &str = r#"
[[policy]]
name = "notes"
kind = "cooldown"
match = "agent.note"
window = "10s"
key = "actor"
mode = "discard"

[[policy]]
name = "tasks"
kind = "cooldown"
match = "agent.task"
window = "10s"
key = "actor"
mode = "defer"
"#;
pub(crate) const CONFIG: &str = "policies = \"policies.toml\"\nclock = \"event\"\n";

/// A load that is run while its disk is watched.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) durability: Durability,
    events: usize,
    /// About so many bytes has the payload of every third event.
    payload: u64,
    in_flight: &'static str,
    /// The run is killed before that write of the journal's log, and started again; and so on.
    kills: &'static [u64],
}

/// What was recorded.
pub(crate) struct Recording {
    pub(crate) load: Load,
    pub(crate) calls: Vec<Call>,
    pub(crate) sent: String,
    /// Whether the disk did what it said.
    pub(crate) is_honest: bool,
}

const SMALL: Load =
    Load { name: "small", durability: Durability::Strict, events: 160, payload: 40, in_flight: "24", kills: &[] };

/// Each brings something of its own: growth, the making of the files call by call, recovery of a log, checkpoints beside the commits.
pub(crate) const LOADS: [Load; 6] = [
    SMALL,
    Load { name: "first", events: 2, ..SMALL },
    Load { name: "killed", in_flight: "8", kills: &[1, 3, 90, 200], ..SMALL },
    Load { name: "large", events: 210, payload: 100_000, in_flight: "4", ..SMALL },
    Load { name: "relaxed", durability: Durability::Relaxed, ..SMALL },
    Load { name: "relaxed large", durability: Durability::Relaxed, events: 210, payload: 100_000, ..SMALL },
];

/// So many events of so many correlations; of the first two thirds every third has about so many bytes of payload.
pub(crate) fn events(count: usize, payload: u64, correlations: u64) -> Vec<Value> {
    let (mut dice, mut now) = (Dice(5), 0);
    let one = |nth: usize| {
        now += dice.below(900) as i64;
        let kind = ["agent.free", "agent.free", "agent.note", "agent.task"][dice.below(4) as usize];
        // The last third is small: checkpoints can come to the log's end then, so that it begins anew.
        let size = if nth % 3 == 2 && nth < count * 2 / 3 { dice.below(payload) + payload / 2 } else { 20 };
        json!({
            "id": format!("e-{nth}"), "type": kind, "correlation_id": format!("c-{}", dice.below(correlations)),
            "timestamp": at(now), "actor": {"kind": "agent", "id": format!("a-{}", dice.below(9))},
            "payload": "x".repeat(size as usize),
        })
    };
    (0..count).map(one).collect()
}

/// What the recording of a load has in it, between the first answer and the last.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Writes of checkpoints to the file of truth.
    pub(crate) checkpointed: usize,
    /// How often its log began anew.
    pub(crate) begun_anew: usize,
}

impl Recording {
    pub(crate) fn beside(&self) -> Beside {
        let begins = self.between_answers(&format!("{JOURNAL}-wal")).into_iter().filter(|offset| *offset == 0);
        Beside { checkpointed: self.between_answers(JOURNAL).len(), begun_anew: begins.count() }
    }

    /// Where a file was written to between the first answer and the last.
    fn between_answers(&self, file: &str) -> Vec<u64> {
        let (mut answers, mut handles) = (Answers::default(), HashSet::new());
        let (mut since, mut found) = (Vec::new(), Vec::new());
        for call in &self.calls {
            match call {
                Call::Start => handles.clear(),
                Call::Open { handle, name, .. } if name == file => drop(handles.insert(*handle)),
                Call::Write { handle, offset, .. } if handles.contains(handle) => since.push(*offset),
                _ => {}
            }
            let is_first = answers.highest == 0;
            match answers.take(call) {
                0 => {}
                _ if is_first => since.clear(),
                _ => found.append(&mut since),
            }
        }
        found
    }
}

impl Load {
    /// Runs it, with more of what the disk is to do; a large one until its log began anew meanwhile, which depends on how
    /// the threads fall out.
    pub(crate) fn record(self, disk: &[(&str, &str)]) -> Recording {
        for _ in 0..20 {
            let recording = self.record_once(disk);
            if self.payload < 1_000 || recording.beside().begun_anew > 0 {
                return recording;
            }
        }
        panic!("{}: no log began anew beside the answers", self.name)
    }

    fn record_once(self, disk: &[(&str, &str)]) -> Recording {
        let bench = Bench::new();
        let events = events(self.events, self.payload, 40);
        bench.events(&events);
        bench.file("policies.toml", POLICIES);
        bench.file("regie.toml", CONFIG);
        let durability = if self.durability == Durability::Strict { "strict" } else { "relaxed" };
        let run =
            ["run", "--config", "regie.toml", "--durability", durability, "--in-flight", self.in_flight, "--drain"];
        let latency = ("REGIE_DISK_LATENCY_US", "300");
        for nth in self.kills {
            let fault = format!("write regie.db-wal {nth} 1 kill");
            bench.regie(&run, &[disk, &[latency, ("REGIE_DISK_FAULT", fault.as_str())]].concat()).exits(-1);
        }
        bench.regie(&run, &[disk, &[latency]].concat()).succeeds();
        Recording { load: self, calls: bench.calls(), sent: lines(&events), is_honest: disk.is_empty() }
    }
}
