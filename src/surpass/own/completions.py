"""`surpass fit --kind generation`: from a table of prompts and completions to a model folder that writes.

The weak completions are a column, or what a supervisor writes that was fitted to gold ones. Rows with a gold completion that
are set aside test both; the student learns the others' weak completions, and gold ones where they are known.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Predictions, Rows, Splits, Written, written
from surpass.checks import Finding, check_lengths, check_texts, check_truncation
from surpass.checks.texts import check_targets
from surpass.errors import DataError, SpecError
from surpass.fits import Job
from surpass.models.base import Model
from surpass.own import bundle, parts, saving
from surpass.own.card import card
from surpass.own.evidence import Division, Predicted, as_json, divide, with_gold
from surpass.own.fitting import OwnLabels, OwnRows
from surpass.own.job import Clock, Request, Tell, asked, check_together
from surpass.own.notes import basis, labels_told, notes, request_facts, rests_on, row_counts
from surpass.own.reading import Own, Wanted
from surpass.registry import REGISTRIES
from surpass.runtime import Runtime
from surpass.spec import encode, name_of
from surpass.splits import Data
from surpass.stages import Fit
from surpass.tables import Row, Table, open_table, sample, textless
from surpass.tables.base import structured
from surpass.tables.labels import verbatim
from surpass.tasks._judging import judge
from surpass.work import versions

FORM = "generator"
BY_PROBABILITY = ("confident", "weighted")
Places = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnTexts(OwnRows):
    """A person's prompts and completions, which are in memory."""

    target: ClassVar[str] = "generation"


def writer(value: Any, role: str) -> Model:
    """Return the model that writes: the address of a pretrained one, or a mapping with `model: generator`."""
    if isinstance(value, str) and value.startswith(parts.BACKBONES):
        value = {"model": "generator", "backbone": value}
    found = parts.model(value, role)
    if "generation" not in found.targets:
        raise SpecError(f"{role}={value!r} cannot write texts. Give the address of a causal language model.")
    if found.needs_candidates:
        raise SpecError(f"{role}={value!r} writes among candidates, but a table gives none. Leave out `among`.")
    return found


def _check_method(method: Any, request: Request) -> None:
    """Refuse methods that own texts, or a column of them, give nothing to go by."""
    if "generation" not in method.targets or "accepted" in method.needs:
        raise SpecError(
            f"method={request.method!r} is not for own texts. Use soft, or with --supervisor confident or weighted."
        )
    if REGISTRIES["method"].display(method.kind) in BY_PROBABILITY and request.supervisor is None:
        raise SpecError(
            f"method={request.method!r} goes by the probability of each weak completion, and a column has none. Use soft, "
            "or let a model write them: --supervisor."
        )


def run(request: Request, tell: Tell = lambda share, text: None) -> dict[str, Any]:
    """Fit, write the model folder, and return what its `surpass.json` holds.

    Raises:
        DataError, SpecError: what a person can mend; nothing is written then.
    """
    wanted = request.wanted
    if not wanted.text or wanted.classes or wanted.probabilities or len(wanted.weak) > 1 or request.seeds > 1:
        raise SpecError(
            "--kind generation reads one column of prompts (--text), one of completions (--weak-label) and one of gold "
            "completions (--gold), and fits one seed. Leave out what else you gave."
        )
    strong = writer(request.strong, "strong")
    weak = writer(request.supervisor, "supervisor") if request.supervisor is not None else None
    method = parts.method("soft" if request.method == parts.AUTO else request.method)
    _check_method(method, request)
    saving.check(strong, method, request.out, overwrite=request.overwrite)
    check_together(request.n_gold, request.supervisor, request.combine, wanted)
    request.runtime.torch_device()  # whether there is such a device is told before the table is read
    clock = Clock(tell)
    clock("reading the table")
    table = open_table(request.source, strict=request.strict, encoding=request.encoding)
    held = _Fit(request, *_read(table, wanted), (strong.resolve(), weak.resolve() if weak else None), clock)
    held.label()
    fitted, trained = held.fit("fitting the student", held.strong, held.division.train, method)
    facts = held.facts(table, fitted, trained, method)
    clock("writing the model folder")
    with saving.replacing(request.out) as folder:
        fitted.author.save_whole(folder)
        (folder / bundle.CARD).write_text(card(facts), encoding="utf-8")
        facts["files"] = bundle.digests(folder)
        saving.write_facts(folder, facts)
        few = held.own.inputs[:8]
        again = load(folder, facts).write(few)[1][:, 0]
        facts["reload_difference"] = float(np.mean(again != fitted.write(few)[1][:, 0]))
        clock("")
        facts["seconds"] = clock.taken
        saving.write_facts(folder, facts)
    return facts


def _read(table: Table, wanted: Wanted) -> tuple[Own, Written]:
    """Return the rows that serve, and their weak and gold completions (n, 2), "" where there is none."""
    table.need(*wanted.columns)
    usable = _Usable(table, wanted)
    kept = [row for _, row in sample(usable, wanted.max_rows, lambda row: bool(row["gold"]))]  # type: ignore[arg-type]
    if not kept:
        raise DataError(
            f"'{table.source}' has no row with a prompt and a completion in {', '.join(map(repr, wanted.columns))}. Name "
            "other columns."
        )
    texts = written([[row["weak"], row["gold"]] for row in kept])
    known, labelled = (np.where(column != "", 0.0, np.nan) for column in (texts[:, 1], texts[:, 0]))
    counts = {"read": usable.counts["read"], "bad": table.bad_count, "empty": usable.counts["empty"]}
    counts |= {name: usable.counts[name] for name in ("unlabelled", "usable")} | {"kept": len(kept)}
    prompts = tuple(str(row["prompt"]) for row in kept)
    none = np.full((len(kept), len(wanted.weak)), np.nan)  # texts are no votes
    return Own(prompts, none, labelled[:, None], known, (), "generation", counts), texts


class _Usable:
    """The rows of a table that can serve: what `sample` reads."""

    def __init__(self, table: Table, wanted: Wanted) -> None:
        self.table, self.wanted, self.counts = table, wanted, Counter[str]()

    def rows(self) -> Iterator[tuple[int, Row]]:
        wanted = self.wanted
        for number, row in self.table.rows():
            self.counts["read"] += 1
            said = [row.get(name) if name else None for name in ((*wanted.weak, "")[0], wanted.gold)]
            weak, gold = map(verbatim, said)
            if problem := textless(row.get(wanted.text)):
                self.counts["empty"] += 1
                self.table.skip(number, problem)
            elif problem := next(filter(None, map(structured, said)), None):
                self.table.skip(number, f"its completion is {problem}")
            elif not (weak or gold or wanted.supervised):
                self.counts["unlabelled"] += 1
            else:
                self.counts["usable"] += 1
                yield number, {"prompt": row.get(wanted.text), "weak": weak, "gold": gold}


class _Fit:
    """One run: its rows, what they are for, and the fits."""

    def __init__(
        self, request: Request, own: Own, texts: Written, models: tuple[Model, Model | None], clock: Clock
    ) -> None:
        self.request, self.own, self.clock = request, own, clock
        self.weak, self.gold = texts[:, 0].copy(), texts[:, 1]
        self.sure = (self.weak != "").astype(np.float64)  # probability of each weak completion; a column has none
        self.strong, self.supervisor = models
        supervised = self.supervisor is not None
        self.division: Division = divide(
            self.gold != "", self.weak != "", own.groups, supervised=supervised, n_gold=request.n_gold
        )
        if not len(self.division.train):
            raise DataError("no row is left to train on once the test rows are set aside. Give more rows.")

    def label(self) -> None:
        """Fill the weak completions by the supervisor, if there is one."""
        if self.supervisor is None:
            return
        division = self.division
        fitted, _ = self.fit("fitting the supervisor", self.supervisor, division.known, parts.method("soft"))
        unknown = np.setdiff1d(np.union1d(division.train, division.test), division.known)
        values, said = fitted.write(self._prompts(unknown))
        self.weak[unknown], self.sure[unknown] = said[:, 0], values[:, 0]

    def fit(self, step: str, model: Model, rows: Places, method: Any) -> tuple[Any, int]:
        """Return the model fitted to rows, gold completions where they are known, and how many rows it learned."""
        self.clock(step)
        marks = np.isin(rows, self.division.known)
        said = np.where(marks, self.gold[rows], self.weak[rows])[:, None]
        ids, split = tuple(map(str, rows)), ("transfer",) * len(rows)
        sure = np.where(marks, 1.0, self.sure[rows])[:, None]
        labels = Predictions(ids, split, np.where(said != "", sure, 0.0), gold=marks, texts=said)
        splits = Splits(Rows(ids, self._prompts(rows), said[:, 0], ids), split, "generation", (), {})
        spec = Fit(data=Data(task=OwnTexts()), model=model, labels=OwnLabels(), method=method, seed=self.request.seed)
        job = Job.of(spec, splits, {"labels": [labels]})
        return job.fit(self.request.runtime), len(job.targets.ids)

    def _prompts(self, rows: Places) -> tuple[str, ...]:
        return tuple(str(self.own.inputs[i]) for i in rows)

    def _labels_seen(self) -> list[Finding]:
        """Return what the guard sees in rows without a completion, in gold ones and their prompts, and in weak ones."""
        weak = self.weak[np.setdiff1d(self.division.train, self.division.known)]
        gold = np.flatnonzero(self.gold != "")
        ids, read = tuple(map(str, gold)), self.own.counts
        counts = {"read": read["read"], "empty_targets": read["unlabelled"]}
        rows = Rows(ids, self._prompts(gold), self.gold[gold], ids)
        return check_targets(rows, counts, where={}) + check_texts("supervisor", weak.tolist(), where={})

    def facts(self, table: Table, fitted: Any, trained: int, method: Any) -> dict[str, Any]:
        """Return what is known, for `surpass.json`."""
        request, own, test, model = self.request, self.own, self.division.test, self.strong
        found, findings = None, self._labels_seen()
        if len(test):
            self.clock("writing the test rows")
            said = fitted.write(self._prompts(test))[1][:, 0].tolist()
            rows = Rows(tuple(map(str, test)), self._prompts(test), self.gold[test], tuple(map(str, test)))
            floor, student = (judge(OwnTexts(), rows, texts) for texts in (self.weak[test].tolist(), said))
            found = Predicted(np.ones(len(test)), tuple(own.groups[i] for i in test), floor, (student,))
            findings += check_texts("student", said, where={}, targets=self.gold[test].tolist())
        findings += check_lengths({"student": [fitted.facts]}, where={})
        findings += check_truncation({"student": [fitted.facts]}, where={})
        supervised = self.supervisor is not None
        estimates = with_gold(found, target="generation", level=request.level) if found else {}
        return {
            **request_facts(request.wanted, own, table, request.source),
            "form": FORM,
            "max_length": fitted.script.limit,
            "max_new_tokens": fitted.script.room,
            "labels": labels_told(request.wanted, self.supervisor, request.combine),
            "student": {
                "name": model.label(), "model": encode(model), "method": encode(method), "method_name": name_of(method),
                "choice": {"why": "as given" if request.method != parts.AUTO else "the only default of texts"},
                "seed": request.seed, "trained_on": trained,
            },
            "rows": row_counts(own, self.division, own.probabilities, supervised=supervised),
            "level": request.level,
            "evidence": {
                "basis": basis(found, gold=int(np.isfinite(own.gold).sum())),
                "rests_on": rests_on(1, found, supervised=supervised),
                "metrics": as_json(estimates),
                "notes": asked(request, self.division)
                + notes(own, self.division, found, estimates, supervised=supervised),
            },
            "findings": [dataclasses.asdict(one) for one in findings],
            "versions": versions(),
        }  # fmt: skip


def load(folder: Path, facts: Mapping[str, Any]) -> Any:
    """Return what writes with a model folder: its `write` takes prompts."""
    from surpass.models.base import Work

    model: Any = REGISTRIES["model"].get("generator")(
        backbone=f"path:{folder}", epochs=0, max_length=facts["max_length"], max_new_tokens=facts["max_new_tokens"]
    )
    targets: Any = None  # a model without training reads none
    work = Work(
        inputs=("",), targets=targets, watch=(), target="generation", classes=1, method=parts.method("soft"), seed=0
    )
    return model.resolve().fit(work, Runtime())


def answers(folder: Path, facts: Mapping[str, Any]) -> Callable[[Sequence[str]], list[tuple[str, float]]]:
    """Return a function from prompts to completions and their probabilities."""
    model = load(folder, facts)

    def answer(prompts: Sequence[str]) -> list[tuple[str, float]]:
        values, texts = model.write(prompts)
        return list(zip(texts[:, 0].tolist(), values[:, 0].tolist(), strict=True))

    return answer
