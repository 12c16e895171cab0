import os
import signal
import sys
import threading
from pathlib import Path

from inpaintlab.evaluation.processes import run_all


def python(code):
    return [sys.executable, "-c", code]


def test_commands_run_in_order_and_one_that_breaks_leaves_the_others(tmp_path):
    codes = {}
    commands = [python(f"import sys; print({number}); sys.exit({number})") for number in range(3)]
    commands.append(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    logs = [tmp_path / "logs" / f"{number}.log" for number in range(4)]
    assert not run_all(commands, logs, [{}], codes.__setitem__)
    assert codes == {0: 0, 1: 1, 2: 2, 3: -9}
    assert [log.read_text() for log in logs] == ["0\n", "1\n", "2\n", ""]


def test_every_place_has_its_environment(tmp_path):
    commands = [python("import os; print(os.environ['PLACE'])")] * 2
    logs = [tmp_path / "0.log", tmp_path / "1.log"]
    run_all(commands, logs, [{"PLACE": "a"}, {"PLACE": "b"}], lambda *_: None)
    assert [log.read_text() for log in logs] == ["a\n", "b\n"]


def test_ctrl_c_asks_all_to_stop_and_waits_for_them(tmp_path):
    """They are asked through `stop_with_parent`, end in their own way, and what waits is not begun."""
    code = (
        "import sys, threading; from inpaintlab.evaluation.worker import stop_with_parent\n"
        "stop_with_parent(); print('ready', flush=True)\n"
        "try: threading.Event().wait()\n"
        "except KeyboardInterrupt: print('saved'); sys.exit(130)"
    )
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    codes = {}

    def interrupt():
        while not all(log.exists() and log.read_text() for log in logs[:2]):
            threading.Event().wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    assert run_all([python(code)] * 3, logs, [{}, {}], codes.__setitem__)
    assert codes == {0: 130, 1: 130}
    assert [log.read_text() for log in logs[:2]] == ["ready\nsaved\n"] * 2
    assert not Path(logs[2]).exists()
