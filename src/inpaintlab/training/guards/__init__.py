"""Training guards: guards that see a run go wrong, find out why, take it back and go on.

`signals` are what they look at, `alarms` when they speak up, `causes` the experiments that say why,
`snapshots` what a run can go back to, `incidents` what is written down, and `callback` acts.
"""
