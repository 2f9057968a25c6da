"""An application server of scripts/carts in Python: carts_app.py CLIENT HOST PORT NODE

A cart is a value that is read with its CAS unique (`gets`) and written with it (`cas`), again and again until nobody
came between. CLIENT is pymemcache, which speaks the text protocol, or bmemcached, the binary one. The cart is
the same bytes for both.
"""
import json, sys, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Pymemcache:
    def __init__(self, host, port):
        from pymemcache.client.base import Client
        self.client = Client((host, port), connect_timeout=10, timeout=30)
        self.close = self.client.close

    def read(self, key):
        return self.client.gets(key)

    def make(self, key, value):
        return self.client.add(key, value, noreply=False)

    def change(self, key, value, unique):
        return bool(self.client.cas(key, value, unique, noreply=False))


class Bmemcached:
    def __init__(self, host, port):
        from bmemcached import Client
        self.client = Client([f"{host}:{port}"], socket_timeout=30, raw_data=True)
        self.close = self.client.disconnect_all

    def read(self, key):
        return self.client.gets(key)

    def make(self, key, value):
        return self.client.add(key, value)

    def change(self, key, value, unique):
        return self.client.cas(key, value, unique)


CLIENTS = {"pymemcache": Pymemcache, "bmemcached": Bmemcached}


def add(client, key, item):
    """Puts an item into a cart; returns how often somebody else was first."""
    for retries in range(10_000):
        value, unique = client.read(key)
        cart = json.loads(value) if value is not None else []
        value = json.dumps(cart + [item]).encode()
        if client.make(key, value) if unique is None else client.change(key, value, unique):
            return retries
    raise RuntimeError(f"{key}: somebody else was first 10,000 times")


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query))
        client = CLIENTS[sys.argv[1]](*self.server.node)
        try:
            answer = {"retries": 0}
            if query["do"] == "add":
                answer["retries"] = add(client, "cart:" + query["cart"], query["item"])
            else:
                answer["cart"] = json.loads(client.read("cart:" + query["cart"])[0] or b"[]")
        finally:
            client.close()
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def main():
    host, port, node = sys.argv[2:]
    with Server((host, int(port)), Page) as server:
        server.node = node.rsplit(":", 1)[0], int(node.rsplit(":", 1)[1])
        server.serve_forever()


if __name__ == "__main__":
    main()
