"""A key, timeouts, a valid task of every endpoint, and the answers the documents show."""

from __future__ import annotations

from typing import Any

from openmart_lib.api import Timeouts
from openmart_lib.api.wire import Kind

KEY = "CANARY-5f2c9e71d4"
QUICK = Timeouts(connect=60.0, read=60.0, total=60.0)

TASKS: dict[Kind, dict[str, Any]] = {
    Kind.FIND_PEOPLE: {
        "domain": "roastery.example",
        "title": "Head of Marketing",
        "max_k": 2,
        "info_access": ["EMAIL"],
        "company_name": "Roastery",
        "city": "San Francisco",
        "state": "CA",
        "country": "US",
        "version": 0,
        "tracking_id": "run7-row0001",
        "notify_url": "https://hooks.example/openmart",
    },
    Kind.LOOKUP_PEOPLE: {
        "domain": "roastery.example",
        "people": [
            {"first_name": "Ana", "last_name": "Silva", "linkedin_url": "https://www.linkedin.com/in/ana-x"},
            {"first_name": "Bo", "last_name": "Li"},
        ],
        "info_access": ["EMAIL", "PHONE"],
        "tracking_id": "run8-row0001",
    },
    Kind.LOOKUP_BUSINESS_EMAIL: {
        "domain": "roastery.example",
        "company_name": "Roastery",
        "tracking_id": "run9-row0001",
    },
    Kind.FIND_TECH: {"domain": "roastery.example", "tech_type": "shopify", "tracking_id": "run9-row0002"},
}

BATCH_ID = "4d1f0b6e-0000-4000-8000-00000000000a"
RECEIPT = {
    "batch_id": BATCH_ID,
    "submit_for": "find_people",
    "status": {"processing": 1, "completed": 0, "errored": 0, "total": 1, "batch_ready": False},
}
TASK_ID = "9b0c7d52-0000-4000-8000-000000000001"
TASK_ANSWER = {
    "task_id": TASK_ID,
    "status": "COMPLETED",
    "tracking_id": "run7-row0001",
    "data": [{"first_name": "Ana", "email": {"email": "ana@roastery.example", "verified": True}}],
}
LANCE_TASK = {
    "entityId": "3f2b8c1e-5a77-4d1c-9e55-0a6f7f1d0001",
    "field": "phones",
    "entityType": "person",
}
