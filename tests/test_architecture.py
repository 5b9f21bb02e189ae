"""The house as the design draws it: imports go one way, and every file has its room."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "openmart_lib"
SOURCES = sorted([*LIBRARY.rglob("*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"])
ROOMS = sorted(path.name for path in LIBRARY.iterdir() if (path / "__init__.py").exists())
FLAT = {"errors", "settings", "wording"}  # leaves that every room may use

# What each room may import from this project, itself and the leaves not counted.
MAY_IMPORT: dict[str, set[str]] = {
    "__main__": {"cli"},
    "errors": set(),
    "settings": {"api.wire", "api.address"},  # what an address may be is said once
    "wording": set(),
    "api": set(),
    "sandbox": {"api.wire"},
    "intake": {"api.wire"},
    "ledger": {"api.wire", "api.payload", "api.lance_states"},
    "results": {"api.wire", "api.payload", "api.lance_states", "ledger", "intake", "suppression"},
    "suppression": {"api.wire", "intake", "ledger"},
    "reuse": {"api.wire", "intake", "ledger", "results"},
    "engine": {"api", "ledger", "suppression"},
    "submission": {"api.wire", "engine", "intake", "ledger", "reuse", "suppression"},
    "attachment": {"api.wire", "engine", "intake", "ledger", "submission"},
    "report": {"engine", "ledger"},
    "lance_lists": {"api.wire", "intake", "ledger"},
    "watch": {"console", "ledger", "report"},
    "choices": {"api.wire", "intake"},
    "console": {"intake", "submission"},
    "desk": {
        *("api.wire", "attachment", "choices", "desk_run", "engine", "intake", "ledger", "report", "results"),
        *("reuse", "submission"),
    },
    "desk_run": {"desk", "engine", "intake", "ledger", "report", "results", "watch"},
    "commands": {
        *("api.wire", "lance_lists"),
        *("attachment", "choices", "console", "desk", "desk_run", "engine", "intake", "ledger", "report"),
        *("results", "reuse", "sandbox", "submission", "suppression"),
    },
    "cli": {"commands", "console"},
    "dashboard": {
        *("api.lance_states", "lance_lists"),
        *("api.wire", "api.address", "attachment", "engine", "intake", "ledger", "report", "results"),
        *("reuse", "submission", "suppression"),
    },
    "pages": {
        *("api.wire", "api.lance_states", "dashboard", "engine", "intake", "lance_lists", "ledger", "report"),
        *("results", "submission"),
    },
    "app": {"dashboard"},
}
# Libraries that live in one place.
ONLY_IN = {
    "streamlit": {"app", "pages", "dashboard"},
    "altair": {"dashboard"},
    "requests": {"api"},
    "urllib3": {"api"},
    "sqlalchemy": {"ledger", "engine", "results"},
    "alembic": {"ledger"},
    "typer": {"cli", "commands"},
    "uvicorn": {"sandbox"},
}
LONG_FILES: dict[str, str] = {}  # path -> why it is one idea in more than 400 lines (a test file: 600)
# What may happen when a module is imported, and why.
AT_IMPORT = {
    "csv.field_size_limit": "a limit of the csv module is the process's",
    "context.configure": "alembic runs its env.py as a script",
}


def room(path: Path) -> str:
    """Return the room of a file: the part of the library, ``pages`` or ``app``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] != "openmart_lib":
        return parts[0]
    return parts[1]


@cache
def imports(path: Path) -> list[str]:
    """Return the dotted names that a file imports, wherever in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


def own_imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (room, dotted name inside the library) for each import from this project."""
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "openmart_lib" and len(parts) > 1:
            yield parts[1], ".".join(parts[1:])
        elif parts[0] in ("pages", "app"):
            yield parts[0], name


def allowed(source: str, target: str, dotted: str) -> bool:
    if target == source or target in FLAT:
        return True
    return any(dotted == entry or dotted.startswith(f"{entry}.") for entry in MAY_IMPORT[source])


def test_every_room_is_drawn() -> None:
    rooms = {room(path) for path in SOURCES} - {"__init__"}

    assert rooms == set(MAY_IMPORT), "draw a new room, and take a gone one out"


def test_imports_follow_the_arrows() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {dotted}"
        for path in SOURCES
        if room(path) != "__init__"
        for target, dotted in own_imports(path)
        if not allowed(room(path), target, dotted)
    ]

    assert wrong == []


def test_the_public_module_gives_the_library_away_but_no_page() -> None:
    reached = {target for target, _ in own_imports(LIBRARY / "__init__.py")}

    assert reached <= {"api", "desk", "desk_run", "errors", "ledger", "settings"}


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_used_in_its_own_rooms_only(library: str) -> None:
    users = {room(path) for path in SOURCES if any(name.split(".")[0] == library for name in imports(path))}

    assert users <= ONLY_IN[library]
    assert users, f"nothing uses {library} any more: drop the dependency"


def test_pages_hold_no_threads_database_or_network() -> None:
    forbidden = {"threading", "sqlite3", "sqlalchemy", "requests", "socket", "subprocess", "concurrent"}
    wrong = [
        f"{path.name} imports {name}"
        for path in SOURCES
        if room(path) in ("pages", "app")
        for name in imports(path)
        if name.split(".")[0] in forbidden
    ]

    assert wrong == []


def test_no_file_holds_two_ideas() -> None:
    limits = dict.fromkeys(SOURCES, 400) | dict.fromkeys((ROOT / "tests").rglob("*.py"), 600)
    long = {
        str(path.relative_to(ROOT))
        for path, limit in limits.items()
        if len(path.read_text(encoding="utf-8").splitlines()) > limit
    }

    assert long == set(LONG_FILES), "divide the file, or list it with the reason why it is one idea"


def test_every_file_is_named_after_its_idea() -> None:
    vague = re.compile(r"(^|_)(utils?|helpers?|misc|managers?|common)(_|$)")

    assert [str(path) for path in SOURCES if vague.search(path.stem)] == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]

    assert silent == []


@pytest.mark.parametrize("package", ["", *ROOMS])
def test_every_module_stands_once_on_the_map_of_its_package(package: str) -> None:
    """A map is in the docstring of ``__init__.py``: indented lines of names, a colon, and what they are for."""
    folder = LIBRARY / package
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    lines = re.findall(r"^ {4}([a-z_, ]+): ", docstring, flags=re.MULTILINE)
    there = [
        path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    ]

    assert sorted(name for line in lines for name in line.split(", ")) == sorted(
        name for name in there if not name.startswith("__")
    )
    assert len(docstring.splitlines()) <= 25, "a map is seen at a glance"


def test_nothing_happens_when_a_library_module_is_imported() -> None:
    """No print and no other call for its own sake at module level; pages and main.py are scripts."""
    wrong = [
        f"{path.relative_to(ROOT)}:{statement.lineno}"
        for path in SOURCES
        if room(path) not in ("pages", "app") and path != LIBRARY / "dashboard" / "main.py"
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        if ast.unparse(statement.value.func) not in AT_IMPORT
    ]

    assert wrong == []


def test_every_data_file_of_the_library_is_installed_with_it() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = declared["tool"]["setuptools"]["package-data"]
    left_out = [
        str(path.relative_to(ROOT))
        for path in LIBRARY.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
        if not any(path.match(one) for one in patterns.get(".".join(path.parent.relative_to(ROOT).parts), []))
    ]

    assert left_out == []
