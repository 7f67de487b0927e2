"""The small reference of the runner contract: `python -m omni.runner --skills DIR --unix PATH | --port N`.

One process, a thread for each call, standard library only: what another language has to write, in its
shortest form. It keeps no time limit, ends no tool, survives no crash of one, and sees a changed skill only
when it is started again; `omni runner` does all that. The contract is `docs/reference/runner.md`, and both
are held to `conformance/runner-cases.jsonl`.
"""
