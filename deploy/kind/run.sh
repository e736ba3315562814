#!/bin/bash
# Runs a command with a kind cluster: PID 1 of the namespaces that devcluster.kind makes for podman, kind and the command.
#   run.sh STATE LOGS NODE_ARCHIVE OPERATOR_ARCHIVE COMMAND...
# Everything ends with this process. There is no way out of the network namespace.
set -euo pipefail
state=$1 logs=$2 node=$3 operator=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
say() { echo "$(date +%T) $*"; }

mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir -p /run/cgroup /run/lock /run/netns /run/lib/{upper,work} /run/modules/{upper,work}
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --rbind /run/cgroup /sys/fs/cgroup
mount --make-rprivate /run/cgroup
umount -R /run/cgroup
# Nothing that podman writes reaches the folders of the machine. kind mounts /lib/modules, which some machines do not have.
exec 8<"$state" 9<"$logs"
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/lib/upper,workdir=/run/lib/work overlay /var/lib
mount -t overlay -o lowerdir=/usr/lib,upperdir=/run/modules/upper,workdir=/run/modules/work overlay /usr/lib
mkdir -p "$state" "$logs" /usr/lib/modules
mount --no-canonicalize --bind /proc/self/fd/8 "$state"
mount --no-canonicalize --bind /proc/self/fd/9 "$logs"
mkdir -p "$state/store"
mount -t tmpfs -o mode=700 tmpfs "$state/store"

ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link add node0 type veth peer name node0p
ip addr add 172.30.214.2/24 dev node0
ip link set node0 up
ip link set node0p up
# netavark wants a default route; nobody has this address, on a pair both ends of which are here.
ip route add default via 172.30.214.1

printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/store"\nrunroot = "/run/store"\n' "$state" > "$state/storage.conf"
# Some machines withhold CAP_SYS_RESOURCE: podman must not ask for limits above the hard ones.
cat > "$state/containers.conf" <<C
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=$(ulimit -Hu):$(ulimit -Hu)"]
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "/run/libpod"
[network]
network_backend = "netavark"
network_config_dir = "/run/networks"
C
export CONTAINERS_STORAGE_CONF=$state/storage.conf CONTAINERS_CONF=$state/containers.conf KIND_EXPERIMENTAL_PROVIDER=podman
export KUBECONFIG=$state/kubeconfig
podman load --quiet --input "$node"
kind create cluster --name obtask --config "$here/kind.yaml" --wait 120s
kind load image-archive --name obtask "$operator"
kubectl --namespace kube-system rollout status deployment/coredns --timeout=120s
say "cluster ready"
code=0
"$@" || code=$?
[ "$code" = 0 ] || kind export logs --name obtask "$logs" || true
say "exit code $code"
kind delete cluster --name obtask
exit "$code"
