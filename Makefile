# seqtrain. `make help` lists the targets.
#
# Variables: MPICC, CXX, BLAS (openblas, or any CBLAS pkg-config knows), HDF5_DIR (its include/ and lib/, where pkg-config
# does not know hdf5), PREFIX, DESTDIR, SAN (address,undefined), WERROR=1, V=1.

MPICC   ?= mpicc
CXX     ?= g++
BLAS    ?= openblas
PREFIX  ?= /usr/local
PKG     ?= pkg-config
comma   := ,
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

build    := build$(if $(SAN),/san)
packages := $(BLAS) $(if $(HDF5_DIR),,hdf5) sentencepiece yaml-0.1 libcjson libpng zlib
# -fno-math-errno lets sqrt be one instruction; no flag here changes arithmetic or hides NaN.
optimise := $(if $(SAN),-O1 -g -fsanitize=$(SAN) -fno-omit-frame-pointer -DSEQTRAIN_SANITIZE,-O3 -g) -fno-math-errno
# What sanitizers put between makes gcc see too short objects where there are none.
warnings := -Wall -Wextra -Wconversion -Wshadow -Wpointer-arith -Wundef -Wvla -Wno-sign-conversion \
            $(if $(WERROR),-Werror) $(if $(SAN),-Wno-stringop-overread -Wno-format-truncation)
flags    := $(optimise) $(warnings) -fopenmp -I. -MMD -MP -D_GNU_SOURCE -DSEQTRAIN_VERSION='"$(VERSION)"' \
            $(if $(HDF5_DIR),-I$(HDF5_DIR)/include) $(shell $(PKG) --cflags $(packages) 2>/dev/null)
CFLAGS   += -std=gnu11 -Wstrict-prototypes -Wmissing-prototypes $(flags)
CXXFLAGS += -std=c++17 $(flags)
LDLIBS   += $(if $(HDF5_DIR),-L$(HDF5_DIR)/lib -Wl$(comma)-rpath$(comma)$(HDF5_DIR)/lib -lhdf5) \
            $(shell $(PKG) --libs $(packages) 2>/dev/null) -lstdc++ -lm

sources := $(wildcard comm/*.c io/*.c io/*/*.c models/*.c models/*/*.c train/*.c train/*/*.c)
objects := $(patsubst %,$(build)/%.o,$(filter-out train/main.c,$(sources)) io/text/vocabulary.cc)
tests   := $(wildcard tests/*/test_*.c tests/*/mpi_*.c)
tools   := $(wildcard tests/*/tool_*.c)
targets := $(filter-out $(tests),$(wildcard tests/fuzz/*.c))
# tests/scale runs in a simulator, with compiler and MPI of its own; tests/fuzz/ bends the HDF5 library to its needs; the shim of
# tests/faults/ is a library to preload.
helpers := $(filter-out $(tests) $(tools) $(targets) $(wildcard tests/scale/*.c) tests/faults/shim.c,$(wildcard tests/*.c tests/*/*.c))
testbin := $(patsubst tests/%.c,$(build)/tests/%,$(tests))
toolbin := $(patsubst tests/%.c,$(build)/tests/%,$(tools))
quiet   := $(if $(V),,@)

## all: the program, build/seqtrain
all: $(build)/seqtrain

$(build)/seqtrain: $(build)/train/main.c.o $(build)/libseqtrain.a
	@echo "  link  $@"
	$(quiet)$(MPICC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(build)/libseqtrain.a: $(objects)
	$(quiet)rm -f $@ && ar rcs $@ $^

$(build)/%.c.o: %.c | .deps-checked
	@echo "  cc    $<"
	@mkdir -p $(@D)
	$(quiet)$(MPICC) $(CFLAGS) -c -o $@ $<

$(build)/train/report/style.c.o: $(wildcard train/report/*.css train/report/*.js)

# What names the version is built again when it changes.
$(patsubst %,$(build)/%.o,$(shell grep -ls SEQTRAIN_VERSION $(sources))): $(build)/version
$(build)/version: .version
	@mkdir -p $(@D); echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
.PHONY: .version

$(build)/%.cc.o: %.cc | .deps-checked
	@echo "  c++   $<"
	@mkdir -p $(@D)
	$(quiet)$(CXX) $(CXXFLAGS) -c -o $@ $<

$(build)/tests/%: $(build)/tests/%.c.o $(patsubst %,$(build)/%.o,$(helpers)) $(build)/libseqtrain.a
	@echo "  link  $@"
	$(quiet)$(MPICC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

$(build)/tests/fuzz/%: $(build)/tests/fuzz/%.c.o $(patsubst %,$(build)/%.o,$(filter-out tests/fuzz/libfuzzer.c,$(targets)) $(helpers)) \
    $(build)/libseqtrain.a
	@echo "  link  $@"
	$(quiet)$(MPICC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

$(build)/tests/faults/shim.so: tests/faults/shim.c
	@echo "  link  $@"
	@mkdir -p $(@D)
	$(quiet)$(CC) $(filter-out -fopenmp -I. -MMD -MP,$(CFLAGS)) $(shell $(MPICC) --showme:compile) -fPIC -shared -o $@ $< -ldl

# What is missing is told before the first compiler error; only the tests need cmocka.
.PHONY: .deps-checked .test-deps-checked
.deps-checked:
	@tests/deps.sh check
.test-deps-checked:
	@tests/deps.sh check tests
$(patsubst %,$(build)/%.o,$(tests) $(tools) $(helpers) $(targets)): | .test-deps-checked

## deps: installs the missing Debian packages; elsewhere prints what to load
deps:
	@tests/deps.sh install

# The program and all that tests it.
programs: all $(testbin) $(toolbin)

## test: unit tests, tests on 1-4 ranks, command-line tests
test:
	@tests/deps.sh ensure tests
	@$(MAKE) --no-print-directory programs
	@BUILD=$(build) tests/run.sh $(TESTS)

## test-peers: the same numbers as PyTorch (virtual environment, several minutes)
test-peers: all $(toolbin)
	@BUILD=$(build) tests/peers/run.sh

## test-slurm: stop, requeue and resume on a Slurm cluster made on this machine (as root, some minutes)
test-slurm:
	@tests/deps.sh ensure slurm
	@$(MAKE) --no-print-directory all
	@BUILD=$(build) tests/slurm/run.sh $(TESTS)

## test-faults: kills, failing calls, flipped bits, lost power: nothing is lost (some minutes; FAULTS_FULL=1: all there are)
test-faults: all $(build)/tests/faults/shim.so $(build)/tests/faults/tool_flips
	@BUILD=$(build) tests/faults/run.sh $(TESTS)

## bench: speed against PyTorch and CTranslate2, alternating sides; BENCH_ROWS="train:tiny ddp" chooses (tests/bench/run.sh)
bench: all
	@BUILD=$(build) tests/bench/run.sh

## scale: weak and strong scaling on 16 and 64 ranks (or more) of clusters that SimGrid simulates (tests/scale/run.sh)
scale: all
	@tests/deps.sh ensure scale
	@BUILD=$(build) tests/scale/run.sh

## scale-network: two hosts on this machine, joined by links of 1 and 10 Gbit/s: what the exchange costs (as root)
scale-network: all
	@BUILD=$(build) tests/scale/network.sh

## scale-wire: the same run with comm.wire float32 and bfloat16, validations side by side (tests/scale/wire.sh)
scale-wire: all
	@BUILD=$(build) tests/scale/wire.sh

## lengths: BLEU by sentence length of two LSTMs, without attention and with it, as a picture (tests/lengths/run.sh, some minutes)
lengths: all
	@BUILD=$(build) tests/lengths/run.sh

## fuzz: looks for input that brings a reader down, FUZZ_SECONDS=60 for each of FUZZ_TARGETS (tests/fuzz/run.sh)
fuzz:
	@tests/deps.sh ensure fuzz
	@OMPI_CC=clang-14 $(MAKE) --no-print-directory build=build/fuzz CXX=clang++-14 warnings= \
	    SAN='fuzzer-no-link,address,undefined -fno-sanitize=vptr,function -fno-sanitize-recover=all' build/fuzz/tests/fuzz/libfuzzer
	@BUILD=build/fuzz tests/fuzz/run.sh

$(build)/tests/fuzz/libfuzzer: LDFLAGS += -fsanitize=fuzzer

## demo: a translation model from nothing to test in three minutes
demo:
	@tests/deps.sh ensure
	@$(MAKE) --no-print-directory all
	@BUILD=$(build) train/recipes/demo.sh

## lint: format, warnings as errors, folder arrows, each header alone, shell scripts
lint:
	@tests/lint.sh

## format: rewrites the sources with clang-format
format:
	@clang-format -i $$(git ls-files '*.c' '*.h' '*.cc')

## memcheck: the unit tests and a tiny training run under valgrind
memcheck: programs
	@BUILD=$(build) tests/memcheck.sh

$(build)/share/%: $(build)/seqtrain
	@mkdir -p $(@D)
	$(quiet)$(build)/seqtrain $(print) >$@.tmp && mv $@.tmp $@
$(build)/share/seqtrain.1: print = man
$(build)/share/seqtrain.bash: print = completion bash
$(build)/share/_seqtrain: print = completion zsh

## install: program, manual page, completion and recipes under PREFIX
install: all $(addprefix $(build)/share/,seqtrain.1 seqtrain.bash _seqtrain)
	install -Dm755 $(build)/seqtrain $(DESTDIR)$(PREFIX)/bin/seqtrain
	install -Dm644 $(build)/share/seqtrain.1 $(DESTDIR)$(PREFIX)/share/man/man1/seqtrain.1
	install -Dm644 $(build)/share/seqtrain.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/seqtrain
	install -Dm644 $(build)/share/_seqtrain $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_seqtrain
	for f in train/recipes/*.yaml; do install -Dm644 $$f $(DESTDIR)$(PREFIX)/share/seqtrain/recipes/$$(basename $$f); done

## clean: removes build/
clean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## //p' Makefile | awk -F': ' '{printf "  make %-13s %s\n", $$1, $$2}'

-include $(shell find build -name '*.d' 2>/dev/null)
.PHONY: all programs deps test test-peers test-slurm test-faults bench scale scale-network scale-wire lengths fuzz demo lint format memcheck install clean help
.DEFAULT_GOAL := all
.SECONDARY:
