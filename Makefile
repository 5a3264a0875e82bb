# libspecstream. `make help` lists the targets.
CFLAGS    ?= -O2 -g
CC        ?= cc
OBJCOPY   ?= objcopy
out       := build

own_flags := -std=c11 -D_GNU_SOURCE -Ilib -Iinclude -fPIC -fvisibility=hidden -ffunction-sections \
             -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
             -Wconversion -fno-fast-math -ffp-contract=off -fno-math-errno -pthread -MMD -MP
lib_c     := $(sort $(wildcard lib/*/*.c lib/*/*/*.c))
lib_o     := $(lib_c:%.c=$(out)/%.o)
test_c    := $(sort $(wildcard tests/*/test_*.c))
tests     := $(test_c:%.c=$(out)/%)

all: $(out)/internal.a

$(out)/lib/%_fma.o:        private isa_flags := -mfma
$(out)/lib/%_avx2.o:       private isa_flags := -mavx2 -mfma -mf16c
$(out)/lib/%_avx512vnni.o: private isa_flags := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mf16c

$(out)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(own_flags) $(isa_flags) -c $< -o $@

$(out)/internal.a: $(lib_o)   # for tests of internals: only the members a test needs are linked
	@rm -f $@
	$(AR) rcsD $@ $^

$(out)/tests/%: $(out)/tests/%.o $(out)/internal.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(out)/internal.a -lcmocka -lm -pthread

check: $(tests)
	@set -e; for test in $(tests); do echo "== $$test"; $$test; done

-include $(lib_o:.o=.d) $(test_c:%.c=$(out)/%.d)
.PHONY: all check
.SECONDARY:
