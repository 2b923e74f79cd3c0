"""Mails: what a person reads of them, which belong together, and which are held against the hard ones."""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from surpass.errors import DataError
from surpass.splits import Data, make_splits
from surpass.tasks._mail import subject_of, text_of
from surpass.tasks.spam import HARD_SPAM, Spam, read

HTML = (
    "Subject: Offer\nContent-Type: multipart/alternative; boundary=X\n\n--X\nContent-Type: text/plain\n\n \n--X\n"
    "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    + base64.b64encode(
        "<style>b {}</style><b>Café</b> &amp; <a href='x'>more</a><script>run()</script>!".encode()
    ).decode()
    + "\n--X--\n"
)


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("Re: [ILUG] Fwd: kernel", "kernel"),
        ("RE: Re[2]: hello  there", "hello there"),
        ("=?iso-8859-1?q?Caf=E9?=", "Café"),
        ("=?nonesuch?q?Caf=E9?=", "=?nonesuch?q?Caf=E9?="),
        ("[Razor-users] [spam] Win [now]", "Win [now]"),
        ("", ""),
    ],
)
def test_the_subject_tells_no_list(subject: str, shown: str) -> None:
    assert subject_of(f"Subject: {subject}\nList-Id: ILUG\n\nText") == shown


def test_a_mail_without_a_subject_has_none() -> None:
    assert subject_of("From: a@b.c\n\nText") == ""


def test_quotations_signatures_and_addresses_are_gone() -> None:
    raw = (
        "Subject: A\nX-Mailer: M\n\nOn Monday Ann wrote:\n> Where is it?\nAM> Or not?\nSee http://a.bc/d?e=f or ask "
        "ann.b@c.de (today).\nDate: Not supplied\n\n-- \nAnn\n"
    )
    assert text_of(raw) == "See LINK or ask ADDRESS (today)."
    assert text_of("Subject: A\n\nHello\n" + "_" * 47 + "\nRazor-users mailing list\n") == "Hello"
    assert text_of("Subject: A\n\na - b\n--\nlist") == "a - b"
    assert text_of("Subject: A\n\nworld\\ufffds largest") == "world\ufffds largest"


def test_html_is_shown_as_text_where_there_is_no_other() -> None:
    assert text_of(HTML) == "Café & more !"
    assert text_of("Subject: A\nContent-Type: image/png\n\nabc") == ""
    assert text_of("Subject: A\nContent-Type: text/plain; charset=nonesuch\n\nabc") == "abc"


def test_addresses_of_a_long_line_take_no_time() -> None:
    assert text_of("Subject: A\n\n" + "x" * 300_000) == "x" * 300_000


def written(folder: Path, mails: list[tuple[str, str, str]]) -> Path:
    rows = [{"name": name, "text": f"Subject: {subject}\n\n{text}"} for name, subject, text in mails]
    (folder / "mails.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_folders_are_parts_and_what_training_has_seen_is_no_test(tmp_path: Path) -> None:
    mails = [
        ("easy-ham-1/1.txt", "Lamps", "Which lamp fits the hall?"),
        ("easy-ham-2/1.txt", "Re: Lamps", "The green one does."),  # the thread goes on
        ("easy-ham-2/2.txt", "Tea", "Is there tea in the kitchen?"),
        ("spam-1/1.txt", "Rates", "Refinance your house today, lowest rates of the year, call now"),
        ("spam-2/1.txt", "Houses", "Refinance your house today, lowest rates of the year, call us now"),
        ("hard-ham-1/1.txt", "News", "The newsletter that you asked for: roses in June."),
        ("spam-2/2.txt", "Empty", "-- \nfoot"),
    ]
    rows = list(read(written(tmp_path, mails)))
    parts = {row["name"]: row["part"] for row in rows}
    assert parts["easy-ham-1/1.txt"] == parts["spam-1/1.txt"] == "train"
    assert parts["easy-ham-2/1.txt"] == parts["spam-2/1.txt"] == ""
    assert (parts["easy-ham-2/2.txt"], parts["hard-ham-1/1.txt"]) == ("test", "shift:hard")
    found = dict(zip(parts, Spam().examples(rows), strict=True))
    assert found["easy-ham-1/1.txt"].input == "Lamps\n\nWhich lamp fits the hall?"
    assert [name for name, example in found.items() if example is None] == [
        "easy-ham-2/1.txt",
        "spam-2/1.txt",
        "spam-2/2.txt",
    ]
    assert (found["spam-1/1.txt"].label, found["hard-ham-1/1.txt"].label) == (1, 0)


def test_a_part_of_the_late_spam_stands_against_the_hard_mails(tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(4000)]
    mails = [(f"spam-2/{i}.txt", f"s{i // 2}", " ".join(words[5 * i : 5 * i + 5])) for i in range(800)]
    rows = list(read(written(tmp_path, mails)))
    sides: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sides[row["subject"]].add(row["part"])
    assert {len(parts) for parts in sides.values()} == {1}
    assert Counter(row["part"] for row in rows)["shift:hard"] / 800 == pytest.approx(HARD_SPAM, abs=0.06)


def test_an_unknown_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mail 'soft-ham/1\.txt' is in none of the folders easy-ham-1"):
        read(written(tmp_path, [("soft-ham/1.txt", "A", "b")]))


@pytest.mark.assets
def test_real_mails() -> None:
    task = Spam()
    if problem := task.problem():
        pytest.skip(problem)
    rows = list(task.examples())
    kept = {row.input: row for row in rows if row is not None}
    assert (len(rows), sum(row is None for row in rows), len(kept)) == (6_046, 426, task.size)
    assert Counter((row.part, row.label) for row in kept.values()) == {
        ("train", 0): 2_463,
        ("train", 1): 459,
        ("test", 0): 1_301,
        ("test", 1): 744,
        ("shift:hard", 0): 231,
        ("shift:hard", 1): 268,
    }
    splits = make_splits(Data(task=task.resolve(), n_weak=250, n_transfer=500, n_val=100, n_test=1000))
    assert np.bincount(splits.part("shift:hard").labels).tolist() == [231, 231]
    held = [set(splits.part(*names).groups) for names in (("weak", "transfer"), ("test", "val"), ("shift:hard",))]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]
    told = [
        sum(sign in row.input.casefold() for row in kept.values())
        for sign in ("listinfo", "@spamassassin", "received: from")
    ]
    assert max(told) < 20
