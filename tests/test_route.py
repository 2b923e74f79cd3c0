"""Routes: chains, their controls, and settings chosen on weak labels, all of them plain fits."""

from __future__ import annotations

import numpy as np
import pytest

from surpass.errors import DataError, SpecError, StudyError
from surpass.feasibility import problems_of
from surpass.labels.file import File
from surpass.labels.gold import Gold
from surpass.methods.confident import Confident
from surpass.methods.hard import Hard
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.route import Route, route_of
from surpass.runner import plan, run
from surpass.scoring import results
from surpass.shelf import Shelf
from surpass.spec import key
from surpass.splits import make_splits
from surpass.stages import Fit
from surpass.stopping import point_scores
from surpass.study import Pair, Study, cells
from surpass.studyfile import parse
from surpass.tasks.toy import Toy

MIDDLE, OTHER = Sklearn(ngrams=2, params=(("C", 2.0),)), Sklearn(ngrams=3)
STRONG = Sklearn(params=(("C", 10.0),))


def student(study: Study) -> Fit:
    return cells(study)[0].student


@pytest.fixture
def chained(small_study):
    """Return a maker of studies whose one way is the given route."""
    return lambda *routes: small_study(pairs=(Pair(weak=Sklearn(ngrams=1), strong=STRONG),), methods=routes)


def lineage(fit: Fit) -> list[Fit]:
    """Return the student, its teacher, its teacher's teacher, ..."""
    return [fit, *(lineage(fit.labels) if isinstance(fit.labels, Fit) else [])]


def test_a_method_is_the_plain_route(small_study):
    plain, routed = small_study(methods=(Hard(),)), small_study(methods=(Route(method=Hard()),))
    assert key(student(plain)) == key(student(routed))
    assert route_of(Hard()).label() == "hard"


def test_the_ceiling_of_a_chain_on_fresh_rows_has_the_rows_of_its_student(chained):
    fresh = {"method": Hard(), "through": (MIDDLE,), "fresh": True}
    for route in (Route(**fresh), Route(**fresh, control="direct"), Route(method=Hard(), through=(MIDDLE,))):
        [cell, *_] = cells(chained(route))
        assert cell.ceiling.part == cell.student.part == ((1, 2) if route.fresh else ())
        assert cell.ceiling.labels == Gold(split="transfer")


def test_a_chain_fits_each_model_to_the_labels_of_the_one_before(chained):
    found = lineage(student(chained(Route(method=Hard(), through=(MIDDLE, OTHER)))))
    assert [fit.model for fit in found] == [STRONG, OTHER, MIDDLE, Sklearn(ngrams=1)]
    assert [fit.method for fit in found] == [Hard(), Hard(), Hard(), Soft()]
    assert [fit.train_split for fit in found] == ["transfer"] * 3 + ["weak"]
    assert {fit.part for fit in found} == {()}


def test_rounds_repeat_the_strong_model(chained):
    found = lineage(student(chained(Route(method=Soft(), rounds=2))))
    assert [fit.model for fit in found] == [STRONG] * 3 + [Sklearn(ngrams=1)]


def test_fresh_rows_are_disjoint_and_cover_the_split(chained, store):
    study = chained(Route(method=Soft(), through=(MIDDLE, OTHER), fresh=True))
    made, outcomes = run(study, store=store)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    cell = cells(made.study)[0]
    steps = lineage(cell.student)[:3]
    assert [fit.part for fit in steps] == [(2, 3), (1, 3), (0, 3)]
    assert [store.load("fit", key(fit)).facts["trained_on"] for fit in steps] == [20, 20, 20]


def test_the_direct_control_has_the_rows_of_the_last_step_and_the_supervisors_labels(chained):
    chain = student(chained(Route(method=Soft(), through=(MIDDLE,), fresh=True)))
    direct = student(chained(Route(method=Soft(), through=(MIDDLE,), fresh=True, control="direct")))
    assert (direct.part, direct.model) == (chain.part, chain.model) == ((1, 2), STRONG)
    assert direct.labels == lineage(chain)[-1]
    without = student(chained(Route(method=Soft(), through=(MIDDLE,), control="direct")))
    assert key(without) == key(student(chained(Soft())))


def test_the_gold_control_differs_in_the_first_labels_alone(chained):
    chain = lineage(student(chained(Route(method=Soft(), through=(MIDDLE, OTHER), fresh=True))))
    gold = lineage(student(chained(Route(method=Soft(), through=(MIDDLE, OTHER), fresh=True, control="gold"))))
    assert [(fit.model, fit.part) for fit in gold] == [(fit.model, fit.part) for fit in chain[:3]]
    assert gold[-1].labels == Gold(split="transfer")


def test_shared_steps_are_computed_once(chained, store):
    short, long = Route(method=Soft(), through=(MIDDLE,)), Route(method=Soft(), through=(MIDDLE, OTHER))
    made = plan(chained(Soft(), short, long), store)
    fits = [node for node in made.nodes.values() if node.spec.kind == "fit"]
    assert len(fits) == 1 + 1 + 1 + 2 + 2  # supervisor, ceiling, direct, middle and student, other and student


def test_names_tell_routes_apart():
    routes = [
        Route(method=Soft()),
        Route(method=Soft(), through=(MIDDLE,)),
        Route(method=Soft(), through=(MIDDLE,), control="gold"),
        Route(method=Soft(), through=(MIDDLE,), fresh=True),
        Route(method=Soft(), rounds=1),
        Route(method=Soft(), rounds=2),
        Route(method=Soft(), reprobe=True),
        Route(method=LogConf(), tries=(LogConf(), LogConf(strength=0.25))),
        *(
            Route(method=LogConf(), tries=tuple(LogConf(variant=v, strength=s) for s in (0.2, 0.3)))
            for v in ("openai", "eleuther")
        ),
        Route(method=LogConf()),
    ]
    assert len({route.label() for route in routes}) == len(routes)
    assert routes[5].label() == "soft (2 rounds)"
    assert routes[8].label() == "logconf(variant=openai) best of 2 by strength"


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SpecError, match="fresh is about a chain"):
        Route(method=Soft(), fresh=True)
    with pytest.raises(SpecError, match="control='gold' is about a chain"):
        Route(method=Soft(), control="gold")
    with pytest.raises(SpecError, match="tries holds another method"):
        Route(method=Soft(), tries=(Soft(), Hard()))
    with pytest.raises(SpecError, match="tries are chosen by weak labels, but reprobe"):
        Route(method=LogConf(), tries=(LogConf(), LogConf(strength=0.1)), reprobe=True)
    with pytest.raises(SpecError, match="rounds=-1"):
        Route(method=Soft(), rounds=-1)


WRITTEN = {
    "name": "chains",
    "tasks": [{"task": "toy", "rows": 400}],
    "data": {"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": 60},
    "pairs": [{"weak": {"model": "sklearn", "ngrams": 1}, "strong": {"model": "sklearn"}}],
    "seeds": 1,
}


def test_a_study_file_writes_a_route_beside_its_method():
    middle = {"model": "sklearn", "ngrams": 3}
    study = parse(WRITTEN | {"methods": ["soft", {"method": "hard", "through": [middle], "rounds": 1, "fresh": True}]})
    assert study.methods == (Soft(), Route(method=Hard(), through=(OTHER,), rounds=1, fresh=True))


def test_a_study_file_names_settings_to_try():
    options = {"strength": [0.25, 0.5], "variant": ["paper", "openai"]}
    study = parse(WRITTEN | {"methods": [{"method": "logconf", "try": options}]})
    (route,) = study.methods
    assert len(route.tries) == 4
    assert LogConf(strength=0.25, variant="openai") in route.tries
    assert route.label() == "logconf best of 4 by variant, strength"


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"method": "soft", "through": ["nosuch"]}, "unknown model 'nosuch'"),
        ({"method": "soft", "through": [{"model": "sklearn"}], "control": "both"}, "control='both'"),
        ({"method": "soft", "fresh": True}, "fresh is about a chain"),
        ({"method": "soft", "rounds": 99}, "at most 20"),
        ({"method": "logconf", "try": {"strength": 0.5}}, "try is"),
        ({"method": "logconf", "try": {"strength": [0.5, 7]}}, "at most 1"),
        ({"method": "logconf", "try": {}}, "try is {}"),
        (
            {"method": "logconf", "strength": 0.5, "try": {"strength": [0.25, 0.75]}},
            "strength is given and stands under try",
        ),
        (
            {"method": "logconf", "try": {"strenght": [0.5]}},
            r"'strenght'. Did you mean 'strength'\? Allowed: variant, strength\.",
        ),
        (
            {"method": "soft", "thrugh": ["sklearn"]},
            r"unknown field 'thrugh'. Did you mean 'through'\? Allowed: through, rounds",
        ),
        ({"method": "hard", "round": 2, "fresh": True}, "unknown field 'round'. Did you mean 'rounds'"),
        ({"rounds": 1}, r"\{'rounds': 1\} names no method"),
    ],
)
def test_mistakes_in_a_route_are_told(way, message):
    with pytest.raises(StudyError, match=message):
        parse(WRITTEN | {"methods": [way]})


def test_a_chain_that_refers_to_itself_is_told():
    way = {"method": "soft", "through": []}
    way["through"].append(way)
    with pytest.raises(StudyError, match=r"'methods.1.through.1' \(an alias of 'methods.1'\) refers to itself"):
        parse(WRITTEN | {"methods": [way]})


def test_a_chain_through_a_model_that_cannot_serve_the_method_is_told(small_study):
    probe = Probe(backbone="path:nowhere", solver="adam")
    study = small_study(
        pairs=(Pair(weak=Sklearn(), strong=probe),), methods=(Route(method=LogConf(), through=(MIDDLE,)),)
    )
    assert [text for text in problems_of(study) if "logconf" in text and "model 'sklearn' cannot do" in text]


def test_settings_need_validation_rows(small_study):
    tries = Route(method=LogConf(), tries=(LogConf(), LogConf(strength=0.1)))
    study = small_study(methods=(tries,), data={"n_weak": 40, "n_transfer": 60, "n_val": 0, "n_test": 60})
    assert any("tries 2 settings and chooses by validation rows, but n_val=0" in text for text in problems_of(study))


def test_the_reported_setting_agrees_best_with_the_weak_labels_not_with_the_truth(small_study, store):
    tries = tuple(Confident(share=share) for share in (0.1, 0.3, 1.0))
    study = small_study(methods=(Route(method=tries[0], tries=tries),), seeds=3)
    made, outcomes = run(study, store=store)
    shelf = Shelf(store)
    for cell in cells(made.study):
        scored = shelf.scored(cell)
        val = scored.splits.part("val")
        weak = scored.supervisor.on(val.ids)
        agreement = [
            point_scores(store.load("fit", key(fit)), val.ids, weak, "classification")[-1] for fit in cell.students
        ]
        assert key(scored.student.fit) == key(cell.students[int(np.argmax(agreement))])
    (row,) = [r for r in results(made, outcomes, store).rows if r.metric == "accuracy" and r.split == "test"]
    assert row.method == "confident best of 3 by share"
    assert row.note.startswith("chosen: ") or "; chosen: " in row.note


def test_settings_of_a_chain_are_held_against_the_supervisor_not_against_one_settings_teacher(small_study, store):
    tries = tuple(Confident(share=share) for share in (0.1, 0.3, 1.0))
    route = Route(method=tries[0], tries=tries, through=(Sklearn(ngrams=1, params=(("C", 0.1),)),))
    study = small_study(tasks=(Toy(rows=600, noise=0.0),), methods=(route,), first_seed=4)
    made, _ = run(study, store=store)
    shelf = Shelf(store)
    (cell,) = cells(made.study)
    scored = shelf.scored(cell)
    val = scored.splits.part("val").ids

    def agreement(with_whom) -> list[float]:
        wanted = with_whom.on(val)
        return [point_scores(shelf.get(fit), val, wanted, "classification")[-1] for fit in cell.students]

    best = int(np.argmax(agreement(scored.supervisor)))
    assert best != int(np.argmax(agreement(shelf.get(cell.students[0].labels))))  # else this shows nothing
    assert scored.student.fit == cell.students[best]


def test_settings_cannot_be_chosen_where_the_labels_leave_out_validation_rows(small_study, store, tmp_path):
    study = small_study()
    rows = make_splits(cells(study)[0].data.resolve())
    names = [name for name, split in zip(rows.rows.ids, rows.split, strict=True) if split in ("transfer", "test")]
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n" + "".join(f"{name},{i % 2}\n" for i, name in enumerate(names)))
    pair = Pair(weak=File(path=str(path)), strong=STRONG)
    tried = Route(method=Confident(), tries=(Confident(share=0.5), Confident(share=1.0)))
    made, _ = run(small_study(pairs=(pair,), methods=(tried,)), store=store)
    with pytest.raises(DataError, match="2 settings are tried and one is chosen by validation rows, but 20 of 20 have"):
        results(made, [], store)
