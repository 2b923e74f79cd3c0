"""What errors say of the errors behind them."""

from __future__ import annotations

import pytest

from surpass.errors import DataError, reason
from surpass.tables import open_table
from surpass.tasks import _hub


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), "TimeoutError"),
        (OSError("  \n"), "OSError"),
        (ValueError("no such file\nand more"), "ValueError: no such file"),
    ],
)
def test_a_reason_is_one_line_also_of_an_error_that_says_nothing(error: Exception, told: str) -> None:
    assert reason(error) == told


def test_a_hub_that_fails_without_a_word_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")

    def fail(*_: object, **__: object) -> str:
        raise TimeoutError

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(_hub, "_commit", lambda repo, revision: "0" * 40)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    hub = _hub.Hub("made/up", (_hub.Split("train", "*.parquet"),), "0" * 40)
    with pytest.raises(DataError, match=r"\(TimeoutError\)"):
        next(hub.rows())


def test_a_damaged_table_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")

    def fail(*_: object, **__: object) -> object:
        raise OSError

    monkeypatch.setattr(parquet, "ParquetFile", fail)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="OSError"):
        list(open_table(str(tmp_path / "rows.parquet")).rows())
