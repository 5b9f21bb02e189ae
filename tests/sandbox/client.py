"""A bare client of the sandbox: it sends what it is told and shows what comes back."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import requests

from openmart_lib.sandbox import Sandbox

if TYPE_CHECKING:
    from .conftest import Clock

TASKS: dict[str, dict[str, Any]] = {
    "find_people": {"domain": "roastery.example", "title": "Head of Marketing"},
    "lookup_people": {"domain": "roastery.example", "people": [{"first_name": "Ana", "last_name": "Silva"}]},
    "lookup_business_email": {"domain": "roastery.example", "company_name": "Roastery"},
    "find_tech": {"domain": "roastery.example", "tech_type": "shopify"},
}
KINDS = list(TASKS)
LANCE_TASK = {"entityId": "3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0001", "field": "phones", "entityType": "person"}
BATCH_SIZE = "the number of tasks in each batch should be between 1 and 100"


class Client:
    """Requests to one sandbox over one kept connection."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.headers = {"X-API-Key": "key-1"}

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        headers = arguments.pop("headers", self.headers)
        return self.session.request(
            method,
            self.sandbox.url + path,
            headers=headers,
            timeout=60,
            allow_redirects=False,
            **arguments,
        )

    def submit(self, kind: str, tasks: Any, **arguments: Any) -> requests.Response:
        return self.request("POST", f"/api/v1/task/batch/{kind}", json=tasks, **arguments)

    def created(self, kind: str, *tasks: dict[str, Any]) -> str:
        """Submit whole tasks, or changes to the kind's example, and return the batch id."""
        answer = self.submit(kind, [TASKS[kind] | task for task in tasks])
        assert answer.status_code == 200, answer.text
        return str(answer.json()["batch_id"])

    def status(self, batch_id: str) -> requests.Response:
        return self.request("GET", f"/api/v1/task/batch/{batch_id}/status")

    def task_ids(self, batch_id: str, status: str | None = None) -> requests.Response:
        params = {} if status is None else {"status": status}
        return self.request("GET", f"/api/v1/task/batch/{batch_id}/task_ids", params=params)

    def task(self, task_id: str) -> requests.Response:
        return self.request("GET", f"/api/v1/task/{task_id}")

    def tasks(self, batch_id: str) -> list[dict[str, Any]]:
        return [self.task(task_id).json() for task_id in self.task_ids(batch_id).json()]

    def balance(self) -> requests.Response:
        return self.request("GET", "/api/v2/credit-balance")

    def lance(self, tasks: Any, token: str = "token-1") -> requests.Response:
        return self.lance_body({"tasks": tasks}, token)

    def lance_body(self, body: Any, token: str = "token-1") -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self.request("POST", "/api/v1/operations/enrichment/batch/query", json=body, headers=headers)


def post(client: Client, tracking_id: str = "t1") -> requests.Response:
    return client.submit("find_tech", [TASKS["find_tech"] | {"tracking_id": tracking_id}])


def raw_post(client: Client) -> bytes:
    """Send one submission and return every byte of the answer, until the connection ends."""
    body = json.dumps([TASKS["find_tech"]])
    head = f"POST /api/v1/task/batch/find_tech HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\nContent-Length: {len(body)}\r\n"
    received = b""
    with socket.create_connection(
        ("127.0.0.1", int(client.sandbox.url.rpartition(":")[2])), timeout=60
    ) as connection:
        connection.sendall(f"{head}Connection: close\r\n\r\n{body}".encode())
        while chunk := connection.recv(4096):
            received += chunk
    return received


def finished_batch(client: Client, clock: Clock, count: int = 4) -> str:
    batch_id = client.created("find_tech", *({"domain": "everything.example"} for _ in range(count)))
    clock.now += 130
    return batch_id
