"""One kind of client for scripts/kill-clients: people who are logged in, and ask again and again.

Called with a kind and the node's port. Says "ready" when all have logged in, waits for a line, and works until its standard input
ends; then writes each request as [begin, end, outcome] and ends. Outcomes: 0 as it should be; 1 a passing
error, the next request may succeed; 2 logged out for good.
"""
import http.client, json, logging, os, re, subprocess, sys, threading, time

THREADS = 2
PEOPLE = 10  # of each thread
# A client waits for the next node as long as its time-out says. Here a machine that is busy with other things
# must not look as a node that does not come back.
PATIENCE_SECONDS = 20
FINE, PASSING, LOGGED_OUT = 0, 1, 2
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Pymemcache:
    """No framework: the session is a value, and a miss is a logout."""

    def __init__(self, port):
        from pymemcache.client.base import Client
        self.client = lambda: Client(("127.0.0.1", port), connect_timeout=1, timeout=PATIENCE_SECONDS)

    def login(self, name):
        client = self.client()
        client.set(f"session:{name}", f"user={name}")
        client.close()
        return name

    def ask(self, name):
        client = self.client()
        try:
            value = client.get(f"session:{name}")
        except Exception:
            return PASSING
        finally:
            client.close()
        return FINE if value == b"user=" + name.encode() else LOGGED_OUT


class Django:
    """The middleware, the session engine and the cookies of Django."""

    def __init__(self, port, backend, options, engine, keeps_connections):
        import django
        from django.conf import settings
        from django.http import HttpResponse
        from django.urls import path

        def login(request):
            request.session["user"] = request.GET["name"]
            return HttpResponse("")

        def me(request):
            if "user" in request.session and request.GET.get("writes"):
                request.session["count"] = request.session.get("count", 0) + 1
            return HttpResponse(request.session.get("user", ""))

        sys.path.insert(0, os.path.join(ROOT, "cluster", "clients"))
        settings.configure(
            SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
            MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
            SESSION_ENGINE=engine, LOGGING_CONFIG=None,
            CACHES={"default": {
                "BACKEND": "django.core.cache.backends.memcached." + backend,
                "LOCATION": f"127.0.0.1:{port}", "OPTIONS": options}})
        django.setup()
        # A page that failed is counted here.
        logging.disable()
        globals()["urlpatterns"] = [path("login", login), path("me", me)]
        self.keeps_connections = keeps_connections
        self.backend = backend
        self.requests = 0

    def get(self, client, path):
        from django.core.cache import caches
        try:
            return client.get(path)
        finally:
            # PyMemcacheCache closes its connections after each request; pylibmc's client keeps them.
            if self.backend == "PyLibMCCache" and not self.keeps_connections:
                caches["default"].__dict__.pop("_cache", None)

    def login(self, name):
        from django.test import Client
        client = Client(raise_request_exception=False)
        self.get(client, f"/login?name={name}")
        return client, name

    def ask(self, person):
        client, name = person
        self.requests += 1
        response = self.get(client, "/me" + ("?writes=1" if self.requests % 5 == 0 else ""))
        if "sessionid" not in client.cookies or not client.cookies["sessionid"].value:
            return LOGGED_OUT
        return FINE if response.status_code == 200 and response.content == name.encode() else PASSING


class PHP:
    """PHP's session handler behind its own web server, configured by cluster/clients/php-sessions.ini."""

    def __init__(self, port, strict):
        page = open(os.path.join(ROOT, "cluster", "clients", "php-sessions.ini")).read()
        settings = dict(re.findall(r'^([\w.]+) = "?([^"\n]*)"?$', page, re.MULTILINE))
        settings["session.save_path"] = f"127.0.0.1:{port}"
        settings["session.use_strict_mode"] = strict
        # Nobody here needs as long, and the end waits for those who wait for a lock of a dead node.
        settings["memcached.sess_lock_expire"] = 2
        probe = http.client.socket.create_server(("127.0.0.1", 0))
        self.port = probe.getsockname()[1]
        probe.close()
        command = ["php"]
        for name, value in settings.items():
            command += ["-d", f"{name}={value}"]
        self.server = subprocess.Popen(
            command + ["-S", f"127.0.0.1:{self.port}",
                       os.path.join(ROOT, "scripts", "kill_clients_page.php")],
            env={**os.environ, "PHP_CLI_SERVER_WORKERS": str(THREADS + 1)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 20
        while True:
            try:
                http.client.socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.server.poll() is not None:
                    raise
                time.sleep(0.02)

    def get(self, path, cookie=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        set_cookie = response.getheader("Set-Cookie")
        return body, set_cookie.split(";")[0] if set_cookie else None

    def login(self, name):
        return self.get(f"/?login={name}")[1], name

    def ask(self, person):
        cookie, name = person
        body, new = self.get("/", cookie)
        # A browser keeps the new cookie, and the old session is out of reach.
        if new is not None and new != cookie:
            return LOGGED_OUT
        if body == name:
            return FINE
        # Started, and nobody is in it: the old session is gone, or was overwritten by an empty one.
        return LOGGED_OUT if body == "nobody" else PASSING

    def end(self):
        # Its workers, too, which are in its group.
        os.killpg(self.server.pid, 9)
        self.server.wait()


def options_of_page():
    """What cluster/clients/django_settings.py says for pymemcache."""
    sys.path.insert(0, os.path.join(ROOT, "cluster", "clients"))
    import django_settings
    return {**django_settings.CACHES["pymemcache"]["OPTIONS"], "timeout": PATIENCE_SECONDS}


PATIENT = {"behaviors": {"_poll_timeout": PATIENCE_SECONDS * 1_000}}
STOCK = "django.contrib.sessions.backends.cache"
KINDS = {
    "pymemcache": lambda port: Pymemcache(port),
    "django-pymemcache": lambda port: Django(
        port, "PyMemcacheCache", options_of_page(), STOCK, False),
    "django-asks-twice": lambda port: Django(
        port, "PyMemcacheCache", options_of_page(), "django_sessions", False),
    "django-pymemcache-stock": lambda port: Django(
        port, "PyMemcacheCache", {"connect_timeout": 1, "timeout": PATIENCE_SECONDS}, STOCK, False),
    "django-pylibmc": lambda port: Django(port, "PyLibMCCache", PATIENT, STOCK, False),
    "django-pylibmc-kept": lambda port: Django(port, "PyLibMCCache", PATIENT, STOCK, True),
    "php": lambda port: PHP(port, 0),
    "php-strict": lambda port: PHP(port, 1),
}


def work(kind, number, people, stop, requests):
    turn = 0
    while not stop.is_set():
        who = turn % PEOPLE
        turn += 1
        begin = time.monotonic()
        try:
            outcome = kind.ask(people[who])
        except Exception as error:  # of the driver's own HTTP connection
            print(f"{error!r}", file=sys.stderr)
            outcome = PASSING
        requests.append((begin, time.monotonic(), outcome))
        if outcome == LOGGED_OUT:
            # He logs in again, when the node is there.
            while not stop.is_set():
                try:
                    people[who] = kind.login(f"{number}-{who}")
                    if kind.ask(people[who]) == FINE:
                        break
                except Exception:
                    pass
                time.sleep(0.1)
        # Think: this is about moments, not about speed.
        time.sleep(0.002)


def main():
    kind = KINDS[sys.argv[1]](int(sys.argv[2]))
    people = [[kind.login(f"{number}-{person}") for person in range(PEOPLE)]
              for number in range(THREADS)]
    for person in sum(people, []):
        if kind.ask(person) != FINE:
            sys.exit(f"{sys.argv[1]}: nobody can log in")
    print("ready", flush=True)
    sys.stdin.readline()
    stop, requests = threading.Event(), []
    threads = [threading.Thread(target=work, args=(kind, number, people[number], stop, requests))
               for number in range(THREADS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    if hasattr(kind, "end"):
        kind.end()
    json.dump(requests, sys.stdout)


if __name__ == "__main__":
    main()
