"""Django's sessions on the nodes of ../cluster.yaml: a part of settings.py.

Any error of the cache makes Django delete the cookie: see README.md, and django_sessions.py against it.
"""

SERVERS = ["127.0.0.1:11311", "127.0.0.1:11312", "127.0.0.1:11313"]

# Strategy ketama-weighted, through pylibmc. The prefix and version (":1:") are part of the key.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyLibMCCache",
        "LOCATION": SERVERS,
        "OPTIONS": {"behaviors": {"ketama_weighted": True, "connect_timeout": 1000}},
    },
    # Strategy rendezvous, through pymemcache.
    "pymemcache": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": SERVERS,
        # Without the last two an error makes it answer "no such session" for a second, without asking, and
        # a few errors eject the node for one to two minutes.
        "OPTIONS": {
            "connect_timeout": 1, "timeout": 1, "retry_timeout": 0, "retry_attempts": 1_000_000,
        },
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_CACHE_ALIAS = "default"
