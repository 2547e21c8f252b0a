"""What a policy would have said of a log, by plain loops: a reference that shares no code with Regie.

    policies.py LOG TYPE KEY KIND ARGUMENT...

    cooldown-discard SECONDS
    cooldown-defer SECONDS
    window ZONE START END DAYS AT_MOST      local times as HH:MM, DAYS as digits with Monday as 0, AT_MOST 0 for any number
    gcra RATE SECONDS BURST

TYPE is one event type, or `>` for all. KEY is actor, session, correlation, entity, or all. Prints the ids that would have
been accepted and held back, in their order, and how many events are not subject.
"""

import gzip
import json
import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def micros(text):
    since = datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def key_of(event, key):
    if key == "all":
        return "all"
    if key == "correlation":
        return event["correlation_id"]
    if key == "session":
        return event["session_key"]
    thing = event[key]
    if thing is None:
        return None
    return (thing["kind"] if key == "actor" else thing["type"], thing["id"])


def cooldown_discard(seconds):
    window = int(seconds) * 1_000_000
    last = {}

    def accepts(now, key):
        if key in last and now - last[key] < window:
            return False
        last[key] = now
        return True

    return accepts


def cooldown_defer(seconds):
    """Whoever comes too early takes the next free place, and that counts from there."""
    window = int(seconds) * 1_000_000
    free_at = {}

    def accepts(now, key):
        free = free_at.get(key, now)
        free_at[key] = max(free, now) + window
        return now >= free

    return accepts


def window(zone, start, end, days, at_most):
    zone, at_most = ZoneInfo(zone), int(at_most)
    counts = {}

    def session(now):
        local = (EPOCH + timedelta(microseconds=now)).astimezone(zone)
        clock = local.strftime("%H:%M")
        day = local.date()
        if start < end:
            inside = start <= clock < end
        else:
            inside = clock >= start or clock < end
            if clock < end:
                day -= timedelta(days=1)
        return day if inside and str(day.weekday()) in days else None

    def accepts(now, key):
        day = session(now)
        if day is None:
            return False
        count = counts.get((key, day), 0)
        if at_most and count >= at_most:
            return False
        counts[(key, day)] = count + 1
        return True

    return accepts


def gcra(rate, seconds, burst):
    apart = Fraction(int(seconds) * 1_000_000, int(rate))
    tolerance = (int(burst) - 1) * apart
    arrival = {}

    def accepts(now, key):
        expected = arrival.get(key, Fraction(now))
        if expected > now + tolerance:
            return False
        arrival[key] = max(expected, Fraction(now)) + apart
        return True

    return accepts


KINDS = {
    "cooldown-discard": cooldown_discard,
    "cooldown-defer": cooldown_defer,
    "window": window,
    "gcra": gcra,
}


def main():
    log, kind_of_event, key, kind, *arguments = sys.argv[1:]
    accepts = KINDS[kind](*arguments)
    told = {"accepted": [], "held_back": [], "not_subject": 0}
    now = None
    opened = gzip.open if log.endswith(".gz") else open
    with opened(log, "rt", encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            stamp = micros(event["timestamp"])
            now = stamp if now is None else max(now, stamp)
            counted_by = key_of(event, key)
            if kind_of_event not in (">", event["type"]) or counted_by is None:
                told["not_subject"] += 1
                continue
            told["accepted" if accepts(now, counted_by) else "held_back"].append(event["id"])
    json.dump(told, sys.stdout)


main()
