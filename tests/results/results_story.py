"""A run on a real ledger, told step by step: planned, sent, answered. No network, no threads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from openmart_lib.api.wire import Kind, TaskAnswer
from openmart_lib.intake.options import RunOptions
from openmart_lib.intake.overrides import NO_OVERRIDES, Overrides
from openmart_lib.intake.tasks import Plan, plan_tasks
from openmart_lib.ledger import Ledger, queries
from openmart_lib.ledger.answers import store_answers
from openmart_lib.ledger.planning import NewRun
from openmart_lib.ledger.runs import plan_run
from openmart_lib.ledger.submissions import accept, claim, next_candidate
from openmart_lib.ledger.tracking import tracking_id

NOW = 1_760_000_000.0  # 2025-10-09T08:53:20Z


class Story:
    """One run; ``frame`` holds the uploaded columns as text, the plan is intake's own unless given."""

    def __init__(
        self,
        folder: Path,
        frame: pl.DataFrame,
        kind: Kind = Kind.FIND_PEOPLE,
        *,
        mapping: dict[str, list[str]] | None = None,
        options: RunOptions | None = None,
        name: str = "Spring list",
        environment: str = "sandbox",
        tasks_per_batch: int = 2,
        content: str = "content",
        upload_format: dict[str, Any] | None = None,
        overrides: Overrides = NO_OVERRIDES,
    ) -> None:
        self.time = NOW
        self.kind = kind
        self.ledger = Ledger.open(folder, environment=environment, clock=lambda: self.time)
        numbered = frame.select(
            pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("seq"),
            pl.int_range(2, pl.len() + 2, dtype=pl.UInt32).alias("file_line"),
            pl.all(),
        )
        options = options or RunOptions(title="Owner", max_k=3, info_access=("EMAIL", "PHONE"))
        mapping = mapping or {"domain": ["website"]}
        plan = _planned(numbered, mapping, kind, options, overrides)
        new = NewRun(
            name=name,
            kind=kind,
            mapping=mapping,
            options=options.to_dict(),
            content_key=content,
            confirm_token=f"confirm {content}",
            upload_name="list.csv",
            upload_sha256="0" * 64,
            upload_format=upload_format or {},
            frame=numbered,
            rows=plan.rows,
            tasks=plan.tasks,
            links=plan.links,
            worst_credits=99.0,
            key_fingerprint="fingerprint",
            key_last4="abcd",
            tasks_per_batch=tasks_per_batch,
            decisions=overrides.to_dict() if overrides else None,
        )
        self.run_id = plan_run(self.ledger, new)
        self._fetched = 0

    def claim(self) -> int:
        """Claim the next batch; return its key."""
        candidate = next_candidate(self.ledger, 1)
        assert candidate is not None
        claimed = claim(self.ledger, candidate, account_id=1, worker_id="worker", slots=4)
        assert claimed is not None
        return claimed.pk

    def send(self, batch_id: str | None = None) -> int:
        """Claim the next batch and let the server accept it; return its key."""
        pk = self.claim()
        accept(self.ledger, pk, batch_id or f"server-batch-{pk}", None, poll_after=60.0)
        return pk

    def answer(
        self, pk: int, task_no: int, data: Any, *, status: str = "COMPLETED", tracking: str | None = None
    ) -> str:
        """Store one task's answer; return its task id."""
        self._fetched += 1
        task_id = f"server-task-{self._fetched}"
        echoed = tracking or tracking_id(self.run_id, task_no)
        body = {"task_id": task_id, "status": status, "tracking_id": echoed, "data": data}
        raw = json.dumps(body, ensure_ascii=False)
        told: TaskAnswer = {
            "task_id": task_id,
            "status": status,
            "tracking_id": echoed,
            "data": data,
            "raw": raw,
        }
        store_answers(self.ledger, pk, [told])
        return task_id

    def send_all(self, answers: dict[int, Any]) -> list[int]:
        """Send every batch and store these answers by task number; return the batches' keys."""
        keys = []
        while next_candidate(self.ledger, 1) is not None:
            keys.append(self.send())
        tasks = queries.requests(self.ledger, self.run_id)
        for task_no, batch_no in tasks.select("task_no", "batch_no").rows():
            if task_no in answers:
                self.answer(keys[batch_no - 1], task_no, answers[task_no])
        return keys


_PLANS: dict[str, Plan] = {}


def _planned(
    frame: pl.DataFrame, mapping: dict[str, list[str]], kind: Kind, options: RunOptions, overrides: Overrides
) -> Plan:
    """Plan a list, or return the plan of the same list and choices: many tests tell the same story."""
    told = repr((frame.to_dict(as_series=False), mapping, kind, options, overrides))
    if told not in _PLANS:
        _PLANS[told] = plan_tasks(frame, mapping, kind, options, overrides=overrides)
    return _PLANS[told]


def companies(*domains: str | None, **columns: Sequence[str | None]) -> pl.DataFrame:
    """Return an upload of one column ``website``, and any others given."""
    return pl.DataFrame({"website": domains} | columns, schema_overrides={"website": pl.String})


def person(first: str = "Ana", **found: Any) -> dict[str, Any]:
    """Return a person as the server gives one; ``email`` and ``phone`` make the usual shapes."""
    email, phone = found.pop("email", None), found.pop("phone", None)
    verified = found.pop("verified", False)
    return {
        "first_name": first,
        "last_name": found.pop("last_name", "Silva"),
        "title": "Owner",
        "linkedin_url": None,
        "email": {"email": email, "verified": verified} if email else None,
        "phones": [{"phone_number": phone, "line_type": "MOBILE", "valid": True}] if phone else [],
    } | found
