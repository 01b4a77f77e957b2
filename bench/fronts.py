"""What is measured side by side: nginx as a proxy for the same documents,
plain, with this module, and with what else Debian has to sign or convert.

Every front is a location of a private nginx.  Their upstream is another nginx
that serves files: it costs little, and the same each time.
"""

import hashlib
import pathlib

import callgrind
from nginx import DEFAULTS, MODULE, Nginx, configuration, location
from s3control import ACCOUNT, KEY, REGION, SECRET

EMPTY_SHA256 = hashlib.sha256().hexdigest()
HOST = f'{ACCOUNT}.s3-control.{REGION}.amazonaws.com'

UPSTREAM = """
sendfile on;
etag off;
keepalive_requests 1000000;
types { application/xml xml; }
"""

UPSTREAM_SERVER = """
access_log off;
location = /v20180820/jobs {
    root DOCUMENTS;
    add_header x-amz-id-2 0123456789abcdef0123456789abcdef0123456789abcdef;
    add_header x-amz-request-id 0123456789ABCDEF;
    try_files /jobs-$arg_maxResults.xml =404;
}
"""

HTTP = """
upstream s3control { server UPSTREAM; keepalive 64; }
proxy_cache_path PREFIX/cache keys_zone=cache:1m;
proxy_cache_valid 200 1h;
keepalive_requests 1000000;
"""

SERVER = """
access_log off;
location = /404 { return 404; }
""" + callgrind.MARK_LOCATION

PLAIN = """
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_pass SCHEME://s3control/v20180820/jobs;
"""

# the lines that "s3jobs on" needs, with constants
HDRS = f"""
proxy_method GET;
proxy_pass_request_headers off;
proxy_pass_request_body off;
proxy_set_body "";
proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate
    X-Accel-Buffering X-Accel-Charset;
proxy_set_header Host {HOST};
proxy_set_header X-Amz-Account-Id {ACCOUNT};
proxy_set_header X-Amz-Content-Sha256 {'0' * 64};
proxy_set_header X-Amz-Date 20260102T030405Z;
proxy_set_header Authorization "AWS4-HMAC-SHA256 Credential={KEY}/20260102/\
{REGION}/s3/aws4_request, SignedHeaders=host;x-amz-account-id;\
x-amz-content-sha256;x-amz-date, Signature={'0' * 64}";
proxy_set_header Content-Length "";
proxy_set_header Transfer-Encoding "";
"""

TLS = f"""
proxy_ssl_verify on;
proxy_ssl_server_name on;
proxy_ssl_name {HOST};
proxy_ssl_trusted_certificate CA;
"""

CACHE = 'proxy_cache cache;'

ENV = {'AWS_ACCESS_KEY_ID': KEY, 'AWS_SECRET_ACCESS_KEY': SECRET}


def plain(front, lines=''):
    return f'location = /{front} {{ {PLAIN} {lines} }}\n'


def ours(front, lines=''):
    return location({**DEFAULTS, 'path': f'= /{front}', 'location': lines,
                     'proxy_pass': 'SCHEME://s3control'}) + '\n'


# by the nginx that they live in: plain ones in one that knows no module
PLAIN_FRONTS = (plain('plain') + plain('hdrs', HDRS)
                + plain('its-hit', CACHE))
OUR_FRONTS = (ours('xml') + ours('json', 's3jobs_json on;')
              + ours('our-hit', CACHE)
              + plain('beside'))

HERE = pathlib.Path(__file__).resolve().parent
MODULES = '/usr/lib/nginx/modules'

# njs of Debian 12 has no XML parser; a variable of js_set is made once
NJS_MODULE = f'{MODULES}/ngx_http_js_module.so'
NJS_HTTP = f"""
js_path {HERE};
js_import sign.js;
js_import convert.js;
js_set $njs_date sign.date;
js_set $njs_authorization sign.authorization;
"""
NJS_LINES = HDRS.replace('20260102T030405Z', '$njs_date').replace(
    HDRS[HDRS.index('"AWS4'):HDRS.index('";', HDRS.index('"AWS4')) + 1],
    '$njs_authorization').replace('0' * 64, EMPTY_SHA256) + f"""
set $njs_host {HOST};
set $njs_account {ACCOUNT};
set $njs_empty {EMPTY_SHA256};
"""
NJS_FRONTS = (plain('njs', NJS_LINES)
              + plain('njs-json', NJS_LINES + """
                  js_header_filter convert.header;
                  js_body_filter convert.body;"""))

XSLT_MODULE = f'{MODULES}/ngx_http_xslt_filter_module.so'
XSLT_FRONTS = plain('xslt', f"""
    xslt_types application/xml;
    xslt_stylesheet {HERE}/listing.xsl;""")


def target(front, jobs):
    return f'/{front}?jobStatuses=Active&maxResults={jobs}'


def upstream(prefix, documents, certificates=None):
    """An nginx that answers with DOCUMENTS/jobs-N.xml, over TLS if there are
    certificates."""
    server = UPSTREAM_SERVER.replace('DOCUMENTS', str(documents))
    listen = ''
    if certificates:
        listen = 'ssl'
        server += f"""
            ssl_certificate {certificates.certificate};
            ssl_certificate_key {certificates.key};"""
    return started(prefix, listen, module='', http=UPSTREAM, server=server)


def gateway(prefix, port, fronts, module='', ca=None, listen='',
            more='', **options):
    """An nginx with these fronts; port: of the upstream.  listen: further
    parameters of "listen"; more: further lines of http{}."""
    http = HTTP.replace('PREFIX', str(prefix)).replace(
        'UPSTREAM', f'127.0.0.1:{port}')
    http += DEFAULTS['sources'] if module == MODULE else more
    if ca:
        http += TLS.replace('CA', ca)
    fronts = fronts.replace('SCHEME', 'https' if ca else 'http')
    return started(prefix, listen, module=module, env=ENV, http=http,
                   server=SERVER + fronts, **options)


def started(prefix, listen, env={}, wrapper=(), **options):
    options |= {'path': None, 'level': 'error'}

    def text(nginx):
        port = f'127.0.0.1:{nginx.port}'
        return configuration(prefix, nginx.port, nginx.h2_port, None,
                             options).replace(f'listen {port};',
                                              f'listen {port} {listen};')

    return Nginx(prefix, env=env, wrapper=wrapper, conf=text, **options)
