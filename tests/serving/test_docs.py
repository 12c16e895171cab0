"""The examples of docs/how-to/serve.md run word for word, but for the port."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np

from tests.serving.conftest import decoded, encoded
from tests.serving.test_server import started  # noqa: F401 - a fixture

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "serve.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), flags=re.S)


def test_examples_run(started, tmp_path, files, portrait, hole):  # noqa: F811
    _, url = started
    for name, (_, data) in files.items():
        (tmp_path / {"image": "photo.png", "mask": "mask.png"}[name]).write_bytes(data)
    alpha = np.dstack([portrait, np.uint8(255) * ~hole])
    (tmp_path / "transparent.png").write_bytes(encoded(alpha))
    (lines,) = blocks("sh")
    for line in lines.replace("http://127.0.0.1:8080", url).splitlines():
        subprocess.run([*shlex.split(line), "--fail", "--silent"], check=True, capture_output=True)
    assert (tmp_path / "filled.jpg").read_bytes().startswith(b"\xff\xd8")
    (tmp_path / "filled.png").rename("by-curl.png")
    for code in blocks("python"):
        exec(code.replace("http://127.0.0.1:8080", url), {})  # noqa: S102 - our own page
        filled = tmp_path / "filled.png"
        assert np.array_equal(decoded(filled.read_bytes())[~hole], portrait[~hole])
        filled.unlink()
