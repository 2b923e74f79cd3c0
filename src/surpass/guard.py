"""The guard at work: which checks a study's rows, predictions and scores go through, and where their findings belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from surpass.artifacts import Splits
from surpass.checks import (
    PRECISION,
    SEVERITIES,
    Finding,
    answered_texts,
    check_candidates,
    check_labelling,
    check_labels,
    check_lengths,
    check_predictions,
    check_pretrained_rows,
    check_pretraining,
    check_scores,
    check_splits,
    check_texts,
    check_truncation,
    check_versions,
)
from surpass.corpora.base import Corpus
from surpass.errors import StoreError
from surpass.labels.base import LabelSource
from surpass.labels.gold import Gold
from surpass.models._pretrain import pretrains
from surpass.results import ResultRow, StageFact
from surpass.shelf import Scored, Shelf, names, run_of, scored_splits, sides
from surpass.spec import Spec, key
from surpass.stages import Fit
from surpass.study import Study
from surpass.tasks.base import Task


def guard_rows(splits: Splits, task: Task, precision: float = PRECISION) -> list[Finding]:
    """Return what the guard sees in the rows of a task, and what is known to be wrong with a published form of it.

    `precision` is the half width of an accuracy's interval that its tests should allow.
    """
    where = {"task": task.label()}
    found = check_splits(splits, where=where, precision=precision)
    if splits.target == "generation" and task.knows_candidates:
        found += check_candidates(splits.rows, task.candidates, where=where)
    if defect := task.known_defect():
        message = (
            f"the published form of this task is used, in which {defect}; it serves to reproduce, not to conclude."
        )
        found.append(Finding("released-form", "warning", message, where, {}))
    return found


def guard_labels(scored: Scored) -> list[Finding]:
    """Return what the guard sees in the labels that a supervisor gives to students, in one seed."""
    rows = scored.splits.part("transfer")
    if scored.splits.target == "generation":
        texts = scored.supervisor.texts_at(-1, rows.ids)
        return check_texts("supervisor", texts, where=names(scored.cell), targets=rows.labels.tolist())
    values = scored.supervisor.on(rows.ids)
    return check_labels(rows, values, where=names(scored.cell), target=scored.splits.target)


def guard_cells(study: Study, scored: Sequence[Scored], shelf: Shelf) -> list[Finding]:
    """Return what the guard sees in the predictions of one task, pair and method over its seeds."""
    found: list[Finding] = []
    where = names(scored[0].cell)
    for split in scored_splits(scored[0]):
        if scored[0].splits.target == "generation":
            found += _texts(study, scored, {**where, "split": split})
            continue
        runs = [run_of(one, split, study.stopping) for one in scored]
        seeds = [one.cell.seed for one in scored]
        target = scored[0].splits.target
        found += check_predictions(runs, where={**where, "split": split}, seeds=seeds, target=target)
    facts = {
        "supervisor": [one.supervisor.facts for one in scored],
        "student": [one.student.predictions.facts for one in scored],
        "ceiling": [one.ceiling.predictions.facts for one in scored],
    }
    found += [*check_truncation(facts, where=where), *check_lengths(facts, where=where)]
    return [*found, *_taught(scored[0], where), *_pretrained(scored[0], shelf, where)]


def _pretrained(scored: Scored, shelf: Shelf, where: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each model of a cell that was pretrained on what its task is made of, or on its test rows."""
    cell = scored.cell
    sources = [key(corpus) for corpus in _made_of(cell.task.sources())]
    for side, spec in (("weak", cell.supervisor), ("strong", cell.ceiling.model)):
        learned = {key(made.corpus): made.corpus for made in pretrains(spec, ())}
        yield from check_pretraining(side, {k: each.label() for k, each in learned.items()}, sources, where=where)
        for corpus in (each for name, each in learned.items() if name not in sources):
            rows = scored.splits.part(*scored_splits(scored))
            try:
                begun = shelf.get(corpus).begun_by(answered_texts(rows, scored.splits.target))
            except StoreError:  # its texts were removed from the store once the model was made
                continue
            yield from check_pretrained_rows(side, corpus.label(), begun, where=where)


def _made_of(corpora: Iterable[Corpus]) -> Iterator[Corpus]:
    """Yield corpora and all that they are made of."""
    for corpus in corpora:
        yield corpus
        yield from _made_of(each for each in corpus.sources() if each not in corpus.left_out())


def _texts(study: Study, scored: Sequence[Scored], where: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what the guard sees in the texts of student and ceiling on one test split, over all seeds."""
    read = [sides(one, where["split"], study.stopping) for one in scored]
    targets = [text for one in scored for text in one.test(where["split"])[0].labels.tolist()]
    for role in ("student", "ceiling"):
        texts = [text for one in read for text in one[role]]
        yield from check_texts(role, texts, where=where, targets=targets)


def _taught(scored: Scored, where: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each teacher on the way to the student that labels the rows it was fitted on."""
    ids = scored.splits.part("transfer").ids
    found: list[Finding] = []
    for pupil, teacher in _lessons(scored.student.fit):
        apart = teacher.part and pupil.part and teacher.part != pupil.part
        if teacher.train_split == "transfer" and not apart:
            gold, meant = isinstance(teacher.labels, Gold), scored.cell.route.control == "gold"
            found += check_labelling(ids, ids, where=where, gold=gold, meant=meant, teacher=teacher.label())
    return found


def _lessons(pupil: Fit) -> Iterator[tuple[Fit, Fit]]:
    """Yield each fit on the way to a student with each fit that labels its rows."""
    for teacher in _fits(pupil.labels):
        yield pupil, teacher
        yield from _lessons(teacher)


def _fits(labels: Spec) -> Iterator[Fit]:
    if isinstance(labels, Fit):
        yield labels
    elif isinstance(labels, LabelSource):
        for source in labels.sources():
            yield from _fits(source)


def guard_scores(study: Study, rows: Iterable[ResultRow], primary: Mapping[str, str]) -> list[Finding]:
    """Return what the guard sees in the headline scores: each task's primary metric by the study's stopping rule.

    A cell without that rule is read at its end, as `shelf.run_of` reads it.
    """
    held = [row for row in rows if row.metric == primary[row.task]]
    ruled = {(row.task, row.weak, row.strong, row.method) for row in held if row.stopping == study.stopping}
    rule = {True: study.stopping, False: "last"}
    return check_scores(
        row for row in held if row.stopping == rule[(row.task, row.weak, row.strong, row.method) in ruled]
    )


def guard_stages(stages: Iterable[StageFact]) -> list[Finding]:
    """Return a finding when the stages of one study were computed with different library versions."""
    return check_versions([stage.versions for stage in stages])


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings without repeats, the gravest first, otherwise in the order in which they were made."""
    seen: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        seen.setdefault((finding.code, finding.message, repr(sorted(finding.where.items()))), finding)
    return tuple(sorted(seen.values(), key=lambda finding: SEVERITIES.index(finding.severity)))
