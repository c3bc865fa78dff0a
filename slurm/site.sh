# shellcheck shell=bash
# What differs from cluster to cluster: the only file here that a site edits. Source it where jobs are submitted:
#
#     . slurm/site.sh && sbatch slurm/train.sbatch CONFIG.yaml
#
# It checks what is set below and hands account and partition to sbatch; switches of sbatch itself (-A, -p) override
# them, and any other default of sbatch may be set here too (export SBATCH_QOS=..., SBATCH_CONSTRAINT=..., SBATCH_TIMELIMIT=...).

SITE_ACCOUNT=                # of sbatch --account; empty: the user's default
SITE_PARTITION=              # of sbatch --partition; empty: the cluster's default
SITE_MODULES=                # of `module load`, such as "gcc/12 openmpi/4.1 hdf5/1.10 openblas"; empty: none
SITE_PROGRAM=build/seqtrain  # seen from the folder above this one; without a slash: looked up in PATH
SITE_LAUNCH=mpirun           # starts ranks: "-n RANKS" and the program follow. "srun --mpi=pmix -K1" where srun knows pmix

# ---- nothing to edit from here on ----

site_fail() {
    echo "site.sh: $*" >&2
    return 1
}

# Loads the modules; from then on SITE_PROGRAM and SITE_LAUNCH can be started.
site_load() {
    if [ -n "$SITE_MODULES" ]; then
        command -v module >/dev/null || site_fail "SITE_MODULES is '$SITE_MODULES', but there is no command module" || return
        # shellcheck disable=SC2086
        module load $SITE_MODULES || site_fail "'module load $SITE_MODULES' failed (SITE_MODULES)" || return
    fi
    command -v "$SITE_PROGRAM" >/dev/null ||
        site_fail "SITE_PROGRAM: expected a program, found nothing at $SITE_PROGRAM" || return
    local said
    said=$("$SITE_PROGRAM" --version 2>&1) ||
        site_fail "SITE_PROGRAM: $SITE_PROGRAM does not start here: $said (SITE_MODULES: '$SITE_MODULES')" || return
    command -v "${SITE_LAUNCH%% *}" >/dev/null ||
        site_fail "SITE_LAUNCH: expected a command such as mpirun or 'srun --mpi=pmix -K1', found '$SITE_LAUNCH'"
}

[ -n "${BASH_VERSION:-}" ] || { echo "site.sh: expected bash, found another shell: run bash first" >&2; return 1; }
export SEQTRAIN_SITE # where jobs, whose script Slurm copies, find this file
SEQTRAIN_SITE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/${BASH_SOURCE[0]##*/} || return 1
case $SITE_PROGRAM in
/* | "${SITE_PROGRAM##*/}") ;;
*) SITE_PROGRAM=$(dirname "${SEQTRAIN_SITE%/*}")/$SITE_PROGRAM ;;
esac
[ -z "$SITE_ACCOUNT" ] || export SBATCH_ACCOUNT=$SITE_ACCOUNT
[ -z "$SITE_PARTITION" ] || export SBATCH_PARTITION=$SITE_PARTITION
(site_load) || return 1 # the shell that submits keeps its modules
