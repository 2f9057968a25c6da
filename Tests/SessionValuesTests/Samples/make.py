"""Makes the samples of Python: python3 make.py, with Django and pymemcache."""
import datetime
import pickle

import django
from django.conf import settings

settings.configure(
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}, SECRET_KEY="x" * 60)
django.setup()
from django.contrib.sessions.backends.cache import SessionStore
from pymemcache import serde

store = SessionStore()
store["cart"] = {"_auth_user_id": "666", "items": [1, 2, 3.5, None, True, {"a": 1}]}
store["_auth_user_id"] = "42"
store["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
store["_auth_user_hash"] = "ab" * 32
store.update({"pair": (1, 2), "big": 2**70, "bytes": b"xx", "set": {1, 2}, "day": datetime.date(2026, 1, 1)})
session = store._get_session(no_load=True)


def write(name, value):
    with open(f"{name}.bin", "wb") as file:
        file.write(value)


value, flags = serde.pickle_serde.serialize("key", session)
assert flags == 1
write("django", value)
for protocol in range(6):
    write(f"django-{protocol}", pickle.dumps(session, protocol))
name = "ann" * 3
write("pickle-again", pickle.dumps({"first": name, "_auth_user_id": name}, 5))
write("pickle-one", pickle.dumps({"_auth_user_id": "1"}, 5))
write("pickle-none", pickle.dumps({"_auth_user_id": None, "x": {"_auth_user_id": "666"}}, 5))
write("pickle-number", pickle.dumps({"_auth_user_id": 70000}, 5))
write("pickle-inside", pickle.dumps({"x": {"_auth_user_id": "666"}, "y": "_auth_user_id"}, 5))
