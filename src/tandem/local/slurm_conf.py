"""Slurm's configuration for one cluster, and slurmdbd's for one zone."""

from tandem.environment import Environment
from tandem.local.layout import (
    ACCOUNTING_PORT,
    CORE_ADDRESS,
    DATABASE_PORT,
    HeadHost,
    ZoneLayout,
)

# Why these: sched_min_interval and batch_sched_delay let many submissions in a row wait for one round of scheduling;
# defer_batch and max_rpc_cnt keep sbatch quick meanwhile.
_SLURM = """\
ClusterName={cluster}
SlurmctldHost={head}({address})
SlurmctldPort={port}
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
# A start that failed is tried again when its credential has expired; the default is two minutes.
AuthInfo=cred_expire=20
CredType=cred/munge
StateSaveLocation=/var/lib/slurm/{cluster}
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurm/slurmctld-{cluster}.pid
SlurmdPidFile=/run/slurm/slurmd-%n.pid
# The nodes are larger on paper than this machine is.
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# Without it each job takes a node's whole memory.
DefMemPerCPU=512
JobAcctGatherType=jobacct_gather/linux
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=1,bf_interval=5,max_rpc_cnt=64,defer_batch
ReturnToService=2
MessageTimeout=10
SlurmctldTimeout=30
SlurmdTimeout=30
KillWait=5
MinJobAge=300
# What no node of the queue can ever run is refused at once, in Slurm's words, instead of waiting for ever.
EnforcePartLimits=ALL
MaxJobCount=100000
MaxArraySize=50001
PropagateResourceLimits=NONE
# Nodes that are powered down are shown too.
PrivateData=cloud
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={accounting_address}
AccountingStoragePort={accounting_port}
AccountingStoreFlags=job_comment,job_script,job_env
# Elastic nodes, as in ParallelCluster.
ResumeProgram=/etc/slurm/resume
SuspendProgram=/etc/slurm/suspend
ResumeFailProgram=/etc/slurm/suspend
ResumeTimeout={resume_timeout}
SuspendTimeout=5
SuspendTime={suspend_time}
SuspendExcNodes={fixed_nodes}
SlurmctldParameters=idle_on_node_suspend,power_save_interval=2,power_save_min_interval=0,cloud_dns
TreeWidth=65533
"""

_SLURMDBD = """\
AuthType=auth/munge
DbdHost={hostname}
DbdAddr={address}
DbdPort={port}
SlurmUser=slurm
PidFile=/run/slurm/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost={database_host}
StoragePort={database_port}
StorageLoc={database}
StorageUser={database}
StoragePass={password}
"""


def slurm_conf(zone: ZoneLayout, head: HeadHost, environment: Environment) -> str:
    """`slurm.conf` of the cluster that `head` is the head node of."""
    fixed = ",".join(node.name for node in head.nodes if not node.elastic)
    text = _SLURM.format(
        cluster=head.cluster.name,
        head=head.name,
        address=head.address,
        port=head.controller_port,
        accounting_address=zone.address,
        accounting_port=ACCOUNTING_PORT,
        resume_timeout=environment.local.boot_delay + 30,
        suspend_time=environment.local.idle_time,
        fixed_nodes=fixed,
    )
    if not fixed:
        text = text.replace("SuspendExcNodes=\n", "")
    lines = [
        f"NodeName={node.name} NodeHostname={node.name} NodeAddr={node.address} "
        f"CPUs={node.cpus} RealMemory={node.memory} State={'CLOUD' if node.elastic else 'UNKNOWN'}"
        for node in head.nodes
    ]
    for queue in head.cluster.queues:
        nodes = ",".join(node.name for node in head.nodes if node.queue == queue.name)
        default = "YES" if queue is head.cluster.default_queue else "NO"
        minutes = -(-queue.time_limit // 60)
        lines.append(f"PartitionName={queue.name} Nodes={nodes} Default={default} MaxTime={minutes} State=UP")
    return text + "\n".join(lines) + "\n"


def slurmdbd_conf(zone: ZoneLayout, password: str) -> str:
    """`slurmdbd.conf` of the zone; holds the database's password."""
    return _SLURMDBD.format(
        hostname=f"accounting-{zone.name}",
        address=zone.address,
        port=ACCOUNTING_PORT,
        database_host=CORE_ADDRESS,
        database_port=DATABASE_PORT,
        database=zone.accounting_database,
        password=password,
    )
