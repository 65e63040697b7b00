# sandglass: `make demo` and `make check` are the two that do everything.
MAKEFLAGS += -rR
.DELETE_ON_ERROR:
.SECONDARY:

VERSION := 0.1.0
ARCH := x86
O ?= build
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(or $(shell command -v bpftool),/usr/sbin/bpftool)
AR ?= ar
ifeq ($(origin AR),default)
AR := ar
endif
PREFIX ?= /usr/local
DESTDIR ?=
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
msg = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' $(1) $(2);)

quote = '$(subst ','\'',$(1))'

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wvla -Wtype-limits -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
BASE_CFLAGS := -std=gnu11 $(WARN) -D_GNU_SOURCE -DSG_VERSION='"$(VERSION)"' -Iinclude -Iuser
PURE_SRC := $(wildcard user/base/*.c user/trace/*.c user/model/*.c user/out/*.c)
LIVE_SRC := $(wildcard user/kern/*.c user/env/*.c user/load/*.c user/cmd/*.c) user/main.c
BPF_SRC := $(wildcard bpf/*.bpf.c)
PURE_OBJ := $(PURE_SRC:%.c=$(O)/%.o)
LIVE_OBJ := $(LIVE_SRC:%.c=$(O)/%.o)
BPF_OBJ := $(BPF_SRC:bpf/%.bpf.c=$(O)/bpf/%.bpf.o)
PURE_LIBS := -lz -ljson-c -lsmartcols -lprotobuf-c -lm
LIVE_LIBS := -lbpf -lelf -ldw -lcapstone -lcurl -lmicrohttpd -lnettle -lpthread

# ---- Debian packages: the one list. The reason behind each is the README's text too. -----------
PKG += gcc                       # C compiler of the user side
PKG += libc6-dev                 # C library headers
PKG += clang                     # compiles the kernel side to BPF; builds the fuzz targets
PKG += bpftool                   # links the BPF objects and makes the skeleton from them
PKG += libbpf-dev                # loads and attaches the kernel side
PKG += libelf-dev                # ELF files, for libbpf and user symbols
PKG += libdw-dev                 # symbol tables of programs (elfutils)
PKG += libcapstone-dev           # finds the returns of functions in the Sentry of gVisor
PKG += runsc                     # gVisor: tests of sandboxes, and of names in a stripped Go program
PKG += zlib1g-dev                # compresses the blocks of a recording
PKG += libjson-c-dev             # reads and writes JSON
PKG += libsmartcols-dev          # aligned tables on the terminal
PKG += libprotobuf-c-dev         # Perfetto traces: protobuf at run time
PKG += protobuf-c-compiler       # Perfetto traces: C code from the schema
PKG += protobuf-compiler         # the tests decode Perfetto traces with the schema
PKG += libcurl4-openssl-dev      # the task workload's client asks all servers at once
PKG += nettle-dev                # proof of the token that an agent and a host share (HMAC-SHA256)
PKG += libmicrohttpd-dev         # the task workload's native HTTP server
PKG += libvirt-dev               # virtual machines: libvirt's client library (loaded when wanted)
PKG += systemtap-sdt-dev         # sys/sdt.h: marks in the tests' programs
PKG += stress                    # the memory hogs of the task workload, as published
PKG += libcriterion-dev          # unit tests
PKG += libclang-rt-14-dev        # libFuzzer and its sanitizers
PKG += clang-format              # format check
PKG += valgrind                  # memory check of the tests
PKG += linux-perf                # tests and benchmark: known loads, and the peer to beat
PKG += libbpf-tools              # benchmark peers: offcputime, runqlat
PKG += bpftrace                  # benchmark peer
PKG += stress-ng                 # tests: timer and fault load
PKG += $(if $(shell command -v npm),,nodejs npm) # the task workload's express server, as published
PKG += python3                   # tests read exported files back
PKG += python3-jsonschema        # tests check exported JSON against published schemas
PKG += docker.io                 # a Docker daemon of our own, for benches and tests of containers
PKG += busybox-static            # shell and tools in the images that the program makes itself
PKG += libvirt-daemon            # virtual machines: a libvirtd of our own, for benches and tests
PKG += strace                    # tests: the system calls by which other languages mark
PKG += bzip2                     # the CPU workload, as published: bzip2
PKG += gnugo                     # the CPU workload, as published: gobmk is GNU Go
PKG += procps                    # tests: ps, pgrep
PKG += util-linux                # tests: taskset, losetup, swapon
PKG += qemu-system-x86           # virtual machines; the lab: stock kernels in an emulated machine
PKG += libvirt-daemon-driver-qemu # tests: what starts QEMU for it
PKG += libvirt-clients           # tests: virsh
PKG += kmod                      # virtual machines and the lab: modules of kernels that are not installed
PKG += cpio                      # the lab: its initrd
PKG += xz-utils                  # virtual machines and the lab: compressed modules
PKG += zstd                      # virtual machines and the lab: compressed modules
PKG += e2fsprogs                 # virtual machines and the lab: the guest's disk
PKG += git                       # tests: list of the project's files

all: $(O)/sandglass

# Perfetto's messages: C from our part of the published schema.
PB := $(O)/perfetto.pb-c
$(PB).c: user/out/perfetto.proto
	$(call msg,PROTO,$@)mkdir -p $(@D) && protoc-c --proto_path=$(<D) --c_out=$(@D) $<
$(PB).o: $(PB).c $(O)/flags
	$(call msg,CC,$<)$(CC) $(CFLAGS) $(BASE_CFLAGS) -MMD -MP -c -o $@ $<
$(O)/user/out/packet.o: private BASE_CFLAGS += -I$(O)
$(O)/tests/unit/test_out_perfetto.o: private EXTRA := -I$(O)
$(O)/user/out/packet.o $(O)/tests/unit/test_out_perfetto.o: | $(PB).c

# gVisor's trace messages, likewise; only the live side reads them.
GVPB := $(O)/gvtrace.pb-c
$(GVPB).c: user/env/gvtrace.proto
	$(call msg,PROTO,$@)mkdir -p $(@D) && protoc-c --proto_path=$(<D) --c_out=$(@D) $<
$(GVPB).o: $(GVPB).c $(O)/flags
	$(call msg,CC,$<)$(CC) $(CFLAGS) $(BASE_CFLAGS) -MMD -MP -c -o $@ $<
$(O)/user/env/gvtrace_msg.o: | $(GVPB).c

$(O)/libsg.a: $(PURE_OBJ) $(PB).o
	$(call msg,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(O)/sandglass: $(LIVE_OBJ) $(GVPB).o $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIVE_LIBS) $(PURE_LIBS)

# Objects are made again when the compiler or its flags change.
$(O)/flags: FORCE
	@mkdir -p $(@D) && printf '%s\n' $(call quote,$(CC) $(CFLAGS) $(BASE_CFLAGS)) | cmp -s - $@ || \
		printf '%s\n' $(call quote,$(CC) $(CFLAGS) $(BASE_CFLAGS)) >$@

$(PURE_OBJ): $(O)/%.o: %.c $(O)/flags
	$(call msg,CC,$<)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE_CFLAGS) -MMD -MP -c -o $@ $<

$(LIVE_OBJ): $(O)/%.o: %.c $(O)/flags | $(O)/sandglass.skel.h
	$(call msg,CC,$<)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE_CFLAGS) -I$(O) -MMD -MP -c -o $@ $<

$(O)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call msg,BPF,$<)mkdir -p $(@D) && $(CLANG) -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(ARCH) -Wall -Werror \
		-Wno-unused-function -idirafter /usr/include/$(shell $(CC) -print-multiarch) -Ivmlinux/$(ARCH) -Iinclude -Ibpf -MMD -MP -c -o $@ $<

$(O)/sandglass.bpf.o: $(BPF_OBJ)
	$(call msg,BPFLD,$@)$(BPFTOOL) gen object $@ $^

$(O)/sandglass.skel.h: $(O)/sandglass.bpf.o
	$(call msg,SKEL,$@)$(BPFTOOL) gen skeleton $< name sandglass_bpf > $@

$(O)/user/kern/%.o: $(O)/sandglass.skel.h

# ---- tests: a file of tests/unit is a program; what includes live folders links them too --------
TEST_SRC := $(wildcard tests/unit/test_*.c)
TEST_LIVE := $(if $(TEST_SRC),$(shell grep -lE '^.include "(kern|env|load|cmd)/' $(TEST_SRC)))
TEST_PURE := $(filter-out $(TEST_LIVE),$(TEST_SRC))
TEST_HELP := $(filter-out $(TEST_SRC),$(wildcard tests/unit/*.c))
TEST_HELP_OBJ := $(TEST_HELP:%.c=$(O)/%.o)
TEST_PURE_BIN := $(TEST_PURE:%.c=$(O)/%)
TEST_LIVE_BIN := $(TEST_LIVE:%.c=$(O)/%)
FUZZ_BIN := $(patsubst %.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_CFLAGS := $(BASE_CFLAGS) -Itests/unit

$(O)/liblive.a: $(filter-out $(O)/user/main.o,$(LIVE_OBJ)) $(GVPB).o
	$(call msg,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(O)/tests/%.o: tests/%.c $(O)/flags
	$(call msg,CC,$<)mkdir -p $(@D) && $(CC) $(CFLAGS) $(TEST_CFLAGS) $(EXTRA) -MMD -MP -c -o $@ $<

$(TEST_PURE_BIN): %: %.o $(TEST_HELP_OBJ) $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PURE_LIBS) -lcriterion

$(TEST_LIVE_BIN): %: %.o $(TEST_HELP_OBJ) $(O)/liblive.a $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIVE_LIBS) $(PURE_LIBS) -lcriterion

# The same tests in one process each, for valgrind.
INPROC_BIN := $(TEST_SRC:%.c=$(O)/inproc/%)
$(INPROC_BIN): $(O)/inproc/%: $(O)/%.o $(O)/tests/inproc/criterion.o $(TEST_HELP_OBJ) $(O)/liblive.a $(O)/libsg.a
	$(call msg,LD,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIVE_LIBS) $(PURE_LIBS)
-include $(O)/tests/inproc/criterion.d

$(TEST_LIVE:%.c=$(O)/%.o): | $(O)/sandglass.skel.h
$(TEST_LIVE:%.c=$(O)/%.o): EXTRA := -I$(O)

$(FUZZ_BIN): %: %.o $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) -fsanitize=fuzzer -o $@ $^ $(PURE_LIBS)

# The truth scenarios: one program of their own, which knows nothing of sandglass.
TRUTH_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard tests/truth/*.c))
$(O)/tests/truth/truth: $(TRUTH_OBJ)
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread -lm
TRUTHRUN_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard tests/truth/run/*.c))
$(O)/tests/truth/truthrun: $(TRUTHRUN_OBJ)
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljson-c -lm

# What the live tests' scripts have done in C.
TESTLIVE_BIN := $(patsubst %.c,$(O)/%,$(wildcard tests/live/*.c))
$(TESTLIVE_BIN): %: %.o $(O)/liblive.a $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIVE_LIBS) $(PURE_LIBS)
-include $(TESTLIVE_BIN:=.d)

# Truth scenarios in containers: their maker, and the program inside.
TESTBOX_BIN := $(O)/tests/sandbox/box $(O)/tests/sandbox/guest
$(O)/tests/sandbox/box: $(O)/tests/sandbox/box.o $(O)/liblive.a $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIVE_LIBS) $(PURE_LIBS)
$(O)/tests/sandbox/guest: $(O)/tests/sandbox/guest.o
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $^
-include $(O)/tests/sandbox/box.d $(O)/tests/sandbox/guest.d

# A virtual machine whose exits are known by construction; it knows nothing of sandglass.
TESTVM_OBJ := $(patsubst %.c,$(O)/%.o,$(filter-out tests/vm/guestwork.c tests/vm/guestpair.c tests/vm/guesttask.c tests/vm/cpuidmark.c,$(wildcard tests/vm/*.c)))
$(O)/tests/vm/miniguest: $(TESTVM_OBJ)
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread
-include $(TESTVM_OBJ:.o=.d)

# What a Linux guest does while its host disturbs it, and instants that both see; static: it runs where files come slowly.
TESTGUEST_BIN := $(O)/tests/vm/guestwork $(O)/tests/vm/guestpair $(O)/tests/vm/cpuidmark
$(O)/tests/vm/guestwork $(O)/tests/vm/guestpair: $(O)/tests/vm/guesttask.o
$(TESTGUEST_BIN): %: %.o
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $^ -lpthread
-include $(TESTGUEST_BIN:=.d) $(O)/tests/vm/guesttask.d

$(O)/tests/golden/mkrec: $(O)/tests/golden/mkrec.o $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PURE_LIBS)
-include $(O)/tests/golden/mkrec.d

tests: $(O)/tests/golden/mkrec $(TEST_PURE_BIN) $(TEST_LIVE_BIN) $(TESTLIVE_BIN) $(TESTBOX_BIN) $(O)/tests/vm/miniguest $(TESTGUEST_BIN) $(if $(TRUTH_OBJ),$(O)/tests/truth/truth $(O)/tests/truth/truthrun)
tests-pure: $(TEST_PURE_BIN)
tests-inproc: $(INPROC_BIN)
tests-fuzz: $(FUZZ_BIN)

# The pure library's tests under AddressSanitizer and UBSan; the fuzz targets.
ASAN_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan:
	+$(Q)$(MAKE) --no-print-directory O=$(O)/asan CFLAGS='$(ASAN_FLAGS)' LDFLAGS=-rdynamic tests-pure
fuzz:
	+$(Q)$(MAKE) --no-print-directory O=$(O)/fuzz CC=clang CFLAGS='$(ASAN_FLAGS) -fsanitize=fuzzer-no-link' \
		WERROR= tests-fuzz

# ---- what people call ---------------------------------------------------------------------------
CMDS := $(shell sed -n 's/^\tX."\([a-z]*\)",.*/\1/p' user/cmd/cmd.h)
MAN := $(O)/man/sandglass.1 $(CMDS:%=$(O)/man/sandglass-%.1)
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
DEMO ?= bench task --env host --servers 2 --rounds 6 --writes 700000 --pressure 0,2,4 -o $(O)/demo
need_root = @[ "$$(id -u)" = 0 ] || { echo 'make $@ needs root: it installs Debian packages and loads BPF programs.' >&2; exit 1; }

deps:
	@have=$$(dpkg-query -Wf '$${db:Status-Status} $${Package}\n' $(strip $(PKG)) 2>/dev/null | sed -n 's/^installed //p'); \
	for p in $(strip $(PKG)); do printf '%s\n' $$have | grep -qx -- $$p || missing="$$missing $$p"; done; \
	[ -n "$$missing" ] || exit 0; \
	[ "$$(id -u)" = 0 ] || { echo "make deps needs root to install these packages:$$missing." >&2; exit 1; }; \
	echo "installing:$$missing"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 $$missing </dev/null >/dev/null || \
	{ echo "make deps could not install$$missing: see apt-get's message above." >&2; exit 1; }

demo:
	$(need_root)
	+@$(MAKE) --no-print-directory deps
	+@$(MAKE) --no-print-directory $(JOBS) all
	@$(O)/sandglass $(DEMO)

check:
	$(need_root)
	+@$(MAKE) --no-print-directory deps
	+@MAKE='$(MAKE)' O='$(O)' CC='$(CC)' CFLAGS='$(CFLAGS)' JOBS='$(JOBS)' WERROR='$(if $(CI),1,$(WERROR))' \
		tests/run-all.sh $(PARTS)

# The same program on stock Debian kernels in QEMU: one, or whatever the apt sources offer (KERNELS="6.1 6.12").
KERNELS ?= all
check-lab:
	+@$(MAKE) --no-print-directory check PARTS='build lab'

check-kernels:
	$(need_root)
	+@$(MAKE) --no-print-directory deps
	+@$(MAKE) --no-print-directory $(JOBS) all tests
	@O='$(O)' tests/lab/run.sh -q $(if $(WHOLE),-w,-a) $(KERNELS)

# Benchmarks of single parts, over generated streams.
BENCH_BIN := $(patsubst %.c,$(O)/%,$(wildcard tests/bench/bench_*.c))
$(BENCH_BIN): %: %.o $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PURE_LIBS)
-include $(BENCH_BIN:=.d)

bench: all $(BENCH_BIN) $(O)/tests/vm/miniguest $(O)/tests/live/switches $(O)/tests/live/tally
	$(need_root)
	@O='$(O)' tests/bench/bench.py $(BENCH)

check-layers:
	@O='$(O)' tests/house/layers.sh

format:
	clang-format -i $$(git ls-files '*.c' '*.h' ':!vmlinux')

vmlinux:
	vmlinux/update.sh $(ARCH)

$(O)/man/sandglass.1: $(O)/sandglass
	$(call msg,MAN,$@)mkdir -p $(@D) && $< __man >$@
$(O)/man/sandglass-%.1: $(O)/sandglass
	$(call msg,MAN,$@)mkdir -p $(@D) && $< __man $* >$@
man: $(MAN)

BINDIR := $(DESTDIR)$(PREFIX)/bin
MANDIR := $(DESTDIR)$(PREFIX)/share/man/man1
COMPDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
INCDIR := $(DESTDIR)$(PREFIX)/include/sandglass
install: all man
	install -d $(BINDIR) $(MANDIR) $(COMPDIR) $(INCDIR)
	install -m755 $(O)/sandglass $(BINDIR)/sandglass
	install -m644 $(MAN) $(MANDIR)
	install -m644 user/cmd/completion.bash $(COMPDIR)/sandglass
	install -m644 include/sandglass/mark.h $(INCDIR)/mark.h
uninstall:
	rm -f $(BINDIR)/sandglass $(MAN:$(O)/man/%=$(MANDIR)/%) $(COMPDIR)/sandglass $(INCDIR)/mark.h
	-rmdir $(INCDIR) 2>/dev/null

help:
	@echo 'make demo       install what is needed, build, run the main experiment, print its result'
	@echo 'make check      install what is needed, build, run every test   (PARTS="unit live" runs some)'
	@echo 'make check-lab  its part on a stock Debian kernel in QEMU; make check-kernels: on every one there is'
	@echo 'make            build $(O)/sandglass'
	@echo 'make bench      cost of recording, beside perf, bpftrace and libbpf-tools'
	@echo 'make install    PREFIX=/usr/local DESTDIR=    (make uninstall undoes it)'
	@echo 'make asan fuzz tests man format vmlinux clean   O=DIR builds elsewhere, V=1 shows commands'

clean:
	rm -rf $(O)

.PHONY: FORCE all clean deps demo check check-lab check-kernels bench check-layers format vmlinux man install uninstall help
.PHONY: tests tests-pure tests-inproc tests-fuzz asan fuzz
-include $(PURE_OBJ:.o=.d) $(LIVE_OBJ:.o=.d) $(BPF_OBJ:.o=.d)
-include $(TEST_SRC:%.c=$(O)/%.d) $(TEST_HELP_OBJ:.o=.d) $(FUZZ_BIN:=.d) $(TRUTH_OBJ:.o=.d) $(TRUTHRUN_OBJ:.o=.d)
