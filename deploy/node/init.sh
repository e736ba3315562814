#!/bin/bash
# PID 1 of the one-node cluster: runs in mount, network, PID, UTS and IPC namespaces of its own, which devcluster.node makes.
#   init.sh NAME STATE LOGS ADDRESS SERVICES
# STATE/first and STATE/then hold the command lines of the components, a word a line; those in `then` wait for STATE/api.ready.
# When this process is killed, the kernel ends every process of the node and drops its mounts, links and firewall rules.
set -euo pipefail
name=$1 state=$2 logs=$3 address=$4 services=$5
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "$(date +%T.%3N) $*"; }

hostname "$name"
mount --make-rshared /
# Nothing the node writes reaches the folders of the machine. The state stays where it is, also below these folders.
exec 8<"$state" 9<"$logs"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/cgroup /run/lock /run/lib/upper /run/lib/work
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/lib/upper,workdir=/run/lib/work overlay /var/lib
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p "$state" "$logs"
mount --no-canonicalize --bind /proc/self/fd/8 "$state"
mount --no-canonicalize --bind /proc/self/fd/9 "$logs"
# In memory: several times faster than a disk, and gone with the node.
for data in "$state/etcd" "$state/containerd" /var/lib/kubelet; do
  mkdir -p "$data"
  mount -t tmpfs -o mode=700 tmpfs "$data"
done
mount --make-rshared /var/lib/kubelet

# The links of this network namespace in /sys, with the machine's cgroups put back into it.
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --rbind /run/cgroup /sys/fs/cgroup
mount --make-rprivate /run/cgroup
umount -R /run/cgroup
# kubelet wants its root in every hierarchy.
for hierarchy in /sys/fs/cgroup/*/; do mkdir -p "$hierarchy$name"; done
for file in cpuset.cpus cpuset.mems; do cat "/sys/fs/cgroup/cpuset/$file" > "/sys/fs/cgroup/cpuset/$name/$file"; done

# kubelet sets these for the whole machine where they differ from what it reads: it reads its own wishes.
mkdir -p /run/sysctl
while read -r key value; do
  echo "$value" > "/run/sysctl/${key//\//.}"
  mount --bind "/run/sysctl/${key//\//.}" "/proc/sys/$key"
done <<'KEYS'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
KEYS

# No default route: nothing leaves. The route for Services is for the API server's own calls to them.
ip link set lo up
ip link add node0 type veth peer name node0p
ip addr add "$address/32" dev node0
ip link set node0 up
ip link set node0p up
ip route add "$services" dev node0 src "$address"
echo 1 > /proc/sys/net/ipv4/ip_forward
[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
say "namespaces ready"

start() {
  local file words
  for file in "$state/$1"/*; do
    mapfile -t words < "$file"
    "${words[@]}" >"$logs/${file##*/}.log" 2>&1 &
    say "${file##*/} started, pid $! in the node"
  done
}
start first
until [ -e "$state/api.ready" ]; do sleep 0.05; done
start then

# Reap for as long as the node lives; say so when a component ends.
while :; do
  code=0
  wait -n -p ended || code=$?
  [ -n "${ended:-}" ] || { sleep 1; continue; }
  say "pid $ended ended with $code"
done
