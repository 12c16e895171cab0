"""Stopping when the process that has started this one asks for it, or is gone. Free of torch."""

import os
import signal
import threading


def stop_with_parent() -> None:
    """Stop this process, as Ctrl-C does, once its stdin is closed."""

    def wait() -> None:
        # Not through sys.stdin, which a waiting thread would hold when the interpreter ends.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()
