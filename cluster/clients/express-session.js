// express-session on the nodes of ../cluster.yaml. The ring of node's memcached client is none of HashRing's
// strategies: where others share the sessions, give it twemproxy (twemproxy.yml) as its only server.
// A refused connection makes this client shun the server for 30 s, and for five hours after some of them, by its
// defaults: the last lines shorten that. See README.md.
const express = require('express');
const session = require('express-session');
const MemcachedStore = require('connect-memcached')(session);

const app = express();
app.use(session({
  secret: process.env.SESSION_SECRET,
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: 86400 * 1000 },
  store: new MemcachedStore({
    hosts: ['127.0.0.1:22121'],
    // Without twemproxy: hosts: ['127.0.0.1:11311', '127.0.0.1:11312', '127.0.0.1:11313'],
    prefix: 'shop:',
    timeout: 1000,
    retry: 1000,
    reconnect: 1000,
  }),
}));
module.exports = app;
