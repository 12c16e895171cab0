"""What worker processes of the tests do. Free of torch, so that they start at once."""

import os
import signal

from inpaintlab.serving.jobs import Reply, receive_job, send_json, send_reply


def obey(pipe):
    """Do what the image says: `die`, `hang`, or come back with the process's number as notes."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    send_json(pipe, {"name": "obedient", "sha256": "0" * 64, "pid": os.getpid()})
    while True:
        try:
            job = receive_job(pipe)
        except EOFError:
            return
        if job.image == b"die":
            os._exit(3)
        if job.image == b"hang":
            signal.pause()
        send_reply(pipe, Reply(data=job.image, notes=(str(os.getpid()),)))


def fail(pipe):
    """Cannot load its model."""
    send_json(pipe, {"error": "there is no run folder here"})


def vanish(pipe):
    """Dies while it loads its model."""
    os._exit(1)
