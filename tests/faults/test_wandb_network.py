"""A real wandb whose server answers at first and then never again, as when a network breaks.

A missing server, one that never answers, and a stopped wandb process:
tests/tracking/test_hanging_wandb.py. A wandb that raises or is not installed: tests/tracking/test_failing_wandb.py.
"""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Make
from faults import injection
from faults.journals import Attempt, files_of, result, whole
from scalefree.training import run


class ThenSilent(http.server.BaseHTTPRequestHandler):
    """Answers wandb until it has created its run; later requests wait until the test is over."""

    over = threading.Event()
    made = threading.Event()

    def log_message(self, *_: Any) -> None:
        """Prints nothing on stderr."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.made.is_set():
            self.over.wait()
            return
        asked = json.loads(body) if self.path == "/graphql" else {"query": ""}
        data: dict[str, Any] = {}
        if "upsertBucket" in asked["query"]:
            project = {"id": "p", "name": "scalefree", "entity": {"id": "e", "name": "me"}}
            bucket = {"id": "b", "name": asked["variables"]["name"], "config": "{}", "project": project}
            data = {"upsertBucket": {"bucket": bucket, "inserted": True}}
            self.made.set()
        content = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ThenSilent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    ThenSilent.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_falls_silent_does_not_affect_the_run(
    address: str, tiny: Make, start: Callable[..., tuple[Any, Path]]
) -> None:
    expected = tiny({"results_dir": tiny().results_dir + "-untracked"})
    run(expected)
    config = tiny({"tracking": "online"})
    process, journal = start(injection.train_online, config, address)
    process.join(300)
    if process.is_alive():
        process.kill()
        process.join()
    assert ThenSilent.made.is_set(), "wandb started"
    assert Attempt(process.exitcode, journal).exit_code == 0
    assert result(config) == result(expected)
    assert {file for file in files_of(config.results_dir) if not file.startswith("wandb/")} == whole(config)
    said = journal.with_suffix(".log").read_text().splitlines()
    assert len([line for line in said if "without wandb: " in line]) == 1
