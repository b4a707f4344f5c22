#!/bin/bash
# A machine of its own for a test: a root in memory, no network but loopback, AWS and systemd stood in for.
#
#   machine.sh STANDIN REPOSITORY PYTHON PROGRAM...
#
# Run in new mount, process and network namespaces. PROGRAM is what it goes on as.
set -eu
standin=$1 repository=$2 python=$3
shift 3
root=$standin/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 none "$root"
cd "$root"
mkdir -p usr dev proc sys run/lock tmp root home opt/real opt/src standin efs fsx_cluster1 var/lib var/log var/tmp old
chmod 1777 tmp var/tmp
for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
cp -a /etc etc
for place in usr dev sys; do mount --rbind "/$place" "$place"; done
mount -t proc proc proc
mount --bind "$python" opt/real
mount --bind "$repository/src" opt/src
mount --bind "$standin" standin
mount -t tmpfs none efs
mount -t tmpfs none fsx_cluster1
mount -t tmpfs -o mode=755 none usr/local/bin
for program in aws systemctl dnf cfn-signal; do
  install -m 755 "$repository/tests/aws/runtime/standins/$program" "usr/local/bin/$program"
done
ip link set lo up
ip address add 169.254.169.254/32 dev lo
pivot_root . old
cd /
umount -l /old
exec "$@"
