"""People who are logged in, and who know what their sessions must be, for scripts/cluster-kill and scripts/headline.

How they ask is a door's affair. It has three calls, which raise OSError when nobody knows what came of one:
  look(person, renews)             the number that is in the session; None if there is no session
  write(person, number, is_login)  puts a number there, with a login a new session; what was there before, or UNSEEN
  logout(person)                   ends the session
and `place(person)`, a word on where it asked last.
"""
import collections, itertools, time

# What was sent to a member that was stopped is carried out when it goes on, though nobody waits for it any more: so much
# longer than the longest stop.
DOUBT_SECONDS = 40
# By a second visit of that age it is known that a session is no bot's.
PROOF_SECONDS = 2.5
# Within which everybody has to be let in, before anything happens.
LOGIN_SECONDS = 20
UNSEEN = object()


def paced(things, rate):
    """Each in turn, so many a second if there is a rate."""
    begin = time.monotonic()
    for number, thing in enumerate(things):
        if rate and (early := begin + number / rate - time.monotonic()) > 0:
            time.sleep(early)
        yield thing


class Knowledge:
    """What may be found of one person's session: what was acknowledged, and whatever was asked for without an answer."""

    def __init__(self, state):
        # A number, or None: logged out.
        self.told = state
        # What may have been carried out, or may still be, and when it was asked for.
        self.doubts = []

    def learn(self, state):
        """It was acknowledged. What may be carried out after that is still possible."""
        self.told = state
        self.doubts = [(one, asked) for one, asked in self.doubts if time.monotonic() < asked + DOUBT_SECONDS]

    def doubt(self, state):
        self.doubts.append((state, time.monotonic()))

    def possible(self):
        return [self.told, *(state for state, _ in self.doubts)]

    def wrong(self, found):
        """What is wrong with it: out, back or stale; or nothing."""
        possible = self.possible()
        if found in possible:
            return None
        if found is None:
            return "out"
        return "back" if possible == [None] else "stale"


class People:
    """Some of them: sessions that are read, written, renewed, ended and begun again."""

    def __init__(self, count, rate, door, source):
        self.count, self.rate, self.door, self.source = count, rate, door, source
        self.known = {}
        # Who has just logged in, and when he comes again.
        self.new = collections.deque()
        # Whose session nobody has read back when it was old enough: a flood may take it, on one node as on several.
        self.unproven = {}
        self.visited = set()
        # What was wrong: when, who, what may have been there, what was found, where it was asked.
        self.seen = {"early": [], "out": [], "back": [], "stale": []}
        self.is_ending = lambda: False
        # How many requests a second when everybody asks in turn; as many as possible, if nothing is said.
        self.pace = None

    def noted(self, begin, end, has_failed):
        """One request has ended; for those who count them."""

    def timed(self, work, *arguments):
        """Makes a request; whether it was answered."""
        begin = time.monotonic()
        has_failed = False
        try:
            work(*arguments)
        except OSError:
            has_failed = True
        self.noted(begin, time.monotonic(), has_failed)
        return not has_failed

    def login(self):
        """Everybody logs in, and comes once more."""
        for person in self.everybody():
            self.insist(self.write, person, 0)
        time.sleep(PROOF_SECONDS)
        for person in self.everybody():
            self.insist(self.read, person)
        self.new.clear()

    def insist(self, work, *arguments):
        deadline = time.monotonic() + LOGIN_SECONDS
        while not self.timed(work, *arguments):
            if time.monotonic() > deadline:
                raise SystemExit("nobody can log in")
            time.sleep(0.05)

    def judge(self, person, found):
        """Compares what was found; whether it is right. What is wrong is counted once."""
        knowledge = self.known[person]
        kind = knowledge.wrong(found)
        if kind is None:
            return True
        if kind == "out" and person in self.unproven:
            kind = "early"
        self.seen[kind].append([time.monotonic(), person, knowledge.told, found, self.door.place(person)])
        knowledge.told = found
        return False

    def write(self, person, number):
        knowledge = self.known.setdefault(person, Knowledge(None))
        # After a logout that was not answered there may be a session or not: he makes sure of it.
        is_login = None in knowledge.possible()
        try:
            found = self.door.write(person, number, is_login)
        except OSError:
            knowledge.doubt(number)
            raise
        if is_login:
            self.new.append((time.monotonic() + PROOF_SECONDS, person))
            self.unproven[person] = time.monotonic()
        elif found is not UNSEEN:
            self.judge(person, found)
            if found is None:
                # Nothing was written, as there was nobody's session.
                return
        knowledge.learn(number)

    def logout(self, person):
        try:
            self.door.logout(person)
        except OSError:
            self.known[person].doubt(None)
            raise
        self.known[person].learn(None)

    def read(self, person, renews=False):
        found = self.door.look(person, renews)
        if self.judge(person, found) and found is not None:
            if time.monotonic() > self.unproven.get(person, 0) + PROOF_SECONDS:
                self.unproven.pop(person, None)

    def visit(self, number):
        """One request, by anybody; or by who has logged in some seconds ago, to prove it."""
        if self.new and self.new[0][0] < time.monotonic():
            person, choice = self.new.popleft()[1], 0.0
        else:
            person, choice = self.source.randrange(self.count), self.source.random()
        self.visited.add(person)
        if choice < 0.75:
            self.timed(self.read, person, choice >= 0.65)
        elif choice < 0.97:
            self.timed(self.write, person, number)
        else:
            self.timed(self.logout, person)

    def work(self):
        for number in paced(itertools.count(1), self.rate):
            if self.is_ending():
                return
            self.visit(number)

    def everybody(self):
        return paced(range(self.count), self.pace)

    def end(self):
        """Everybody looks once more: also who was not asked since the last fault."""
        for person in self.everybody():
            self.timed(self.read, person)
