"""The worker as a process: ``python -m openmart_lib.engine [--with-parent]``."""

from __future__ import annotations

import sys

from openmart_lib.engine.worker import main

if __name__ == "__main__":
    sys.exit(main(with_parent="--with-parent" in sys.argv))
