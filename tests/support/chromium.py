"""Debian's Chromium without a window, driven over its DevTools pipe."""

import base64
import fcntl
import json
import os
import select
import shutil
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_TIMEOUT_S = 60


class Page:
    """One page. `send` speaks the DevTools protocol; `events` keeps what the browser said unasked."""

    def __init__(self, profile):
        (command_out, command_in), (answer_out, answer_in) = os.pipe(), os.pipe()
        # Chromium reads from descriptor 3 and writes to 4; the ends are kept clear of these numbers.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (command_out, answer_in)]
        silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
        self._process = os.posix_spawn(
            CHROMIUM,
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
                "--no-first-run",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
            ],
            os.environ,
            file_actions=[*((os.POSIX_SPAWN_DUP2, end, 3 + i) for i, end in enumerate(ends)), *silent],
        )
        for end in (command_out, answer_in, *ends):
            os.close(end)
        self._in, self._out, self._rest, self._number = command_in, answer_out, b"", 0
        self.events, self._session = [], None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _receive(self):
        deadline = time.monotonic() + _TIMEOUT_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._out], [], [], max(0, deadline - time.monotonic()))
            assert ready, "Chromium does not answer"
            self._rest += os.read(self._out, 1 << 20)
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)

    def open(self, path):
        self.go(path.as_uri())

    def go(self, address):
        self.events.clear()
        self.send("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression):
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def key(self, key, code):
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def size(self, width_px, height_px, mobile=False):
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def screenshot(self, path, whole=True):
        path.write_bytes(self.shot(whole))

    def shot(self, whole=False):
        """The window, or the whole page, as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self):
        return base64.b64decode(self.send("Page.printToPDF", printBackground=False)["data"])

    def close(self):
        self._session = None
        self.send("Browser.close")
        os.waitpid(self._process, 0)
        os.close(self._in)
        os.close(self._out)
