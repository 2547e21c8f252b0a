//! Random machines and random happenings against a naive model; replay and snapshots give the same.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use regie_core::Json;
use regie_core::event::LifeState;
use regie_core::workflow::machine::{Machine, MachineBuilder, Unmatched};
use regie_core::workflow::{AgentOutcome, Definitions, Fact, Record, State, evolve, pending};
use serde_json::json;

use super::machine_help::Floor;

/// What sets a transition off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum On {
    Event(u8),
    Done,
    Failed,
    After,
}

#[derive(Clone, Copy, Debug)]
struct Way {
    from: u8,
    on: On,
    /// Taken while the count is even or odd, or always.
    parity: Option<u8>,
    adds: u8,
    starts: bool,
    to: Option<u8>,
}

/// States are `0..states`, the last one ends the machine.
#[derive(Clone, Debug)]
struct Plan {
    states: u8,
    ways: Vec<Way>,
    unmatched: [u8; 3],
}

#[derive(Clone, Debug)]
enum Op {
    Event(u8),
    Done,
    Failed,
    Wait,
    Snapshot,
}

const KINDS: [&str; 3] = ["r.a", "r.b", "r.c"];
const WAIT_MS: u64 = 1_000;

fn plan() -> impl Strategy<Value = Plan> {
    let on = prop_oneof![
        5 => (0_u8..3).prop_map(On::Event),
        2 => Just(On::Done),
        1 => Just(On::Failed),
        1 => Just(On::After),
    ];
    let way = (
        0_u8..5,
        on,
        proptest::option::of(0_u8..2),
        0_u8..3,
        proptest::bool::weighted(0.3),
        proptest::option::of(0_u8..5),
    );
    let ways = proptest::collection::vec(way, 1..14);
    (2_u8..6, ways, proptest::array::uniform3(0_u8..3)).prop_map(|(states, ways, unmatched)| {
        let mut kept: Vec<Way> = Vec::new();
        // Each state is reached from the one before it, by its own event.
        let ladder = (0..states - 1).map(|at| (at, On::Event(at % 3), None, 1, at == 0, Some(at + 1)));
        let not_instead = |way: &(u8, On, Option<u8>, u8, bool, Option<u8>)| {
            let from = way.0 % (states - 1);
            way.1 != On::Event(from % 3) || way.2.is_some()
        };
        for (from, on, parity, adds, starts, to) in ways.into_iter().filter(not_instead).chain(ladder) {
            let way = Way { from: from % (states - 1), on, parity, adds, starts, to: to.map(|to| to % states) };
            let taken = |mine: &Way| {
                mine.from == way.from && mine.on == way.on && (mine.parity.is_none() || mine.parity == way.parity)
            };
            if !kept.iter().any(taken) {
                kept.push(way);
            }
        }
        Plan { states, ways: kept, unmatched }
    })
}

fn choice(unmatched: u8) -> Unmatched {
    [Unmatched::Refuse, Unmatched::Keep, Unmatched::Ignore][unmatched as usize]
}

fn machine(plan: &Plan) -> MachineBuilder<u8, u32> {
    let start = Machine::<u8, u32>::named("random", 0).starts_on("r.*").step("work", "agent", |step| step);
    let said = (0..3).fold(start, |machine, at| machine.otherwise_for(KINDS[at], choice(plan.unmatched[at])));
    let ended = said.completes(plan.states - 1, |count| json!(count));
    plan.ways.iter().fold(ended, |machine, way| add(machine, *way))
}

macro_rules! written {
    ($way:expr) => {
        move |written| {
            let way: Way = $way;
            let mut written = written;
            if let Some(parity) = way.parity {
                written =
                    written.guard(format!("parity {parity}"), move |count: &u32, _| count % 2 == u32::from(parity));
            }
            written = written.act("add", move |count: &mut u32, _| *count += u32::from(way.adds));
            if way.starts {
                written = written.start("work", |count: &u32, _| json!(count));
            }
            if let Some(to) = way.to { written.go(to) } else { written }
        }
    };
}

fn add(machine: MachineBuilder<u8, u32>, way: Way) -> MachineBuilder<u8, u32> {
    match way.on {
        On::Event(kind) => machine.on::<Json>(way.from, KINDS[kind as usize], written!(way)),
        On::Done => machine.on_done::<Json>(way.from, "work", written!(way)),
        On::Failed => machine.on_failed(way.from, "work", written!(way)),
        On::After => machine.after(way.from, Duration::from_millis(WAIT_MS), written!(way)),
    }
}

/// What a machine should do, as plainly as can be.
struct Model {
    plan: Plan,
    begun: bool,
    state: u8,
    count: u32,
    working: bool,
    /// The step is done, and no transition has taken that.
    done: bool,
    /// When the state's wait runs out, if it has not.
    due: Option<u64>,
    now: u64,
    /// Events that wait: their numbers and kinds.
    waiting: Vec<(u64, u8)>,
    lives: BTreeMap<u64, LifeState>,
    failed: bool,
}

impl Model {
    fn new(plan: Plan) -> Self {
        let (waiting, lives) = (Vec::new(), BTreeMap::new());
        Self {
            plan,
            begun: false,
            state: 0,
            count: 0,
            working: false,
            done: false,
            due: None,
            now: 0,
            waiting,
            lives,
            failed: false,
        }
    }

    fn completed(&self) -> bool {
        self.state == self.plan.states - 1
    }

    fn over(&self) -> bool {
        self.failed || self.completed()
    }

    fn way(&self, on: On) -> Option<Way> {
        let fits = |way: &&Way| {
            way.from == self.state && way.on == on && way.parity.is_none_or(|it| self.count % 2 == u32::from(it))
        };
        self.plan.ways.iter().find(fits).copied()
    }

    fn enter(&mut self, state: u8) {
        self.state = state;
        let waits = self.plan.ways.iter().any(|way| way.from == state && way.on == On::After);
        self.due = waits.then_some(self.now + WAIT_MS);
    }

    /// Says no where a step would start that is under way: then nothing happened.
    fn take(&mut self, way: Way) -> bool {
        if way.starts && self.working {
            return false;
        }
        self.count += u32::from(way.adds);
        if way.starts {
            (self.working, self.done) = (true, false);
        }
        if let Some(to) = way.to {
            self.enter(to);
        }
        true
    }

    /// Whether all went well: the done step is taken, once there is a transition.
    fn settle(&mut self) -> bool {
        while self.done && !self.over() {
            let Some(way) = self.way(On::Done) else { break };
            self.done = false;
            if !self.take(way) {
                return false;
            }
        }
        true
    }

    fn event(&mut self, number: u64, kind: u8) -> LifeState {
        match self.way(On::Event(kind)) {
            _ if self.failed => LifeState::Discarded,
            _ if self.completed() => LifeState::Processed,
            Some(way) => {
                let before = (self.state, self.count, self.working, self.done, self.due);
                if self.take(way) && self.settle() {
                    return LifeState::Processed;
                }
                (self.state, self.count, self.working, self.done, self.due) = before;
                LifeState::Escalated
            }
            None if choice(self.plan.unmatched[kind as usize]) == Unmatched::Keep => {
                self.waiting.push((number, kind));
                self.waiting.sort_unstable();
                LifeState::Deferred
            }
            None if choice(self.plan.unmatched[kind as usize]) == Unmatched::Refuse => LifeState::Discarded,
            None => LifeState::Processed,
        }
    }

    /// After a transition, those that wait are tried from the oldest on, and again after each that was taken.
    fn look_at_waiting(&mut self) {
        let mut at = 0;
        while let Some((number, kind)) = self.waiting.get(at).copied() {
            let has_way = self.over() || self.way(On::Event(kind)).is_some();
            if !has_way {
                at += 1;
                continue;
            }
            self.waiting.remove(at);
            let over = self.over();
            let state = self.event(number, kind);
            self.lives.insert(number, state);
            at = if state == LifeState::Processed && !over { 0 } else { at };
        }
    }

    fn submit(&mut self, number: u64, kind: u8) {
        if !self.begun {
            let refused = choice(self.plan.unmatched[kind as usize]) == Unmatched::Refuse;
            if self.way(On::Event(kind)).is_none() && refused {
                self.lives.insert(number, LifeState::Discarded);
                return;
            }
            self.begun = true;
            self.enter(0);
        }
        let state = self.event(number, kind);
        self.lives.insert(number, state);
        if state == LifeState::Processed {
            self.look_at_waiting();
        }
    }

    /// Ends a step.
    fn ended(&mut self, well: bool) {
        self.working = false;
        match (well, self.way(if well { On::Done } else { On::Failed })) {
            (_, Some(way)) => {
                self.take(way);
                self.settle();
            }
            (true, None) => self.done = self.plan.ways.iter().any(|way| way.on == On::Done),
            (false, None) => self.failed = true,
        }
        self.look_at_waiting();
    }
}

struct Both {
    floor: Floor,
    model: Model,
    snapshots: Vec<(Vec<u8>, u64, regie_core::Digest)>,
}

impl Both {
    fn run(&mut self, op: &Op) {
        match op {
            Op::Event(kind) => {
                let number = self.floor.desk.state.sequence + 1;
                self.floor.send(KINDS[*kind as usize], json!(null));
                self.model.submit(number, *kind);
            }
            Op::Done | Op::Failed if !self.model.working || self.model.over() => {}
            Op::Done => {
                self.floor.ends("work", AgentOutcome::Done(Json::null()));
                self.model.ended(true);
            }
            Op::Failed => {
                self.floor.ends("work", AgentOutcome::Failed("no".into()));
                self.model.ended(false);
            }
            Op::Wait => self.wait(),
            Op::Snapshot => {
                let state = &self.floor.desk.state;
                let bytes = state.save(&self.floor.desk.definitions).expect("the machine is here");
                self.snapshots.push((bytes, state.sequence, state.digest));
            }
        }
    }

    fn wait(&mut self) {
        self.floor.wait(600);
        self.model.now += 600;
        // Timers that the floor fires late are set from then on: a state is entered now.
        if self.model.due.is_some_and(|due| due <= self.model.now && !self.model.over()) {
            self.model.due = None;
            let before = (self.model.state, self.model.count, self.model.done);
            if let Some(way) = self.model.way(On::After) {
                let starts_twice = way.starts && self.model.working;
                if starts_twice || !self.model.take(way) || !self.model.settle() {
                    (self.model.state, self.model.count, self.model.done) = before;
                }
                self.model.look_at_waiting();
            }
        }
    }

    fn assert_same(&self) {
        let (model, state) = (&self.model, &self.floor.desk.state);
        let lives: BTreeMap<u64, LifeState> = model
            .lives
            .keys()
            .filter_map(|number| Some((*number, state.known().by_sequence(*number)?.state)))
            .collect();
        assert_eq!(lives, model.lives);
        let stand = self.floor.stand(&machine(&model.plan).build().expect("a good machine"));
        if model.begun {
            assert_eq!((stand.state(), *stand.data()), (Some(&model.state), model.count));
            assert_eq!(state.has_ended(), model.over(), "{:?}", state.run());
            assert_eq!(state.owed().keys().any(|key| key.step == "work"), model.working && !model.over());
        }
    }
}

fn replayed(records: &[Vec<u8>], mut state: State, definitions: &Definitions) -> State {
    for bytes in &records[state.sequence as usize..] {
        let record = Record::decode(bytes).expect("a record");
        evolve(&mut state, &record, definitions).expect("a legal record");
        state.digest = state.digest.chain(bytes);
        state.placed(record.sequence, record.sequence);
    }
    state
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0_u8..3).prop_map(Op::Event),
        2 => Just(Op::Done),
        1 => Just(Op::Failed),
        2 => Just(Op::Wait),
        1 => Just(Op::Snapshot),
    ]
}

/// Whether a way may start a step while that is under way: what is parked then is told by other tests.
fn starts_twice(records: &[Vec<u8>]) -> bool {
    let decoded = records.iter().map(|bytes| Record::decode(bytes).expect("a record"));
    decoded.flat_map(|record| record.facts).any(|fact| matches!(fact, Fact::Parked { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn random_machines_do_what_the_model_does(plan in plan(), ops in proptest::collection::vec(op(), 1..60)) {
        let built = machine(&plan).build().expect("a good machine");
        let mut both = Both { floor: Floor::new(built), model: Model::new(plan), snapshots: Vec::new() };
        for op in &ops {
            both.run(op);
            if starts_twice(&both.floor.desk.records) {
                break;
            }
            both.assert_same();
        }
        let desk = &both.floor.desk;
        let again = replayed(&desk.records, State::default(), &desk.definitions);
        prop_assert_eq!(again.save(&desk.definitions), desk.state.save(&desk.definitions));
        for (bytes, sequence, digest) in both.snapshots {
            let state = State::restore(&bytes, sequence, digest, &desk.definitions).expect("a snapshot");
            let later = replayed(&desk.records, state, &desk.definitions);
            prop_assert_eq!(later.save(&desk.definitions), desk.state.save(&desk.definitions));
            prop_assert_eq!(pending(&later), pending(&desk.state));
        }
    }
}
