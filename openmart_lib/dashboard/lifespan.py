"""What lives as long as the server: the engine's processes, warm imports, the refusal of open addresses."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio.to_thread
import streamlit as st

from openmart_lib.api.address import is_loopback
from openmart_lib.dashboard import drafts, results_frames
from openmart_lib.dashboard.routes import sweep_exports
from openmart_lib.engine import Supervisor
from openmart_lib.errors import ConfigError, OpenmartError
from openmart_lib.ledger import open_ledger
from openmart_lib.results.readying import Readying
from openmart_lib.settings import load_settings

BEHIND_PROXY: Final = "OPENMART_BEHIND_PROXY"
READY_EVERY: Final = 30.0  # seconds


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncGenerator[dict[str, Any]]:
    """Start the engine before the first page and stop it after the last one.

    A setting or a ledger that cannot be used does not stop the server: every page says what is wrong.
    """
    refusal = address_refusal(
        st.get_option("server.address"), behind_proxy=os.environ.get(BEHIND_PROXY) == "1"
    )
    if refusal:
        _say(refusal)
        os._exit(2)  # before anything listens; an exception here would print a traceback over the reason
    _end_when_hung_up()
    supervisor = await anyio.to_thread.run_sync(_start_engine)
    warm_up()
    stopping = threading.Event()
    if supervisor is not None:
        threading.Thread(target=_make_runs_ready, args=(stopping,), name="readying", daemon=True).start()
    try:
        yield {"engine": supervisor is not None}
    finally:
        stopping.set()
        if supervisor is not None:
            _say(
                "Stopping. Submissions on their way are finished first (up to 3 minutes), so that no batch "
                "is left unknown. Nothing new is sent. A second Ctrl-C does not wait for them."
            )
            _leave_at_next_ctrl_c()
            await anyio.to_thread.run_sync(supervisor.stop)


def address_refusal(address: str | None, *, behind_proxy: bool) -> str | None:
    """Return why the server may not listen on ``address``, or None where it may.

    The dashboard has no sign-in of its own: whoever reaches it can spend credits and read contacts.
    """
    if behind_proxy or (address is not None and is_loopback(address)):
        return None
    return (
        f"Not started: the address {address or '0.0.0.0 (any)'} can be reached from other computers, and "
        "this dashboard has no sign-in of its own. Use --server.address 127.0.0.1. If a proxy that signs "
        f"people in stands in front of every path, set {BEHIND_PROXY}=1 and add its host name to "
        "server.allowedHosts."
    )


def _end_when_hung_up() -> None:
    """Make a terminal that closes end the server as SIGTERM does; with nohup it goes on."""
    if threading.current_thread() is not threading.main_thread():
        return  # embedded in another program, whose signals are its own
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def _leave_at_next_ctrl_c() -> None:
    """Let a second Ctrl-C end the server now; the worker then finishes its submissions by itself."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))


def _start_engine() -> Supervisor | None:
    try:
        settings = load_settings()
        sweep_exports(settings.environment_dir / "exports", at_start=True)
        drafts.remove_old(settings.environment_dir / "drafts", now=time.time())
        supervisor = Supervisor(settings)
        supervisor.start()
    except ConfigError as error:
        _say(f"The engine is not running: {error}")
        return None
    except OpenmartError as error:
        _say(f"The engine is not running, so nothing is sent: {error}")
        return None
    return supervisor


def warm_up() -> None:
    """Import what the pages need and build one chart, then take all of it out of the garbage collector.

    Streamlit collects garbage after every run of a page; walking these modules' objects each time costs
    about 100 ms, so they are frozen once.
    """
    import pandas  # noqa: F401  # Streamlit imports it with the first table
    import pyarrow  # noqa: F401  # and this one

    from openmart_lib.dashboard import charts
    from openmart_lib.ledger.states import Outcome

    charts.group_bar({Outcome.MATCHED: 1})[0].to_dict()
    gc.collect()
    gc.freeze()


def _make_runs_ready(stopping: threading.Event) -> None:
    """Keep the results of large runs ready to be opened, until the server ends."""
    with contextlib.suppress(OpenmartError), contextlib.closing(open_ledger(load_settings())) as ledger:
        readying = Readying(ledger, results_frames.prepare)  # the very job that a page would start
        while not stopping.wait(READY_EVERY):
            # A page that needs them meets the same and says it; a traceback here could print an answer.
            with contextlib.suppress(Exception):
                readying.go_on()


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal was closed: nobody reads it any more
        print(f"Openmart Desk: {text}", file=sys.stderr, flush=True)  # noqa: T201  # read on the console
