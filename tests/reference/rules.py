"""What two rules make of a log, by plain loops: a reference that shares no code with Regie.

    rules.py LOG alerts             Jira issues that were created as Blocker or Critical
    rules.py LOG releases           versions of the Jira log all of whose issues are Resolved or Closed
    rules.py LOG packed             orders all of whose items are in packages

With --json one object is printed: the lines, how many there are, and the SHA-256 of the lines, each ended by a line feed.
Without it the lines themselves.

    alerts      timestamp|issue|priority
    releases    timestamp|project|version|issue|members     once for each change from not complete to complete
    packed      timestamp|order|items                       once an order
"""

import gzip
import hashlib
import json
import sys


def events(path):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def alerts(log):
    for event in log:
        priority = event["changes"].get("priority", {}).get("after")
        if event["type"] == "jira.issue.created" and priority in ("Blocker", "Critical"):
            yield f"{event['timestamp']}|{event['entity']['id']}|{priority}"


def releases(log):
    """Everything is looked at anew for each version that the event's issue was in or is in."""
    status, versions, complete = {}, {}, set()
    for event in log:
        issue = event["entity"]["id"]
        project = issue.rsplit("-", 1)[0]
        touched = set(versions.get(issue, ()))
        for field, change in event["changes"].items():
            if field == "status":
                status[issue] = change["after"]
            elif field == "fix_versions":
                versions[issue] = change["after"] or []
        touched |= set(versions.get(issue, ()))
        for version in sorted(touched):
            members = [
                other
                for other, named in versions.items()
                if version in named and other.rsplit("-", 1)[0] == project
            ]
            if members and all(status[member] in ("Resolved", "Closed") for member in members):
                if (project, version) not in complete:
                    yield f"{event['timestamp']}|{project}|{version}|{issue}|{len(members)}"
                complete.add((project, version))
            else:
                complete.discard((project, version))


def packed(log):
    items_of, order_of, in_package, done = {}, {}, set(), set()
    for event in log:
        related = [other["id"] for other in event.get("related") or [] if other["type"] == "item"]
        if event["type"] == "shop.place_order":
            items_of[event["entity"]["id"]] = related
            order_of.update((item, event["entity"]["id"]) for item in related)
        elif event["type"] == "shop.create_package":
            in_package.update(related)
            for order in sorted({order_of[item] for item in related} - done):
                if in_package.issuperset(items_of[order]):
                    done.add(order)
                    yield f"{event['timestamp']}|{order}|{len(items_of[order])}"


RULES = {"alerts": alerts, "releases": releases, "packed": packed}


def main(arguments):
    as_json = "--json" in arguments
    plain = [argument for argument in arguments if argument != "--json"]
    if len(plain) != 2 or plain[1] not in RULES:
        sys.exit(__doc__)
    lines = list(RULES[plain[1]](events(plain[0])))
    if not as_json:
        print("\n".join(lines))
        return
    digest = hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
    print(json.dumps({"rule": plain[1], "fires": len(lines), "sha256": digest, "lines": lines}))


if __name__ == "__main__":
    main(sys.argv[1:])
