#!/bin/bash
# A Slurm cluster on this machine, for tests: a controller and nodes n1 ... nN, each with a network, host name, process
# table, /dev/shm and scratch folder of its own. They reach each other only, and nobody reaches them. As root.
#   cluster.sh start DIR [N] [CPUS]    DIR: new, all that the cluster writes
#   cluster.sh stop DIR                ends every process of it; DIR stays
#   cluster.sh exec DIR ctl|nI CMD...  runs CMD there (sbatch, squeue, bash)
#   cluster.sh crash DIR nI            the node's processes die at once
#   cluster.sh boot DIR nI             a crashed node comes back
#
#     ctl: munged, slurmctld      n1: slurmd       n2: slurmd
#     br0 10.78.0.1 ------------- eth0 .11 ------- eth0 .12
#
# A machine is a process, `unshare`, whose namespaces end with it: nothing is left that has to be taken down.
set -eu
usage() {
    sed -n '4,8s/^# *//p' "$0" >&2
    exit 64
}
fail() {
    echo "cluster.sh: $*" >&2
    exit 1
}
[ $# -ge 2 ] || usage
command=$1
mkdir -p "$2"
dir=$(realpath "$2")
shift 2
export SLURM_CONF=$dir/slurm.conf

pid_of() { cat "$dir/run/$1.first"; } # the first process of a machine

on() { # MACHINE COMMAND... in the folder that this stands in
    local machine=$1
    shift
    # shellcheck disable=SC2016
    nsenter -t "$(pid_of "$machine")" -n -u -i -m -p -- bash -c 'cd "$0" && exec "$@"' "$PWD" "$@"
}

# MACHINE COMMANDS: starts a machine, which then does COMMANDS. The file `ready` appears with its network.
start_machine() {
    local machine=$1 commands=$2 number
    rm -f "$dir/run/$machine".*
    unshare -n -u -i -m -p -f --kill-child=KILL --mount-proc bash -c "
        hostname $machine
        mount --bind '$dir/hosts' /etc/hosts
        mount -t tmpfs -o size=1g shm /dev/shm
        until [ -e '$dir/run/$machine.ready' ]; do sleep 0.05; done
        $commands
        while :; do sleep 3600 & wait; done" </dev/null >"$dir/log/$machine.log" 2>&1 &
    echo $! >"$dir/run/$machine.unshare"
    for _ in $(seq 100); do
        number=$(cat "/proc/$!/task/$!/children" 2>/dev/null || true)
        if [ -n "$number" ] && [ "$(nsenter -t "${number%% *}" -u hostname 2>/dev/null)" = "$machine" ]; then
            echo "${number%% *}" >"$dir/run/$machine.first"
            return
        fi
        sleep 0.05
    done
    fail "machine $machine did not start: $(cat "$dir/log/$machine.log")"
}

end_machine() {
    local number
    number=$(cat "$dir/run/$1.unshare" 2>/dev/null) || return 0
    rm -f "$dir/run/$1".*
    kill -KILL "$number" 2>/dev/null || return 0
    while kill -0 "$number" 2>/dev/null; do sleep 0.05; done
}

# A node that comes back has the address it had (MAC too): others would send to the old one for some seconds.
start_node() { # NUMBER
    local i=$1 address
    address=$(printf '02:00:0a:4e:00:%02x' $((10 + i)))
    start_machine "n$i" "slurmd -f '$SLURM_CONF' -N n$i"
    if nsenter -t "$(pid_of ctl)" -n ip link show "p$i" >/dev/null 2>&1; then # of the machine that was here before
        nsenter -t "$(pid_of ctl)" -n ip link del "p$i"
    fi
    nsenter -t "$(pid_of ctl)" -n ip link add "p$i" type veth peer name eth0 address "$address" netns "$(pid_of "n$i")"
    nsenter -t "$(pid_of ctl)" -n ip link set "p$i" master br0 up
    nsenter -t "$(pid_of "n$i")" -n ip link set lo up
    nsenter -t "$(pid_of "n$i")" -n ip addr add "10.78.0.$((10 + i))/24" dev eth0
    nsenter -t "$(pid_of "n$i")" -n ip link set eth0 up
    touch "$dir/run/n$i.ready"
}

start_controller() {
    start_machine ctl "munged --force --key-file='$dir/munge/key' --socket='$dir/run/munge.sock' \
        --pid-file='$dir/run/munged.pid' --log-file='$dir/log/munged.log' --seed-file='$dir/munge/seed' \
        --num-threads=2 --origin=10.78.0.1
        slurmctld -f '$SLURM_CONF'"
    nsenter -t "$(pid_of ctl)" -n ip link set lo up
    nsenter -t "$(pid_of ctl)" -n ip link add br0 type bridge
    nsenter -t "$(pid_of ctl)" -n ip addr add 10.78.0.1/24 dev br0
    nsenter -t "$(pid_of ctl)" -n ip link set br0 up
    touch "$dir/run/ctl.ready"
    for _ in $(seq 100); do
        [ -S "$dir/run/munge.sock" ] && return
        sleep 0.05
    done
    fail "munged did not start: $(tail -n 3 "$dir"/log/*.log)"
}

# The pid files, spools and plugins' scratch folders (TmpFS) are by node (%n): all see the same file system.
# cred_expire is how long a requeued job waits.
write_settings() { # NODES CPUS
    local nodes=$1 cpus=$2 i
    {
        echo "127.0.0.1 localhost"
        echo "10.78.0.1 ctl"
        for i in $(seq "$nodes"); do echo "10.78.0.$((10 + i)) n$i"; done
    } >"$dir/hosts"
    cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=ctl(10.78.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.sock,cred_expire=5
CredType=cred/munge
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.%n.log
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
TmpFS=$dir/tmp/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/log/jobs.txt
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=15
KillWait=10
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n[1-$nodes] CPUs=$cpus RealMemory=1000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
END
    # Without it slurmd 22.05 looks for cgroups, and does not start where there are none; this plugin is then not used.
    echo 'CgroupPlugin=cgroup/v1' >"$dir/cgroup.conf"
}

idle_nodes() { on ctl sinfo -h -N -p low -t idle -o %N 2>/dev/null | sort -u | wc -l; }

start() {
    local nodes=${1:-2} cpus=${2:-2} i
    [ "${#dir}" -le 80 ] || fail "$dir is too long for the path of a socket (80 characters)"
    [ ! -e "$dir/run" ] || fail "$dir holds a cluster already"
    mkdir -p "$dir"/{run,log,state,spool,munge,tmp}
    chmod 755 "$dir" "$dir/run"
    chmod 700 "$dir/munge"
    echo "$nodes" >"$dir/nodes"
    head -c 128 /dev/urandom >"$dir/munge/key"
    chmod 400 "$dir/munge/key"
    write_settings "$nodes" "$cpus"
    start_controller
    for i in $(seq "$nodes"); do
        mkdir -p "$dir/spool/n$i" "$dir/tmp/n$i"
        start_node "$i"
    done
    for _ in $(seq 60); do
        [ "$(idle_nodes)" = "$nodes" ] && return
        sleep 0.5
    done
    fail "expected $nodes idle nodes, found $(on ctl sinfo 2>&1; tail -n 5 "$dir"/log/*.log)"
}

stop() {
    local i
    for i in $(seq "$(cat "$dir/nodes" 2>/dev/null || echo 0)"); do end_machine "n$i"; done
    end_machine ctl
}

case $command in
start | stop) "$command" "$@" ;;
exec) on "$@" ;;
crash) end_machine "$1" ;;
boot) start_node "${1#n}" ;;
*) usage ;;
esac
