"""What a writer of scripts/kill knows of its keys, and how what a node has is judged by it."""
import math, time

from kill_values import Values, name

KINDS = ["lost", "wrong", "returned", "order", "cas", "replies"]


class Knowledge:
    """What must be there.

    A key's state is its version, 0 for none, and the time span in which it expires, if it does:
    before it the key must be there, after it the key must be gone.
    """

    def __init__(self, options, keys):
        self.values = Values(options.seed)
        self.full = options.full
        self.keys = keys
        self.version = [0] * len(keys)
        self.latest = [0] * len(keys)
        self.span = {}
        self.unique = [0] * len(keys)
        self.unique_version = [0] * len(keys)
        self.delay = 0.0
        self.start_round()

    def start_round(self):
        self.writes = 0
        self.uncertain = 0
        self.absent = 0
        self.faults = dict.fromkeys(KINDS, 0)
        self.examples = []

    def report(self):
        result = (self.writes, self.uncertain, self.absent, self.faults, self.examples[:5])
        self.start_round()
        return result

    def fault(self, kind, text):
        self.faults[kind] += 1
        self.examples.append(f"{kind}: {text}")

    def compare(self, peer, places, states, flight=None):
        asked = time.monotonic()
        peer.send(b"gets " + b" ".join(name(self.keys[place]) for place in places) + b"\r\n")
        found = peer.values()
        answered = time.monotonic()
        for place in places:
            item = found.get(name(self.keys[place]))
            known = states.get(place) or [(self.version[place], self.span.get(place), 0, 0)]
            right = [state for state in known if self.matches(state, place, item, asked, answered)]
            if item:
                self.check_unique(place, item)
            if right:
                if flight and place in states:
                    flight.narrow(right)
                self.adopt(place, item, right)
            else:
                self.judge(place, item, known)

    def matches(self, state, place, item, asked, answered):
        version, span = state[:2]
        if not item:
            return not version or self.full or span is not None and answered > span[0]
        key = self.keys[place]
        return (version and item[2] == self.values.value(key, version)
                and item[0] == self.values.flags(key, version)
                and (span is None or asked < span[1] + self.delay))

    def adopt(self, place, item, right):
        """From here on, the key is in the state that it was seen in."""
        spans = [state[1] for state in right]
        self.absent += not item and any(state[0] for state in right)
        self.version[place] = right[0][0] if item else 0
        self.span.pop(place, None)
        if item and any(spans):
            times = [span or (math.inf, math.inf) for span in spans]
            self.span[place] = (min(span[0] for span in times), max(span[1] for span in times))

    def judge(self, place, item, known):
        key, text = self.keys[place], f"{name(self.keys[place])}: "
        text += "version " + " or ".join(
            f"{version}"
            + (f" (expires {span[0]:.1f} to {span[1] + self.delay:.1f})" if span else "")
            for version, span, *_ in known)
        text += f" expected at {time.monotonic():.1f}, "
        version = self.values.version(key, item[2]) if item else 0
        if not item:
            self.fault("lost", text + "nothing there")
        elif (version is None or item[2] != self.values.value(key, version)
              or item[0] != self.values.flags(key, version)):
            self.fault("wrong", text + f"{len(item[2])} bytes {item[2][:40]} there")
        elif version in [state[0] for state in known] or version < max(
                self.latest[place], 1) or not any(state[0] for state in known):
            self.fault("returned", text + f"version {version} there")
        else:
            self.fault("wrong", text + f"version {version} there, which nobody stored")
        # What is there from now on, so that it is counted once.
        self.version[place] = version or 0
        self.span.pop(place, None)

    def check_unique(self, place, item):
        version = self.values.version(self.keys[place], item[2])
        seen, unique = self.unique[place], item[1]
        if version == self.unique_version[place] and unique != seen:
            self.fault("cas", f"{name(self.keys[place])}: {seen} became {unique}")
        elif version != self.unique_version[place] and unique <= seen:
            self.fault("cas", f"{name(self.keys[place])}: {unique} again, after {seen}")
        self.unique[place], self.unique_version[place] = unique, version


class Flight:
    """One connection's commands in flight: the first so many of them were done, but how many?"""

    def __init__(self, changes):
        self.first, self.last = 0, len(changes)
        # Of each key: its states, and between how many and how many commands done it has them.
        self.states = {}
        for number, (place, old, old_span, new, new_span) in enumerate(changes):
            states = self.states.setdefault(place, [(old, old_span, 0, self.last)])
            states[-1] = (*states[-1][:3], number)
            states.append((new, new_span, number + 1, self.last))

    def narrow(self, right):
        """Takes note of a key that is in one of these states."""
        if any(one[3] + 1 != two[2] for one, two in zip(right, right[1:])):
            return  # It was twice in the same state, with another one between.
        self.first = max(self.first, right[0][2])
        self.last = min(self.last, right[-1][3])
