"""What each refusal means, with a bad example and its mended form: ./dev gen --explain ID."""

import tomllib
from pathlib import Path

LINTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def text(lint):
    """The explanation to print, or None when no lint is called that."""
    if lint not in LINTS:
        return None
    lines = [f"{lint}: {LINTS[lint]['means']}"]
    for title in ("refused", "mended"):
        lines += ["", f"  {title}:", *(f"    {line}" for line in LINTS[lint][title].split("\n"))]
    return "\n".join(lines)
