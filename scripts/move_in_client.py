"""One of the clients of `scripts/move-in`: knows what its sessions should be, and says what was not so."""
import json, os, random, sys, time

# Of sessions, by their number; 0 is for ever, above 30 days it is a date.
TIMES = [86_400, 1_209_600, 0, 7_200, int(time.time()) // 86_400 * 86_400 + 40 * 86_400]
FLAGS = [0, 1, 4, 77, 65_536, 4_294_967_295]
SIZES = 640


def key_of(number):
    return b"session:%d" % number


def flags_of(number):
    return FLAGS[number % len(FLAGS)]


def value_of(number, version):
    return b"%d:%d:" % (number, version) + b"x" * (60 + number * 7_919 % SIZES)


class PyLibMC:
    """libmemcached."""

    flags = 0

    def __init__(self, port, binary):
        import pylibmc
        self.error = pylibmc.Error
        self.client = pylibmc.Client([f"127.0.0.1:{port}"], binary=binary, behaviors={"tcp_nodelay": True})

    def get(self, key):
        return self.client.get(key)

    def set(self, key, value, seconds):
        return self.client.set(key, value, seconds)

    def touch(self, key, seconds):
        # libmemcached's touch of the binary protocol waits for ever: nobody calls it so.
        return self.client.touch(key, seconds)

    def delete(self, key):
        return self.client.delete(key)


class PyMemcache:
    flags = 77

    def __init__(self, port):
        from pymemcache.client.base import Client
        self.error = Exception
        self.client = Client(("127.0.0.1", int(port)), no_delay=True)

    def get(self, key):
        return self.client.get(key)

    def set(self, key, value, seconds):
        return self.client.set(key, value, seconds, noreply=False, flags=self.flags)

    def touch(self, key, seconds):
        return self.client.touch(key, seconds, noreply=False)

    def delete(self, key):
        return self.client.delete(key, noreply=False)


class Sessions:
    def __init__(self, place, parts, count):
        self.place, self.parts = place, parts
        self.numbers = list(range(place, count, parts))
        self.next = (count + parts - 1) // parts * parts + place
        self.known, self.gone = {}, []


def run(kind, place, parts, count, rate, address, path):
    generator = random.Random(place)
    sessions = Sessions(place, parts, count)
    told = dict(requests=0, moved=0, logins=0, logouts=0, lost=0, wrong=0, returned=0, errors=0, switch_errors=0,
                slowest_ms=0, first="")

    def note(what, detail):
        told[what] += 1
        told["first"] = told["first"] or f"{what} {detail}"[:200]

    def connect(port):
        return PyMemcache(port) if kind == "pymemcache" else PyLibMC(port, kind == "pylibmc-binary")

    def expected(number):
        return value_of(number, sessions.known.get(number, {}).get("version", 0))

    def end(begin, seconds):
        return begin, time.time(), seconds, port == first_port

    port = first_port = open(address).read()
    client = connect(port)
    start = time.monotonic()
    while True:
        if told["requests"] % 50 == 0:
            now = open(address).read()
            if now == "end":
                break
            if now != port:
                port, client = now, connect(now)
        due = start + told["requests"] / rate
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        place_in_list = generator.randrange(len(sessions.numbers))
        number = sessions.numbers[place_in_list]
        key = key_of(number).decode()
        what = generator.random()
        begin, clock = time.time(), time.monotonic()
        try:
            if what < 0.60 or what < 0.75 and kind == "pylibmc-binary":
                value = client.get(key)
                if value is None:
                    note("lost", key)
                elif value != expected(number):
                    note("wrong", (key, value[:40], expected(number)[:40]))
            elif what < 0.75 and kind != "pylibmc-binary":
                seconds = generator.choice([3_600, 86_400, 604_800])
                if client.touch(key, seconds):
                    state = sessions.known.setdefault(number, dict(gone=False, version=0, flags=None, end=None))
                    state["end"] = end(begin, seconds)
                else:
                    note("lost", key)
            elif what < 0.92:
                seconds = generator.choice([3_600, 86_400, 604_800])
                version = sessions.known.get(number, {}).get("version", 0) + 1
                if not client.set(key, value_of(number, version), seconds):
                    note("wrong", (key, "not stored"))
                sessions.known[number] = dict(
                    gone=False, version=version, flags=client.flags, end=end(begin, seconds))
            elif what < 0.94 and len(sessions.numbers) > 100:
                if not client.delete(key):
                    note("lost", key)
                sessions.known[number] = dict(gone=True)
                sessions.numbers[place_in_list] = sessions.numbers[-1]
                sessions.numbers.pop()
                sessions.gone.append(number)
                told["logouts"] += 1
            elif what < 0.96 and sessions.gone:
                # The old cookie.
                gone = key_of(generator.choice(sessions.gone)).decode()
                if client.get(gone) is not None:
                    note("returned", gone)
            else:
                number, sessions.next = sessions.next, sessions.next + parts
                key = key_of(number).decode()
                if client.get(key) is not None:
                    note("wrong", (key, "there before it was stored"))
                if not client.set(key, value_of(number, 0), 86_400):
                    note("wrong", (key, "not stored"))
                sessions.known[number] = dict(
                    gone=False, version=0, flags=client.flags, end=end(begin, 86_400))
                sessions.numbers.append(number)
                told["logins"] += 1
        except client.error as error:
            sessions.known[number] = dict(unknown=True)
            sessions.numbers.remove(number)
            # In the moment in which the address changes a request may be on its way to the old one.
            note("switch_errors" if open(address).read() != port else "errors", f"{key}: {error!r}")
        told["requests"] += 1
        if port != first_port:
            told["moved"] += 1
            told["slowest_ms"] = max(told["slowest_ms"], (time.monotonic() - clock) * 1_000)
    told["seconds"] = time.monotonic() - start
    told["known"] = sessions.known
    with open(path, "w") as file:
        json.dump(told, file)


if __name__ == "__main__":
    kind, place, parts, count, rate, address, path = sys.argv[1:]
    run(kind, int(place), int(parts), int(count), float(rate), address, path)
