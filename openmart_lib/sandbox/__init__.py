"""Both APIs simulated over real HTTP, with fictional data only: for demonstrations and tests.

Read ``openmart_routes`` for what is asked and answered, ``world`` for what is found.

    server, serving, folder: the application, its thread, and where other processes find it
    simulation, store, traffic, journal: its state, and what it created, on disk before any answer leaves
    openmart_routes, lance_routes, control_routes: the routes
    checks, delivery: what a submission must look like; how an answer leaves, or is spoilt
    faults, fault_table: what can be made to go wrong
    batch, timing, enrichments: what a batch ends with and when; the same for Lance, from the clock alone
    world, company, people, names, phones, magic, dice: deterministic, fictional data
"""

from openmart_lib.sandbox.fault_table import FAULTS
from openmart_lib.sandbox.faults import Fault, Faults, parse_fault
from openmart_lib.sandbox.folder import sandbox_url
from openmart_lib.sandbox.journal import CreatedBatch, read_journal
from openmart_lib.sandbox.magic import MAGIC_DOMAINS
from openmart_lib.sandbox.server import Sandbox

__all__ = [
    "FAULTS",
    "MAGIC_DOMAINS",
    "CreatedBatch",
    "Fault",
    "Faults",
    "Sandbox",
    "parse_fault",
    "read_journal",
    "sandbox_url",
]
