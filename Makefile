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
LIVE_LIBS := -lbpf -lelf -ldw -lcurl -lmicrohttpd -lpthread

all: $(O)/sandglass

$(O)/libsg.a: $(PURE_OBJ)
	$(call msg,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(O)/sandglass: $(LIVE_OBJ) $(O)/libsg.a
	$(call msg,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIVE_LIBS) $(PURE_LIBS)

$(PURE_OBJ): $(O)/%.o: %.c
	$(call msg,CC,$<)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE_CFLAGS) -MMD -MP -c -o $@ $<

$(LIVE_OBJ): $(O)/%.o: %.c | $(O)/sandglass.skel.h
	$(call msg,CC,$<)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE_CFLAGS) -I$(O) -MMD -MP -c -o $@ $<

$(O)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call msg,BPF,$<)mkdir -p $(@D) && $(CLANG) -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(ARCH) -Wall -Werror \
		-Wno-unused-function -Ivmlinux/$(ARCH) -Iinclude -Ibpf -MMD -MP -c -o $@ $<

$(O)/sandglass.bpf.o: $(BPF_OBJ)
	$(call msg,BPFLD,$@)$(BPFTOOL) gen object $@ $^

$(O)/sandglass.skel.h: $(O)/sandglass.bpf.o
	$(call msg,SKEL,$@)$(BPFTOOL) gen skeleton $< name sandglass_bpf > $@

$(O)/user/kern/%.o: $(O)/sandglass.skel.h

clean:
	rm -rf $(O)

.PHONY: all clean
-include $(PURE_OBJ:.o=.d) $(LIVE_OBJ:.o=.d) $(BPF_OBJ:.o=.d)
