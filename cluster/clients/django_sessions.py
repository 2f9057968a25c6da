"""Django's cache sessions, which ask a second time before they take an error for a logout.

django.contrib.sessions.backends.cache catches every error of the cache, and then the middleware deletes the
cookie: whose request was on the wire when a node died is logged out for good. Reading again harms nothing. Put
this file where it can be imported, and say SESSION_ENGINE = "shop.django_sessions".
"""
from django.contrib.sessions.backends import cache


class SessionStore(cache.SessionStore):
    def load(self):
        try:
            data = self._cache.get(self.cache_key)
        except Exception:
            # On a new connection. If it fails, too, the page does (status 500), and the cookie stays.
            data = self._cache.get(self.cache_key)
        if data is not None:
            return data
        self._session_key = None
        return {}
