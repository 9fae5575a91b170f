"""A small client of W3C WebDriver: headless Chromium for the tests of the pages.
https://www.w3.org/TR/webdriver2/"""

import base64
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Driver:
    """The chromedriver process."""

    def __init__(self, path):
        self.log = os.path.join(path, "chromedriver.out")
        self.out = open(self.log, "w")
        self.process = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=self.out, stderr=self.out,
            env=dict(os.environ, HOME=path, TMPDIR=path),
            start_new_session=True)
        self.url = "http://127.0.0.1:" + self._port()

    def _port(self):
        end = time.time() + 60
        while time.time() < end:
            with open(self.log) as f:
                port = re.search(r"successfully on port (\d+)", f.read())
            if port:
                return port[1]
            time.sleep(0.05)
        raise RuntimeError("chromedriver does not start")

    def call(self, method, path, data=None):
        body = json.dumps(data or {}).encode() if method == "POST" else None
        req = urllib.request.Request(
            self.url + path, body, {"Content-Type": "application/json"},
            method=method)
        try:
            with urllib.request.urlopen(req, timeout=60) as resp:
                return json.load(resp)["value"]
        except urllib.error.HTTPError as err:
            value = json.load(err)["value"]
            raise RuntimeError(f"{value['error']}: {value['message']}")

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.out.close()


class Chromium:
    """One browser with a profile of its own. dark: what the user prefers."""

    def __init__(self, driver, width=1000, height=900, dark=False):
        self.driver = driver
        args = ["--headless=new", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--hide-scrollbars",
                "--disable-background-networking"]
        wanted = {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": True,
            "goog:chromeOptions": {"args": args}}}}
        try:
            value = driver.call("POST", "/session", wanted)
        except (RuntimeError, OSError):
            # a browser may not come up in time on a busy machine
            value = driver.call("POST", "/session", wanted)
        self.path = "/session/" + value["sessionId"]
        self.look(width, height, dark)

    def _call(self, method, path, data=None):
        return self.driver.call(method, self.path + path, data)

    def _devtools(self, command, **params):
        return self._call("POST", "/goog/cdp/execute",
                          {"cmd": command, "params": params})

    def look(self, width, height, dark=False):
        self._devtools("Emulation.setDeviceMetricsOverride", width=width,
                       height=height, deviceScaleFactor=1, mobile=width < 600)
        self._devtools("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme",
             "value": "dark" if dark else "light"}])

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    @property
    def url(self):
        return self._call("GET", "/url")

    @property
    def title(self):
        return self._call("GET", "/title")

    @property
    def source(self):
        return self._call("GET", "/source")

    def run(self, script):
        return self._call("POST", "/execute/sync",
                          {"script": script, "args": []})

    @property
    def text(self):
        return self.run("return document.body.innerText")

    def find(self, selector):
        return self._call("POST", "/element", {
            "using": "css selector", "value": selector})[_ELEMENT]

    def click(self, selector):
        self._call("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self._call("POST", f"/element/{self.find(selector)}/value",
                   {"text": text})

    def wait(self, check, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            try:
                if check():
                    return
            except RuntimeError:    # between two pages
                pass
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s; at {self.url}: " +
                             self.text[:1000])

    def screenshot(self, path):
        height = self.run("return document.documentElement.scrollHeight")
        shot = self._devtools(
            "Page.captureScreenshot", captureBeyondViewport=True, clip={
                "x": 0, "y": 0, "scale": 1, "height": max(height, 300),
                "width": self.run("return innerWidth")})
        with open(path, "wb") as f:
            f.write(base64.b64decode(shot["data"]))

    def close(self):
        self._call("DELETE", "")
