"""Write docs/demo.svg, the figure of the README, from the report of `make demo`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SPACE = 'xmlns="http://www.w3.org/2000/svg"'


def main() -> None:
    """Take the first plot of the report with the report's own style."""
    page = (ROOT / "out/demo/report.html").read_text(encoding="utf-8")
    plot = max(re.findall(r"<svg.*?</svg>", page, re.DOTALL)[:6], key=len)
    style = (ROOT / "src/surpass/report/report.css").read_text(encoding="utf-8")
    text = plot.replace("<svg", f"<svg {SPACE}", 1).replace(">", f"><style>{style}</style>", 1)
    (ROOT / "docs/demo.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
