"""The lock file of every spec's defaults: `python -m tests.lock_defaults` writes golden/defaults.json anew.

Defaults are left out of keys, so a changed default would serve old artifacts for new specs. The command therefore refuses
to lock a changed or removed default whose class still has the version it was locked at.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from surpass.registry import REGISTRIES
from surpass.spec import CORE, Spec, encode, spec_class

FILE = Path(__file__).parent / "golden" / "defaults.json"
COMMAND = "python -m tests.lock_defaults"
Lock = dict[str, dict[str, Any]]


def current() -> Lock:
    """Return version and defaults of every spec class of this repository, by kind."""
    plugins = (spec_class(f"{family}/{name}") for family, each in REGISTRIES.items() for name in each.names())
    classes = [*map(spec_class, CORE), *plugins]
    return {cls.kind: entry(cls) for cls in classes if ":" not in cls.kind}  # a third party locks its own


def entry(cls: type[Spec]) -> dict[str, Any]:
    """Return version and defaults of one class; a field without a default is "required"."""
    fields = {field.name: _written(field.default) for field in dataclasses.fields(cls)}
    return {"version": cls.version, "fields": fields}


def _written(default: Any) -> Any:
    if default is dataclasses.MISSING:
        return "required"
    if isinstance(default, Spec):
        return {"default": encode(default)}
    return {"default": json.loads(json.dumps(default, default=encode))}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # 1 and 1.0 differ here, as they do in keys


def broken(locked: Lock, now: Lock) -> list[str]:
    """Return the changes that would serve old artifacts for new specs: a default is other, the version is not."""
    found = []
    for kind in sorted({*locked} & {*now}):
        if locked[kind]["version"] != now[kind]["version"]:
            continue
        before, after = locked[kind]["fields"], now[kind]["fields"]
        for name, was in before.items():
            if _text(was) != _text(after.get(name)):
                became = json.dumps(after[name]) if name in after else "gone"
                found.append(
                    f"{kind}.{name} was {json.dumps(was)} and is {became}, but version is still {now[kind]['version']}. "
                    f"Set `version: ClassVar[int] = {now[kind]['version'] + 1}` in its class, then run {COMMAND}"
                )
    return found


def unlocked(locked: Lock, now: Lock) -> list[str]:
    """Return the kinds whose entry in the lock file is not what the code says."""
    kinds = sorted({*locked, *now})
    return [kind for kind in kinds if _text(locked.get(kind)) != _text(now.get(kind))]


def main() -> int:
    """Write the lock file unless a change would serve old artifacts."""
    locked, now = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}, current()
    if problems := broken(locked, now):
        print("\n".join(problems), file=sys.stderr)
        return 1
    FILE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{FILE.name}: {len(now)} kinds, {len(unlocked(locked, now))} of them new or changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
