"""People of one kind of client, for scripts/headline.

Called with JSON: kind (of headline_clients.py), servers ("host:port"), how many people, their requests a second, a seed,
a program. Each line that it writes is JSON: once a second what there was (requests, stalls, errors, longest; out, back,
stale), with "ready" when all have logged in and come once more; then it waits for the line "go". "move HOST:PORT,..." gives
its application other servers. At the end of its input people look once more, each of them; "end" has what was wrong.
"""
import json, os, random, sys, threading, time, traceback

from headline_clients import KINDS, THREADS, Browsers
from people import People

STALL_SECONDS = 0.5
# Requests a second of this kind when everybody logs in, and at the end: with more they would wait for a processor, which
# says nothing of the servers.
EVERYBODY_RATE = 220
WRONG = ("out", "back", "stale")


class Tally:
    """What all threads of this process have counted since it was told last."""

    def __init__(self):
        self.lock = threading.Lock()
        self.errors = []
        self.told = dict.fromkeys(WRONG, 0)
        self.clear()

    def clear(self):
        self.counts = {"requests": 0, "stalls": 0, "errors": 0, "longest": 0.0}

    def note(self, begin, end, has_failed):
        with self.lock:
            counts = self.counts
            counts["requests"] += 1
            counts["stalls"] += end - begin >= STALL_SECONDS
            counts["errors"] += has_failed
            counts["longest"] = max(counts["longest"], end - begin)
            if has_failed and len(self.errors) < 20:
                self.errors.append([begin, end])

    def tell(self, people, **more):
        """Says what there was since the last time."""
        with self.lock:
            now = {kind: sum(len(one.wrong(kind)) for one in people) for kind in WRONG}
            counts = self.counts | {kind: now[kind] - self.told[kind] for kind in WRONG}
            self.told = now
            self.clear()
            say({"at": time.monotonic(), **counts, **more})


class Visitors(People):
    def __init__(self, count, rate, door, seed, tally):
        super().__init__(count, rate, door, random.Random(seed))
        self.noted = tally.note
        self.pace = EVERYBODY_RATE / THREADS

    def wrong(self, kind):
        """Who is gone before his second visit is out, too: he had logged in."""
        return self.seen[kind] + (self.seen["early"] if kind == "out" else [])


def say(what):
    # Main and the teller of seconds both write.
    os.write(1, (json.dumps(what) + "\n").encode())


def at_once(works):
    """Each on a thread; what ends one ends all."""
    def guarded(work):
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    wish = json.loads(sys.argv[1])
    application = KINDS[wish["kind"]](wish["servers"], wish["program"])
    tally = Tally()
    each = wish["people"] // THREADS
    counts = [each + (number < wish["people"] % THREADS) for number in range(THREADS)]
    people = [Visitors(count, wish["rate"] / THREADS, Browsers(application, wish["kind"], sum(counts[:number])),
                       wish["seed"] * 100 + number, tally)
              for number, count in enumerate(counts) if count]
    ended, over = threading.Event(), threading.Event()

    def tell():
        while not over.wait(1):
            tally.tell(people)

    teller = threading.Thread(target=tell)
    teller.start()
    at_once([one.login for one in people])
    tally.tell(people, ready=True)

    def obey():
        for line in sys.stdin:
            word, *servers = line.split()
            if word == "move":
                application.move(servers[0].split(","))
                say({"moved": True})
        ended.set()

    sys.stdin.readline()
    threading.Thread(target=obey, daemon=True).start()
    for one in people:
        one.is_ending = ended.is_set
    at_once([one.work for one in people])
    at_once([one.end for one in people])
    over.set()
    teller.join()
    tally.tell(people)
    application.end()
    say({"end": {"people": wish["people"], "visited": sum(len(one.visited) for one in people),
                 "errors": tally.errors,
                 "wrong": {kind: [case for one in people for case in one.wrong(kind)][:20] for kind in WRONG}}})
    os._exit(0)


if __name__ == "__main__":
    main()
