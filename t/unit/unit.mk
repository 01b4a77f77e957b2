# The pure layer with cmocka, under ASan and UBSan, linked without nginx.

UNIT_TESTS  = $(patsubst t/unit/%.c,$(BUILD)/unit/%,$(wildcard t/unit/test_*.c))
# cmocka 2 has its own idea of the signs of characters
UNIT_FLAGS  = -g -O1 -fno-omit-frame-pointer $(WARNINGS) -Wno-pointer-sign \
              -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_INCS   = -I $(SRC)/formats -I $(SRC)/aws \
              -I $(TREE)/objs -I $(TREE)/src/core \
              -I $(TREE)/src/event -I $(TREE)/src/event/quic \
              -I $(TREE)/src/os/unix \
              $(shell pkg-config --cflags libxml-2.0 2>/dev/null)
UNIT_LIBS   = $(shell pkg-config --libs libxml-2.0 jansson libcrypto \
                      cmocka 2>/dev/null)
UNIT_PURE   = $(patsubst $(SRC)/%.c,$(BUILD)/unit/%.o,$(PURE))

$(BUILD)/unit/%.o: $(SRC)/%.c $(HEADERS) $(TREE)/objs/ngx_auto_config.h
	@mkdir -p $(@D)
	@echo "CC $@"
	@$(CC) $(UNIT_FLAGS) $(UNIT_INCS) -c -o $@ $<

$(BUILD)/unit/%: t/unit/%.c $(UNIT_PURE)
	@echo "LD $@"
	@$(CC) $(UNIT_FLAGS) $(UNIT_INCS) -o $@ $^ $(UNIT_LIBS)

.SECONDARY: $(UNIT_PURE)

unit: $(UNIT_TESTS)
	@set -e; for t in $(UNIT_TESTS); do echo "$$t"; $$t; done
