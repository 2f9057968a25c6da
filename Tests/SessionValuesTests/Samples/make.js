// Makes the samples of Node: node make.js. As connect-memcached and its like store an express session.
const { writeFileSync } = require("fs");
const session = {
  cookie: { originalMaxAge: 86400000, expires: "2026-12-01T00:00:00.000Z", httpOnly: true, path: "/" },
  trap: '"passport":{"user":"666"}\\', list: [{ passport: { user: "666" } }, [[[1, -2.5e3, null, true]]]],
  passport: { user: "j\u00f6rg \ud83d\ude00 \"q\" \u2028" }, numbers: [1, [2, { id: 77 }]], none: null, off: false,
};
writeFileSync("json.bin", JSON.stringify(session));
writeFileSync("json-spaced.bin", JSON.stringify(session, null, 2));
writeFileSync("json-escaped.bin", JSON.stringify(session).replace(/[\u0080-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")).replace('"passport":{"user":"j', '"p\\u0061ssport":{"us\\u0065r":"j'));
