"""A server that speaks chat completions and misbehaves on demand, by the name of the model; run as a process of its own.

    python endpoint_server.py LOG        prints its port, writes each request as a line of JSON to LOG

Models, several joined by "+": `words` answers "Yes." to a text with "warm" in it, else "No."; `logprobs` says how sure it is;
`refuses` gives 400 to whoever asks for token probabilities; `busy` gives 429 to every question's first try; `down` gives 500;
`breaks` gives 500 from the 21st question on; `slow` takes 0.15 s; `garbage` and `some-garbage` name no class; `locked` wants
the key "open-sesame" and repeats a wrong one; `empty` has no choices; `sampled` gives the k-th of n answers by turns.
"""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SURE = 0.8
SEEN: set[str] = set()
COUNT = iter(range(10**9))
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text, modes = body["messages"][-1]["content"], set(body["model"].split("+"))
        with LOCK:
            first, number = text not in SEEN, next(COUNT)
            SEEN.add(text)
            with Path(sys.argv[1]).open("a", encoding="utf-8") as log:
                log.write(json.dumps({"path": self.path, "body": body, "headers": dict(self.headers)}) + "\n")
        if "slow" in modes:
            time.sleep(0.15)
        key = self.headers.get("Authorization", "")
        if "locked" in modes and key != "Bearer open-sesame":
            self.send(401, {"error": {"message": f"Incorrect API key provided: {key}"}})
        elif "refuses" in modes and "logprobs" in body:
            self.send(400, {"error": {"message": "logprobs are not supported"}})
        elif "busy" in modes and first:
            self.send(429, {"error": {"message": "too many requests"}}, {"Retry-After": "0.05"})
        elif "down" in modes or ("breaks" in modes and number >= 20):
            self.send(500, {"error": {"message": "out of order"}}, {"Retry-After": "0.05"})
        else:
            self.send(200, completion(text, modes, body))

    def send(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def completion(text: str, modes: set[str], body: dict[str, Any]) -> dict[str, Any]:
    warm = "warm" in text
    odd = "garbage" in modes or ("some-garbage" in modes and "cold" in text)
    answers = ["I would rather talk about something else." if odd else "Yes." if warm else "No."]
    if "sampled" in modes:
        answers = ["Yes." if i % 4 else "No." for i in range(body["n"])]
    choices = [
        {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
        for i, answer in enumerate(answers)
    ]
    if "logprobs" in modes and body.get("logprobs"):
        for choice, answer in zip(choices, answers, strict=True):
            choice["logprobs"] = {"content": told(answer)}
    used = {"prompt_tokens": len(text.split()), "completion_tokens": 2, "total_tokens": len(text.split()) + 2}
    head = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "usage": used}
    return {**head, "choices": [] if "empty" in modes else choices}


def told(answer: str) -> list[dict[str, Any]]:
    """Two tokens: a space, then the answer's first word with probability .8 * .9, the other word .2 * .9, and noise."""
    word = answer.partition(" ")[0].rstrip(".")
    other = "No" if word == "Yes" else "Yes"
    shares = {f" {word}": 0.6 * 0.9, word.lower(): (SURE - 0.6) * 0.9, other: (1 - SURE) * 0.9, "Well": 0.1}
    top = [{"token": token, "logprob": math.log(share), "bytes": None} for token, share in shares.items()]
    space = {"token": "\n", "logprob": 0.0, "bytes": None, "top_logprobs": []}
    return [space, {**top[0], "top_logprobs": top}]


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
