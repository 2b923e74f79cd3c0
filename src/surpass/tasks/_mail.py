"""What a person reads of a raw mail: its subject and its text, without headers, marks of mailing lists and quotations."""

from __future__ import annotations

import contextlib
import email
import re
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from html.parser import HTMLParser

_LIST = r"(\s*(re|fwd?|aw)(\[\d+\])?:|\s*\[[\w .-]+\])+"
_FOOT = re.compile(r"^(-- ?|_{20,}|-{20,})\s*$.*", flags=re.MULTILINE | re.DOTALL)
_ADDRESSES = ((re.compile(r"(https?:|www\.)[^\s>\")]+"), "LINK"), (re.compile(r"\b[\w.+-]{1,64}@[\w.-]+"), "ADDRESS"))
_QUOTED = re.compile(r"^(\s*\w{0,3}[>|].*|.*\b(wrote|writes|said):\s*|(URL|Date): .*)$", flags=re.MULTILINE)


def subject_of(raw: str) -> str:
    r"""Return the subject of a mail without "Re:" and the names of lists in brackets.

    >>> subject_of("Subject: Re: [ILUG] Kernel  2.4\n\nText")
    'Kernel 2.4'
    """
    found = str(email.message_from_string(raw).get("Subject", ""))
    with contextlib.suppress(MessageError, LookupError, ValueError):  # an encoding that nobody knows stays as it is
        found = str(make_header(decode_header(found)))
    return " ".join(re.sub(rf"^{_LIST}", "", found, flags=re.IGNORECASE).split())


def text_of(raw: str) -> str:
    r"""Return the plain text of a mail, or that of its HTML, without quotations and what follows a line of dashes.

    Lines that say who wrote what is quoted go too, and the URL and Date that a news feed puts first. Addresses on the web and
    of mail become LINK and ADDRESS: those of lists, and of the people who collected the mails, would tell where a mail was
    found.

    >>> text_of("Subject: A\n\nAnn wrote:\n> Where?\nHere.\n-- \nThe list of lists")
    'Here.'
    """
    parts: dict[str, list[str]] = {"plain": [], "html": []}
    for part in email.message_from_string(raw).walk():
        if part.get_content_maintype() == "text" and part.get_content_subtype() in parts:
            parts[part.get_content_subtype()].append(_decoded(part))
    text = "\n".join(parts["plain"])
    if not text.strip():
        text = _shown("\n".join(parts["html"]))
    text = _FOOT.sub("", _QUOTED.sub("", text.replace("\\ufffd", "\ufffd")))  # spelled out in the package
    for pattern, word in _ADDRESSES:
        text = pattern.sub(word, text)
    return " ".join(text.split())


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "latin-1", "replace")
    except LookupError:  # a charset that nobody knows
        return content.decode("latin-1")


def _shown(html: str) -> str:
    parser = _Shown()
    parser.feed(html)
    parser.close()
    return " ".join(parser.texts)


class _Shown(HTMLParser):
    """Collects the text of a page, without scripts and styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the start of a script or a style."""
        self.hidden = tag if tag in ("script", "style") else self.hidden

    def handle_endtag(self, tag: str) -> None:
        """Note the end of what is not shown."""
        self.hidden = "" if tag == self.hidden else self.hidden

    def handle_data(self, data: str) -> None:
        """Keep a text that is shown."""
        if not self.hidden:
            self.texts.append(data)
