#!/bin/sh
# Started by conftest.py in mount and process namespaces of its own: a host with its own people, on which the real sshd
# runs with the very configuration that clusters get. Arguments: directory with keys, port, the package's payload.
set -e
keys=$1 port=$2 payload=$3

cp /etc/passwd /etc/group /etc/shadow "$keys"
add() { # name, uid, shell
	echo "$1:x:$2:$2::/home/$1:$3" >>"$keys/passwd"
	echo "$1:x:$2:" >>"$keys/group"
	echo "$1:*:19000:0:99999:7:::" >>"$keys/shadow"
}
add alice 2001 /bin/bash
add noisy 2002 /bin/bash
add execer 2003 /bin/bash
add tina 2004 /bin/tcsh
add full 2005 /bin/bash
add barred 2006 /usr/sbin/nologin
add unlisted 2007 /bin/bash
add greedy 2008 /bin/bash
add zed 2009 /bin/dash
add tandem-watch 990 /bin/sh
for file in passwd group shadow; do mount --bind "$keys/$file" /etc/$file; done

mount -t tmpfs -o mode=755 none /home
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=755 none /opt
mkdir -p /run/sshd /opt/tandem/app/tandem/payload /opt/slurm/bin
chmod 777 /opt/slurm/bin
mount --bind "$payload" /opt/tandem/app/tandem/payload
for name in alice noisy execer tina full barred unlisted greedy zed tandem-watch; do
	mkdir -m 700 /home/$name
	[ $name != full ] || mount -t tmpfs -o size=4k,mode=700 none /home/full
	chown $name:$name /home/$name
done
cat >/home/noisy/.bashrc <<'X'
echo "good morning"; echo "tandem door 41"; echo "and a complaint" >&2; printf '\n\nno line end'
X
echo 'exec tcsh' >/home/execer/.bashrc
echo 'echo tcsh says hello; alias exec echo no; set noclobber' >/home/tina/.cshrc
echo 'while read -r line; do :; done' >/home/greedy/.bashrc
echo 'full' >/home/full/fill
head -c 100000 /dev/zero >>/home/full/fill || true

mount -t tmpfs -o mode=755 none /etc/ssh
mkdir /etc/ssh/tandem_principals
cp "$keys/authority.pub" /etc/ssh/tandem_authority.pub
for name in alice noisy execer tina full barred greedy zed tandem-watch; do
	echo "$name@testing" >/etc/ssh/tandem_principals/$name
done
cp "$keys/host_key" /etc/ssh/host_key
chmod 600 /etc/ssh/host_key
{
	echo "ListenAddress 127.0.0.1:$port"
	echo "HostKey /etc/ssh/host_key"
	echo "PidFile none"
	echo "UsePAM no"
	cat "$keys/before"
	cat "$payload/sshd_config"
} >/etc/ssh/sshd_config
exec /usr/sbin/sshd -D -e -f /etc/ssh/sshd_config
