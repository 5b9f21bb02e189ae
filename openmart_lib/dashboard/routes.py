"""Files too large for a download button: served from disk, under an address that expires."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from openmart_lib.dashboard import resources

LIFETIME: Final = 3600.0  # seconds a prepared file can be fetched; after that it is prepared again
_SECRET: Final = secrets.token_bytes(32)  # of this process: a restart ends every address


def sign(path: Path, name: str, *, now: float | None = None) -> str:
    """Return the address under which a file of the exports folder can be fetched for an hour, as ``name``."""
    expires = (time.time() if now is None else now) + LIFETIME
    body = json.dumps({"file": path.name, "name": name, "expires": expires}).encode()
    return f"/api/exports/{_encode(body)}.{_encode(_mac(body))}"


def read_token(token: str, *, now: float | None = None) -> tuple[str, str] | None:
    """Return (file, name) of a token made by ``sign``, or None where it is forged, damaged or expired."""
    body_text, _, mac_text = token.partition(".")
    try:
        body, mac = _decode(body_text), _decode(mac_text)
    except ValueError:
        return None
    if not hmac.compare_digest(mac, _mac(body)):
        return None
    content = json.loads(body)
    if content["expires"] < (time.time() if now is None else now):
        return None
    return content["file"], content["name"]


async def export_file(request: Request) -> Response:
    """Serve one prepared file as a download."""
    known = read_token(request.path_params["token"])
    path = resources.ledger().exports_dir / known[0] if known else None
    if known is None or path is None or not path.is_file():
        return PlainTextResponse(
            "This download has expired. Nothing is lost: open Results and prepare it again.", status_code=410
        )
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, filename=known[1], headers=headers)


def _mac(body: bytes) -> bytes:
    return hmac.new(_SECRET, body, hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


ROUTES: Final = [Route("/api/exports/{token}", export_file)]
