"""A node with an operator's port, for the checks of that port."""

import http.client, os, re, signal, socket, subprocess, tempfile, time, urllib.parse


class AdminNode:
    """A process of sojournd, with what it writes to stderr."""

    def __init__(self, binary, flags=(), admin="127.0.0.1:0", waits=True):
        self.errors = tempfile.NamedTemporaryFile(mode="r", prefix="admin-")
        self.directory = tempfile.TemporaryDirectory(prefix="admin-")
        ports = os.path.join(self.directory.name, "ports")
        # Flags that name a port win.
        command = [binary, "-l", "127.0.0.1", "-p", "-1", "-t", "2", "-v"] if "--config" not in flags else [binary, "-v"]
        if admin:
            command += ["--admin", admin]
        if os.geteuid() == 0 and "-u" not in flags:
            command += ["-u", "root"]
        with open(self.errors.name, "w") as errors:
            self.process = subprocess.Popen(
                command + list(flags), stdout=subprocess.DEVNULL, stderr=errors,
                env={**os.environ, "MEMCACHED_PORT_FILENAME": ports})
        self.ports = ports
        if waits:
            self.wait(lambda: os.path.exists(ports) and "operator's page is at" in self.log())
            found = re.search(r"operator's page is at (https?)://([^/]*):(\d+)/", self.log())
            if found:
                self.scheme, self.port = found.group(1), int(found.group(3))
            self.client_port = int(re.search(r"TCP INET: (\d+)", open(ports).read()).group(1))

    def log(self):
        return open(self.errors.name).read()

    def wait(self, is_true, seconds=20):
        deadline = time.monotonic() + seconds
        while not is_true():
            if self.process.poll() is not None:
                raise SystemExit(f"the node has ended with {self.process.returncode}: {self.log()}")
            if time.monotonic() > deadline:
                raise SystemExit(f"waited for too long: {self.log()}")
            time.sleep(0.02)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # A client of the node.

    def client(self):
        return socket.create_connection(("127.0.0.1", self.client_port), timeout=10)

    def ask(self, line, end=b"\r\n"):
        with self.client() as peer:
            peer.sendall(line.encode() + b"\r\n")
            data = b""
            while not data.endswith(end):
                part = peer.recv(65536)
                if not part:
                    break
                data += part
        return data.decode()

    def store(self, key, value, exptime=3600):
        return self.ask(f"set {key} 0 {exptime} {len(value)}\r\n{value}")

    # A visitor of the operator's port.

    def request(self, method, path, headers=None, body=None):
        """The status, the headers and the body of one request's answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read().decode()
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers)

    def post(self, path, fields, headers=None):
        return self.request("POST", path, {
            "Content-Type": "application/x-www-form-urlencoded", **(headers or {})},
            urllib.parse.urlencode(fields))

    def raw(self, data, seconds=20):
        """What comes back for these bytes, to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as peer:
            try:
                peer.sendall(data)
                answer = b""
                while part := peer.recv(65536):
                    answer += part
            except (ConnectionResetError, BrokenPipeError):
                pass
        return answer


class Visitor:
    """Somebody who logs in by the form, as a browser does."""

    def __init__(self, node):
        self.node, self.cookies = node, {}

    def headers(self):
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def keep(self, headers):
        for cookie in headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value

    def log_in(self, user, password):
        _, headers, page = self.node.get("/login", self.headers())
        self.keep(headers)
        form = re.search(r'name="form" value="([0-9a-f]+)"', page).group(1)
        answer = self.node.post(
            "/login", {"form": form, "user": user, "password": password}, self.headers())
        self.keep(answer[1])
        return answer

    def get(self, path):
        return self.node.get(path, self.headers())

    def post(self, path, fields):
        return self.node.post(path, fields, self.headers())
