# What it costs; see bench/README.md.
#
# make bench                 side by side with peers, writes bench/RESULTS.md
# make bench-micro           signing and converting alone, in nanoseconds
# make bench-instructions    the same and whole requests, in instructions:
#                            fails where bench/instructions.tsv is exceeded

BENCH_FLAGS = $(HARDENING) $(WARNINGS)
BENCH_LIBS  = $(shell pkg-config --libs libxml-2.0 jansson libcrypto \
                      2>/dev/null)

.PHONY: bench bench-micro bench-instructions

$(BUILD)/bench/micro: bench/micro.c $(PURE) $(HEADERS) \
    $(TREE)/objs/ngx_auto_config.h
	@mkdir -p $(@D)
	@echo "LD $@"
	@$(CC) $(BENCH_FLAGS) $(UNIT_INCS) -o $@ bench/micro.c $(PURE) \
	    $(BENCH_LIBS)

bench-micro: $(BUILD)/bench/micro
	@PYTHONPATH=t $(PYTHON) bench/micro.py $(BENCH_ARGS)

bench-instructions: $(MODULE) $(BUILD)/bench/micro
	@PYTHONPATH=t $(PYTHON) bench/instructions.py $(BENCH_ARGS)

bench:
	@./t/deps bench
	@$(MAKE) --no-print-directory $(MODULE) $(BUILD)/bench/micro
	@PYTHONPATH=t $(PYTHON) bench/bench.py $(BENCH_ARGS)
