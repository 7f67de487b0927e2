"""Warm worker processes under Python's own supervision, for when there is no omni server to keep them.

A `Supervisor` runs jobs: each on a worker of its own while it runs, async tools too, so that whatever a tool
does costs its own call and nobody else's. The workers are those of the server and speak the same wire; the
clocks and the ways to end a call are the same as well. What only the server can do is hold on to processes
that left their session and emptied their environment: those outlive their call here, and when this process is
killed, so do all that left their session.
"""

from omni.supervise.drive import Job
from omni.supervise.pool import Busy, Closed, Supervisor
from omni.supervise.process import Config

__all__ = ["Busy", "Closed", "Config", "Job", "Supervisor"]
