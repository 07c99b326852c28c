"""A stand-in for wandb's server on this machine: keeps histories and saved views, and records every request."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = "paper"


@dataclass
class Server:
    """What was sent to the server.

    Attributes:
        views: saved views by their internal name.
        history: by run id, the rows of its history at their offsets, as the real server keeps them.
        configs, summaries: by run id, as JSON text; `names` are the runs' readable names.
        uploads: run ids, in the order in which their histories arrived.
        requests: all GraphQL requests, as (query, variables).
    """

    address: str = ""
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def saved(self) -> list[dict[str, Any]]:
        """The variables of all views saved so far."""
        return [variables for query, variables in self.requests if "upsertView" in query]

    def account(self) -> dict[str, str]:
        """The environment that points wandb here, with a key that opens nothing."""
        return {"WANDB_BASE_URL": self.address, "WANDB_API_KEY": "0" * 40, "NO_PROXY": "*"}

    def _save_view(self, variables: dict[str, Any]) -> dict[str, Any]:
        known = self.views.get(variables["name"])
        view = {"id": known["id"] if known else f"view{len(self.views)}", "name": variables["name"]}
        self.views[variables["name"]] = {**view, "displayName": variables["displayName"], "spec": variables["spec"]}
        return {"upsertView": {"view": view, "inserted": known is None}}

    def _find_view(self, variables: dict[str, Any]) -> dict[str, Any]:
        if variables["name"] != PROJECT:
            return {"project": None}
        found = self.views.get(variables["viewName"])
        return {"project": {"allViews": {"edges": [] if found is None else [{"node": found}]}}}

    def _make_run(self, variables: dict[str, Any]) -> dict[str, Any]:
        for kept, key in ((self.configs, "config"), (self.names, "displayName")):
            if variables.get(key):
                kept[variables["name"]] = variables[key]
        project = {"id": "p", "name": variables["project"], "entity": {"id": "e", "name": "lab"}}
        bucket = {"id": "b", "name": variables["name"], "config": "{}", "project": project}
        return {"upsertBucket": {"bucket": bucket, "inserted": variables["name"] not in self.history}}

    def _resume(self, variables: dict[str, Any]) -> dict[str, Any]:
        """What the server has of a run that asks to be resumed."""
        rows = self.history.get(variables["name"])
        if rows is None:
            return {"model": {"id": "p", "name": variables["project"], "entity": {"id": "e"}, "bucket": None}}
        bucket = {
            "id": "b",
            "name": variables["name"],
            "summaryMetrics": "{}",
            "displayName": "",
            "config": "{}",
            "historyLineCount": len(rows),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "historyTail": json.dumps([json.dumps(rows[-1])]),
            "eventsTail": "[]",
            "wandbConfig": '{"t": 1}',
            "tags": [],
        }
        return {"model": {"id": "p", "name": variables["project"], "entity": {"id": "e"}, "bucket": bucket}}

    def _find_runs(self, variables: dict[str, Any]) -> dict[str, Any]:
        """All runs, one per page, as the public API lists them."""
        if variables["project"] != PROJECT:
            return {"project": None}
        listed = list(self.configs)
        place = int(variables.get("cursor") or 0)
        run_id = listed[place] if place < len(listed) else None
        node = {
            "id": f"b{place}",
            "projectId": "7",
            "tags": [],
            "name": run_id,
            "displayName": self.names.get(run_id or ""),
            "sweepName": None,
            "state": "finished",
            "config": self.configs.get(run_id or ""),
            "group": None,
            "jobType": None,
            "commit": None,
            "readOnly": False,
            "createdAt": "2026-01-01T00:00:00",
            "heartbeatAt": "2026-01-01T00:00:00",
            "description": "",
            "notes": "",
            "systemMetrics": "{}",
            "summaryMetrics": self.summaries.get(run_id or "", "{}"),
            "historyLineCount": len(self.history.get(run_id or "", [])),
            "user": {"name": "lab", "username": "lab"},
            "historyKeys": None,
        }
        runs = {
            "edges": [{"node": node, "cursor": str(place + 1)}] if run_id else [],
            "pageInfo": {"endCursor": str(place + 1), "hasNextPage": place + 1 < len(listed)},
        }
        return {"project": {"internalId": "7", "runCount": len(listed), "readOnly": False, "runs": runs}}

    def _last_step(self, variables: dict[str, Any]) -> dict[str, Any]:
        last = max((row["_step"] for row in self.history[variables["name"]]), default=-1)
        return {"project": {"run": {"historyKeys": {"lastStep": last, "sets": [], "keys": {}}}}}

    def _live_history(self, variables: dict[str, Any]) -> dict[str, Any]:
        """Says that nothing has been exported as Parquet, so that all rows must be requested."""
        steps = [{"_step": row["_step"]} for row in self.history[variables["runName"]]]
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": steps}}}}

    def _page(self, variables: dict[str, Any]) -> dict[str, Any]:
        rows = self.history[variables["run"]]
        first, end = int(variables["minStep"]), int(variables["maxStep"])
        return {"project": {"run": {"history": [json.dumps(row) for row in rows if first <= row["_step"] < end]}}}

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data that answers a GraphQL request."""
        answers = {
            "upsertView": self._save_view,
            "allViews": self._find_view,
            "upsertBucket": self._make_run,
            "historyTail": self._resume,
            "query Runs(": self._find_runs,
            "query RunHistoryKeys": self._last_step,
            "parquetHistory": self._live_history,
            "HistoryPage": self._page,
        }
        for word, make in answers.items():
            if word in query:
                return make(variables)
        if "createRunFiles" in query:
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": []}}
        return {"viewer": {"id": "1", "entity": "lab", "username": "lab", "flags": "{}"}}

    def stream(self, run_id: str, content: dict[str, Any]) -> None:
        """Keeps rows of a run's history, at the offset sent with them, and its summary."""
        if summary := content.get("files", {}).get("wandb-summary.json"):
            self.summaries[run_id] = summary["content"][-1]
        sent = content.get("files", {}).get("wandb-history.jsonl")
        if sent is None:
            return
        if run_id not in self.uploads:
            self.uploads.append(run_id)
        rows = self.history.setdefault(run_id, [])
        rows[sent["offset"] :] = [json.loads(line) for line in sent["content"]]


@contextmanager
def serving() -> Iterator[Server]:
    """Runs the server within the block, on a free loopback port."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            told: dict[str, Any] = {}
            if self.path == "/graphql":
                content = json.loads(body)
                query, variables = content["query"], content.get("variables") or {}
                server.requests.append((query, variables))
                told = {"data": server.answer(query, variables)}
            elif self.path.endswith("/file_stream"):
                server.stream(self.path.split("/")[-2], json.loads(body))
            reply = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            return None

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.address = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
