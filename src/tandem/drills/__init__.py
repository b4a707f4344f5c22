"""Drills: faults done on purpose to a running environment, and the proof that the promises held.

- fault: something that fails, with a beginning, an end, and a look whether it took effect
- strike: one fault at one moment; *aimed* when it waits for a critical window of some job
- evidence: what the payloads themselves wrote down on the file systems, outside of Tandem's records
- run: one start of a task's payload, as the evidence shows it
- load: the jobs of a drill
- storm: many strikes while many jobs run

A drill talks to Tandem from outside only: through its API, as the administrator.
"""
