"""Real application servers with the session clients of scripts/headline, and how a browser asks them.

Each kind has `ask(action, cookie, user, count)`: action is login, look, write or logout. It answers with the cookie that the
browser has then, and with whose session was found and the count in it, or None for both. `NoPage` is a page that failed; its
`cookie` is what the browser has after it. `end()` ends what was started, `move(servers)` gives it another list of servers.
"""
import http.client, itertools, os, queue, subprocess, threading, time

from client_loads import HERE
from kill_clients_load import STOCK, Django, ExpressStream, options_of_page
from php_server import PHPServer

# As the documentation has it.
PATIENCE_SECONDS = 1
# A page that takes longer is a failed one, whatever it waits for.
PAGE_SECONDS = 60
THREADS = 4
# As good as all of it is the user's name.
SESSION_BYTES = 400
# No count.
SOMEBODY_ELSES = -1


class NoPage(OSError):
    def __init__(self, reason, cookie):
        super().__init__(reason)
        self.cookie = cookie


class PHP:
    """PHP's own web server and php-memcached, in the binary protocol with locks: everything as PHP and Debian have it."""

    settings = {}

    def __init__(self, servers, _):
        nodes = [server.rsplit(":", 1) for server in servers]
        self.server = PHPServer("memcached-binary", nodes, self.settings, workers=THREADS + 1).wait()

    def ask(self, action, cookie, user, count):
        try:
            answer = self.server.ask(None if action == "login" else cookie, do=action, user=user, count=count)
        # That is what the other scripts of this server want where there is no page.
        except (OSError, http.client.HTTPException, SystemExit) as error:
            raise NoPage(str(error), cookie) from None
        cookie = answer["cookie"] or cookie
        if answer["status"] != 200:
            raise NoPage(f"{answer['status']}: {(answer['complaints'] or ['no complaint'])[-1]}", cookie)
        if action == "login" or answer["user"] is None:
            return cookie, None, None
        return cookie, answer["user"], int(answer["count"])

    def move(self, servers):
        before = self.server
        PHP.__init__(self, servers, None)
        before.__exit__()

    def end(self):
        self.server.__exit__()


class StrictPHP(PHP):
    settings = {"session.use_strict_mode": 1}


class DjangoShop:
    """Django's session engine, middleware and cookies over PyMemcacheCache, with cluster/clients/django_settings.py."""

    def __init__(self, servers, _):
        self.django = Django(servers, "PyMemcacheCache", options_of_page(PATIENCE_SECONDS), STOCK, False)
        self.threads = threading.local()

    def ask(self, action, cookie, user, count):
        from django.test import Client
        if not hasattr(self.threads, "client"):
            self.threads.client = Client(raise_request_exception=False)
        client = self.threads.client
        client.cookies.clear()
        if cookie and action != "login":
            client.cookies["sessionid"] = cookie
        response = client.get(f"/shop/{action}", {"user": user, "count": count})
        new = client.cookies.get("sessionid")
        # One that is deleted is empty.
        cookie = new.value or None if new else None
        if response.status_code != 200:
            raise NoPage(f"status {response.status_code}", cookie)
        found = response.json()
        if action == "login" or not found["user"]:
            return cookie, None, None
        return cookie, found["user"], int(found["count"])

    def move(self, servers):
        from django.conf import settings
        from django.test.utils import override_settings
        override_settings(CACHES={"default": settings.CACHES["default"] | {"LOCATION": servers}}).enable()

    def end(self):
        pass


class Express:
    """What express-session with connect-memcached sends: see ExpressStream."""

    def __init__(self, servers, _):
        self.move(servers)

    def ask(self, action, cookie, user, count):
        stream = self.stream
        try:
            if action == "login":
                key, _ = stream.login(user)
                self.keep(key, {"user": user, "count": count})
                return key, None, None
            session = cookie and stream.load(cookie)
            if not session:
                return cookie, None, None
            found = session["user"], session["count"]
            if action == "logout":
                stream.destroy(cookie)
            else:
                self.keep(cookie, session | ({"count": count} if action == "write" else {}))
            return cookie, *found
        except OSError as error:
            raise NoPage(str(error), cookie) from None

    def keep(self, key, session):
        reply = self.stream.save(key, session)
        if reply != b"STORED\r\n":
            raise ConnectionError(reply)

    def move(self, servers):
        self.stream = ExpressStream(servers, PATIENCE_SECONDS)

    def end(self):
        pass


class Lines:
    """A program that is asked for pages by lines, as Sources/SessionPages is."""

    def __init__(self, command):
        self.command = command
        self.answers = {}
        self.numbers = itertools.count()
        self.process = None

    def start(self, servers):
        self.process = subprocess.Popen(
            self.command(servers), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        threading.Thread(target=self.read, args=(self.process,), daemon=True).start()
        return self

    def read(self, process):
        for line in process.stdout:
            number, *words = line.split()
            if waiting := self.answers.pop(int(number), None):
                waiting.put(words)

    def ask(self, action, cookie, user, count):
        number = next(self.numbers)
        waiting = self.answers[number] = queue.SimpleQueue()
        try:
            self.process.stdin.write(f"{number} {action} {cookie or '-'} {user} {count}\n")
            word, *words = waiting.get(timeout=PAGE_SECONDS)
        except (OSError, ValueError, queue.Empty):
            self.answers.pop(number, None)
            raise NoPage("no answer", cookie) from None
        if word != "ok":
            raise NoPage(" ".join(words), cookie)
        cookie, user, count = words
        return cookie, *((None, None) if user == "-" or action == "login" else (user, int(count)))

    def move(self, servers):
        before = self.process
        self.start(servers)
        before.stdin.close()

    def end(self):
        if self.process:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()


def dalli(servers, _):
    return Lines(lambda servers: [
        "/usr/bin/ruby", os.path.join(HERE, "kill_clients_load.rb"), "pages", ",".join(servers),
        str(PATIENCE_SECONDS)]).start(servers)


def swift(servers, program):
    return Lines(lambda servers: [program, ",".join(servers)]).start(servers)


KINDS = {
    "php": PHP, "php-strict": StrictPHP, "django": DjangoShop, "dalli": dalli, "express-stream": Express,
    "swift": swift,
}


class Browsers:
    """The door of scripts/people.py: what people's browsers keep, and how they ask an application."""

    def __init__(self, application, name, first):
        self.application, self.name, self.first = application, name, first
        self.cookies = {}
        # Who has logged out, and tries the old cookie again and again.
        self.out = set()
        # The last page that failed, of each.
        self.failed = {}

    def user(self, person):
        return f"{self.name}-{self.first + person}".ljust(SESSION_BYTES, ".")

    def place(self, person):
        return self.failed.get(person, "no failed page")

    def ask(self, action, person, count=0):
        """The count that was in the person's session, or nothing."""
        cookie = self.cookies.get(person)
        try:
            cookie, user, found = self.application.ask(action, cookie, self.user(person), count)
        except NoPage as error:
            self.failed[person] = f"a failed page, {error}, at {time.strftime('%H:%M:%S')}"
            cookie = error.cookie
            raise
        finally:
            if action != "logout" and person not in self.out:
                self.cookies[person] = cookie
        if user not in (None, self.user(person)):
            self.failed[person] = f"the session of {user}"
            return SOMEBODY_ELSES
        return found

    def look(self, person, _):
        return self.ask("look", person)

    def write(self, person, count, is_login):
        if is_login:
            self.out.discard(person)
        return self.ask("login" if is_login else "write", person, count)

    def logout(self, person):
        self.ask("logout", person)
        self.out.add(person)
