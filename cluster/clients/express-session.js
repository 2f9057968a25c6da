// express-session on the nodes of ../cluster.yaml. The ring of node's memcached client is none of HashRing's
// strategies: where others share the sessions, give it twemproxy (twemproxy.yml) as its only server.
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
  }),
}));
module.exports = app;
