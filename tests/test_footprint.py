"""What the commands write and whom they talk to: the folders they are given, our cache, and nobody.

The real commands run with a home of their own. A hook in every Python process notes what is opened for
writing and every socket; what native code writes is found in the home afterwards.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from tests.conftest import save_portraits
from tests.test_cli import files

#: Imported by Python itself when it starts, also in worker processes.
HOOK = """
import json, os, sys

_file = os.open(os.environ["FOOTPRINT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
_writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_paths = {"os.mkdir": [0], "os.rename": [0, 1], "os.link": [1], "os.symlink": [1], "os.remove": [0],
          "os.rmdir": [0], "os.truncate": [0], "sqlite3.connect": [0]}
_sockets = {"socket.connect": 1, "socket.bind": 1, "socket.sendto": 1,
            "socket.getaddrinfo": 0, "socket.gethostbyname": 0}


def _note(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and args[2] & _writing:
        places = [args[0]]
    elif event in _paths:
        places = [args[index] for index in _paths[event]]
    elif event in _sockets:
        address = args[_sockets[event]]
        host = address[0] if isinstance(address, tuple) else address
        os.write(_file, (json.dumps(["socket", str(host)]) + "\\n").encode())
        return
    else:
        return
    for place in places:
        if not isinstance(place, int):
            path = os.path.abspath(os.fsdecode(place))
            os.write(_file, (json.dumps(["file", path]) + "\\n").encode())


sys.addaudithook(_note)
"""
#: All in one process, which tells after each: importing is most of a command's time.
RUN_ALL = """
import json, os, sitecustomize, sys
from inpaintlab.cli import main

for words in json.loads(sys.argv[1]):
    sys.argv = ["inpaint", *words.split()]
    try:
        main()
    except SystemExit as end:
        assert end.code in (None, 0, 1), (words, end.code)
    os.write(sitecustomize._file, (json.dumps(["done", words]) + "\\n").encode())
"""
COMMAND = [sys.executable, "-c", "from inpaintlab.cli import main; main()"]
SMALL = "--size 32 --steps 2 --batch-size 4 -s network.width=8 -s validation_images=4"
#: In this order: each works on what those before it have written.
COMMANDS = (
    "prepare photos -o p.dataset --preview -s size=16",
    f"train photos {SMALL} -s cache=disk -s workers=1 -o run",
    "evaluate run --limit 2",
    "fill photo.png mask.png -o out.png --run run",
    "export run",
    "fill photo.png mask.png -o again.png --run run/model.onnx",
)


@pytest.fixture
def environment(tmp_path):
    """What a process sees of a machine on which nothing of ours has ever run."""
    places = {name: tmp_path / name for name in ("home", "cache", "hook", "work")}
    for folder in places.values():
        folder.mkdir()
    (places["hook"] / "sitecustomize.py").write_text(HOOK)
    ours = ("XDG_", "MPL", "ORT_", "TORCH")  # importing torch has set some in this process
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    python = os.pathsep.join([str(places["hook"]), *filter(None, sys.path)])
    # Short: workers open sockets there, whose paths have at most 107 bytes.
    with TemporaryDirectory(prefix="i-") as temporary:
        yield kept | {
            "HOME": str(places["home"]),
            "XDG_CACHE_HOME": str(places["cache"]),
            "TMPDIR": temporary,
            "PYTHONPATH": python,
            "PYTHONDONTWRITEBYTECODE": "1",
            "FOOTPRINT": str(tmp_path / "footprint.jsonl"),
        }


def noted(tmp_path):
    """Return what the hook has noted."""
    return [json.loads(line) for line in (tmp_path / "footprint.jsonl").read_text().splitlines()]


def seen(notes, tmp_path, environment):
    """Return what was written outside the known places, and the hosts that were spoken to."""
    known = [
        tmp_path / "work",
        Path(environment["TMPDIR"]),
        tmp_path / "cache" / "inpaintlab",
        Path("/dev"),
        Path("/proc"),
    ]
    written = {Path(place) for kind, place in notes if kind == "file"}
    assert written, "the hook has noted nothing"
    outside = {path for path in written if not any(path.is_relative_to(place) for place in known)}
    # Sockets with a name in the file system do not leave the machine.
    return outside - {tmp_path / "cache"}, {
        host for kind, host in notes if kind == "socket" and "/" not in host
    }


def left(tmp_path):
    """Return what lies in the home, and in the cache beside ours."""
    return [
        *(tmp_path / "home").rglob("*"),
        *set((tmp_path / "cache").iterdir()) - {tmp_path / "cache" / "inpaintlab"},
    ]


def test_nothing_is_written_elsewhere_and_nobody_is_spoken_to(environment, tmp_path):
    work = tmp_path / "work"
    save_portraits(work / "photos", 25)
    files(work)
    command = [sys.executable, "-c", RUN_ALL, json.dumps(COMMANDS)]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    notes = noted(tmp_path)
    ends = [place for place, (kind, _) in enumerate(notes) if kind == "done"]
    assert [notes[end][1] for end in ends] == list(COMMANDS)
    for words, begin, end in zip(COMMANDS, [0, *ends], [*ends[:-1], len(notes)], strict=False):
        assert (words, *seen(notes[begin:end], tmp_path, environment)) == (words, set(), set())
    assert left(tmp_path) == []


def test_the_server_listens_on_this_machine_alone(environment, tmp_path, trained_run):
    files(tmp_path / "work")
    words = [*COMMAND, "serve", str(trained_run), "--port", "0", "--workers", "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=tmp_path / "work", env=environment, text=True, **pipes) as process:
        try:
            url = re.findall(r"http://[\w.:]+", process.stdout.readline())[0]
            given = {
                name: (tmp_path / "work" / f"{of}.png").read_bytes()
                for name, of in (("image", "photo"), ("mask", "mask"))
            }
            assert httpx2.post(f"{url}/v1/fill", files=given, timeout=None).status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()
    assert seen(noted(tmp_path), tmp_path, environment) == (set(), {"127.0.0.1"})
    assert left(tmp_path) == []
