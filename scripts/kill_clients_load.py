"""One kind of client for scripts/kill-clients and scripts/cluster-kill: people who are logged in, and ask again and again.

Called with a kind, its servers ("host:port,host:port"), how long it waits for an answer and between requests, in seconds. Says
"ready" when all have logged in, waits for a line, and works until its standard input ends; then writes each request as
[begin, end, outcome] and ends. Outcomes: 0 as it should be; 1 a passing error, the next request may succeed; 2 logged
out for good.
"""
import hashlib, http.client, json, logging, os, re, select, socket, subprocess, sys, tempfile, threading, time

THREADS = 2
PEOPLE = 10  # of each thread
FINE, PASSING, LOGGED_OUT = 0, 1, 2
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Pymemcache:
    """No framework: the session is a value, and a miss is a logout."""

    def __init__(self, servers, patience):
        from pymemcache.client.base import Client
        from pymemcache.client.hash import HashClient
        if len(servers) == 1:
            self.client = lambda: Client(servers[0], connect_timeout=1, timeout=patience)
        else:
            # As cluster/clients/pymemcache.md says.
            self.client = lambda: HashClient(
                servers, connect_timeout=1, timeout=patience, retry_timeout=0, retry_attempts=1_000_000)

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

    def __init__(self, servers, backend, options, engine, keeps_connections):
        import django
        from django.conf import settings
        from django.http import HttpResponse, JsonResponse
        from django.urls import path

        def login(request):
            request.session["user"] = request.GET["name"]
            return HttpResponse("")

        def me(request):
            if "user" in request.session and request.GET.get("writes"):
                request.session["count"] = request.session.get("count", 0) + 1
            return HttpResponse(request.session.get("user", ""))

        def shop(request, action):
            """A page of scripts/headline's; answers with what it found."""
            session, query = request.session, request.GET
            found = {"user": session.get("user"), "count": session.get("count")}
            if action == "login":
                session.update({"user": query["user"], "count": query["count"]})
            elif action == "write" and found["user"]:
                session["count"] = query["count"]
            elif action == "logout":
                session.flush()
            return JsonResponse(found)

        sys.path.insert(0, os.path.join(ROOT, "cluster", "clients"))
        settings.configure(
            SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
            MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
            SESSION_ENGINE=engine, LOGGING_CONFIG=None,
            CACHES={"default": {
                "BACKEND": "django.core.cache.backends.memcached." + backend,
                "LOCATION": servers, "OPTIONS": options}})
        django.setup()
        # A page that failed is counted here.
        logging.disable()
        globals()["urlpatterns"] = [path("login", login), path("me", me), path("shop/<action>", shop)]
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

    def __init__(self, servers, strict, is_binary=True):
        page = open(os.path.join(ROOT, "cluster", "clients", "php-sessions.ini")).read()
        settings = dict(re.findall(r'^([\w.]+) = "?([^"\n]*)"?$', page, re.MULTILINE))
        settings["session.save_path"] = ",".join(servers)
        settings["session.use_strict_mode"] = strict
        settings["memcached.sess_binary_protocol"] = "On" if is_binary else "Off"
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


class ExpressStream:
    """What express-session with connect-memcached sends by node's memcached client, and what they make of answers.

    Not these packages, which are npm's. Read in their sources: each page gets the session and sets it again (`touch` is a
    `set` there); connections are kept, up to ten for each server, and closed after 5 s without use; one that cannot be
    made is tried again after 1 and 3 s; after an error the server is not asked for `retry`, as in
    cluster/clients/express-session.js. A get that is answered SERVER_ERROR is a new session. One whose connection
    closes is never answered: here an error. Its ring is another one.
    """

    IDLE_SECONDS, CONNECT_SECONDS, SHUNNED_SECONDS, FLAGS, TTL = 5, 1, 1, 2, 86_400

    def __init__(self, servers, patience):
        self.servers, self.patience = servers, patience
        # Connections that nobody uses, with when they were used; and until when a server is not asked.
        self.pools = {server: [] for server in servers}
        self.shunned = dict.fromkeys(servers, 0)
        self.lock = threading.Lock()

    def connect(self, server):
        while True:
            with self.lock:
                if not self.pools[server]:
                    break
                peer, used = self.pools[server].pop()
            if time.monotonic() < used + self.IDLE_SECONDS and not self.has_ended(peer):
                return peer
            peer.close()
        for pause in (1, 3, 0):
            try:
                host, port = server.rsplit(":", 1)
                peer = socket.create_connection((host, int(port)), timeout=self.CONNECT_SECONDS)
                peer.settimeout(self.patience)
                return peer
            except OSError:
                if not pause:
                    raise
                time.sleep(pause)

    @staticmethod
    def has_ended(peer):
        # Nothing is to come on a connection that nobody uses, but its end.
        return bool(select.select([peer], [], [], 0)[0])

    def command(self, key, command, ends):
        """The reply, or nothing, of a server that is not available."""
        server = self.servers[int(hashlib.md5(key.encode()).hexdigest(), 16) % len(self.servers)]
        if time.monotonic() < self.shunned[server]:
            raise ConnectionError(f"Server at {server} not available")
        try:
            peer = self.connect(server)
            peer.sendall(command)
            reply = b""
            while not reply.endswith(ends):
                part = peer.recv(65536)
                if not part:
                    raise ConnectionError("closed")
                reply += part
        except OSError:
            self.shunned[server] = time.monotonic() + self.SHUNNED_SECONDS
            raise
        if reply.startswith(b"SERVER_ERROR"):
            self.shunned[server] = time.monotonic() + self.SHUNNED_SECONDS
        with self.lock:
            self.pools[server].append((peer, time.monotonic()))
        return reply

    def save(self, key, session):
        value = json.dumps(session).encode()
        return self.command(
            key, b"set %s %d %d %d\r\n%s\r\n" % (key.encode(), self.FLAGS, self.TTL, len(value), value), b"\r\n")

    def login(self, name):
        key = "shop:" + hashlib.sha256(os.urandom(16)).hexdigest()[:32]
        self.save(key, {"cookie": {"originalMaxAge": 86_400_000, "httpOnly": True, "path": "/"}, "user": name})
        return key, name

    def load(self, key):
        """The session, or nothing."""
        reply = self.command(key, b"get %s\r\n" % key.encode(), (b"END\r\n", b"ERROR\r\n"))
        if reply.startswith(b"VALUE "):
            return json.loads(reply.split(b"\r\n", 2)[1])
        if not reply.startswith((b"END\r\n", b"SERVER_ERROR")):
            raise ConnectionError(reply)
        return None

    def destroy(self, key):
        reply = self.command(key, b"delete %s\r\n" % key.encode(), b"\r\n")
        if reply not in (b"DELETED\r\n", b"NOT_FOUND\r\n"):
            raise ConnectionError(reply)

    def ask(self, person):
        key, name = person
        try:
            session = self.load(key)
            if session is None:
                return LOGGED_OUT
            self.save(key, session)
        except OSError:
            return PASSING
        return FINE if session["user"] == name else LOGGED_OUT


class Twemproxy(Pymemcache):
    """A client behind nutcracker, which is configured by cluster/clients/twemproxy.yml."""

    def __init__(self, servers, patience):
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            port, statistics_port = one.getsockname()[1], two.getsockname()[1]
        page = open(os.path.join(ROOT, "cluster", "clients", "twemproxy.yml")).read()
        page = re.sub(r"listen: .*", f"listen: 127.0.0.1:{port}", page[:page.index("  servers:")])
        self.file = tempfile.NamedTemporaryFile("w", suffix=".yml")
        self.file.write(page + "  servers:\n" + "".join(f"    - {server}:1\n" for server in servers))
        self.file.flush()
        self.proxy = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nutcracker", "-c", self.file.name, "-s", str(statistics_port), "-a",
             "127.0.0.1", "-p", self.file.name + ".pid", "-o", "/dev/null"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > deadline or self.proxy.poll() is not None:
                    raise
                time.sleep(0.02)
        super().__init__([f"127.0.0.1:{port}"], patience)

    def end(self):
        self.proxy.terminate()
        self.proxy.wait()


def options_of_page(patience):
    """What cluster/clients/django_settings.py says for pymemcache."""
    sys.path.insert(0, os.path.join(ROOT, "cluster", "clients"))
    import django_settings
    return {**django_settings.CACHES["pymemcache"]["OPTIONS"], "timeout": patience}


def pylibmc(patience):
    """What it says for pylibmc."""
    return {"behaviors": {"ketama_weighted": True, "connect_timeout": 1_000, "_poll_timeout": int(patience * 1_000)}}


STOCK = "django.contrib.sessions.backends.cache"
KINDS = {
    "pymemcache": Pymemcache,
    "django-pymemcache": lambda servers, patience: Django(
        servers, "PyMemcacheCache", options_of_page(patience), STOCK, False),
    "django-asks-twice": lambda servers, patience: Django(
        servers, "PyMemcacheCache", options_of_page(patience), "django_sessions", False),
    "django-pymemcache-stock": lambda servers, patience: Django(
        servers, "PyMemcacheCache", {"connect_timeout": 1, "timeout": patience}, STOCK, False),
    "django-pylibmc": lambda servers, patience: Django(
        servers, "PyLibMCCache", pylibmc(patience), STOCK, False),
    "django-pylibmc-kept": lambda servers, patience: Django(
        servers, "PyLibMCCache", pylibmc(patience), STOCK, True),
    "php": lambda servers, _: PHP(servers, 0),
    "php-strict": lambda servers, _: PHP(servers, 1),
    "php-text": lambda servers, _: PHP(servers, 0, is_binary=False),
    "php-strict-text": lambda servers, _: PHP(servers, 1, is_binary=False),
    "express-stream": ExpressStream,
    "twemproxy": Twemproxy,
}


def work(kind, number, people, stop, requests, pause):
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
        # This is about moments, not about speed.
        time.sleep(pause)


def main():
    kind = KINDS[sys.argv[1]](sys.argv[2].split(","), float(sys.argv[3]))
    people = [[kind.login(f"{number}-{person}") for person in range(PEOPLE)]
              for number in range(THREADS)]
    for person in sum(people, []):
        if kind.ask(person) != FINE:
            sys.exit(f"{sys.argv[1]}: nobody can log in")
    print("ready", flush=True)
    sys.stdin.readline()
    stop, requests = threading.Event(), []
    threads = [threading.Thread(target=work, args=(kind, number, people[number], stop, requests, float(sys.argv[4])))
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
