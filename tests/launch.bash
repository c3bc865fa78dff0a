# Sourced: how the tests start ranks, all on this host. What a start waits for is most of what the tests take.
# shellcheck shell=bash
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
# Debian's Open MPI looks for two kinds of InfiniBand, 0.1 s each, before it takes shared memory.
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader
# hwloc runs on each core in turn to ask what it is, and waits until others leave it.
export HWLOC_COMPONENTS=-x86
# Ranks that wait leave their core to others.
export OMPI_MCA_mpi_yield_when_idle=1
# Once a rank has failed, mpirun sends the others two signals, and by default sleeps a second before each.
export OMPI_MCA_odls_base_sigkill_timeout=0
