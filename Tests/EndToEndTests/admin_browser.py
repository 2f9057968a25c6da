"""Chromium without a window, for the operator's page."""

import base64, os, shutil, time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service


class Browser:
    def __init__(self, width=1280, height=900):
        options = Options()
        options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                         "--no-first-run", "--disable-background-networking", "--lang=en",
                         "--force-prefers-reduced-motion", "--hide-scrollbars"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = shutil.which("chromedriver") or "/usr/bin/chromedriver"
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_page_load_timeout(30)
        self.driver.set_script_timeout(30)
        self.problems = []
        self.size(width, height)

    def size(self, width, height, scale=1):
        """Of what is seen, as a phone has it: below 500 pixels no window is."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500})

    def dark(self, is_dark):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]})

    def open(self, url):
        self.driver.get(url)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, selector):
        return self.run("const e = document.querySelector(arguments[0]); return e ? e.textContent : null", selector)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def wait(self, what, is_true, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            value = is_true()
            if value:
                return value
            if time.monotonic() > deadline:
                raise SystemExit(f"waited too long for {what}; the page says {self.text('body')[:2000]!r}; {self.console()}")
            time.sleep(0.05)

    def console(self):
        """All that the browser has complained of so far: errors of scripts, of policies, of what did not load."""
        self.problems += [entry["message"] for entry in self.driver.get_log("browser")
                          if entry["level"] in ("SEVERE", "WARNING")]
        return self.problems

    def is_wider_than_shown(self):
        return self.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def picture(self, path, selector=None, whole=False, scale=1):
        """A PNG of what is seen, of an element, or of the whole page."""
        wanted = {"format": "png", "captureBeyondViewport": bool(selector or whole)}
        if selector or whole:
            box = self.run("""
                const e = arguments[0] ? document.querySelector(arguments[0]) : document.documentElement;
                const box = e.getBoundingClientRect();
                return arguments[0] ? [box.x + scrollX, box.y + scrollY, box.width, box.height]
                                    : [0, 0, document.documentElement.clientWidth, e.scrollHeight]""", selector)
            margin = 8 if selector else 0
            wanted["clip"] = {"x": max(0, box[0] - margin), "y": max(0, box[1] - margin),
                              "width": box[2] + 2 * margin, "height": box[3] + 2 * margin, "scale": scale}
        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", wanted)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
        return os.path.getsize(path)

    def end(self):
        self.driver.quit()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
