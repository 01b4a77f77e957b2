# The whole suite on every nginx that Debian has, dynamic and static, with gcc
# and clang; parts of it with make matrix MATRIX="trixie" MATRIX_CC=clang
# MATRIX_LINKS=static PYTEST_ARGS="-k cache".  A directory in MATRIX is an
# unpacked source tree.  The module needs nothing of it.

MATRIX        = bookworm trixie sid
MATRIX_LINKS  = dynamic static
MATRIX_CC     = gcc clang

.PHONY: matrix matrix-libxml2

matrix: deps
	@MAKE="$(MAKE)" PYTEST_ARGS="$(PYTEST_ARGS)" \
	    ./t/matrix nginx "$(MATRIX)" "$(MATRIX_LINKS)" "$(MATRIX_CC)"

# the newest libxml2, the pure layer and the tests that read S3's documents

matrix-libxml2: deps
	@MAKE="$(MAKE)" PYTEST_ARGS="$(PYTEST_ARGS)" ./t/matrix libxml2


# the suite with listings by libxml2 alone: it is the same

.PHONY: test-libxml2

test-libxml2:
	env -u TEST_NGINX_BINARY -u TEST_NGINX_MODULE $(MAKE) \
	    --no-print-directory BUILD=$(BUILD)/libxml2 PLAIN=0 e2e


# faults under load, each for FAULT_TIME seconds, see t/faults.py

FAULT_TIME    = 30
FAULTS        =

.PHONY: faults

faults: deps $(MODULE)
	@$(PYTHON) t/faults.py --seconds $(FAULT_TIME) $(FAULTS)


# nginx's own tests, with and without the module; the nginx is this Debian's,
# or NGINX_SRC's, built here since Debian's own loads its modules from afar

NGINX_TESTS   =
NGINX_TESTS_FILES =

.PHONY: nginx-tests

nginx-tests:
	@test -f "$(NGINX_TESTS)/lib/Test/Nginx.pm" || { \
	    echo "make: nginx-tests needs NGINX_TESTS=dir, a clone of" \
	         "https://github.com/nginx/nginx-tests" >&2; exit 1; }
	@./t/deps nginx-tests
	@src="$(NGINX_SRC)"; test -n "$$src" || src=$$(. /etc/os-release; \
	    ./t/matrix source $$VERSION_CODENAME) || exit 1; \
	$(MAKE) --no-print-directory NGINX_SRC="$$src" BUILD=$(BUILD)/plain all
	@./t/nginx_tests "$(NGINX_TESTS)" $(CURDIR)/$(BUILD)/plain/nginx \
	    $(CURDIR)/$(BUILD)/plain/ngx_http_s3jobs_module.so \
	    $(NGINX_TESTS_FILES)
