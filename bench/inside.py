"""What runs inside the zones, handed over as text: Debian's Python, nothing else."""

# For each line that it reads: runs one `sbatch` process and prints its seconds.
SBATCH_WHEN_TOLD = """
import subprocess, sys, time
for _ in sys.stdin:
    begin = time.perf_counter()
    subprocess.run(["sbatch", "--begin=now+1hour", "--output=/dev/null", "--wrap=true"],
                   check=True, stdout=subprocess.DEVNULL, close_fds=False)
    print(time.perf_counter() - begin, flush=True)
"""

# Arguments: how many, how many at a time. Prints the seconds of all of them together.
SBATCH_PARALLEL = """
import json, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
def submit(_):
    subprocess.run(["sbatch", "--begin=now+1hour", "--output=/dev/null", "--wrap=true"],
                   check=True, stdout=subprocess.DEVNULL, close_fds=False)
with ThreadPoolExecutor(int(sys.argv[2])) as several:
    begin = time.perf_counter()
    list(several.map(submit, range(int(sys.argv[1]))))
    print(json.dumps(time.perf_counter() - begin))
"""

# Ends all jobs of the person and waits until Slurm has none.
CLEAR = """
import getpass, json, subprocess, time
me = getpass.getuser()
while subprocess.run(["squeue", "-h", "-u", me], check=True, capture_output=True).stdout:
    subprocess.run(["scancel", "-u", me], check=True)
    time.sleep(0.5)
print(json.dumps(None))
"""

# Arguments: how many. Prints the seconds of each listing of everything.
SQUEUE = """
import json, subprocess, sys, time
times = []
for _ in range(int(sys.argv[1])):
    begin = time.perf_counter()
    subprocess.run(["squeue", "-h", "-a", "-t", "all", "-o", "%i|%u|%j|%T|%r|%P|%N|%V|%S|%k|%w"],
                   check=True, stdout=subprocess.DEVNULL, close_fds=False)
    times.append(time.perf_counter() - begin)
print(json.dumps(times))
"""

# Arguments: cluster, how many. Prints the seconds of each poll: all jobs, queues and nodes, through the door.
POLL = """
import json, sys, time
import django
django.setup()
from tandem.clusters.scheduler import get_scheduler
scheduler = get_scheduler(sys.argv[1])
scheduler.picture()
times = []
for _ in range(int(sys.argv[2])):
    begin = time.perf_counter()
    scheduler.picture()
    times.append(time.perf_counter() - begin)
print(json.dumps(times))
"""

# Arguments: a folder in the home directory, how many files. Makes them where they are missing.
CROWD = """
import json, pathlib, sys
folder = pathlib.Path.home() / sys.argv[1]
folder.mkdir(exist_ok=True)
for number in range(len(list(folder.iterdir())), int(sys.argv[2])):
    (folder / f"result-{number:06}.dat").touch()
print(json.dumps(None))
"""

# Arguments: a folder in the home directory, how many times. Prints the seconds of each listing.
LS = """
import json, os, subprocess, sys, time
times = []
for _ in range(int(sys.argv[2])):
    begin = time.perf_counter()
    subprocess.run(["ls", os.path.expanduser("~/" + sys.argv[1])],
                   check=True, stdout=subprocess.DEVNULL, close_fds=False)
    times.append(time.perf_counter() - begin)
print(json.dumps(times))
"""

# Arguments: how many, whose. Stores so many jobs that are over, as a year or two of work leaves them.
FILL = """
import json, sys
from datetime import timedelta
import django
django.setup()
from django.utils import timezone
from tandem.accounts.models import Person
from tandem.jobs.models import Job, Spooler
wanted, owner = int(sys.argv[1]), Person.objects.get(username=sys.argv[2])
now = timezone.now()
states = ["COMPLETED"] * 8 + ["FAILED", "CANCELLED"]
payload = "#!/bin/bash\\n" + "# What people's scripts are long of.\\n" * 40
for start in range(Job.objects.count(), wanted, 1000):
    numbers = range(start, min(start + 1000, wanted))
    spoolers = [Spooler(owner=owner, name=f"case {number}", expires_at=now + timedelta(days=7)) for number in numbers]
    Spooler.objects.bulk_create(spoolers)
    Job.objects.bulk_create(
        Job(owner=owner, spooler=spooler, name=spooler.name, project=f"project {number % 40}",
            application="job-submission", submission={"executable": "/bin/true"}, payload=payload,
            state=states[number % 10], state_since=now, started_at=now, ended_at=now, sealed_at=now,
            cluster=f"cluster{number % 2 + 1}", queue=["", "long"][number % 2], place_wanted=None)
        for number, spooler in zip(numbers, spoolers))
print(json.dumps(Job.objects.count()))
"""

# Arguments: how many times, a command. Prints the seconds of each run of it.
COMMAND = """
import json, subprocess, sys, time
times = []
for _ in range(int(sys.argv[1])):
    begin = time.perf_counter()
    subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL, close_fds=False)
    times.append(time.perf_counter() - begin)
print(json.dumps(times))
"""
