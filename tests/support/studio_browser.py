"""The studio in Debian's Chromium: a real server on a loopback socket, real mouse and key events."""

import json
import os
import socket
import threading
import time
from contextlib import contextmanager

import uvicorn
from chromium import Page

from chromiq.studio.app import create_app
from chromiq.studio.workplace import open_workplace

TOKEN = "the-token"
BUTTONS = {"left": 1, "right": 2, "middle": 4}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
_TIMEOUT_S = 30


@contextmanager
def served(*folders, **options):
    """The address of the studio over some folders, until the block ends; `options` are of `create_app`."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(open_workplace(folders), TOKEN, **options)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        app.state.jobs.end()
        app.state.commands.end()
        thread.join(10)
        listener.close()


class Browser(Page):
    """A page that has the studio's cookie, with a mouse and a keyboard."""

    def enter(self, address):
        """Log in to another studio."""
        self.address = address
        self.visit(f"/?token={TOKEN}")

    def visit(self, path):
        """Open one of the studio's pages."""
        self.events.clear()
        fault = self.send("Page.navigate", url=self.address + path).get("errorText")
        assert not fault, f"{self.address}{path}: {fault}"
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def _receive(self):
        message = super()._receive()
        if message.get("method") == "Page.javascriptDialogOpening":  # "Leave the page?", as it has changes
            accept = {
                "id": 0,
                "sessionId": self._session,
                "method": "Page.handleJavaScriptDialog",
                "params": {"accept": True},
            }
            os.write(self._in, json.dumps(accept).encode() + b"\0")
        return message

    def until(self, expression):
        """Wait for a JavaScript expression to hold, and return its value."""
        deadline = time.monotonic() + _TIMEOUT_S
        tried = f"(() => {{ try {{ return {expression} }} catch {{ return null }} }})()"  # between two pages
        while not (value := self.evaluate(tried)):
            assert time.monotonic() < deadline, f"{expression} does not hold; {self.problems()}"
            time.sleep(0.03)
        return value

    def at(self, selector, x=0.5, y=0.5):
        """A point of an element, at shares of its width and height, in CSS pixels of the window."""
        self.evaluate(f"document.querySelector({selector!r}).scrollIntoView({{block: 'nearest'}})")
        left, top, width, height = self.evaluate(
            f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [b.left, b.top, b.width, b.height]; })()"
        )
        return left + x * width, top + y * height

    def mouse(self, kind, point, button="none", held=None, clicks=0, modifiers=()):
        """One mouse event: ``Pressed``, ``Moved`` or ``Released``, with modifier keys such as ``"Alt"``."""
        x, y = point
        buttons = BUTTONS.get(held or (button if kind == "Pressed" else ""), 0)
        self.send(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=x,
            y=y,
            button=button,
            buttons=buttons,
            clickCount=clicks,
            modifiers=sum(MODIFIERS[name] for name in modifiers),
        )

    def drag(self, *points, button="left", modifiers=()):
        """Press at the first point, move over the others, and let go; `modifiers` are held at the press."""
        self.mouse("Moved", points[0])
        self.mouse("Pressed", points[0], button, clicks=1, modifiers=modifiers)
        for point in points[1:]:
            self.mouse("Moved", point, held=button)
        self.mouse("Released", points[-1], button, clicks=1)

    def click(self, selector, button="left"):
        """Click the middle of an element."""
        self.drag(self.at(selector), button=button)

    def press(self, key, *modifiers):
        """Press a key, such as ``"b"``, ``"ArrowLeft"`` or ``"Enter"``, and let it go."""
        names = {
            " ": ("Space", 32),
            "Enter": ("Enter", 13),
            "Escape": ("Escape", 27),
            "Tab": ("Tab", 9),
            "ArrowLeft": ("ArrowLeft", 37),
            "ArrowUp": ("ArrowUp", 38),
            "ArrowRight": ("ArrowRight", 39),
            "ArrowDown": ("ArrowDown", 40),
        }
        code, number = names.get(key, (f"Key{key.upper()}", ord(key.upper()[0])))
        held = sum(MODIFIERS[name] for name in modifiers)
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 and not held & 6 else "")
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": held}
        self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        """Type into the element with the focus."""
        self.send("Input.insertText", text=text)

    def screen(self, width_px, height_px, scale=1, dark=False):
        """The window's size in CSS pixels, the screen's pixels per CSS pixel, and the colour scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=scale,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def requests(self):
        """The addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def problems(self):
        """What the browser's console reported: exceptions, refused requests, breaches of the policy."""
        found = [
            event["params"]["entry"]["text"]
            for event in self.events
            if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"
        ]
        return found + [
            str(event["params"]["exceptionDetails"])
            for event in self.events
            if event.get("method") == "Runtime.exceptionThrown"
        ]
