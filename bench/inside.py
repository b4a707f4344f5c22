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
