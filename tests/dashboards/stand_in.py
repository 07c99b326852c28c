"""A stand-in for wandb's GraphQL server on this machine: keeps saved views, records every request."""

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
    """Views by their internal name, and all requests as (query, variables)."""

    address: str = ""
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def saved(self) -> list[dict[str, Any]]:
        """The variables of all mutations so far."""
        return [variables for query, variables in self.requests if "mutation" in query]

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "upsertView" in query:
            known = self.views.get(variables["name"])
            view = {"id": known["id"] if known else f"view{len(self.views)}", "name": variables["name"]}
            self.views[variables["name"]] = {**view, "displayName": variables["displayName"], "spec": variables["spec"]}
            return {"upsertView": {"view": view, "inserted": known is None}}
        if "allViews" in query:
            if variables["name"] != PROJECT:
                return {"project": None}
            found = self.views.get(variables["viewName"])
            return {"project": {"allViews": {"edges": [] if found is None else [{"node": found}]}}}
        return {"viewer": {"id": "1", "entity": "lab", "username": "lab", "flags": "{}"}}


@contextmanager
def serving() -> Iterator[Server]:
    """The server while the block lasts, on a port of loopback that the system chooses."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            query, variables = content["query"], content.get("variables") or {}
            server.requests.append((query, variables))
            body = json.dumps({"data": server.answer(query, variables)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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
