"""The operator's page in a real browser: it loads, lives, warns, lets in and keeps out, and ends sessions.

    admin_page_checks.py SOJOURND
"""

import os, sys, tempfile

from admin_browser import Browser
from admin_node import AdminNode
from checking import check, tell_count

binary = sys.argv[1]


def php(user):
    return f'user_id|s:{len(user)}:"{user}";'


# What of the page is too faint to be read: the least contrast of any text with what is behind it.
CONTRAST = """
const parse = (c) => { const m = c.match(/[0-9.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
const light = ([r, g, b]) => { const f = [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0.99) return c; } return [255, 255, 255, 1]; };
let least = [99, ""];
for (const e of document.querySelectorAll("body *")) {
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility() || e.closest(".unseen, .skip, [disabled]")) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < least[0]) least = [ratio, e.outerHTML.slice(0, 120)];
}
return least;
"""


def check_page(browser, name):
    for is_dark in (False, True):
        browser.dark(is_dark)
        ratio, element = browser.run(CONTRAST)
        check(f"{name}: contrast, {'dark' if is_dark else 'light'}: {ratio:.2f} of {element}", ratio >= 4.5, True)
    browser.dark(False)
    check(f"{name}: ids once", browser.run("const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return ids.length - new Set(ids).size"), 0)
    check(f"{name}: fields have labels", browser.run("return [...document.querySelectorAll('input:not([type=hidden]), select')].filter((e) => !e.labels.length).length"), 0)
    check(f"{name}: tables have captions", browser.run("return [...document.querySelectorAll('table')].filter((t) => !t.caption || !t.caption.textContent.trim()).length"), 0)
    check(f"{name}: buttons have names", browser.run("return [...document.querySelectorAll('button')].filter((b) => !(b.getAttribute('aria-label') || b.textContent).trim()).length"), 0)
    check(f"{name}: one first heading", browser.run("return document.querySelectorAll('h1').length"), 1)


with tempfile.TemporaryDirectory() as folder, Browser() as browser:
    # On this machine, without a password: it loads, and it lives.
    with AdminNode(binary, ["-m", "8", "-o", "proof_age=0"]) as node:
        node.store("s:0", "x")
        browser.open(f"http://127.0.0.1:{node.port}/")
        browser.wait("the cards", lambda: len(browser.all(".card")) == 10)
        browser.wait("it to live", lambda: browser.text("#live") == "live")
        check("ready", "ready" in browser.text("#ready"), True)
        check("all is well", browser.text("#summary"), "All is well.")
        check("title", browser.driver.title, "Sojourn")
        check("sessions are closed", "admin_auth_file" in browser.text("#sessions-closed"), True)
        browser.wait("the charts", lambda: len(browser.all("svg.chart path.line")) >= 6)
        label = browser.run("return document.querySelector('svg.chart').getAttribute('aria-label')")
        check("a chart in words", label.startswith("Requests a second, the last ") and ": reads " in label, True)
        # It goes on by itself.
        for key in range(60):
            node.store(f"s:{key}", "y" * 1000)
        browser.run("document.querySelector('#numbers-details').open = true; document.querySelector('#filter').value = 'curr_items'")
        browser.wait("the news", lambda: "60" in (browser.text("#numbers") or ""))
        check_page(browser, "page")
        # Something is red: sessions in use are evicted.
        value = "z" * 20_000
        for round in range(2):
            for key in range(500):
                node.store(f"used:{round}:{key}", value)
                node.ask(f"get used:{round}:{key}", b"END\r\n")
        browser.wait("the warning", lambda: browser.run("return document.querySelector('[data-question=logged_out]').dataset.light") == "red")
        check("it says so", "to act on: Is anybody logged out by us?" in browser.text("#summary"), True)
        check("in the title", browser.driver.title.startswith("(1!)"), True)
        check("what to do", browser.find("[data-question=logged_out] .do").is_displayed(), True)
        check("not where it is green", browser.find("[data-question=copies] .do").is_displayed(), False)
        check_page(browser, "page in need")
        # On a phone.
        browser.size(360, 740)
        browser.wait("the small page", lambda: browser.run("return innerWidth") == 360)
        check("no scrolling sideways", browser.is_wider_than_shown(), False)
        browser.size(1280, 900)
        # By keyboard: the first stop is the way past what comes first.
        browser.run("document.activeElement.blur()")
        browser.find("body").send_keys("\ue004")
        check("the first stop", browser.run("return document.activeElement.className"), "skip")
        check("is seen", browser.run("return document.activeElement.getBoundingClientRect().left >= 0"), True)
        # Hours.
        browser.run("document.querySelector('input[value=coarse]').click()")
        browser.wait("the hours", lambda: "the last 10 min:" in browser.run("return document.querySelector('svg.chart').getAttribute('aria-label') || ''"))
        check("nothing to complain of", browser.console(), [])
        # The node goes: the page says so.
        node.end()
        browser.wait("the end to be told", lambda: browser.find("#gone").is_displayed())
        browser.open("about:blank")
        browser.console()
        browser.problems.clear()

    # With passwords.
    passwords = os.path.join(folder, "passwords")
    with open(passwords, "w") as file:
        file.write("ann:right\n")
    os.chmod(passwords, 0o600)
    with AdminNode(binary, ["-o", f"admin_auth_file={passwords},user_rule=php:user_id"]) as node:
        for key, user in (("s:1", "eve"), ("s:2", "eve"), ("s:3", "joe"), ("s:4", "<b>x</b>")):
            check("stored", node.store(key, php(user)), "STORED\r\n")
        browser.open(f"http://127.0.0.1:{node.port}/")
        browser.wait("the form", lambda: browser.driver.current_url.endswith("/login"))
        check_page(browser, "login")

        def log_in(password):
            browser.find("#user").send_keys("ann")
            browser.find("#password").send_keys(password + "\n")

        log_in("wrong")
        browser.wait("the refusal", lambda: browser.text(".problem") == "The user or the password is wrong.")
        browser.console()
        browser.problems = [p for p in browser.problems if "401" not in p]
        browser.wait("the throttle", lambda: True)
        import time
        time.sleep(0.3)
        log_in("right")
        browser.wait("the page", lambda: len(browser.all(".card")) == 10)
        check("who it is", browser.text("#who"), "ann")
        browser.find("#sessions-part #user").send_keys("eve")
        browser.find("#search button[type=submit]").click()
        browser.wait("eve's sessions", lambda: len(browser.all("#rows tr")) == 2)
        check("told", browser.text("#found"), "2 found of 4.")
        # One is ended, and is gone for a client.
        browser.find("#rows button").click()
        browser.wait("the question", lambda: browser.find("#sure").is_displayed())
        browser.find("#sure button[value=no]").click()
        browser.wait("no end", lambda: not browser.find("#sure").is_displayed())
        check("kept", len(browser.all("#rows tr")), 2)
        browser.find("#rows button").click()
        browser.wait("the question", lambda: browser.find("#sure").is_displayed())
        browser.find("#sure button[value=yes]").click()
        browser.wait("one to be ended", lambda: "1 ended" in browser.text("#found"))
        left = [node.ask(f"get s:{key}", b"END\r\n").startswith("VALUE") for key in (1, 2, 3, 4)]
        check("one is gone", (sorted(left[:2]), left[2:]), ([False, True], [True, True]))
        browser.wait("the rest", lambda: len(browser.all("#rows tr")) == 1)
        browser.find("#end-all").click()
        browser.wait("the question", lambda: browser.find("#sure").is_displayed())
        browser.find("#sure button[value=yes]").click()
        browser.wait("all to be ended", lambda: len(browser.all("#rows tr")) == 0)
        left = [node.ask(f"get s:{key}", b"END\r\n").startswith("VALUE") for key in (1, 2, 3, 4)]
        check("eve's are gone", left, [False, False, True, True])
        check("the audit", "an operator, ann at the page, from 127.0.0.1, ended 1 of" in node.log(), True)
        # What users choose is text.
        browser.find("#sessions-part #user").clear()
        browser.find("#search button[type=submit]").click()
        browser.wait("all", lambda: len(browser.all("#rows tr")) == 2)
        check("text", ("<b>x</b>" in browser.text("#rows"), len(browser.all("#rows b"))), (True, 0))
        check("all cannot be ended without a limit", browser.find("#end-all").is_enabled(), False)
        # A form without the page's token.
        status = browser.run("return fetch('/sessions/end', {method: 'POST', body: new URLSearchParams({user: 'joe'})}).then((r) => r.status)")
        check("without the token", status, 403)
        check("joe stays", node.ask("get s:3", b"END\r\n").startswith("VALUE"), True)
        # What is not of this page is not run, and nothing goes elsewhere.
        ran = browser.run("""
            const s = document.createElement("script"); s.textContent = "window.evil = 1"; document.body.append(s);
            return [window.evil || 0, fetch("https://127.0.0.1:1/").then(() => "went", () => "kept")]""")
        check("the policy holds", ran[0], 0)
        browser.console()
        browser.problems = [p for p in browser.problems if "Content Security Policy" not in p and "403" not in p]
        browser.size(360, 740)
        browser.wait("the small page", lambda: browser.run("return innerWidth") == 360)
        check("no scrolling sideways", browser.is_wider_than_shown(), False)
        browser.size(1280, 900)
        check("nothing to complain of", browser.console(), [])
        browser.find("#logout button").click()
        browser.wait("the form again", lambda: browser.driver.current_url.endswith("/login"))
        browser.open(f"http://127.0.0.1:{node.port}/")
        browser.wait("to be out", lambda: browser.driver.current_url.endswith("/login"))
tell_count()
