#!/usr/bin/env python3
"""Writes the seeds of all targets from fixtures/ into fuzz/corpus/."""

import json
import pathlib
import tomllib

here = pathlib.Path(__file__).parent
fixtures = here.parent / "fixtures"


def seed(target: str, name: str, content: bytes) -> None:
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(content)


def values() -> None:
    for edits in fixtures.glob("values/*/edits.toml"):
        file = next(edits.parent.glob("in.*"))
        letter = "t" if file.suffix == ".toml" else "g" if file.suffix == ".gotmpl" else "y"
        for number, edit in enumerate(tomllib.loads(edits.read_text())["edit"]):
            kind = next(kind for kind in ("text", "keep", "source") if kind in edit)
            head = f"{letter}{edit['path']}\n{kind}\n{edit[kind].replace(chr(10), ' ')}\n"
            seed("values_edit", f"{edits.parent.name}-{number}", head.encode() + file.read_bytes())
            seed("path", f"{edits.parent.name}-{number}", edit["path"].encode())


def config() -> None:
    for file in [*fixtures.glob("config/*/*.toml"), here.parent / "environments/datapin.toml"]:
        seed("config", f"{file.parent.name}-{file.stem}", file.read_bytes())


def queue() -> None:
    for file in fixtures.glob("queue/*.json"):
        seed("ticket", file.stem, file.read_bytes())


values()
config()
queue()
for folder in sorted((here / "corpus").iterdir()):
    print(f"{folder.name}: {sum(1 for _ in folder.glob('seed-*'))} seeds")
