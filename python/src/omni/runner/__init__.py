"""Role A, external: runs the tools of a folder of skills for whoever asks over HTTP: `python -m omni.runner`.

The contract is `docs/reference/runner.md`. Every call has a worker process of its own while it runs, so a
tool that hangs, crashes or is killed costs one call and never the runner: see `omni.supervise`.
"""
