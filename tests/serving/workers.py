"""What worker processes of the tests do. Free of torch, so that they start at once."""

import os
import signal

from inpaintlab.serving.jobs import About, Reply, send


def obey(pipe):
    """Do what the image says: `die`, `hang`, or come back with the process's number as notes.

    Further variants are the image with a number before it.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    send(pipe, About("obedient", network="none", size=1, sha256="0" * 64, created=os.getpid()))
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        if job.image == b"die":
            os._exit(3)
        if job.image == b"hang":
            signal.pause()
        others = tuple(b"%d " % number + job.image for number in range(2, job.options.variants + 1))
        send(pipe, Reply(data=job.image, others=others, notes=(str(os.getpid()),)))


def fail(pipe):
    """Cannot load its model."""
    send(pipe, Reply(error="RunError", message="there is no run folder here"))


def vanish(pipe):
    """Dies while it loads its model."""
    os._exit(1)
