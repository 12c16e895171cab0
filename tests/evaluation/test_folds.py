import os
import signal
import sys
import threading
from inspect import getsource
from pathlib import Path
from types import SimpleNamespace

from inpaintlab.evaluation.folds import run_all, stop_with_parent


def process(code, log):
    return SimpleNamespace(command=[sys.executable, "-c", code], log=log)


def test_commands_run_in_order_and_one_that_breaks_leaves_the_others(tmp_path):
    codes = []
    logs = [tmp_path / "logs" / f"{number}.log" for number in range(4)]
    lines = [f"import sys; print({number}); sys.exit({number})" for number in range(3)]
    lines.append("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert not run_all(map(process, lines, logs), [{}], lambda _, code: codes.append(code))
    assert codes == [0, 1, 2, -9]
    assert [log.read_text() for log in logs] == ["0\n", "1\n", "2\n", ""]


def test_every_place_has_its_environment(tmp_path):
    logs = [tmp_path / "0.log", tmp_path / "1.log"]
    processes = [process("import os; print(os.environ['PLACE'])", log) for log in logs]
    run_all(processes, [{"PLACE": "a"}, {"PLACE": "b"}], lambda *_: None)
    assert [log.read_text() for log in logs] == ["a\n", "b\n"]


def test_ctrl_c_asks_all_to_stop_and_waits_for_them(tmp_path):
    """They are asked through `stop_with_parent`, end in their own way, and what waits is not begun."""
    code = (
        "import os, signal, sys, threading\n"
        f"{getsource(stop_with_parent)}\n"  # itself, without importing torch
        "stop_with_parent(); print('ready', flush=True)\n"
        "try: threading.Event().wait()\n"
        "except KeyboardInterrupt: print('saved'); sys.exit(130)"
    )
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    codes = []

    def interrupt():
        while not all(log.exists() and log.read_text() for log in logs[:2]):
            threading.Event().wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    processes = [process(code, log) for log in logs]
    assert run_all(processes, [{}, {}], lambda _, code: codes.append(code))
    assert codes == [130, 130]
    assert [log.read_text() for log in logs[:2]] == ["ready\nsaved\n"] * 2
    assert not Path(logs[2]).exists()
