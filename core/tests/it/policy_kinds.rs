//! Each kind of policy with state, through the file and the governor: timelines as docs/governance.md draws them.

use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::event::LifeState;
use regie_core::governance::{
    Ask, AskId, Booking, Governor, Judgement, PolicyOutcome, PolicySet, Promise, Ruling, Verdict, Want,
};
use regie_core::workflow::{Fact, Record};

use super::helpers::{correlation, policies, record, who};

/// A set of which every policy is asked, each ask committed at once, and a restart before each where one is wanted.
struct Timeline {
    set: Arc<PolicySet>,
    governor: Governor,
    journal: Vec<Record>,
    restarts: bool,
    next: u64,
}

impl Timeline {
    fn new(entries: &[&str]) -> Self {
        let entry = |(nth, text): (usize, &&str)| format!("[[policy]]\nname = \"p{nth}\"\nmatch = \">\"\n{text}\n");
        let set = policies(&entries.iter().enumerate().map(entry).collect::<String>());
        Self { governor: Governor::new(&set), set, journal: Vec::new(), restarts: false, next: 1 }
    }

    fn restart(&mut self) {
        self.governor = Governor::new(&self.set);
        self.journal.iter().for_each(|record| self.governor.replay(&correlation(), record));
    }

    fn ask(&mut self, event: u64, returning: Option<Booking>, now: Timestamp) -> Ruling {
        if self.restarts {
            self.restart();
        }
        let wants = (0..self.set.len()).map(|policy| Want { policy, key: "k".into() }).collect();
        let (id, set) = (AskId(self.next), Arc::clone(&self.set));
        self.next += 1;
        let ask = Ask { id, who: who(event), set, wants, returning: returning.clone(), may_defer: true };
        let (_, ruling) = self.governor.ask(ask, now).expect("an answer at once");
        self.governor.settle(id, Some(id.0), now);
        let mut facts = vec![Fact::Moved { event, to: LifeState::Pending, reason: "so".into(), by: None }];
        facts.extend(returning.map(|booking| Fact::Released { booking }));
        let verdict = ruling.stopped.clone().unwrap_or(Verdict::Accepted);
        let judgement = Judgement { verdict, decisions: ruling.decisions.clone(), set: None, at: now };
        facts.push(Fact::Judged { event, judgement });
        self.journal.push(record(self.next, facts));
        ruling
    }

    fn new_at(&mut self, event: u64, now: &str) -> Ruling {
        self.ask(event, None, instant(now))
    }

    /// An event comes back to the place that a ruling booked.
    fn back(&mut self, event: u64, ruling: &Ruling, now: &str) -> Ruling {
        self.ask(event, Some(booking(ruling)), instant(now))
    }

    fn free(&mut self, event: u64) -> Vec<Promise> {
        assert!(self.governor.freed("p0", "k", &who(event), instant("00:00:00")).is_empty());
        self.journal.push(record(self.next, vec![Fact::Freed { policy: "p0".into(), key: "k".into(), event }]));
        self.governor.take_promises()
    }
}

/// An instant: of the first day of 1970 if only a time of day is given.
fn instant(text: &str) -> Timestamp {
    let text = if text.contains('T') { format!("{text}Z") } else { format!("1970-01-01T{text}Z") };
    Timestamp::parse(&text).expect("an instant")
}

fn booking(ruling: &Ruling) -> Booking {
    let mut grants = ruling.decisions.iter().filter_map(|decision| decision.grant.as_ref()?.booking().cloned());
    grants.next_back().expect("a booking")
}

/// What became of it: `on`, until when it is put off, or why it is discarded.
fn end(ruling: &Ruling) -> String {
    match &ruling.stopped {
        None => "on".into(),
        Some(Verdict::Deferred { until, .. }) => until.to_string().trim_end_matches(".000Z").into(),
        Some(Verdict::Discarded { reason }) => reason.clone(),
        Some(other) => format!("{other:?}"),
    }
}

const BERLIN: &str =
    "kind = \"window\"\nzone = \"Europe/Berlin\"\ndays = [\"mon-fri\"]\nstart = \"09:00\"\nend = \"17:00\"
    at_most = 3\nmode = \"defer\"";

#[test]
fn business_hours_over_the_clock_change() {
    for restarts in [false, true] {
        let mut hours = Timeline { restarts, ..Timeline::new(&[BERLIN]) };
        let early = hours.new_at(1, "2026-03-26T07:59:59.999");
        assert_eq!((end(&early), early.decisions[0].remaining_ms), ("2026-03-26T08:00:00".into(), Some(1)));
        assert_eq!(end(&hours.back(1, &early, "2026-03-26T08:00:00")), "on");
        assert_eq!(end(&hours.new_at(2, "2026-03-26T08:00:01")), "on");
        assert_eq!(end(&hours.new_at(3, "2026-03-26T12:00:00")), "on");
        let full = hours.new_at(4, "2026-03-26T15:00:00");
        assert_eq!(end(&full), "2026-03-27T08:00:00");
        assert_eq!(full.decisions[0].observed["count"].to_string(), "3");
        assert_eq!(end(&hours.back(4, &full, "2026-03-27T08:00:00")), "on");
        let weekend = hours.new_at(5, "2026-03-27T16:00:00");
        assert_eq!(end(&weekend), "2026-03-30T07:00:00", "an hour earlier in UTC");
        hours.restart();
        assert_eq!(end(&hours.back(5, &weekend, "2026-03-30T07:00:00")), "on");
    }
}

#[test]
fn who_does_not_fit_in_the_next_opening_books_the_one_after() {
    let mut hours = Timeline { restarts: true, ..Timeline::new(&[BERLIN]) };
    let ends: Vec<String> = (1..=7).map(|event| end(&hours.new_at(event, "2026-03-28T12:00:00"))).collect();
    let [monday, tuesday, wednesday] = ["2026-03-30", "2026-03-31", "2026-04-01"].map(|day| format!("{day}T07:00:00"));
    assert_eq!(ends[..3], [&*monday; 3]);
    assert_eq!(ends[3..6], [&*tuesday; 3]);
    assert_eq!(ends[6], wednesday);
}

#[test]
fn a_calendar_that_does_not_open_again_discards_though_it_defers() {
    let once = "kind = \"window\"\nzone = \"UTC\"\ndays = []\nstart = \"09:00\"\nend = \"10:00\"\nmode = \"defer\"
        [[policy.hours]]\nfrom = 1970-01-01\ndays = [\"thu\"]\nstart = \"09:00\"\nend = \"10:00\"";
    let mut hours = Timeline::new(&[once]);
    assert_eq!(end(&hours.new_at(1, "08:00:00")), "1970-01-01T09:00:00");
    assert_eq!(end(&hours.new_at(2, "09:30:00")), "on");
    assert!(end(&hours.new_at(3, "10:00:00")).ends_with("it does not open again"));
}

#[test]
fn a_rate_lets_a_burst_on_and_then_one_each_interval() {
    let text = |mode: &str| format!("kind = \"rate\"\nrate = 2\nper = \"1s\"\nburst = 3\nmode = \"{mode}\"");
    for restarts in [false, true] {
        let mut rate = Timeline { restarts, ..Timeline::new(&[&text("discard")]) };
        let instants = ["00:00:00", "00:00:00", "00:00:00", "00:00:00.400", "00:00:00.500", "00:00:00.900", "00:00:01"];
        let ends: Vec<bool> = (1..).zip(instants).map(|(event, at)| rate.new_at(event, at).stopped.is_none()).collect();
        assert_eq!(ends, [true, true, true, false, true, false, true]);

        let mut rate = Timeline { restarts, ..Timeline::new(&[&text("defer")]) };
        (1..=3).for_each(|event| assert_eq!(end(&rate.new_at(event, "00:00:00")), "on"));
        let fourth = rate.new_at(4, "00:00:00.100");
        assert_eq!((end(&fourth).as_str(), fourth.decisions[0].remaining_ms), ("1970-01-01T00:00:00.500Z", Some(400)));
        assert_eq!(end(&rate.new_at(5, "00:00:00.100")), "1970-01-01T00:00:01");
        assert_eq!(end(&rate.back(4, &fourth, "00:00:00.500")), "on");
        assert_eq!(
            end(&rate.new_at(6, "00:00:00.500")),
            "1970-01-01T00:00:01.500Z",
            "a booked slot goes before a newcomer"
        );
    }
}

const QUIET: &str = "kind = \"debounce\"\nwait = \"100ms\"\nmax = \"250ms\"";

#[test]
fn of_a_burst_the_last_goes_on_once_it_is_quiet() {
    for restarts in [false, true] {
        let mut quiet = Timeline { restarts, ..Timeline::new(&[QUIET]) };
        let instants = ["00:00:00", "00:00:00.060", "00:00:00.155", "00:00:00.200"];
        let put: Vec<Ruling> = (1..).zip(instants).map(|(event, at)| quiet.new_at(event, at)).collect();
        let until = |ruling: &Ruling| booking(ruling).slot.micros() / 1_000;
        assert_eq!(put.iter().map(until).collect::<Vec<_>>(), [100, 160, 250, 250]);
        assert_eq!(end(&quiet.back(1, &put[0], "00:00:00.100")), "debounced");
        assert_eq!(end(&quiet.back(4, &put[3], "00:00:00.250")), "on");
        assert_eq!(end(&quiet.back(3, &put[2], "00:00:00.250")), "debounced", "of one slot the last in order");
        assert_eq!(end(&quiet.back(2, &put[1], "00:00:00.251")), "debounced", "late as it may be");
        assert_eq!(end(&quiet.new_at(5, "00:00:00.250")), "1970-01-01T00:00:00.350Z", "another burst");
    }
}

/// With its place given back the burst might be forgotten, and the first, written before that, would be let go on.
#[test]
fn who_wants_nothing_any_more_waits_too_until_its_burst_is_settled() {
    let mut quiet = Timeline::new(&[QUIET]);
    let now = instant("00:00:00.000");
    let first = asks(&quiet.set, 7, None);
    let (late, _) = quiet.governor.ask(first, now).expect("an answer at once");
    let put = quiet.new_at(2, "00:00:00.050");
    let gives_back = Ask { wants: Vec::new(), ..asks(&quiet.set, 2, Some(booking(&put))) };
    let id = gives_back.id;
    assert_eq!(quiet.governor.ask(gives_back, instant("00:00:00.150")), None);
    let told = quiet.governor.settle(late, Some(1), instant("00:00:00.200"));
    assert!(matches!(&told[..], [(settled, Ruling { stopped: None, .. })] if *settled == id), "{told:?}");
}

#[test]
fn a_debounce_that_puts_off_decides_alone_and_lets_its_last_on_to_the_others() {
    let mut both = Timeline::new(&["kind = \"cooldown\"\nwindow = \"1s\"\nmode = \"defer\"", QUIET]);
    let first = both.new_at(1, "00:00:00");
    assert_eq!((first.decisions.len(), booking(&first).policy.as_str()), (1, "p1"));
    assert_eq!(end(&both.back(1, &first, "00:00:00.100")), "on");
    let second = both.new_at(2, "00:00:00.300");
    let third = both.back(2, &second, "00:00:00.400");
    assert_eq!((end(&third).as_str(), booking(&third).policy.as_str()), ("1970-01-01T00:00:01.100Z", "p0"));
    assert_eq!(end(&both.back(2, &third, "00:00:01.100")), "on", "it is not debounced again");
}

#[test]
fn who_comes_over_the_limit_waits_for_a_place_first_come_first_served() {
    for restarts in [false, true] {
        let mut desk = Timeline { restarts, ..Timeline::new(&["kind = \"concurrency\"\nlimit = 2"]) };
        assert_eq!([1, 2].map(|event| end(&desk.new_at(event, "00:00:00"))), ["on", "on"]);
        let waits: Vec<Ruling> = [3, 4].map(|event| desk.new_at(event, "00:00:01")).into();
        assert!(waits.iter().all(|ruling| matches!(ruling.stopped, Some(Verdict::Waiting { .. }))));
        assert_eq!(waits[0].decisions[0].outcome, PolicyOutcome::Deferred);
        assert_eq!(desk.free(1), [Promise { correlation: correlation(), event: 3 }]);
        assert!(matches!(desk.new_at(5, "00:00:02").stopped, Some(Verdict::Waiting { .. })), "behind those who wait");
        assert_eq!(end(&desk.back(3, &waits[0], "00:00:02")), "on");
        assert_eq!(desk.free(2), [Promise { correlation: correlation(), event: 4 }]);
        desk.restart();
        assert_eq!(
            desk.governor.take_promises(),
            [Promise { correlation: correlation(), event: 4 }],
            "it is told again"
        );
        assert_eq!(end(&desk.back(4, &waits[1], "00:00:03")), "on");
    }
}

#[test]
fn who_waits_at_a_limit_that_is_no_more_is_told_to_come_back() {
    let told = |event| Promise { correlation: correlation(), event };
    for restarts in [false, true] {
        let mut desk = Timeline::new(&["kind = \"concurrency\"\nlimit = 1"]);
        assert_eq!(end(&desk.new_at(1, "00:00:00")), "on");
        [2, 3].iter().for_each(|event| drop(desk.new_at(*event, "00:00:01")));
        assert!(desk.governor.take_promises().is_empty(), "the place is held");
        desk.set = Arc::new(PolicySet::default());
        match restarts {
            true => desk.restart(),
            false => drop(desk.governor.learn(Governor::new(&desk.set), instant("00:00:02"))),
        }
        assert_eq!(desk.governor.take_promises(), [told(2), told(3)]);
        assert!(desk.governor.take_promises().is_empty(), "once");
    }
}

#[test]
fn who_must_wait_without_a_time_takes_the_time_of_another_who_knows_one() {
    let limit = "kind = \"concurrency\"\nlimit = 1";
    let mut both = Timeline::new(&[limit, "kind = \"cooldown\"\nwindow = \"1s\"\nmode = \"defer\""]);
    assert_eq!(end(&both.new_at(1, "00:00:00")), "on");
    let second = both.new_at(2, "00:00:00.200");
    assert_eq!((end(&second).as_str(), booking(&second).policy.as_str()), ("1970-01-01T00:00:01", "p1"));
    assert!(second.decisions.iter().all(|decision| decision.outcome == PolicyOutcome::Deferred));
    assert!(matches!(both.back(2, &second, "00:00:01").stopped, Some(Verdict::Waiting { .. })));
}

#[test]
fn the_kinds_are_looked_at_in_their_order_whatever_the_file_says() {
    let open = "kind = \"window\"\nzone = \"UTC\"\nstart = \"00:00\"\nend = \"24:00\"\nmode = \"discard\"";
    let rate = "kind = \"rate\"\nrate = 1\nper = \"1s\"\nmode = \"discard\"";
    let cooldown = "kind = \"cooldown\"\nwindow = \"1s\"\nmode = \"discard\"";
    let mut all = Timeline::new(&["kind = \"concurrency\"\nlimit = 1", cooldown, rate, open]);
    let looked = |ruling: Ruling| ruling.decisions.into_iter().map(|decision| decision.policy).collect::<Vec<_>>();
    assert_eq!(looked(all.new_at(1, "00:00:00")), ["p3", "p2", "p1", "p0"]);
    assert_eq!(looked(all.new_at(2, "00:00:00")), ["p3", "p2"], "the first that stops ends it");
}

#[test]
fn who_waits_at_a_limit_that_is_gone_or_of_another_kind_is_called_and_who_has_gone_on_is_not() {
    let mut desk = Timeline::new(&["kind = \"concurrency\"\nlimit = 1"]);
    desk.new_at(1, "00:00:00");
    let waits: Vec<Ruling> = [2, 3, 4].map(|event| desk.new_at(event, "00:00:01")).into();
    desk.free(1);
    assert_eq!(end(&desk.back(2, &waits[0], "00:00:02")), "on");
    let called = [3, 4].map(|event| Promise { correlation: correlation(), event });
    for other in ["kind = \"cooldown\"\nwindow = \"1s\"\nmode = \"defer\"", ""] {
        desk.set = match other {
            "" => Default::default(),
            other => policies(&format!("[[policy]]\nname = \"p0\"\nmatch = \">\"\n{other}\n")),
        };
        desk.restart();
        assert_eq!(desk.governor.take_promises(), called, "{other}");
        assert_eq!(desk.governor.take_promises(), [], "each is told once");
    }
}

#[test]
fn a_place_that_is_given_up_while_a_set_is_read_is_not_learnt() {
    let defers = "kind = \"cooldown\"\nwindow = \"1s\"\nmode = \"defer\"";
    let mut desk = Timeline::new(&[defers]);
    desk.new_at(1, "00:00:00");
    let waits = desk.new_at(2, "00:00:00");
    desk.restart();
    let read = std::mem::replace(&mut desk.governor, Governor::new(&PolicySet::default()));
    desk.governor.begins_to_learn();
    let (id, set) = (AskId(100), Arc::new(PolicySet::default()));
    let returning = Some(booking(&waits));
    let ask = Ask { id, who: who(2), set, wants: Vec::new(), returning, may_defer: true };
    desk.governor.ask(ask, instant("00:00:01")).expect("an answer at once");
    desk.governor.settle(id, Some(id.0), instant("00:00:01"));
    assert!(desk.governor.learn(read, instant("00:00:01")).is_empty());
    assert_eq!(end(&desk.new_at(3, "00:00:01")), "on", "nobody comes back to that place any more");
}

#[test]
fn a_place_that_is_freed_while_a_set_is_read_is_not_held_by_it() {
    let mut desk = Timeline::new(&["kind = \"concurrency\"\nlimit = 1"]);
    desk.new_at(1, "00:00:00");
    let mut read = Timeline { set: Arc::clone(&desk.set), journal: desk.journal.clone(), ..Timeline::new(&[]) };
    read.restart();
    desk.governor.begins_to_learn();
    desk.free(1);
    assert!(desk.governor.learn(read.governor, instant("00:00:01")).is_empty());
    assert_eq!(end(&desk.new_at(2, "00:00:01")), "on");
}

/// An ask of one policy's key by an event that is new, or comes back.
fn asks(set: &Arc<PolicySet>, event: u64, returning: Option<Booking>) -> Ask {
    let wants = vec![Want { policy: 0, key: "k".into() }];
    Ask { id: AskId(event), who: who(event), set: Arc::clone(set), wants, returning, may_defer: true }
}

#[test]
fn what_commits_while_a_set_is_read_counts_once_whether_the_reading_has_it_or_not() {
    let morning =
        "kind = \"window\"\nzone = \"UTC\"\nstart = \"09:00\"\nend = \"10:00\"\nat_most = 3\nmode = \"defer\"";
    for reading_has_it in [false, true] {
        let mut desk = Timeline::new(&[morning]);
        let booked: Vec<Ruling> = [1, 2, 3].map(|event| desk.new_at(event, "08:00:00")).into();
        let mut read = Timeline { journal: desk.journal.clone(), ..Timeline::new(&[morning]) };
        desk.governor.begins_to_learn();
        if reading_has_it {
            desk.back(1, &booked[0], "09:00:00");
            read.journal.clone_from(&desk.journal);
        }
        read.restart();
        read.governor.was_read_to(if reading_has_it { 5 } else { 3 });
        let now = instant("09:00:00");
        let (set, returning) = (Arc::clone(&desk.set), Some(booking(&booked[1])));
        if !reading_has_it {
            desk.back(1, &booked[0], "09:00:00");
        }
        // Another is on its way when the set comes into force.
        desk.governor.ask(asks(&set, 200, returning), now).expect("an answer at once");
        assert!(desk.governor.learn(read.governor, now).is_empty());
        desk.governor.settle(AskId(200), Some(300), now);
        let newcomer = desk.governor.ask(asks(&set, 9, None), now).expect("an answer at once").1;
        assert!(newcomer.stopped.is_some(), "two have gone on, and the third comes yet");
        desk.governor.settle(AskId(9), None, now);
        let third = desk.governor.ask(asks(&set, 3, Some(booking(&booked[2]))), now).expect("an answer at once").1;
        assert_eq!(end(&third), "on");
    }
}

#[test]
fn one_that_comes_back_too_early_by_its_key_keeps_its_one_place_in_the_session() {
    let morning =
        "kind = \"window\"\nzone = \"UTC\"\nstart = \"09:00\"\nend = \"10:00\"\nat_most = 2\nmode = \"defer\"";
    for restarts in [false, true] {
        let mut desk = Timeline { restarts, ..Timeline::new(&[morning]) };
        let first = desk.new_at(1, "08:00:00");
        let again = desk.back(1, &first, "08:59:59"); // the clock was set back
        assert_eq!(booking(&again), booking(&first));
        assert_eq!(end(&desk.back(1, &again, "09:00:00")), "on");
        assert_eq!(["on", "on"].map(|_| end(&desk.new_at(2, "09:00:00")) == "on"), [true, false]);
    }
}

#[test]
fn what_a_policy_of_another_kind_has_booked_under_its_name_stands_as_after_a_restart() {
    let defers = "kind = \"cooldown\"\nwindow = \"1s\"\nmode = \"defer\"";
    let rate = "[[policy]]\nname = \"p0\"\nmatch = \">\"\nkind = \"rate\"\nrate = 1\nper = \"1s\"\nmode = \"defer\"\n";
    let mut desk = Timeline::new(&[defers]);
    (1..=3).for_each(|event| drop(desk.new_at(event, "00:00:00")));
    desk.set = policies(rate);
    let mut read = Timeline { journal: desk.journal.clone(), ..Timeline::new(&[]) };
    read.set = Arc::clone(&desk.set);
    read.restart();
    let after_a_restart = read.governor.ask(asks(&desk.set, 9, None), instant("00:00:00")).expect("an answer").1;
    read.restart();
    desk.governor.begins_to_learn();
    assert!(desk.governor.learn(read.governor, instant("00:00:00")).is_empty());
    let live = desk.governor.ask(asks(&desk.set, 9, None), instant("00:00:00")).expect("an answer").1;
    assert_eq!((end(&live), live), (end(&after_a_restart), after_a_restart));
}

#[test]
fn acceptances_of_a_rate_that_are_told_late_while_a_set_is_read_count_in_the_order_of_the_journal() {
    let three_at_once = "kind = \"rate\"\nrate = 7\nper = \"1s\"\nburst = 3\nmode = \"discard\"";
    let mut desk = Timeline::new(&[three_at_once]);
    desk.governor.begins_to_learn();
    let read = Governor::new(&desk.set);
    for (event, now) in [(1, "00:00:00"), (2, "00:00:00.220")] {
        desk.governor.ask(asks(&desk.set, event, None), instant(now)).expect("an answer at once");
    }
    // One lane tells what it appended later before another what it appended first.
    for (event, position) in [(2, 11), (1, 10)] {
        desk.governor.settle(AskId(event), Some(position), instant("00:00:00.300"));
    }
    assert!(desk.governor.learn(read, instant("00:00:00.300")).is_empty());
    desk.next = 3;
    // The second was the first of a burst anew: the one before it had been over by then.
    let ends: Vec<_> = [3, 4, 5].map(|event| end(&desk.new_at(event, "00:00:00.300"))).into();
    assert!(ends[..2] == ["on", "on"] && ends[2] != "on", "{ends:?}");
}

/// A governor that was asked once, and then learnt what a reading has, in which that has committed at position 7.
fn told_late(text: &str, before: &[Fact], now: Timestamp) -> Timeline {
    let mut desk = Timeline::new(&[text]);
    desk.journal.push(record(1, before.to_vec()));
    desk.restart();
    let first = desk.governor.ask(asks(&desk.set, 1, None), now).expect("an answer at once").1;
    let judgement = Judgement { decisions: first.decisions, ..Judgement::free(now, None) };
    desk.journal.push(record(2, vec![Fact::Judged { event: 1, judgement }]));
    let mut read = Timeline { set: Arc::clone(&desk.set), journal: desk.journal.clone(), ..Timeline::new(&[text]) };
    read.restart();
    read.governor.was_read_to(7);
    desk.governor.begins_to_learn();
    assert!(desk.governor.learn(read.governor, now).is_empty());
    desk.governor.settle(AskId(1), Some(7), now);
    desk.next = 8;
    desk
}

#[test]
fn one_that_is_told_to_have_committed_after_a_reading_that_has_it_counts_once() {
    let two_at_once = "kind = \"rate\"\nrate = 1\nper = \"1s\"\nburst = 2\nmode = \"discard\"";
    let mut desk = told_late(two_at_once, &[], instant("00:00:00"));
    let ends: Vec<_> = [2, 3].map(|event| end(&desk.new_at(event, "00:00:00"))).into();
    assert!(ends[0] == "on" && ends[1] != "on", "{ends:?}");
}

#[test]
fn what_one_has_booked_that_is_told_so_after_a_reading_stays_booked() {
    let defers = "kind = \"cooldown\"\nwindow = \"1s\"\nmode = \"defer\"";
    let mut earlier = Timeline::new(&[defers]);
    earlier.new_at(9, "00:00:00");
    let mut desk = told_late(defers, &earlier.journal[0].facts, instant("00:00:00"));
    assert_eq!(end(&desk.new_at(2, "00:00:00")), "1970-01-01T00:00:02", "the slot before is taken");
}
