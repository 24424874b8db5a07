"""A client that has opened the studio's page, without a socket."""

import time

from starlette.testclient import TestClient

from chromiq.studio.app import create_app
from chromiq.studio.workplace import open_workplace

TOKEN = "the-token"
OWN = {"origin": "http://localhost"}


def client_of(*folders, **options):
    """A client with the cookie, and the address of the first results; `options` are of `create_app`."""
    app = create_app(open_workplace(folders), TOKEN, **options)
    client = TestClient(app, base_url="http://localhost", headers=OWN)
    client.get("/", params={"token": TOKEN})
    found = app.state.workplace.of_kind("corrections")
    return client, f"/f/{found[0].id}" if found else ""


def finish(client, address, seconds=60):
    """Wait until nothing is left to do in the background; what it says then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = client.get(f"{address}/states").json()["job"]
        if not job["waiting"]:
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def until(holds, seconds=30):
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
