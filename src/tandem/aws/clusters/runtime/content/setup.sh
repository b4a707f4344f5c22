#!/bin/bash
# Sets a node of a cluster up: who is known on it, who may enter it, and that none of them is root. May be run again.
#
#   setup.sh ENVIRONMENT CLUSTER HeadNode|ComputeFleet REGION SCRATCH
#
# The only way in is the head node's sshd, with a certificate of the environment's authority; for whoever looks after
# the machines it is Session Manager.
set -eu
umask 022
environment=$1 cluster=$2 kind=$3 region=$4 scratch=$5
here=$(cd "$(dirname "$0")" && pwd)
export AWS_DEFAULT_REGION=$region AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=8

say() { echo "tandem: $*" >&2; }

write_settings() {
  mkdir -p /etc/tandem
  cat >/etc/tandem/cluster.json.new <<END
{"environment": "$environment", "cluster": "$cluster", "head": $head, "scratch": "$scratch", "shared": "/efs"}
END
  mv /etc/tandem/cluster.json.new /etc/tandem/cluster.json
}

# What the watcher's certificate is bound to, at the one path that all clusters have it at.
install_payload() {
  mkdir -p /opt/tandem/app/tandem/payload
  install -m 755 "$here/payload/watch.sh" /opt/tandem/app/tandem/payload/watch.sh
}

# The image lets its own user become root without a password. Nobody who can be signed for may: the rule goes, and a
# last word, which is what counts with sudo, says no to the whole group of them.
take_sudo_away() {
  for file in /etc/sudoers /etc/sudoers.d/*; do
    [ ! -f "$file" ] || sed -i -E '/^[[:space:]]*ec2-user[[:space:]]+.*=/d' "$file"
  done
  echo '%tandem-people ALL=(ALL:ALL) !ALL' >/etc/sudoers.d/zz-tandem
  chmod 440 /etc/sudoers.d/zz-tandem
  visudo -cq
}

follow_people() {
  cat >/etc/systemd/system/tandem-people.service <<END
[Unit]
Description=People of the environment, as its portal publishes them
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
Environment=AWS_DEFAULT_REGION=$region
ExecStart=/usr/bin/python3 /opt/tandem/content/people.py
TimeoutStartSec=120
END
  cat >/etc/systemd/system/tandem-people.timer <<END
[Unit]
Description=Looks for changes of the people of the environment

[Timer]
OnBootSec=10
OnUnitInactiveSec=$period
AccuracySec=1

[Install]
WantedBy=timers.target
END
  systemctl daemon-reload
  systemctl enable --now tandem-people.timer
}

open_the_door() {
  [ -s /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
  {
    echo 'HostKey /etc/ssh/ssh_host_ed25519_key'
    echo 'UsePAM yes'
    echo 'LogLevel VERBOSE'
    cat "$here/payload/sshd_config"
  } >/etc/ssh/tandem_sshd_config.new
  mkdir -p /run/sshd
  sshd -t -f /etc/ssh/tandem_sshd_config.new
  mv /etc/ssh/tandem_sshd_config.new /etc/ssh/tandem_sshd_config
  # A file of its own, because ParallelCluster and EC2 Instance Connect change the usual one; and the last of the
  # drop-ins, because the latter's brings a command that finds keys.
  mkdir -p /etc/systemd/system/sshd.service.d
  cat >/etc/systemd/system/sshd.service.d/zz-tandem.conf <<'END'
[Service]
ExecStart=
ExecStart=/usr/sbin/sshd -D -f /etc/ssh/tandem_sshd_config
END
  systemctl daemon-reload
  systemctl enable sshd.service
  systemctl restart sshd.service
}

publish_host_key() {
  parameter=/tandem/$environment/clusters/$cluster/host-key
  key=$(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)
  timeout 120 aws ssm put-parameter --name "$parameter" --value "$key" --type String --overwrite >/dev/null
}

# Jobs come to compute nodes through Slurm, and nobody else has anything to do there.
close_the_door() {
  systemctl mask --now sshd.service sshd.socket
}

case $kind in
  HeadNode) head=true period=15 ;;
  *) head=false period=60 ;;
esac
write_settings
install_payload
getent group tandem-people >/dev/null || groupadd --gid 714 tandem-people
take_sudo_away
if $head; then
  mountpoint -q /efs || { say '/efs is not mounted'; exit 1; }
  open_the_door
else
  close_the_door
fi
# Whoever is not known here when a job of theirs arrives would be nobody: so at once, and again and again.
python3 "$here/people.py"
follow_people
if $head; then publish_host_key; fi
say "$kind is set up"
