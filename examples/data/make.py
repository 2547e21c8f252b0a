#!/usr/bin/env python3
"""Makes agent_platform_day.jsonl, and what Regie should make of it.

A day (Monday, 2 March 2026, UTC) of an agent platform: two sprints with their tasks, the sessions of people and agents,
agents' notes, a trading correlation with an execution of its own, notifications. Everything in it is invented.

The same files come out every time. `make.py` writes them; `make.py --check` says whether those that are there are the
same; `regie stats --json | make.py --stats` says whether Regie found the same figures. Those come from the small model at
the end of this file, which shares no code with Regie, and are kept in agent_platform_day.expected.json.
"""

import json
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).resolve().parent
DAY = datetime(2026, 3, 2, tzinfo=timezone.utc)
LOCAL, CI = "regie:local", "https://ci.example/builds"
SPRINT, BASH = "sprint-2026-10", "bug-bash-2026-03-02"
TRADING, EXECUTION = "trading-2026-03-02", "execution-2026-03-02"


class Dice:
    """A small generator of our own: Python's may change between versions."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def at(clock):
    """`HH:MM` or `HH:MM:SS`, with or without milliseconds, on the day."""
    parts = clock.split(":") + ["0"]
    return DAY + timedelta(hours=int(parts[0]), minutes=int(parts[1]), milliseconds=int(Decimal(parts[2]) * 1000))


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def user(name):
    return {"kind": "user", "id": name}


def agent(name):
    return {"kind": "agent", "id": name}


class Day:
    """Collects events in any order. Each is a dict whose `causation_id` is still the dict that caused it."""

    def __init__(self):
        self.events = []
        self.fields = {}  # (entity type, id) -> field -> value: what `before` is taken from

    def say(self, when, kind, correlation, actor, **more):
        event = {"type": kind, "correlation_id": correlation, "time": at(when) if isinstance(when, str) else when}
        event["actor"] = actor
        event.update(more)
        self.events.append(event)
        return event

    def settle(self):
        """Puts the events in time order, numbers them and fills in each `before`."""
        self.events.sort(key=lambda event: event["time"])
        for number, event in enumerate(self.events, 1):
            event.setdefault("id", f"e-{number:04d}")
            if "set" in event:
                event["changes"] = self.change(event["entity"], event.pop("set"))
        return [wire(event) for event in self.events]

    def change(self, entity, after):
        fields = self.fields.setdefault((entity["type"], entity["id"]), {})
        changes = {name: {"before": fields.get(name), "after": value} for name, value in after.items()}
        fields.update(after)
        return changes


ORDER = ["id", "source", "type", "correlation_id", "causation_id", "correlation_chain", "session_key", "actor", "timestamp",
         "entity", "related", "changes", "priority", "payload", "metadata", "traceparent"]


def wire(event):
    """Our envelope, its fields in a fixed order; what is not a field of ours goes to the end."""
    event = dict(event, timestamp=stamp(event["time"]))
    cause = event.pop("cause", None)
    if cause is not None:
        source = cause.get("source", LOCAL)
        event["causation_id"] = cause["id"] if source == event.get("source", LOCAL) else f"{source}#{cause['id']}"
    del event["time"]
    if event.pop("cloudevent", False):
        return cloudevent(event)
    known = {name: event[name] for name in ORDER if name in event}
    return known | {name: value for name, value in event.items() if name not in known}


def cloudevent(event):
    """The same event as a CloudEvent 1.0 in JSON."""
    out = {"specversion": "1.0", "id": event["id"], "source": event["source"], "type": event["type"],
           "time": event["timestamp"], "correlationid": event["correlation_id"]}
    if "causation_id" in event:
        out["causationid"] = event["causation_id"]
    return out | {"entitytype": event["entity"]["type"], "entityid": event["entity"]["id"],
                  "actorkind": event["actor"]["kind"], "actorid": event["actor"]["id"],
                  "datacontenttype": "application/json", "data": event["payload"]}


# --- Sprints -----------------------------------------------------------------------------------------------------------

def sprints(day):
    """The week's sprint, and a bug bash of one day whose tasks are all done in the end."""
    started = {}
    for code, name, who, when in [(SPRINT, "Week 10", "ana", "07:58"), (BASH, "Bug bash", "ben", "08:05")]:
        entity = {"type": "sprint", "id": code}
        begin = at(when)
        made = day.say(begin, "orchestration.sprint.created", code, user(who), entity=entity, session_key=f"session-{who}",
                       set={"status": "planned", "name": name}, payload={"goal": f"{name}: see the board"})
        day.say(begin + timedelta(minutes=4), "orchestration.sprint.metadata_updated", code, user(who), entity=entity, cause=made,
                session_key=f"session-{who}", set={"capacity": 34 if code == SPRINT else 8}, payload={})
        started[code] = day.say(begin + timedelta(minutes=30), "orchestration.sprint.status_changed", code, user(who), cause=made,
                                entity=entity, session_key=f"session-{who}", set={"status": "active"}, priority="P1",
                                payload={"tasks": sum(1 for row in TASKS if row[1] == code)})
    sprint = {"type": "sprint", "id": SPRINT}
    day.say("12:45", "orchestration.sprint.metadata_updated", SPRINT, user("ana"), entity=sprint, session_key="session-ana",
            cause=started[SPRINT], set={"capacity": 30}, payload={"why": "dora is away on Friday"})
    day.say("17:20", "orchestration.sprint.metadata_updated", SPRINT, agent("planner"), entity=sprint,
            session_key="session-planner", cause=started[SPRINT], set={"forecast": "2026-03-06"}, payload={"confidence": "0.71"})
    return started


# --- Sessions ----------------------------------------------------------------------------------------------------------

def sessions(day):
    """People start in the morning and come back after lunch; agents have a context assembled for them."""
    people = [("ana", "07:55"), ("ben", "08:01"), ("chidi", "08:40"), ("dora", "09:10")]
    agents = [("planner", "08:30"), ("coder-1", "08:50"), ("coder-2", "08:51"), ("coder-3", "08:51:30"), ("reviewer", "09:00"), ("tester", "09:05")]
    for kind, (name, when) in [("user", it) for it in people] + [("agent", it) for it in agents]:
        who, key = {"kind": kind, "id": name}, f"session-{name}"
        entity = {"type": "session", "id": key}
        begin = at(when)
        started = day.say(begin, "orchestration.session.started", key, who, entity=entity, session_key=key,
                          set={"status": "active"}, payload={"client": "desk 4.2" if kind == "user" else "agent-host"})
        back = at("13:00") + timedelta(seconds=7 * len(name))
        resumed = day.say(back, "orchestration.session.resumed", key, who, entity=entity, session_key=key, cause=started,
                          set={"resumes": 1}, payload={"idle_ms": int((back - begin).total_seconds()) * 1000})
        if kind == "agent":
            for cause, shift, tokens in [(started, 2, 18_400), (resumed, 3, 22_750)]:
                day.say(cause["time"] + timedelta(seconds=shift), "orchestration.context.assembled", key, who, cause=cause,
                        entity={"type": "context", "id": f"ctx-{name}-{shift - 1}"}, related=[entity], session_key=key,
                        set={"tokens": tokens + 10 * len(name)}, payload={"sources": ["board", "repository", "notes"]})


# --- Tasks -------------------------------------------------------------------------------------------------------------

# code, sprint, title, priority, agent, minute of the day at which work begins, minutes it takes, what becomes of it
TASKS = [
    ("TASK-101", SPRINT, "Retry the flaky upload", "P1", "coder-1", 9 * 60 + 2, 150, "done"),
    ("TASK-102", SPRINT, "Show the queue length", "P2", "coder-2", 9 * 60 + 6, 190, "done"),
    ("TASK-103", SPRINT, "Move settings to one file", "P2", "coder-1", 12 * 60 + 10, 200, "done"),
    ("TASK-104", SPRINT, "Export as CSV", "P3", "coder-2", 13 * 60 + 15, 240, "review"),
    ("TASK-105", SPRINT, "Rotate the signing key", "P1", "coder-2", 10 * 60 + 20, 330, "blocked"),
    ("TASK-106", SPRINT, "Shorter error pages", "P3", "coder-1", 15 * 60 + 40, 120, "open"),
    ("TASK-107", SPRINT, "Speed up the board", "P2", "coder-1", 16 * 60 + 5, 100, "open"),
    ("TASK-108", SPRINT, "Name the default branch", "P3", None, 0, 0, "new"),
    ("TASK-109", SPRINT, "Warn before the disk is full", "P1", "coder-2", 17 * 60 + 30, 170, "urgent"),
    ("TASK-110", SPRINT, "Fewer mails at night", "P2", "coder-3", 9 * 60 + 45, 160, "done"),
    ("TASK-111", SPRINT, "Undo for bulk edits", "P2", "coder-3", 13 * 60 + 20, 210, "review"),
    ("TASK-112", SPRINT, "Read the audit log by day", "P1", "coder-3", 17 * 60 + 5, 130, "done"),
    ("TASK-201", BASH, "Login loops on Safari", "P1", "coder-1", 9 * 60 + 20, 95, "done"),
    ("TASK-202", BASH, "Totals off by a cent", "P1", "coder-2", 9 * 60 + 35, 140, "mended"),
    ("TASK-203", BASH, "Dates in the wrong zone", "P2", "coder-1", 11 * 60 + 5, 130, "done"),
    ("TASK-204", BASH, "Search misses umlauts", "P2", "coder-2", 14 * 60, 110, "done"),
    ("TASK-205", BASH, "Board jumps on resize", "P3", "coder-3", 11 * 60 + 40, 90, "done"),
]


class Task:
    """One task: a correlation of its own, below its sprint's."""

    def __init__(self, day, row, started, dice):
        self.day, self.dice = day, dice
        self.code, self.sprint, self.title, self.priority, self.worker, self.begin, self.minutes, self.fate = row
        self.started = started[self.sprint]
        self.correlation = self.code.lower()
        self.said = []

    def say(self, minute, what, who, after, **more):
        session = more.pop("session_key", f"session-{who['id']}")
        when = DAY + timedelta(minutes=minute, seconds=self.dice.below(60), milliseconds=self.dice.below(1000))
        event = self.day.say(when, f"orchestration.task.{what}", self.correlation, who, cause=self.said[-1] if self.said else self.started,
                             correlation_chain=[self.sprint], entity={"type": "task", "id": self.code}, session_key=session,
                             related=[{"type": "sprint", "id": self.sprint}], set=after, **more)
        self.said.append(event)
        return event

    def status(self, minute, to, who, **more):
        return self.say(minute, "status_changed", who, {"status": to}, **more)

    def run(self):
        owner = user("ana" if self.sprint == SPRINT else "ben")
        made = 8 * 60 + 32 + (int(self.code[-2:]) if self.sprint == SPRINT else 8 + int(self.code[-1])) * 2
        self.say(made, "created", owner, {"status": "pending", "title": self.title, "priority": self.priority}, priority=self.priority,
                 payload={"points": 1 + self.dice.below(5)})
        if self.worker is None:
            return
        self.say(made + 1, "assigned", agent("planner"), {"assignee": self.worker}, payload={"score": f"0.{60 + self.dice.below(39)}"})
        self.status(self.begin, "in_progress", agent(self.worker), metadata={"host": "agent-host"})
        self.work()

    def work(self):
        worker, step = agent(self.worker), self.minutes // 6
        for share in range(1, 5):
            self.say(self.begin + share * step, "progress_updated", worker, {"progress": share * 20}, payload={"unit": "percent"})
            if self.fate in ("blocked", "mended") and share == 2:
                self.block(self.begin + share * step + 5)
                if self.fate == "blocked":
                    return
                self.status(self.begin + share * step + 17, "in_progress", user("chidi"), payload={"why": "the rate table is there"})
            if self.fate == "urgent" and share == 2:
                self.say(self.begin + share * step + 3, "priority_changed", user("dora"), {"priority": "P0"}, priority="P0",
                         payload={"why": "disk at 91%"})
            if self.fate == "open" and share == 3:
                return
        end = self.begin + self.minutes
        self.status(end - 9, "in_review", worker)
        if self.fate not in ("review", "urgent"):
            self.say(end - 4, "progress_updated", agent("reviewer"), {"progress": 100}, payload={"findings": self.dice.below(3)})
            self.status(end, "completed", agent("reviewer"), payload={"merged": True})

    def block(self, minute):
        why = {"reason": "waits for the rate table" if self.fate == "mended" else "waits for the vault's owner"}
        moved = self.status(minute, "blocked", agent(self.worker), priority="P1", payload=why)
        blocked = self.say(minute, "blocked", agent(self.worker), {"blocked_by": why["reason"]}, priority="P1", payload=why)
        blocked["time"] = moved["time"]  # the same instant: the two are one act


def tasks(day, started, dice):
    made = [Task(day, row, started, dice) for row in TASKS]
    for task in made:
        task.run()
    return made


def builds(day, made):
    """The build server speaks CloudEvents, under its own source."""
    of = {task.code: task for task in made}
    for number, (task, result) in enumerate([(of["TASK-101"], "passed"), (of["TASK-201"], "failed"), (of["TASK-201"], "passed"), (of["TASK-202"], "passed")]):
        review = next(event for event in task.said if event["set"] == {"status": "in_review"})
        day.say(review["time"] + timedelta(seconds=40 + 70 * (number == 2)), "ci.build.finished", task.correlation, agent("build-server"), source=CI,
                id=f"build-{5530 + number}", entity={"type": "build", "id": str(5530 + number)}, cloudevent=True,
                cause=review, payload={"result": result, "seconds": 31 + 9 * number})


# --- Notes -------------------------------------------------------------------------------------------------------------

NOTES = ["read the ticket", "found the call", "wrote a failing test", "the test fails for the right reason", "a fix is in",
         "all green here", "asked the reviewer", "cleaned up"]


def notes(day, made, dice):
    """Agents note what they do, each in the task's correlation. Most keep to one a minute."""
    for task in made:
        if task.worker is None:
            continue
        for number in range(6):
            minute = task.begin + 2 + number * max(task.minutes // 8, 9)
            note(day, task, minute * 60 + dice.below(50), NOTES[(number + len(task.title)) % len(NOTES)])
    chatty = next(task for task in made if task.code == "TASK-202")
    base = chatty.begin * 60 + 8 * 60 + 5
    # One goes on; three come too soon; the one that comes just a minute after the first is on time; one is 1 ms early.
    for shift, text in [(0, "a cent is lost"), (12, "still looking"), (31.5, "in the rounding?"), (59.999, "yes, the rounding"),
                        (60, "half even against half up"), (119.999, "the same in the export")]:
        note(day, chatty, base + shift, text)


def note(day, task, second, text):
    when = DAY + timedelta(milliseconds=int(second * 1000))
    cause = [event for event in task.said if event["time"] <= when][-1]
    day.say(when, "agent.note", task.correlation, agent(task.worker), cause=cause, correlation_chain=[task.sprint], session_key=f"session-{task.worker}",
            entity={"type": "task", "id": task.code}, payload={"text": text}, priority="P3")


# --- Notifications -----------------------------------------------------------------------------------------------------

def notifications(day, made):
    """Each wants to ping a session. More than one in five minutes is put off, one by one."""
    wanted = [("08:36", "ana", "The sprint is active"), ("10:31:10", "ana", "TASK-202 is blocked"),
              ("10:32:40", "ana", "TASK-202: who has the rate table?"), ("10:33:05", "ana", "TASK-202: chidi is asked"),
              ("10:33:06", "ben", "TASK-202 is blocked"), ("10:36:10", "ben", "TASK-202: chidi is asked"), ("10:47:30", "ben", "Build 5531 failed"),
              ("11:33", "ana", "TASK-101 is completed"), ("12:15", "ben", "TASK-202 is completed"), ("12:16", "chidi", "TASK-105 is blocked"),
              ("12:19:59.999", "ben", "TASK-201: live for everyone"), ("16:02", "dora", "Disk at 80%"), ("17:21", "ana", "Forecast: Friday"),
              ("18:29", "dora", "Disk at 91%"), ("18:31", "dora", "TASK-109 is P0"), ("18:33", "ben", "TASK-109 is P0"),
              ("18:40", "dora", "TASK-109: a fix is on its way"), ("23:50", "ana", "The day in figures"),
              ("23:52", "ana", "The night build is queued"), ("23:53:20", "ana", "The night build has begun")]
    for when, who, text in wanted:
        code = text.replace(":", " ").split()[0]
        about = [task for task in made if task.code == code]
        related = {"related": [{"type": "task", "id": code}]} if about else {}
        day.say(when, "orchestration.notification.requested", f"notify-{who}", agent("notifier"), session_key=f"session-{who}",
                entity={"type": "user", "id": who}, payload={"text": text, "channel": "desk"}, **related)


# --- Trading -----------------------------------------------------------------------------------------------------------

ORDERS = [("O-1", "ALFA", "buy", "40", "101.2500", ["25", "15"]), ("O-2", "BRAVO", "sell", "12", "349.9000", ["12"]),
          ("O-3", "CARLO", "buy", "100", "7.0150", ["60", "30", "10"])]


def trading(day):
    """Startup, signal, rebalance, orders, fills: paper money, as decimal texts that sum exactly."""
    who, key, book = agent("trader"), "trading:paper", {"type": "portfolio", "id": "PF-1"}

    def say(when, kind, correlation=TRADING, **more):
        chain = {"correlation_chain": [TRADING]} if correlation == EXECUTION else {}
        return day.say(when, kind, correlation, who, session_key=key, **chain, **more)

    start = say("14:25", "orchestration.startup", entity=book, set={"cash": "25000.0000", "mode": "PAPER"}, priority="P1",
                payload={"symbols": ["ALFA", "BRAVO", "CARLO"]}, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    signal = say("14:31:02.250", "trading.signal.received", cause=start, payload={"model": "momentum-3", "weights": {
        "ALFA": "0.45", "BRAVO": "0.20", "CARLO": "0.35"}, "confidence": "0.83"}, entity=book)
    plan = say("14:31:02.900", "trading.rebalance.planned", cause=signal, entity=book, set={"orders_planned": 3},
               payload={"orders": [order[0] for order in ORDERS], "turnover": "8950.3000"})
    run = say("14:31:03", "orchestration.workflow.started", EXECUTION, cause=plan, entity={"type": "workflow", "id": EXECUTION},
              set={"status": "running"}, payload={"definition": "execution", "version": 1})
    cash, fills, value = Decimal("25000.0000"), 0, Decimal(0)
    second = Decimal("14.5")
    for code, symbol, side, quantity, price, parts in ORDERS:
        entity = {"type": "order", "id": code}
        placed = say(at(f"14:31:{second}"), "trading.order.placed", EXECUTION, cause=run, entity=entity, related=[book],
                     set={"status": "new", "filled": "0"}, payload={"symbol": symbol, "side": side, "quantity": quantity, "limit": price})
        filled = Decimal(0)
        for number, part in enumerate(parts, 1):
            second += Decimal("2.125")
            filled, fills = filled + Decimal(part), fills + 1
            worth = Decimal(part) * Decimal(price)
            cash, value = cash + (worth if side == "sell" else -worth), value + worth
            state = "filled" if filled == Decimal(quantity) else "partially_filled"
            fill = say(at(f"14:31:{second}"), "trading.order.filled", EXECUTION, cause=placed, entity=entity, related=[book],
                       set={"status": state, "filled": str(filled)}, payload={"fill": f"{code}-{number}", "symbol": symbol,
                       "quantity": part, "price": price, "value": str(worth)}, venue={"name": "paper", "latency_us": 900 + 41 * fills})
        second += Decimal("1.5")
    done = say("14:31:40", "orchestration.workflow.completed", EXECUTION, cause=fill, entity={"type": "workflow", "id": EXECUTION},
               set={"status": "completed"}, payload={"placed": 3, "filled": 3, "fills": fills, "value": str(value)})
    settled = say("14:31:41", "trading.rebalance.completed", cause=done, entity=book, set={"cash": str(cash), "orders_planned": 0}, payload={})
    day.say("14:31:42", "orchestration.notification.requested", "notify-desk", agent("notifier"), cause=settled, session_key=key,
            correlation_chain=[TRADING], entity=book, payload={"text": "PAPER: 3 placed, 3 filled", "value": str(value)})
    late = say("15:55", "trading.signal.received", cause=start, payload={"model": "momentum-3", "confidence": "0.41"}, entity=book)
    say("15:55:00.400", "trading.rebalance.skipped", cause=late, entity=book, payload={"why": "confidence below 0.70"})


# --- The file ----------------------------------------------------------------------------------------------------------

def lines():
    day, dice = Day(), Dice(20260302)
    day.say("07:50", "orchestration.startup", "platform-2026-03-02", {"kind": "system", "id": "platform"},
            entity={"type": "platform", "id": "desk"}, set={"status": "up", "version": "4.2.0"}, payload={"nodes": 1})
    started = sprints(day)
    sessions(day)
    made = tasks(day, started, dice)
    builds(day, made)
    notes(day, made, dice)
    notifications(day, made)
    trading(day)
    return with_faults([json.dumps(event, separators=(",", ":"), ensure_ascii=False) for event in day.settle()])


def with_faults(good):
    """What a real feed brings: lines sent again, an id used twice, a line cut short, a time without a zone."""
    out = list(good)

    def after(needle, line):
        out.insert(next(at for at, text in enumerate(out) if needle in text) + 12, line)

    again = [next(text for text in good if needle in text) for needle in
             ('"agent.note"', '"id":"e-0040"', '"id":"e-0111"', '"build-5531"', '"yes, the rounding"', '"trading.signal.received"', '"fill":"O-3-3"')]
    for text in again:
        out.insert(out.index(text) + 9, text)
    out.extend([good[0], good[-1]])  # a feed that reconnects and repeats itself
    other = next(text for text in good if '"fill":"O-2-1"' in text)
    after('"fill":"O-2-1"', other.replace('"quantity":"12"', '"quantity":"21"'))
    after('"id":"e-0200"', good[120][: len(good[120]) * 2 // 3])
    after('"id":"e-0150"', '{"id":"e-9001","type":"agent.note","correlation_id":"task-105","actor":{"kind":"agent","id":"coder-2"},'
          '"timestamp":"2026-03-02T11:40:00","payload":{"text":"which zone is this?"}}')
    return out


# --- What should come of it --------------------------------------------------------------------------------------------

WINDOWS = {"agent.note": ("discard", timedelta(seconds=60), lambda event: event["actor"]["id"]),
           "orchestration.notification.requested": ("defer", timedelta(minutes=5), lambda event: event["session_key"])}


class Rules:
    """What the four rules that Regie ships make of the sample. What they emit has no session, so no cooldown counts it."""

    def __init__(self):
        self.status, self.sprint_of, self.complete = {}, {}, set()

    def follow(self, event):
        about, changes = event.get("entity"), event.get("changes", {})
        if not about or about["type"] not in ("task", "sprint"):
            return []
        after = {field: change.get("after") for field, change in changes.items()}
        key = (about["type"], about["id"])
        if "status" in after:
            self.status[key] = after["status"]
        if about["type"] == "task":
            self.sprint_of.update((key, other["id"]) for other in event.get("related", []) if other["type"] == "sprint")
        return self.emitted(event, key, after)

    def emitted(self, event, key, after):
        if event["type"] == "orchestration.sprint.status_changed" and after.get("status") == "active":
            yield self.event(event, "session-started", "orchestration.session.started", ("session", key[1]))
        if event["type"] == "orchestration.task.status_changed" and after.get("status") == "blocked":
            yield self.event(event, "task-blocked", "orchestration.notification.requested", key)
        if event["type"] == "orchestration.task.priority_changed" and after.get("priority") == "P0":
            yield self.event(event, "task-urgent", "orchestration.alert.raised", key, "P0")
        sprint = self.sprint_of.get(key, key[1])
        done = [self.status[task] == "completed" for task, of in self.sprint_of.items() if of == sprint]
        if done and all(done) and sprint not in self.complete:
            self.complete.add(sprint)
            yield self.event(event, "sprint-completed", "orchestration.sprint.status_changed", ("sprint", sprint))

    def event(self, cause, rule, kind, about, priority="P2"):
        return {"type": kind, "correlation_id": "/".join(about), "causation_id": cause["id"], "timestamp": cause["timestamp"],
                "actor": {"id": rule}, "entity": {"type": about[0], "id": about[1]}, "priority": priority, "state": "processed"}


def read(text):
    event = json.loads(text)
    if "specversion" in event:
        event = {"id": event["id"], "source": event["source"], "type": event["type"], "correlation_id": event["correlationid"],
                 "causation_id": event.get("causationid"), "timestamp": event["time"], "actor": {"id": event["actorid"]},
                 "entity": {"type": event["entitytype"], "id": event["entityid"]}}
    if not event["timestamp"].endswith("Z"):
        raise ValueError("no zone")
    event["time"] = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
    return event


def expect(texts):
    """A model of the sample's run, in a page: who is new, what the two cooldowns and the rules do, what the counts are."""
    seen, events, counts, rules = {}, [], Counter(), Rules()
    last, put_off, now = {}, [], DAY
    for text in texts:
        counts["lines"] += 1
        try:
            event = read(text)
        except ValueError:
            counts["unreadable"] += 1
            continue
        identity = (event["correlation_id"], event.get("source", LOCAL), event["id"])
        if identity in seen:
            counts["duplicate" if seen[identity] == text else "refused"] += 1
            continue
        counts["new"] += 1
        seen[identity] = text
        now = max(now, event["time"])
        event["state"] = "processed"
        if event["type"] in WINDOWS:
            mode, window, key = WINDOWS[event["type"]]
            slot = (event["type"], key(event))
            free = last[slot] + window if slot in last else event["time"]
            if free <= event["time"]:
                last[slot] = event["time"]
            elif mode == "discard":
                event["state"] = "discarded"
            else:
                last[slot] = free
                put_off.append((free, event))
        events.append(event)
        if event["state"] == "processed":
            events.extend(rules.follow(event))
    for free, event in put_off:
        event["state"] = "deferred" if free > now else "processed"
    waiting = [{"id": event["id"], "correlation_id": event["correlation_id"], "until": stamp(free)} for free, event in put_off if free > now]
    return {"lines": dict(counts), "put_off": len(put_off), "deferred": waiting, "stats": stats(events)}


def stats(events):
    def by(key):
        return dict(sorted(Counter(value for value in map(key, events) if value is not None).items()))

    entities = {(it["type"], it["id"]) for event in events for it in [event.get("entity"), *event.get("related", [])] if it}
    maps = {"by_type": by(lambda event: event["type"]), "by_actor": by(lambda event: event["actor"]["id"]),
            "by_session": by(lambda event: event.get("session_key")), "by_priority": by(lambda event: event.get("priority", "P2")),
            "by_state": by(lambda event: event["state"]), "by_month": by(lambda event: event["timestamp"][:7]),
            "by_hour": by(lambda event: event["timestamp"][11:13])}
    return {"events": len(events), "correlations": len({event["correlation_id"] for event in events}), "entities": len(entities),
            "sessions": len(maps["by_session"]), "event_types": len(maps["by_type"]), "distinct_actors": len(maps["by_actor"]),
            "first_timestamp": min(event["timestamp"] for event in events), "last_timestamp": max(event["timestamp"] for event in events),
            "with_causation": sum(1 for event in events if event.get("causation_id")), **maps}


def compare(found, wanted):
    """Says where the figures that Regie prints are not the model's."""
    wrong = [f"{name}: {found.get(name)} instead of {figure}" for name, figure in wanted.items() if found.get(name) != figure]
    if wrong:
        sys.exit("the sample's figures are wrong:\n  " + "\n  ".join(wrong))
    print(f"the sample's {len(wanted)} figures are the model's")


def check(files):
    """Says which files are not what this makes."""
    stale = [path.name for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if stale:
        sys.exit(f"{', '.join(stale)}: not what make.py makes; run it again")


def main():
    texts = lines()
    wanted = expect(texts)
    files = {HERE / "agent_platform_day.jsonl": "\n".join(texts) + "\n",
             HERE / "agent_platform_day.expected.json": json.dumps(wanted, indent=1) + "\n"}
    if sys.argv[1:] == ["--stats"]:
        compare(json.load(sys.stdin), wanted["stats"])
    elif sys.argv[1:] == ["--check"]:
        check(files)
    elif sys.argv[1:]:
        sys.exit("usage: make.py [--check | --stats]")
    else:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
