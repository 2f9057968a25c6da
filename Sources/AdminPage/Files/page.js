// The operator's page: asks its own node each second, and shows what it says. Nothing comes from elsewhere.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const words = { green: "Fine", amber: "Look at it", red: "Act now", off: "Not in use" };
  const signs = { green: "✓", amber: "!", red: "✕", off: "–" };
  const charts = [
    { title: "Requests a second", series: [["gets", "reads"], ["sets", "writes"], ["touches", "touches"], ["deletes", "deletions"]] },
    { title: "Memory in use", series: [["used_bytes", "in use"]], unit: "bytes", limit: true },
    { title: "Time in the node, 99 of 100 within", series: [["read_p99", "reads"], ["write_p99", "writes"]], unit: "µs" },
    { title: "Users logged out a second", series: [["logged_out", "for want of room"]] },
    { title: "Leaving a second", series: [["evicted", "evicted"], ["expired", "expired"], ["refused", "refused"]] },
    { title: "Sessions", series: [["items", "all"], ["proven", "read back"]] },
    { title: "Connections", series: [["connections", "open"]] },
    { title: "Bytes a second", series: [["sent_bytes", "sent"], ["received_bytes", "received"]], unit: "bytes" },
    { title: "Locks", series: [["lock_waiting", "waiting now"], ["lock_waits", "waits a second"], ["lock_timeouts", "too long, a second"]] },
    { title: "Processor time", series: [["processor_percent", "of one processor"]], unit: "%" },
  ];
  const state = { space: null, history: {}, form: null, passwords: false, range: "fine", failures: 0, search: null };

  // Numbers for people.
  const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  const count = (n) => n === null || n === undefined || Number.isNaN(n) ? "–" : n >= 1e6 ? fine.format(n / 1e6) + " M" : n >= 100 ? grouped.format(n) : fine.format(n);
  const bytes = (n) => {
    if (n === null || n === undefined) return "–";
    for (const [name, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) if (n >= size) return fine.format(n / size) + " " + name;
    return grouped.format(n) + " B";
  };
  const micros = (n) => n >= 1e6 ? fine.format(n / 1e6) + " s" : n >= 1e3 ? fine.format(n / 1e3) + " ms" : fine.format(n) + " µs";
  const span = (s) => s === null || s === undefined ? "–" : s < 120 ? grouped.format(s) + " s" : s < 7200 ? grouped.format(s / 60) + " min" : s < 172800 ? grouped.format(s / 3600) + " h" : grouped.format(s / 86400) + " days";
  const format = (unit, n) => n === null || n === undefined ? "–" : unit === "bytes" ? bytes(n) : unit === "µs" ? micros(n) : unit === "%" ? fine.format(n) + " %" : count(n);

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "class") element.className = value; else element.setAttribute(key, value);
    }
    for (const child of children) element.append(child);
    return element;
  };
  const draw = (name, attributes = {}) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  const ask = async (path, fields) => {
    const options = { signal: AbortSignal.timeout(fields ? 90000 : 4000), headers: { Accept: "application/json" } };
    if (fields) {
      options.method = "POST";
      options.body = new URLSearchParams({ ...fields, form: state.form || "" });
    }
    const reply = await fetch(path, options);
    if (reply.status === 401) { location.assign("/login"); throw new Error("not logged in"); }
    const isJSON = (reply.headers.get("Content-Type") || "").startsWith("application/json");
    const said = isJSON ? await reply.json() : { error: (await reply.text()).trim() };
    if (!reply.ok) throw new Error(said.error || "the node answers with " + reply.status);
    return said;
  };

  // Questions.
  const cards = new Map();
  const card = (verdict) => {
    if (cards.has(verdict.question)) return cards.get(verdict.question);
    const light = make("p", { class: "pill" });
    const title = make("h3", {}, verdict.title);
    const says = make("p", { class: "says" });
    const advice = make("p", { class: "do" });
    const rule = make("details", {}, make("summary", {}, "When is it red?"), make("p", {}, verdict.rule));
    const element = make("article", { class: "card", "data-question": verdict.question }, light, title, says, advice, rule);
    byId("cards").append(element);
    const all = { element, light, says, advice };
    cards.set(verdict.question, all);
    return all;
  };
  const showVerdicts = (verdicts) => {
    for (const verdict of verdicts) {
      const own = card(verdict);
      own.element.className = "card is-" + verdict.light;
      own.element.dataset.light = verdict.light;
      own.light.className = "pill " + verdict.light;
      write(own.light, signs[verdict.light] + " " + words[verdict.light]);
      write(own.says, verdict.says);
      write(own.advice, verdict.do);
      own.advice.hidden = verdict.light !== "amber" && verdict.light !== "red";
    }
    const red = verdicts.filter((v) => v.light === "red"), amber = verdicts.filter((v) => v.light === "amber");
    const worst = red.length ? "red" : amber.length ? "amber" : "green";
    const text = red.length || amber.length
      ? [red.length ? red.length + " to act on: " + red.map((v) => v.title).join(" ") : "", amber.length ? amber.length + " to look at: " + amber.map((v) => v.title).join(" ") : ""].filter(Boolean).join(" · ")
      : "All is well.";
    const summary = byId("summary");
    summary.className = "summary " + worst;
    write(summary, text);
    const title = (red.length ? "(" + red.length + "!) " : "") + byId("node").textContent;
    if (document.title !== title) document.title = title;
  };

  // History.
  const figures = charts.map((chart) => {
    const most = make("span", { class: "most" });
    const svg = draw("svg", { class: "chart", role: "img" });
    const begin = make("span"), end = make("span", {}, "now");
    const legend = make("ul", { class: "legend" });
    const values = chart.series.map(([, name], place) => {
      const mark = draw("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" });
      mark.append(draw("line", { class: "line s" + place, x1: 0, y1: 4, x2: 22, y2: 4 }));
      const value = make("b");
      legend.append(make("li", {}, mark, name + " ", value));
      return value;
    });
    const element = make("figure", {}, make("figcaption", {}, chart.title, most), svg, make("div", { class: "axis", "aria-hidden": "true" }, begin, end), legend);
    byId("charts").append(element);
    return { chart, element, svg, most, begin, values };
  });
  const last = (list) => { for (let i = list.length - 1; i >= 0; i--) if (list[i] !== null) return list[i]; return null; };
  const plot = (figure, history, limit) => {
    const { chart, svg } = figure;
    const ring = history[state.range];
    const lists = chart.series.map(([name]) => ring.series[name] || []);
    figure.element.hidden = chart.series.every(([name]) => ring.series[name] === undefined);
    if (figure.element.hidden) return;
    // As far back as there is something, a minute or ten at least.
    const places = Math.max(60, ...lists.map((list) => list.length));
    const width = Math.max(120, svg.clientWidth), height = 112;
    let top = 0, least = Infinity;
    for (const list of lists) for (const value of list) if (value !== null) { if (value > top) top = value; if (value < least) least = value; }
    const most = top;
    if (chart.limit && limit && top > limit / 2) top = Math.max(top, limit);
    if (top <= 0) top = 1;
    const x = (place, length) => width - (length - 1 - place) * (width / (places - 1));
    const y = (value) => height - 2 - (value / top) * (height - 8);
    const parts = [0, 0.5, 1].map((share) => draw("line", { class: "grid", x1: 0, x2: width, y1: y(top * share), y2: y(top * share) }));
    if (chart.limit && limit && limit <= top) parts.push(draw("line", { class: "limit", x1: 0, x2: width, y1: y(limit), y2: y(limit) }));
    lists.forEach((list, number) => {
      let path = "", first = null, end = null;
      // As many points as there are dots on the screen; of several the highest is shown.
      const step = Math.max(1, Math.floor(list.length / width));
      for (let place = 0; place < list.length; place += step) {
        let value = null;
        for (let k = place; k < Math.min(list.length, place + step); k++) if (list[k] !== null && (value === null || list[k] > value)) value = list[k];
        if (value === null) continue;
        const at = x(place, list.length).toFixed(1);
        path += (path ? "L" : "M") + at + " " + y(value).toFixed(1);
        if (first === null) first = at;
        end = at;
      }
      if (!path) return;
      if (number === 0) parts.push(draw("path", { class: "area", d: path + "L" + end + " " + height + "L" + first + " " + height + "Z" }));
      parts.push(draw("path", { class: "line s" + number, d: path }));
      write(figure.values[number], format(chart.unit, last(list)));
    });
    svg.setAttribute("viewBox", "0 0 " + width + " " + height);
    svg.replaceChildren(...parts);
    const back = span(places * ring.seconds);
    write(figure.most, "most " + format(chart.unit, most));
    write(figure.begin, back + " ago");
    svg.setAttribute("aria-label", chart.title + ", the last " + back + ": " + chart.series.map(([, name], n) => name + " " + format(chart.unit, last(lists[n])) + " now").join(", ") + "; at least " + format(chart.unit, least === Infinity ? null : least) + ", at most " + format(chart.unit, most) + ".");
  };
  const loadHistory = async (name) => { state.history[name] = await ask("/history.json?space=" + encodeURIComponent(name)); };
  const showHistory = (space) => {
    const history = state.history[space.name];
    if (!history) return;
    for (const [name, value] of Object.entries(space.rates)) {
      const list = history.fine.series[name];
      if (!list || value === null) continue;
      list.push(value);
      if (list.length > 600) list.splice(0, list.length - 600);
    }
    for (const figure of figures) plot(figure, history, space.memory.limit);
  };

  // Tables.
  const row = (...cells) => {
    const element = make("tr");
    cells.forEach((cell, place) => {
      const isPlain = typeof cell === "string";
      const text = isPlain ? cell : cell.text;
      const own = make(place === 0 ? "th" : "td", place === 0 ? { scope: "row" } : { class: cell.n ? "n" : "name" });
      if (cell.node) own.append(cell.node); else own.textContent = text;
      element.append(own);
    });
    return element;
  };
  const n = (text) => ({ text, n: true });
  const part = (id, isThere) => {
    byId(id).hidden = !isThere;
    document.querySelector("nav a[href='#" + id + "']").hidden = !isThere;
  };
  const showTimes = (latencies) => {
    const seen = (latencies || []).filter((l) => l.count > 0);
    part("times-part", seen.length > 0);
    byId("times").replaceChildren(...seen.map((l) => row(l.family, l.protocol, n(count(l.count)), n(micros(l.p50)), n(micros(l.p90)), n(micros(l.p99)), n(micros(l.p999)))));
  };
  const showTop = (top) => {
    const seen = (top || []).filter((list) => list.entries.length > 0);
    part("top-part", seen.length > 0);
    byId("top").replaceChildren(...seen.map((list) => make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": list.title },
      make("table", {}, make("caption", {}, list.title),
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, list.question === "creators" ? "Address" : "Session"), make("th", { scope: "col", class: "n" }, list.unit || "Count"))),
        make("tbody", {}, ...list.entries.map((entry) => row({ node: make("code", {}, entry.name) }, n((list.unit === "Bytes" ? bytes(entry.count) : count(entry.count)) + (entry.error > 0 ? " ± " + count(entry.error) : "")))))))));
  };
  const showNumbers = (space) => {
    if (!byId("numbers-details").open) return;
    const wanted = byId("filter").value.trim().toLowerCase();
    const rows = [];
    for (const page of ["statistics", "settings", "sessions", "clients", "restarts"]) for (const [own, value] of Object.entries(space[page] || {})) {
      const name = page === "statistics" ? own : page + " " + own;
      if (wanted && !name.includes(wanted)) continue;
      rows.push(row({ node: make("code", {}, name) }, n(typeof value === "number" ? fullNumber.format(value) : String(value))));
    }
    byId("numbers").replaceChildren(...rows);
  };
  const fullNumber = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });

  // Cluster.
  const showCluster = (cluster) => {
    const members = cluster.members || [];
    part("cluster-part", members.length > 1);
    byId("cluster").replaceChildren(...members.map((member) => {
      const says = member.says || {};
      const isSilent = member.problem !== null && !member.own;
      const light = isSilent || says.healthy === "no" ? "red" : says.ready === "no" ? "amber" : "green";
      const standing = isSilent ? member.problem + (member.seconds !== null ? ", for " + span(member.seconds) : "") : says.obstacle || (says.ready === "yes" ? "ready" : "not ready");
      const needs = [says.red && "red: " + says.red, says.amber && "amber: " + says.amber].filter(Boolean).join("; ");
      const pill = make("span", { class: "pill " + light }, signs[light] + " " + standing);
      const element = row(member.name + (member.own ? " (this one)" : ""), { node: pill }, { text: isSilent ? "–" : needs || "nothing" },
        n(bytes(Number(says.used_bytes || 0)) + " of " + bytes(Number(says.limit_bytes || 0))), n(count(Number(says.items))), n(count(Number(says.gets))), n(count(Number(says.sets))), n(count(Number(says.connections))), { text: says.version || "–" });
      element.dataset.light = light;
      return element;
    }));
  };

  // Sessions.
  const fields = () => {
    const all = {};
    for (const [name, value] of new FormData(byId("search"))) if (value !== "") all[name] = value;
    if (state.space) all.space = state.space;
    return all;
  };
  const sure = (text) => new Promise((resolve) => {
    const dialog = byId("sure");
    byId("sure-text").textContent = text;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
  const tell = (text) => write(byId("found"), text);
  const search = async () => {
    tell("Looking …");
    state.search = null;
    byId("end-all").disabled = true;
    try {
      const wanted = fields();
      const said = await ask("/sessions", wanted);
      state.search = wanted;
      showSessions(said);
    } catch (error) { tell("Not found out: " + error.message + "."); }
  };
  const showSessions = (said) => {
    const rows = said.sessions.map((session) => {
      const button = make("button", { type: "button", class: "danger", "data-session": session.session, "aria-label": "End session " + session.session }, "End");
      button.addEventListener("click", async () => {
        if (await sure("End session " + session.session + (session.user ? " of " + session.user : "") + "? Whoever has it is logged out.")) await end({ session: session.session });
      });
      return row({ node: make("code", {}, session.session) }, { text: session.user || "–" }, n(bytes(session.bytes)), n(span(session.age)), n(span(session.idle)), n(session.left === null ? "never" : span(session.left)), { node: button });
    });
    byId("rows").replaceChildren(...rows);
    byId("rows-scroll").hidden = rows.length === 0;
    const found = said.result ? said.result.found : rows.length;
    const looked = said.result ? " of " + count(said.result.looked_at) : "";
    tell(count(found) + " found" + looked + (said.further ? "; the first " + rows.length + " are shown" : "") + (said.whole ? "." : "; the search was ended after a minute."));
    const limits = Object.keys(state.search || {}).filter((name) => name !== "space");
    byId("end-all").disabled = rows.length === 0 || limits.length === 0;
  };
  const end = async (which) => {
    tell("Ending …");
    try {
      const said = await ask("/sessions/end", { ...which, ...(state.space ? { space: state.space } : {}) });
      const result = said.result || {};
      const text = count(result.ended || 0) + " ended" + (result.failed ? ", " + count(result.failed) + " could not be ended" : "") + ".";
      await search();
      tell(text + " " + byId("found").textContent);
    } catch (error) { tell("Not ended: " + error.message + "."); }
  };
  byId("search").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  byId("end-all").addEventListener("click", async () => {
    if (!state.search) return;
    const { space, ...limits } = state.search;
    if (await sure("End all sessions with " + Object.entries(limits).map(([name, value]) => name.replace("_", " ") + " " + value).join(", ") + "? Whoever has them is logged out.")) await end(limits);
  });

  // The whole.
  const show = (status) => {
    write(byId("node"), status.node ? "Sojourn · " + status.node : "Sojourn");
    const ready = byId("ready");
    ready.className = "pill " + (!status.healthy ? "red" : status.ready ? "green" : "amber");
    write(ready, !status.healthy ? "✕ stuck: " + status.late.join(", ") : status.ready ? "✓ ready" : "! not ready: " + status.obstacles.join("; "));
    write(byId("about"), "Sojourn " + status.version + ", up for " + span(status.uptime) + ", " + status.threads + " threads");
    const select = byId("space");
    byId("spaces").hidden = status.spaces.length < 2;
    if (select.options.length !== status.spaces.length) select.replaceChildren(...status.spaces.map((s) => make("option", {}, s.name)));
    const space = status.spaces.find((s) => s.name === state.space) || status.spaces[0];
    if (state.space !== space.name) {
      state.space = space.name;
      select.value = space.name;
      loadHistory(space.name).catch(() => {});
    }
    showVerdicts(space.verdicts);
    showHistory(space);
    showTimes(space.latencies);
    showTop(space.top);
    showNumbers(space);
  };
  const live = byId("live"), gone = byId("gone");
  let turn = 0;
  const look = async () => {
    try {
      const status = await ask("/status.json");
      if (state.failures > 0 && state.space) await loadHistory(state.space);
      state.failures = 0;
      gone.hidden = true;
      live.className = "pill green";
      write(live, "live");
      show(status);
      if (status.members > 0) showCluster(await ask("/cluster.json"));
      turn += 1;
      if (turn % (state.range === "fine" ? 60 : 10) === 0 && state.space) await loadHistory(state.space);
    } catch (error) {
      state.failures += 1;
      live.className = "pill red";
      write(live, "not live");
      if (state.failures > 1) { write(gone, "The node does not answer. What is below is as it was."); gone.hidden = false; }
    }
    // Who does not look needs no news each second.
    setTimeout(look, document.hidden ? 10000 : 1000);
  };
  byId("space").addEventListener("change", (event) => { state.space = event.target.value; loadHistory(state.space).catch(() => {}); });
  for (const choice of document.querySelectorAll("input[name=range]")) choice.addEventListener("change", (event) => {
    state.range = event.target.value;
    if (state.space) loadHistory(state.space).catch(() => {});
  });
  const begin = async () => {
    try {
      const me = await ask("/me.json");
      state.form = me.form;
      const mayEnd = me.form !== null;
      byId("search").hidden = !mayEnd;
      byId("sessions-closed").hidden = mayEnd;
      byId("sessions-closed").textContent = me.passwords ? "Log in by the form to look at users' sessions, and end them." : "Shown to who has logged in: start the node with -o admin_auth_file=FILE (lines user:password).";
      if (mayEnd) {
        byId("logout").hidden = false;
        byId("logout").elements.form.value = me.form;
        byId("who").textContent = me.user;
      }
    } catch { /* The next look says so. */ }
    look();
  };
  begin();
})();
