"""The operator's port by HTTP: what it answers, to whom, and what it bears.

    admin_checks.py SOJOURND answers|access|cluster
"""

import base64, json, os, re, shutil, signal, socket, ssl, subprocess, sys, tempfile, threading, time
import http.client

from admin_node import AdminNode, Visitor
from checking import check, tell_count

binary, part = sys.argv[1:]


def sample(metrics, name):
    found = re.search(rf"^{re.escape(name)} ([0-9.e+-]+)$", metrics, re.M)
    return float(found.group(1)) if found else None


def answers():
    with AdminNode(binary, ["-o", "lock_keys=lock:"]) as node:
        # Who never finishes a request, from the beginning; the end is looked at last.
        slow = socket.create_connection(("127.0.0.1", node.port), timeout=30)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: loc")
        slow_since = time.monotonic()
        for key in range(20):
            node.store(f"s:{key}", "x" * 100)
        for _ in range(3):
            node.ask("get s:1", b"END\r\n")

        # Metrics.
        status, headers, metrics = node.get("/metrics")
        check("metrics", (status, headers["Content-Type"].split(";")[0]), (200, "text/plain"))
        promtool = shutil.which("promtool")
        if not promtool:
            sys.exit("promtool is not installed (Debian package prometheus): scripts/install test")
        told = subprocess.run([promtool, "check", "metrics"], input=metrics, capture_output=True, text=True)
        check("promtool", (told.returncode, told.stdout + told.stderr), (0, ""))
        check("items", sample(metrics, 'sojourn_curr_items{space="default"}'), 20)
        check("reads", sample(metrics, 'sojourn_get_hits_total{space="default"}'), 3)
        names = re.findall(r"^# TYPE (\S+)", metrics, re.M)
        check("no name twice", len(names), len(set(names)))
        check("help for each", sorted(names), sorted(re.findall(r"^# HELP (\S+) \S", metrics, re.M)))
        check("help is short", [h for h in re.findall(r"^# HELP (.*)$", metrics, re.M) if len(h) > 220], [])
        check("build", 'sojourn_build_info{version="' in metrics, True)
        # A reset is for people: no counter goes back.
        check("reset", node.ask("stats reset"), "RESET\r\n")
        check("statistics go back", "STAT get_hits 0\r\n" in node.ask("stats", b"END\r\n"), True)
        later = node.get("/metrics")[2]
        counters = [name for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", metrics, re.M) if kind == "counter"]
        check("there are counters", len(counters) > 40, True)
        for name in counters:
            for line in re.findall(rf"^({name}(?:{{.*}})?) ", metrics, re.M):
                before, after = sample(metrics, line), sample(later, line)
                if after is None or after < before:
                    check(line, (before, after), "not less")

        # Probes, documents, paths and methods.
        check("healthz", node.get("/healthz")[::2], (200, "ok\n"))
        check("readyz", node.get("/readyz")[::2], (200, "ready\n"))
        status, headers, text = node.get("/status.json")
        document = json.loads(text)
        check("status", (status, headers["Content-Type"], document["ready"]), (200, "application/json", True))
        space = document["spaces"][0]
        check("questions", [v["question"] for v in space["verdicts"]],
              ["logged_out", "room", "evicted", "speed", "load", "locks", "copies", "restart", "connections", "expiry"])
        check("lights", {v["light"] for v in space["verdicts"]} <= {"green", "amber", "red", "off"}, True)
        check("numbers", space["statistics"]["curr_items"], 20)
        for name in ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control"):
            check(name, name in headers, True)
        check("policy", headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'"), True)
        for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css"), ("/icon.svg", "image/svg+xml")):
            status, headers, text = node.get(path)
            check(path, (status, headers["Content-Type"].split(";")[0], len(text) > 100), (200, kind, True))
        check("nothing from elsewhere", re.findall(r"https?://(?!www.w3.org)", "".join(node.get(p)[2] for p in ("/", "/page.js", "/page.css"))), [])
        check("nothing", node.get("/nothing")[0], 404)
        check("parent", node.get("/../etc/passwd")[0], 404)
        for method, path in (("POST", "/metrics"), ("DELETE", "/status.json"), ("PUT", "/"), ("PATCH", "/healthz")):
            status, headers, _ = node.request(method, path)
            check(f"{method} {path}", (status, headers["Allow"]), (405, "GET, HEAD"))
        check("GET for POST", (node.get("/sessions")[0], node.get("/sessions")[1]["Allow"]), (405, "POST"))
        status, headers, text = node.request("HEAD", "/metrics")
        check("HEAD", (status, text, int(headers["Content-Length"]) > 5000), (200, "", True))
        check("sessions without passwords", node.post("/sessions", {"user": "a"})[0], 403)
        check("another name", node.get("/status.json", {"Host": "evil.example"})[0], 421)
        check("an address", node.get("/status.json", {"Host": f"[::1]:{node.port}"})[0], 200)

        # The history grows.
        node.wait(lambda: len(json.loads(node.get("/history.json")[2])["fine"]["series"]["gets"]) >= 2)
        history = json.loads(node.get("/history.json?space=default")[2])
        check("history's memory", history["bytes"] < 300_000, True)
        check("no such history", node.get("/history.json?space=x")[0], 404)
        status = json.loads(node.get("/status.json")[2])
        check("rates", status["spaces"][0]["rates"]["items"], 20)

        # Garbage, and one past each limit.
        for name, data in (("no HTTP", b"get s:1\r\n\r\n"), ("zeros", b"\0" * 300 + b"\r\n\r\n"),
                           ("a bad version", b"GET / HTTP/9.9\r\n\r\n"), ("no method", b" / HTTP/1.1\r\n\r\n"),
                           ("a bad length", b"POST /login HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
                           ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x07" * 400 + b"\r\n\r\n")):
            answer = node.raw(data)
            check(name, answer[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/9.9 400", b"HTTP/1.1 501", b"HTTP/1.1 405"), True)
        head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        for count, wanted in ((8_000, b"200"), (20_000, b"")):
            answer = node.raw((head + "X: " + "y" * count + "\r\n\r\n").encode())
            check(f"{count} bytes of headers", answer[9:12] == b"200", wanted == b"200")
        post = "POST /sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
        for count, wanted in ((16_384, b"403"), (16_385, b"413")):
            answer = node.raw(post.format(count).encode() + b"a" * count)
            check(f"{count} bytes of body", answer[9:12], wanted)

        # More connections than are kept: clients do not care, and whoever asks is answered.
        crowd = []
        for _ in range(300):
            peer = socket.create_connection(("127.0.0.1", node.port), timeout=10)
            peer.sendall(b"GET /")
            crowd.append(peer)
        begun = time.monotonic()
        for _ in range(200):
            check("a client beside a crowd", node.ask("get s:1", b"END\r\n").startswith("VALUE s:1 0 100"), True)
        check("clients do not wait", time.monotonic() - begun < 5, True)
        check("an operator beside a crowd", node.get("/readyz")[0], 200)
        descriptors = len(os.listdir(f"/proc/{node.process.pid}/fd"))
        check("connections are bounded", descriptors < 64 + 60, True)
        for peer in crowd:
            peer.close()

        # A counter of its own, and the slow one's end: closed for the crowd, or for its slowness.
        check("counted", sample(node.get("/metrics")[2], "sojourn_admin_requests_total") > 20, True)
        slow.settimeout(30)
        try:
            check("the slow one", slow.recv(100)[:8] in (b"", b"HTTP/1.1"), True)
        except ConnectionResetError:
            pass
        check("is not waited for", time.monotonic() - slow_since < 25, True)
        drip = socket.create_connection(("127.0.0.1", node.port), timeout=30)
        begun = time.monotonic()
        try:
            for byte in b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"y" * 200:
                drip.sendall(bytes([byte]))
                time.sleep(0.2)
        except (BrokenPipeError, ConnectionResetError):
            pass
        check("who drips is dropped", 8 < time.monotonic() - begun < 15, True)
        check("ends in order", node.end(), 0)


def access():
    with tempfile.TemporaryDirectory() as folder:
        passwords = os.path.join(folder, "passwords")

        def write(text):
            with open(passwords, "w") as file:
                file.write(text)
            os.chmod(passwords, 0o600)

        write("ann:s3cret:with colon\nbob:builder\n")
        options = f"admin_auth_file={passwords},user_rule=php:user_id"
        # What is refused at the start says what is missing.
        for admin, extra, words in (
                ("0.0.0.0:0", "", ("admin_chain_cert", "admin_auth_file")),
                (":0", f"admin_auth_file={passwords}", ("admin_chain_cert",)),
                ("192.0.2.1:80", "", ("admin_chain_cert", "admin_auth_file", "127.0.0.1")),
                ("nonsense", "", ("HOST:PORT",)), ("127.0.0.1:65536", "", ("HOST:PORT",)),
                ("127.0.0.1:0", "admin_key=/x", ("admin_chain_cert",)),
                (None, "admin_auth_file=/x", ("--admin",)),
                ("127.0.0.1:0", "admin_auth_file=/nowhere", ("/nowhere",))):
            with AdminNode(binary, ["-o", extra] if extra else [], admin=admin, waits=False) as node:
                check(f"{admin} {extra}", node.process.wait(20), 64)
                for word in words:
                    check(f"{admin} says {word}: {node.log()}", word in node.log(), True)
        # A Unix socket is the node's user's.
        path = os.path.join(folder, "admin.sock")
        with AdminNode(binary, [], admin=path) as node:
            check("mode", oct(os.stat(path).st_mode & 0o777), "0o600")
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(path)
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                check("by a Unix socket", peer.recv(1000).startswith(b"HTTP/1.1 200"), True)
            check("ends", node.end(), 0)
            check("its file is gone", os.path.exists(path), False)

        with AdminNode(binary, ["-o", options]) as node:
            basic = lambda text: {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}
            check("probes are open", [node.get(p)[0] for p in ("/healthz", "/readyz")], [200, 200])
            status, headers, _ = node.get("/metrics")
            check("who is unknown", (status, headers["WWW-Authenticate"]), (401, 'Basic realm="sojourn"'))
            check("a browser is not asked by itself",
                  node.get("/status.json", {"Sec-Fetch-Mode": "cors"})[1]["WWW-Authenticate"], None)
            check("the page leads to the form", (node.get("/")[0], node.get("/")[1]["Location"]), (303, "/login"))
            check("a program", node.get("/metrics", basic("ann:s3cret:with colon"))[0], 200)
            check("another one", node.get("/metrics", basic("bob:builder"))[0], 200)
            check("a wrong password", node.get("/metrics", basic("bob:bilder"))[0], 401)
            check("too soon", node.get("/metrics", basic("ann:bilder"))[0], 429)
            check("who was right before does not wait", node.get("/metrics", basic("bob:builder"))[0], 200)
            time.sleep(0.3)
            for text in ("", ":", "x" * 2000, "ann"):
                time.sleep(0.0)
                check(f"no login {text[:5]}", node.get("/metrics", {"Authorization": f"Basic {text}"})[0] in (401, 429), True)
            check("a program ends nothing", node.post("/sessions/end", {"user": "ann"}, basic("bob:builder"))[0], 403)
            time.sleep(2)

            # The form.
            for user in ("ann", "ann", "ben"):
                value = f'user_id|s:3:"{user}";'
                node.store(f"sess:{user}:{time.monotonic_ns()}", value)
            person = Visitor(node)
            check("a wrong password by the form", person.log_in("ann", "no")[0], 401)
            check("stays out", person.get("/status.json")[0], 401)
            time.sleep(0.5)
            check("a form that is not ours", node.post("/login", {"user": "ann", "password": "s3cret:with colon", "form": "0" * 64})[0], 403)
            status, headers, _ = person.log_in("ann", "s3cret:with colon")
            check("the right one", (status, headers["Location"]), (303, "/"))
            cookie = headers["Set-Cookie"]
            check("the cookie", all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800")), True)
            me = json.loads(person.get("/me.json")[2])
            check("who it is", me["user"], "ann")
            form = me["form"]
            check("without the token", person.post("/sessions", {"user": "ann"})[0], 403)
            check("with another's token", person.post("/sessions", {"user": "ann", "form": "0" * 64})[0], 403)
            check("from another site", node.post("/sessions", {"user": "ann", "form": form}, {**person.headers(), "Sec-Fetch-Site": "cross-site"})[0], 403)
            found = json.loads(person.post("/sessions", {"user": "ann", "form": form})[2])
            check("sessions", (len(found["sessions"]), found["result"]["found"], found["whole"]), (2, 2, True))
            check("no key is shown", "sess:" in json.dumps(found), False)
            check("a mistake", "number" in json.loads(person.post("/sessions", {"older_than": "x", "form": form})[2])["error"], True)
            check("ending needs to know whose", "whose" in json.loads(person.post("/sessions/end", {"form": form})[2])["error"], True)
            name = found["sessions"][0]["session"]
            ended = json.loads(person.post("/sessions/end", {"session": name, "form": form})[2])
            check("one is ended", ended["result"]["ended"], 1)
            check("and gone", "STAT curr_items 2\r\n" in node.ask("stats", b"END\r\n"), True)
            check("it is counted", "STAT sessions_revoked 1\r\n" in node.ask("stats", b"END\r\n"), True)
            check("it is in the log", "an operator, ann at the page, from 127.0.0.1, ended 1 of" in node.log(), True)
            check("all of one", json.loads(person.post("/sessions/end", {"user": "ann", "form": form})[2])["result"]["ended"], 1)
            check("the other's stays", "STAT curr_items 1\r\n" in node.ask("stats", b"END\r\n"), True)
            # Other passwords end logins.
            write("carl:new\n")
            node.process.send_signal(signal.SIGHUP)
            node.wait(lambda: "users and certificate read again" in node.log())
            node.wait(lambda: person.get("/status.json")[0] == 401)
            check("old passwords", node.get("/metrics", basic("bob:builder"))[0], 401)
            time.sleep(0.3)
            other = Visitor(node)
            check("new ones", other.log_in("carl", "new")[0], 303)
            form = json.loads(other.get("/me.json")[2])["form"]
            check("logging out needs the token", other.post("/logout", {"form": "x"})[0], 403)
            check("logs out", other.post("/logout", {"form": form})[0], 303)
            check("is out", other.get("/status.json")[0], 401)
            # So many at a time: with one more, the first is over.
            visitors = [Visitor(node) for _ in range(33)]
            for visitor in visitors:
                check("one more", visitor.log_in("carl", "new")[0], 303)
            check("of 33 logins the first is over", [v.get("/me.json")[0] for v in (visitors[0], visitors[1], visitors[32])], [401, 200, 200])

        # TLS.
        certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        os.chmod(key, 0o600)
        tls = f"admin_chain_cert={certificate},admin_key={key},admin_auth_file={passwords}"
        with AdminNode(binary, ["-o", tls], admin="0.0.0.0:0") as node:
            context = ssl.create_default_context(cafile=certificate)
            connection = http.client.HTTPSConnection("localhost", node.port, context=context, timeout=10)
            for _ in range(3):
                connection.request("GET", "/metrics", headers=basic("carl:new"))
                reply = connection.getresponse()
                check("by TLS, on one connection", (reply.status, len(reply.read()) > 5000), (200, True))
            connection.request("GET", "/login")
            reply = connection.getresponse()
            check("secure cookies", "; Secure" in reply.headers["Set-Cookie"] and reply.headers["Set-Cookie"].startswith("__Host-"), True)
            body = reply.read()
            check("a large post by TLS", True, True)
            connection.request("POST", "/login", body="x" * 16_000)
            check("is taken whole", connection.getresponse().status, 403)
            check("clear text is not answered", node.raw(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")[:5] == b"HTTP/", False)
            check("ends", node.end(), 0)

        # Started anew by a supervisor, in a sandbox, by a file: the port is there again.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = os.path.join(folder, "node.yaml")
        with open(config, "w") as file:
            file.write(f"threads: 1\nadmin: 127.0.0.1:{port}\nadmin_auth_file: {passwords}\nsandbox: true\nspaces:\n- {{name: shop, port: -1}}\n- {{name: wiki, port: -1}}\n")
        with AdminNode(binary, ["--supervise", "--config", config], admin=None) as node:
            metrics = node.get("/metrics", basic("carl:new"))[2]
            check("both spaces", [sample(metrics, f'sojourn_curr_items{{space="{name}"}}') for name in ("shop", "wiki")], [0, 0])
            told = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True)
            check("promtool, of two spaces", (told.returncode, told.stdout + told.stderr), (0, ""))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/healthz")
            check("before", connection.getresponse().read(), b"ok\n")
            node.process.send_signal(signal.SIGUSR2)
            node.wait(lambda: node.log().count("operator's page is at") == 2)
            check("after", node.get("/readyz")[0], 200)
            check("without an error", re.findall(r"(?i)error|cannot", node.log()), [])
            write("carl:newer\n")
            node.process.send_signal(signal.SIGHUP)
            node.wait(lambda: "users and certificate read again" in node.log())
            check("in the sandbox", node.get("/metrics", basic("carl:newer"))[0], 200)


def cluster():
    with tempfile.TemporaryDirectory() as folder:
        passwords = os.path.join(folder, "passwords")
        with open(passwords, "w") as file:
            file.write("ann:secret\n")
        os.chmod(passwords, 0o600)
        ports = []
        sockets = [socket.socket() for _ in range(9)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
        for probe in sockets:
            probe.close()
        definition = os.path.join(folder, "cluster.yaml")
        with open(definition, "w") as file:
            file.write("peers: {}\nnodes:\n")
            for number, name in enumerate("abc"):
                file.write(f"- {{name: {name}, host: 127.0.0.1, port: {ports[number]}, peer_port: {ports[3 + number]}, "
                           f"admin: '127.0.0.1:{ports[6 + number]}'}}\n")

        def start(name):
            command = [binary, "--cluster", definition, "--name", name, "-t", "1", "-v", "-o", f"admin_auth_file={passwords}"]
            if os.geteuid() == 0:
                command += ["-u", "root"]
            return subprocess.Popen(command, stderr=subprocess.PIPE)

        def ask(number, path):
            connection = http.client.HTTPConnection("127.0.0.1", ports[6 + number], timeout=10)
            connection.request("GET", path, headers={"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()})
            reply = connection.getresponse()
            return reply.status, reply.read().decode()

        def wait(what, is_true):
            deadline = time.monotonic() + 30
            while True:
                try:
                    if is_true():
                        return
                except OSError:
                    pass
                if time.monotonic() > deadline:
                    raise SystemExit(f"waited too long for {what}")
                time.sleep(0.1)

        nodes = [start("a")]
        try:
            wait("a to listen", lambda: ask(0, "/healthz")[0] == 200)
            status, text = ask(0, "/readyz")
            check("alone it waits for the others", (status, "catching up" in text), (503, True))
            nodes += [start("b"), start("c")]
            wait("all to be ready", lambda: all(ask(number, "/readyz")[0] == 200 for number in range(3)))
            members = lambda: json.loads(ask(0, "/cluster.json")[1])["members"]
            wait("the others' answers", lambda: all(m["problem"] is None for m in members()))
            check("names", [(m["name"], m["own"]) for m in members()], [("a", True), ("b", False), ("c", False)])
            check("what they say", {m["says"]["ready"] for m in members()}, {"yes"})
            nodes[2].kill()
            wait("who does not answer to be told", lambda: members()[2]["problem"] == "cannot be reached")
            wait("the question to be amber or red", lambda: [
                v["light"] for v in json.loads(ask(0, "/status.json")[1])["spaces"][0]["verdicts"]
                if v["question"] == "copies"][0] in ("amber", "red"))
            metrics = ask(0, "/metrics")[1]
            told = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True)
            check("promtool, of a member", (told.returncode, told.stdout + told.stderr), (0, ""))
            check("of members", 'sojourn_member_current{space="default",member="c"} 0\n' in metrics, True)
            # One that listens and says nothing.
            with socket.socket() as silent:
                silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                silent.bind(("127.0.0.1", ports[8]))
                silent.listen(8)
                wait("the silent one", lambda: "does not answer" in (members()[2]["problem"] or ""))
                begun = time.monotonic()
                members()
                check("nobody waits for it", time.monotonic() - begun < 1, True)
        finally:
            for node in nodes:
                node.kill()
                node.wait()


{"answers": answers, "access": access, "cluster": cluster}[part]()
tell_count()
