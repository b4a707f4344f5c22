"""One drill on a running environment: some jobs, one fault, and the judgement."""

import random
from concurrent.futures import ThreadPoolExecutor

from tandem.drills.faults import Fault
from tandem.drills.load import Wanted
from tandem.drills.portal import Portal
from tandem.drills.strike import Say, strike, watching
from tandem.drills.trial import Outcome, Trial
from tandem.environment import Environment

JOBS_BEFORE, JOBS_MEANWHILE = 12, 6
SETTLED_WITHIN = 600.0


def draw(fault: Fault, rng: random.Random) -> list[Wanted]:
    """Jobs that the fault has something to do with: waiting, running, restartable, in the cluster concerned and not."""
    cluster = fault.zone.heads[0].cluster.name
    jobs = [
        Wanted("single", seconds=1.0),
        Wanted("single", cluster, seconds=20.0),
        Wanted("restartable", restartable=True, seconds=20.0),
        Wanted("array", array="0-3", tasks=(0, 1, 2, 3), seconds=4.0),
        Wanted("restartable", restartable=True, seconds=40.0),
        Wanted("single", seconds=8.0),
    ]
    if fault.elastic:
        jobs = [Wanted("elastic", elastic=True, seconds=2.0) for _ in jobs]
    wanted = [jobs[number % len(jobs)] for number in range(JOBS_BEFORE + JOBS_MEANWHILE)]
    rng.shuffle(wanted)
    return wanted


def run_drill(fault: Fault, environment: Environment, say: Say) -> Outcome:
    """Submit, strike, submit more meanwhile, mend, wait for all, judge. Ends the fault whatever happens."""
    hold = fault.lasts[2] if fault.lasts else 0.0
    with Portal(environment) as portal, watching(portal, say) as watch:
        trial = Trial(environment, portal, draw(fault, random.Random(fault.name)), say)
        load = trial.load
        if not fault.elastic:
            load.burst(JOBS_BEFORE)
            say(f"{JOBS_BEFORE} jobs are submitted")

        count = len(load.waiting)
        # On a thread: the portal may be able to take them only when the fault is over.
        with ThreadPoolExecutor() as pool:
            meanwhile = pool.submit(load.burst, count)
            struck = strike(fault, hold, watch, say, stopping=lambda: False)
            meanwhile.result()
        say(f"{count} more jobs were submitted meanwhile")
        trial.wait(SETTLED_WITHIN)
        return trial.judge([struck])
