"""Specs and keys: one value, one key; wrong values are refused with what is allowed; defaults are locked."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from typing import Any, ClassVar

import lock_defaults
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surpass.errors import SpecError
from surpass.inspection import difference
from surpass.labels.ensemble import Ensemble
from surpass.labels.gold import Gold
from surpass.methods.hard import Hard
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.runner import graph
from surpass.spec import Spec, decode, describe_type, encode, key, name_of, option
from surpass.splits import Data
from surpass.stages import Fit, Label
from surpass.study import Pair, Study
from surpass.tasks.toy import Toy
from surpass.testing import check_spec

spec = dataclasses.dataclass(frozen=True, kw_only=True)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=4)
)
models = st.builds(
    Sklearn,
    estimator=st.sampled_from(["a.B", "c.D"]),
    features=st.sampled_from(["tfidf", "none"]),
    ngrams=st.integers(1, 3),
    params=st.lists(st.tuples(st.text(max_size=3), scalars), max_size=2),
)
methods = st.one_of(
    st.just(Soft()),
    st.just(Hard()),
    st.builds(LogConf, variant=st.sampled_from(["paper", "openai"]), strength=st.floats(0, 1)),
)
datas = st.builds(
    Data,
    task=st.builds(Toy, rows=st.integers(10, 12), noise=st.floats(0, 0.5)),
    n_weak=st.integers(0, 3),
    balance=st.booleans(),
    train_share=st.floats(0.1, 0.9),
    seed=st.integers(0, 3),
)
supervisors = st.builds(
    Fit, data=datas, model=models, labels=st.builds(Gold, split=st.sampled_from(["weak", "transfer"]))
)
labels = st.one_of(supervisors, st.builds(Ensemble, members=st.lists(supervisors, min_size=2, max_size=3)))
fits = st.builds(Fit, data=datas, model=models, labels=labels, method=methods, seed=st.integers(0, 2))
pairs = st.builds(Pair, weak=models, strong=models, methods=st.lists(methods, max_size=2))
specs = st.one_of(models, methods, datas, fits, pairs)


@given(specs)
def test_a_spec_survives_json_pickle_and_copying(one):
    check_spec(one)


@given(specs, specs)
def test_keys_are_equal_exactly_where_specs_are(one, other):
    assert (key(one) == key(other)) == (repr(one) == repr(other))


@given(models, scalars, scalars)
def test_keys_tell_values_apart_that_python_calls_equal(model, left, right):
    """1, 1.0 and True are equal to Python; in a key they are three values."""
    one, other = (dataclasses.replace(model, params=(("p", value),)) for value in (left, right))
    same = type(left) is type(right) and (left == right)
    assert (key(one) == key(other)) == same


def test_the_order_of_arguments_and_fields_does_not_enter_the_key():
    assert key(Data(task=Toy(), n_weak=5, seed=3)) == key(Data(seed=3, n_weak=5, task=Toy()))
    first, second = (_with_fields(*names) for names in (("b", "c"), ("c", "b")))
    assert key(first(b=1, c=2)) == key(second(c=2, b=1))


def _with_fields(*names: str) -> Any:
    annotations = {"kind": ClassVar[str], **dict.fromkeys(names, int)}
    body = {"kind": "made", "__annotations__": annotations, **dict.fromkeys(names, 0), "__module__": __name__}
    return spec(type("Made", (Spec,), body))


def test_a_new_field_with_a_default_leaves_the_key():
    assert key(_with_fields("b")(b=1)) == key(_with_fields("b", "new")(b=1))


def test_keys_are_what_they_were():
    """Keys name artifacts in people's stores: a change of the encoding would orphan all of them."""
    assert key(LogConf(strength=0.25)) == "67cd4815e412f890aff2"  # version 2
    assert key(Fit(data=Data(task=Toy()), model=Sklearn(), labels=Gold(split="weak"))) == "47623ce7c04596b4e994"


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_keys_are_the_same_in_every_process(seed, python):
    code = """
from surpass.spec import key
from surpass.labels.ensemble import Ensemble
from surpass.labels.gold import Gold
from surpass.models.sklearn import Sklearn
from surpass.splits import Data
from surpass.stages import Fit
from surpass.tasks.toy import Toy
data = Data(task=Toy(noise=0.1), balance=False)
weak = Fit(data=data, model=Sklearn(params=[["C", 0.1]]), labels=Gold(split="weak"), seed=3)
print(key(Fit(data=data, model=Sklearn(), labels=Ensemble(members=[weak, Gold()]))))
"""
    data = Data(task=Toy(noise=0.1), balance=False)
    weak = Fit(data=data, model=Sklearn(params=(("C", 0.1),)), labels=Gold(split="weak"), seed=3)
    here = key(Fit(data=data, model=Sklearn(), labels=Ensemble(members=(weak, Gold()))))
    assert python(code, PYTHONHASHSEED=seed) == here


@given(st.floats(0, 1))
def test_floats_are_exact(value):
    again = decode(json.loads(json.dumps(encode(LogConf(strength=value)))))
    assert isinstance(again, LogConf)
    assert again.strength == value
    neighbour = LogConf(strength=math.nextafter(value, 0.5))
    assert (key(neighbour) == key(again)) == (neighbour.strength == value)


def test_one_value_has_one_key():
    assert key(LogConf(strength=1)) == key(LogConf(strength=1.0))
    assert key(Sklearn(params=[["C", -0.0]])) == key(Sklearn(params=(("C", 0.0),)))
    assert encode(LogConf(strength=-0.0))["strength"] == 0.0
    assert key(LogConf(variant="paper", strength=0.5)) == key(LogConf())


@spec
class Shapes(Spec):
    """Fields of compound types."""

    kind: ClassVar[str] = "shapes"

    fixed: tuple[str, float] = ("a", 1.0)
    maybe: tuple[float, ...] | None = None
    number: float | None = None
    counts: tuple[int, ...] = (1,)


def test_whole_numbers_become_floats_inside_tuples_too():
    made = Shapes(fixed=["b", 2], maybe=[1, 2], number=3)  # type: ignore[arg-type]  # what YAML gives
    assert (made.fixed, made.maybe, made.number) == (("b", 2.0), (1.0, 2.0), 3.0)
    assert key(made) == key(Shapes(fixed=("b", 2.0), maybe=(1.0, 2.0), number=3.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogConf(strength=math.nan), r"method 'logconf': strength=nan, but a finite number is needed\."),
        (lambda: LogConf(strength=math.inf), "strength=inf, but a finite number is needed"),
        (lambda: Sklearn(params=(("C", math.nan),)), r"params=\[\('C', nan\)\], but a finite number is needed"),
        (lambda: LogConf(strength="high"), "strength='high', but allowed is a number"),
        (lambda: LogConf(strength=True), "strength=True, but allowed is a number"),
        (lambda: LogConf(strength=1.5), r"strength=1\.5, but at most 1 is allowed"),
        (lambda: LogConf(variant="papr"), "variant='papr', but allowed is 'paper' or 'openai' or 'eleuther'"),
        (lambda: Sklearn(ngrams=0), "model 'sklearn': ngrams=0, but at least 1 is needed"),
        (lambda: Sklearn(ngrams=2.0), r"ngrams=2\.0, but allowed is a whole number"),
        (lambda: Sklearn(ngrams=None), "ngrams=None, but allowed is a whole number"),
        (lambda: Data(task=Toy(), train_share=0), r"data: train_share=0\.0, but it must be above 0"),
        (lambda: Data(task=Soft()), "task=Soft.*, but allowed is a task, as a mapping such as"),
        (lambda: Data(task=Toy(), balance=1), "balance=1, but allowed is true or false"),
        (lambda: Shapes(counts=("a",)), r"shapes: counts=\['a'\], but allowed is a list of a whole number"),
        (lambda: Shapes(fixed=("a", 1.0, 2.0)), "fixed=.*, but allowed is a list"),
        (lambda: Ensemble(members=(Gold(),)), "members has 1 entries; two or more are needed"),
        (lambda: Pair(weak=Soft(), strong=Sklearn()), "weak is a method/soft; a model or a label source is needed"),
        (lambda: Study(name="s", tasks=(), pairs=()), "study: tasks is empty; at least one is needed"),
    ],
)
def test_wrong_values_are_refused_with_what_is_allowed(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_every_wrong_value_of_a_spec_is_named_at_once():
    with pytest.raises(SpecError, match=r"ngrams=9, but at most 5 is allowed; params='x', but allowed is a mapping"):
        Sklearn(ngrams=9, params="x")  # type: ignore[arg-type]  # wrong on purpose


def test_unknown_options_of_data_are_refused_with_the_nearest():
    pair = Pair(weak=Sklearn(), strong=Sklearn())
    with pytest.raises(SpecError, match=r"study: data: unknown field 'n_weka'\. Did you mean 'n_weak'\?"):
        Study(name="s", tasks=(Toy(),), pairs=(pair,), data={"n_weka": 3})  # type: ignore[arg-type]  # a mapping will do
    with pytest.raises(SpecError, match="pair: data: n_test=-1, but at least 0 is needed"):
        dataclasses.replace(pair, data=(("n_test", -1),))


def test_decode_refuses_other_versions_and_unknown_kinds():
    with pytest.raises(SpecError, match="method/soft was written at version 7, but this installation has version 1"):
        decode({"kind": "method/soft", "version": 7})
    with pytest.raises(SpecError, match=r"unknown kind of spec 'fitt'\. Known: .*fit"):
        decode({"kind": "fitt", "version": 1})


def test_difference_gives_paths():
    weak = Fit(data=Data(task=Toy()), model=Sklearn(), labels=Gold(split="weak"))
    other = dataclasses.replace(weak, data=dataclasses.replace(weak.data, n_weak=5), seed=2)
    assert difference(encode(weak), encode(other)) == {"data.n_weak": (None, 5), "seed": (None, 2)}


def test_names_for_people():
    assert name_of(LogConf()) == "logconf"
    assert name_of(LogConf(variant="openai", strength=0.75)) == "logconf(variant=openai, strength=0.75)"
    assert describe_type(tuple[float, ...]) == "a list of a number"
    assert describe_type(int | None) == "a whole number or null"


def test_the_same_class_in_a_script_and_in_its_workers_has_one_kind():
    body = {"__module__": "__mp_main__", "__qualname__": "Mine"}
    assert spec(type("Mine", (Soft,), body)).kind == "method/__main__:Mine"


def test_a_key_is_the_hash_of_the_canonical_text(small_study):
    odd = Sklearn(
        params=(("text", 'quote " \\ \u00e9\u2028\n'), ("one", 1), ("half", 0.5), ("no", None), ("yes", True))
    )
    for stage in graph(small_study(pairs=(Pair(weak=Sklearn(ngrams=1), strong=odd),), seeds=2)).values():
        text = json.dumps(encode(stage.spec), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        assert stage.key == key(stage.spec) == hashlib.sha256(text.encode()).hexdigest()[:20]


# The lock file of defaults


def test_defaults_change_only_with_the_version():
    locked = json.loads(lock_defaults.FILE.read_text(encoding="utf-8"))
    now = lock_defaults.current()
    assert not lock_defaults.broken(locked, now)
    stale = lock_defaults.unlocked(locked, now)
    assert not stale, f"not locked as they are: {', '.join(stale)}. Run {lock_defaults.COMMAND}"


def test_the_lock_notices_what_it_is_for():
    entry = lock_defaults.entry(Shapes)
    before = {"shapes": entry}
    other = {"shapes": {**entry, "fields": {**entry["fields"], "number": {"default": 2.0}}}}
    gone = {"shapes": {**entry, "fields": {"number": entry["fields"]["number"]}}}
    more = {"shapes": {**entry, "fields": {**entry["fields"], "extra": {"default": 0}}}}
    assert "shapes.number was" in lock_defaults.broken(before, other)[0]
    assert "Set `version: ClassVar[int] = 2` in its class" in lock_defaults.broken(before, other)[0]
    assert "is gone" in lock_defaults.broken(before, gone)[0]
    bumped = {"shapes": {**other["shapes"], "version": 2}}
    assert not lock_defaults.broken(before, bumped)
    assert not lock_defaults.broken(before, more)
    assert lock_defaults.unlocked(before, more) == lock_defaults.unlocked(before, bumped) == ["shapes"]


def test_options_have_ranges():
    assert option(1, low=0).metadata == {"low": 0, "high": None, "above": None}
    assert Label(data=Data(task=Toy()), source=Gold()).source == Gold()
