# make            the module for the nginx of Debian (package nginx-dev)
# make demo       a signed listing through a private nginx, see README.md
# make test       everything that has to hold
# make test-asan [NGINX_SRC=dir]    make test-valgrind
#                 the end-to-end tests with sanitizers; clients that leave
# make install    into the modules directory of the nginx in PATH (DESTDIR)
# make deb        a Debian package, below build/deb
# make compile_commands.json
#                 how each file is compiled, for clangd
#
# make NGINX_SRC=dir [STATIC=1] [SANITIZE=address,undefined]
#                 against an unpacked nginx source tree

BUILD       = build
MODULE      = $(BUILD)/ngx_http_s3jobs_module.so
SRC         = ngx_s3jobs_module

NGINX_SRC   =
STATIC      =
SANITIZE    =
PLAIN       =
CC          = cc
PYTHON      = /usr/bin/python3
DESTDIR     =
DEB         = $(BUILD)/deb
TEST_JOBS   = $(shell echo $$(($$(nproc) * 2)))

# what nginx runs under test: a binary, and the module if it is dynamic
TEST_NGINX_BINARY ?= $(if $(NGINX_SRC),$(CURDIR)/$(BUILD)/nginx,/usr/sbin/nginx)
TEST_NGINX_MODULE ?= $(if $(STATIC),,$(CURDIR)/$(MODULE))
export BUILD TEST_NGINX_BINARY TEST_NGINX_MODULE

DEBIAN_SRC  = /usr/share/nginx/src
TREE        = $(BUILD)/src
WARNINGS    = -Wall -Wextra -Wno-unused-parameter -Werror

HARDENING   = -g -O2 -fstack-protector-strong -Wformat \
              -Werror=format-security -fPIC -D_FORTIFY_SOURCE=2

ifneq ($(SANITIZE),)
# a pool hides overruns from ASan: NGX_DEBUG_PALLOC makes it call malloc();
# nginx itself copies no bytes from NULL, and stores words at any address
SANITIZER   = -fsanitize=$(SANITIZE) \
              -fno-sanitize=nonnull-attribute,alignment \
              -fno-sanitize-recover=undefined
HARDENING   = -g -O1 -fno-omit-frame-pointer -fPIC $(SANITIZER) \
              -DNGX_DEBUG_PALLOC=1
# what the module keeps for the life of the process is no leak, and has a
# name, if it is not unloaded before the leaks are counted
SANITIZER_LD = $(SANITIZER) -Wl,-z,nodelete
endif

# 0: all listings by libxml2, see ngx_s3jobs_plain.c
HARDENING  += $(if $(PLAIN),-DNGX_S3JOBS_PLAIN=$(PLAIN))

# the rooms, each may include those before it
PURE        = $(wildcard $(SRC)/formats/*.c $(SRC)/aws/*.c)
GLUE        = $(wildcard $(SRC)/credentials/*.c $(SRC)/http/*.c)
HEADERS     = $(wildcard $(SRC)/*/*.h)

.PHONY: all deps demo test test-asan test-valgrind unit e2e picture lint \
        install deb clean FORCE

all: $(MODULE)

include t/unit/unit.mk
include t/fuzz/fuzz.mk
include t/proof.mk
include bench/bench.mk


# nginx's configure writes into the tree that it is run in, so it gets a copy

$(TREE)/.copied: $(BUILD)/settings
	@test -d "$(or $(NGINX_SRC),$(DEBIAN_SRC))/src/core" || { \
	    echo "make: no nginx sources in $(or $(NGINX_SRC),$(DEBIAN_SRC)):" \
	         "run \"make deps\", or give NGINX_SRC=dir" >&2; exit 1; }
	@rm -rf $(TREE)
	@mkdir -p $(TREE)
	@cp -R "$(or $(NGINX_SRC),$(DEBIAN_SRC))"/. $(TREE)
	@rm -rf $(TREE)/objs $(TREE)/Makefile
	@touch $@

$(TREE)/objs/Makefile: $(TREE)/.copied config
	@echo "configuring $(or $(NGINX_SRC),$(DEBIAN_SRC)) with $(CC)"
	@./t/configure $(TREE) "$(CURDIR)" "$(CC)" "$(HARDENING) $(WARNINGS)" \
	    "$(STATIC)" "$(SANITIZER_LD)" > $(BUILD)/configure.log 2>&1 \
	    || { grep -A3 ': error:' $(BUILD)/configure.log \
	         || tail -n 5 $(BUILD)/configure.log; exit 1; } >&2

# a change of compiler, tree, flags or set of files configures anew

$(BUILD)/settings: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC)|$(NGINX_SRC)|$(STATIC)|$(HARDENING)|$(GLUE)|$(PURE)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(MODULE): $(TREE)/objs/Makefile $(GLUE) $(PURE) $(HEADERS)
	@echo "building $@"
	@$(MAKE) --no-print-directory -j2 -C $(TREE) -f objs/Makefile \
	    $(if $(NGINX_SRC),,modules) $(if $(STATIC),binary) > $(BUILD)/make.log \
	    || { tail -n 30 $(BUILD)/make.log; exit 1; } >&2
	@$(if $(NGINX_SRC),cp $(TREE)/objs/nginx $(BUILD)/nginx)
	@$(if $(STATIC),touch,cp $(TREE)/objs/ngx_http_s3jobs_module.so) $@

$(TREE)/objs/ngx_auto_config.h: $(TREE)/objs/Makefile


deps:
	@./t/deps test
	@./t/deps browser || echo "deps: no browser, so the page is not tested"

demo:
	@./t/deps demo
	@$(MAKE) --no-print-directory $(MODULE)
	@$(PYTHON) t/demo.py $(if $(ONCE),--once)

test: deps
	$(MAKE) --no-print-directory lint unit
	$(MAKE) --no-print-directory e2e

# most tests wait for something most of the time

e2e: $(MODULE)
	$(PYTHON) -m pytest -q -rfEs -n $(TEST_JOBS) t $(PYTEST_ARGS)

# the page as the README shows it

picture: $(MODULE)
	$(PYTHON) -m pytest -q t/test_page_looks.py -k picture
	cp $(BUILD)/page/picture.png docs/page.png

# nginx is that of this Debian, if not NGINX_SRC.  Some tests preload a
# library, which then comes before that of ASan.  Not with ASan: what is run
# under valgrind, has a malloc() of its own, measures or searches memory; and
# "nginx -s", which leaves its command line to the kernel

WITHOUT_ASAN = valgrind or memory or test_allocations or many_clients \
               or is_zeroed or another_shell

test-asan: deps
	@src="$(NGINX_SRC)"; test -n "$$src" || src=$$(. /etc/os-release; \
	    ./t/matrix source $$VERSION_CODENAME) || exit 1; \
	env -u TEST_NGINX_BINARY -u TEST_NGINX_MODULE \
	    ASAN_OPTIONS=verify_asan_link_order=0 \
	    LSAN_OPTIONS=suppressions=$(CURDIR)/t/lsan.supp:print_suppressions=0 \
	    $(MAKE) --no-print-directory NGINX_SRC="$$src" \
	    BUILD=$(BUILD)/asan SANITIZE=address,undefined \
	    e2e PYTEST_ARGS='-k "not ($(WITHOUT_ASAN))" $(PYTEST_ARGS)'

test-valgrind: $(MODULE)
	S3JOBS_LONG=1 $(PYTHON) -m pytest -q t/test_abort.py -k valgrind

lint: $(TREE)/objs/ngx_auto_config.h
	$(PYTHON) t/lint.py $(SRC) bench
	cppcheck --quiet --error-exitcode=1 --inline-suppr \
	    --enable=warning,portability --suppress=missingIncludeSystem \
	    --suppress=normalCheckLevelMaxBranches \
	    $(PURE) $(GLUE)

compile_commands.json: $(TREE)/objs/Makefile FORCE
	@{ $(MAKE) -Bn -C $(TREE) -f objs/Makefile modules \
	       | sed -e :a -e '/\\$$/N; s/\\\n//; ta' \
	       | grep ' -c .* $(CURDIR)/$(SRC)/'; \
	   for f in t/unit/*.c t/fuzz/*.c; do \
	       echo "$(CC) $(UNIT_FLAGS) $(UNIT_INCS) -c $$f"; done; } \
	    | $(PYTHON) t/compile_commands.py $(TREE) > $@

# into the nginx that is run: it says where, or the default of its configure

NGINX       = $(or $(shell command -v nginx),/usr/sbin/nginx)
NGINX_V     = $(shell $(NGINX) -V 2>&1 | tr ' ' '\n')
NGINX_PATH  = $(patsubst --$(1)=%,%,$(filter --$(1)=%,$(NGINX_V)))
MODULES_DIR = $(or $(call NGINX_PATH,modules-path),$(or \
              $(call NGINX_PATH,prefix),/usr/local/nginx)/modules)

PAGE_DIR    = /usr/share/nginx-s3jobs/dashboard

install: $(MODULE)
	@test -z "$(STATIC)" || { \
	    echo "make: linked in, there is no module to install" >&2; exit 1; }
	@$(NGINX) -v 2> /dev/null || { \
	    echo "make: no nginx at $(NGINX), give NGINX=path" >&2; exit 1; }
	install -d "$(DESTDIR)$(MODULES_DIR)"
	install -m 644 $(MODULE) "$(DESTDIR)$(MODULES_DIR)"
	install -d "$(DESTDIR)$(PAGE_DIR)"
	install -m 644 dashboard/* "$(DESTDIR)$(PAGE_DIR)"

# from a copy, since debhelper writes into the tree that it builds

deb:
	@dpkg-checkbuilddeps || { \
	    echo "make: as root, \"apt-get build-dep ./\" installs them" >&2; \
	    exit 1; }
	@rm -rf $(DEB)
	@mkdir -p $(DEB)/src
	@tar -c --exclude=./$(BUILD) --exclude=./.git --exclude=__pycache__ \
	    --exclude=node_modules . | tar -x -C $(DEB)/src
	@echo "building the package"
	@cd $(DEB)/src && dpkg-buildpackage -us -uc -b > ../build.log 2>&1 \
	    || { tail -n 30 ../build.log; exit 1; } >&2
	@ls $(DEB)/*.deb

clean:
	rm -rf $(BUILD)
