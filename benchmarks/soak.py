"""Fills many images through a server and looks at its memory: it must not grow.

The memory is that of the server and its workers together, without what they share. It is compared after
a tenth of the fills, when everything has been used once, and after all of them.

Usage: python benchmarks/soak.py RUN [FILLS]      2,000 fills by default
"""

import asyncio
import sys

import httpx2
from serve import fill_all, make_pairs
from server import running

#: So many requests are under way at a time.
CLIENTS = 8
#: More growth than this share is a leak.
LIMIT = 0.05


def main(run: str, fills: int = 2000) -> None:
    pairs = make_pairs(20)
    with running(run, "--workers", "2") as server:
        asyncio.run(fill_all(server.url, pairs, fills // 10, CLIENTS))
        before = server.megabytes()
        seconds = asyncio.run(fill_all(server.url, pairs, fills - fills // 10, CLIENTS))
        after = server.megabytes()
        figures = httpx2.get(f"{server.url}/metrics").text
    assert f'inpaintlab_fills_total{{outcome="done"}} {float(fills)}' in figures
    growth = after / before - 1
    print(f"{fills:,} fills, {len(seconds) / sum(seconds) * CLIENTS:.1f} a second at the end")
    print(f"memory: {before:.0f} MB, then {after:.0f} MB: {growth:+.1%} (limit {LIMIT:+.0%})")
    assert growth <= LIMIT, "memory grows"


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:]))
