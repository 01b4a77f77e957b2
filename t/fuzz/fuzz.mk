# libFuzzer over the pure layer; make fuzz FUZZ_TIME=seconds, for each target

FUZZ_TIME  ?= 60
FUZZ_CC    ?= clang
FUZZ_TESTS  = $(patsubst t/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard t/fuzz/fuzz_*.c))
FUZZ_FLAGS  = -g -O1 -fno-omit-frame-pointer $(WARNINGS) \
              -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_LIBS   = $(shell pkg-config --libs libxml-2.0 jansson libcrypto \
                      2>/dev/null)
FUZZ_PURE   = $(patsubst $(SRC)/%.c,$(BUILD)/fuzz/%.o,$(PURE))

.PHONY: fuzz

$(BUILD)/fuzz/%.o: $(SRC)/%.c $(HEADERS) $(TREE)/objs/ngx_auto_config.h
	@mkdir -p $(@D)
	@echo "FUZZ_CC $@"
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(UNIT_INCS) \
	    -c -o $@ $<

$(BUILD)/fuzz/%: t/fuzz/%.c $(FUZZ_PURE)
	@echo "LD $@"
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer $(UNIT_INCS) -o $@ $^ \
	    $(FUZZ_LIBS)

.SECONDARY: $(FUZZ_PURE)

fuzz:
	@./t/deps fuzz
	@$(MAKE) --no-print-directory $(FUZZ_TESTS)
	@./t/fuzz/run $(FUZZ_TIME) $(FUZZ_TESTS)
