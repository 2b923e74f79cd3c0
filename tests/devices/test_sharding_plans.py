"""What sharded weights cannot do is said while planning, all of it at once."""

from __future__ import annotations

import pytest

from surpass.errors import StudyError
from surpass.methods.representation import Representation
from surpass.methods.soft import Soft
from surpass.models.hf import HF
from surpass.models.sklearn import Sklearn
from surpass.runner import plan
from surpass.runtime import Runtime
from surpass.study import Pair


def test_every_refusal_of_sharded_weights_is_told_while_planning(llama, small_study, store):
    weak, strong = HF(backbone=llama, ema=0.9, l2_sp=0.01), HF(backbone=llama, generative=1)
    pairs = (Pair(weak=weak, strong=strong), Pair(weak=Sklearn(), strong=HF(backbone=llama)))
    study = small_study(pairs=pairs[:1], methods=(Soft(), Representation()))
    with pytest.raises(StudyError) as caught:
        plan(study, store, runtime=Runtime(team="shards"))
    assert len(caught.value.problems) == 3
    assert "model 'hf' cannot take ema=0.9 or l2_sp=0.01 with sharded weights (FSDP)" in str(caught.value)
    assert "model 'hf' cannot take generative=1 or method 'representation' with" in str(caught.value)
    assert len(plan(study, store, runtime=Runtime(team="copies")).missing()) > 0
    plain = small_study(pairs=pairs[1:])
    assert plan(plain, store, runtime=Runtime(team="shards")).missing()
    with pytest.raises(StudyError, match="cannot take --keep-weights with"):
        plan(plain, store, runtime=Runtime(team="shards", keep_weights=True))
