# libFuzzer over the pure layer; make fuzz FUZZ_TIME=seconds, for each target

FUZZ_TIME  ?= 60
FUZZ_CC    ?= clang
FUZZ_TESTS  = $(patsubst t/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard t/fuzz/fuzz_*.c))
FUZZ_FLAGS  = -g -O1 -fno-omit-frame-pointer $(WARNINGS) \
              -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_LIBS   = $(shell pkg-config --libs libxml-2.0 jansson libcrypto \
                      2>/dev/null)

.PHONY: fuzz

$(BUILD)/fuzz/%: t/fuzz/%.c $(PURE) $(HEADERS) $(TREE)/objs/ngx_auto_config.h
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) $(UNIT_INCS) -o $@ $< $(PURE) $(FUZZ_LIBS)

fuzz: $(FUZZ_TESTS)
	@./t/fuzz/run $(FUZZ_TIME) $(FUZZ_TESTS)
