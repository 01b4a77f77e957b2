# libFuzzer over the pure layer; make fuzz FUZZ_TIME=seconds, for each target

FUZZ_TIME  ?= 60
FUZZ_CC    ?= clang
FUZZ_TESTS  = $(patsubst t/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard t/fuzz/fuzz_*.c))
FUZZ_FLAGS  = -g -O1 -fno-omit-frame-pointer $(WARNINGS) \
              -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_LIBS   = $(shell pkg-config --libs libxml-2.0 jansson libcrypto \
                      2>/dev/null)
FUZZ_PURE   = $(patsubst $(SRC)/%.c,$(BUILD)/fuzz/%.o,$(PURE))

.PHONY: fuzz fuzz-coverage

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

# what of ngx_s3jobs_plain.c the inputs reach that the last make fuzz has
# left, and what of it the unit tests: in per cent, and the lines never reached

COVER_FLAGS = -g -O1 -fprofile-instr-generate -fcoverage-mapping \
              -Wno-pointer-sign
COVER_TESTS = $(BUILD)/cover/fuzz_plain $(BUILD)/cover/test_plain

$(BUILD)/cover/fuzz_plain: t/fuzz/fuzz_plain.c
$(BUILD)/cover/fuzz_plain: COVER_FLAGS += -fsanitize=fuzzer
$(BUILD)/cover/test_plain: t/unit/test_plain.c

$(COVER_TESTS): $(PURE) $(HEADERS) $(TREE)/objs/ngx_auto_config.h
	@mkdir -p $(@D)
	@echo "LD $@"
	@$(FUZZ_CC) $(COVER_FLAGS) $(UNIT_INCS) -o $@ $(filter %.c,$^) \
	    $(UNIT_LIBS)

fuzz-coverage:
	@./t/deps fuzz
	@$(MAKE) --no-print-directory $(COVER_TESTS)
	@./t/fuzz/coverage $(SRC)/aws/ngx_s3jobs_plain.c \
	    $(BUILD)/cover/fuzz_plain -runs=0 $(BUILD)/fuzz/fuzz_plain.corpus \
	    $(BUILD)/fuzz/fuzz_plain.seeds
	@./t/fuzz/coverage $(SRC)/aws/ngx_s3jobs_plain.c \
	    $(BUILD)/cover/test_plain 20000
