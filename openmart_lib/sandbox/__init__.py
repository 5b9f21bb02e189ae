"""Both APIs simulated over real HTTP, with fictional data only: for demonstrations and tests."""

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
