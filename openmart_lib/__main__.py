"""The command line as a module: ``python -m openmart_lib``, the same as ``openmart``."""

from __future__ import annotations

from openmart_lib.cli import main

if __name__ == "__main__":
    main()
