"""PHP's own web server with scripts/session_page.php, and the people who visit it."""
import http.client, json, os, random, socket, subprocess, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
# PHP's two extensions, each with the binary protocol (php-memcached's default) and without.
KINDS = {
    "memcached-binary": {},
    "memcached-text": {"memcached.sess_binary_protocol": "Off"},
    "memcache-text": {},
    "memcache-binary": {"memcache.protocol": "binary"},
}


def place():
    """A loopback address of one's own, where nobody else takes the port, and a port."""
    address = "127." + ".".join(str(random.randint(1, 254)) for _ in range(3))
    return address, random.randint(10_000, 30_000)


class PHPServer:
    """PHP's web server with some workers, its sessions on `nodes`, which are (host, port).

    `kind` is one of KINDS; `settings` go on top. Everything else is as PHP and Debian have it.
    """

    def __init__(self, kind, nodes, settings=None, workers=2):
        handler = kind.split("-")[0]
        scheme = "tcp://" if handler == "memcache" else ""
        self.settings = {
            "session.save_handler": handler,
            "session.save_path": ",".join(f"{scheme}{host}:{port}" for host, port in nodes),
            **KINDS[kind], **(settings or {})}
        self.host, self.port = place()
        command = ["php"]
        for name, value in self.settings.items():
            command += ["-d", f"{name}={value}"]
        command += ["-S", f"{self.host}:{self.port}", os.path.join(HERE, "session_page.php")]
        # PHP's workers outlive it. So a shell ends all of them when it is told to, or this script has ended.
        self.process = subprocess.Popen(
            ["sh", "-c", '{ "$@" </dev/null; kill -9 0; } & read line; kill -9 0', "sh", *command],
            env={**os.environ, "PHP_CLI_SERVER_WORKERS": str(workers)}, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def wait(self, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection((self.host, self.port)).close()
                return self
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit("PHP's web server does not start (Debian package php-cli)")
                time.sleep(0.01)

    def __enter__(self):
        return self.wait()

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, cookie=None, **query):
        """One request: what the page answered, with its `status` and the `cookie` that came, if one came."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        path = "/?" + "&".join(f"{name}={value}" for name, value in query.items())
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        try:
            answer = json.loads(body)
        except ValueError:
            raise SystemExit(f"PHP's page answered with {body[:500]!r}")
        cookies = response.headers.get_all("Set-Cookie") or []
        answer["status"] = response.status
        answer["cookie"] = cookies[-1].split(";")[0] if cookies else None
        return answer


class Visitor:
    """A browser: it keeps the cookie, and may go to another server with each request."""

    def __init__(self, *servers, cookie=None):
        self.servers = list(servers)
        self.cookie = cookie

    def ask(self, do, **query):
        self.servers.append(self.servers.pop(0))
        answer = self.servers[-1].ask(self.cookie, do=do, **query)
        self.cookie = answer["cookie"] or self.cookie
        return answer


def at_once(calls):
    """Makes all calls at the same time, each on a thread, and returns their results in order."""
    results = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def work(index):
        barrier.wait()
        try:
            results[index] = calls[index]()
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
