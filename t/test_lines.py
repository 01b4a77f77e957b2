"""The proxy_* lines that "s3jobs on" stands for: what is sent is exactly
that, whatever stands around it, or nginx -t refuses it."""

import itertools
import re

import pytest

from documents import error, expected_ids, job_ids
from gateway import assert_ours, place
from nginx import ROOT
from s3control import ACCOUNT, PATH
from test_config import HERE, complaint

B = '210987654321'

# the lines as the README has them, in its table
LINES = re.findall(r'^\| `(proxy_[^`]*)` \|', (ROOT / 'README.md').read_text(),
                   re.M)

# nginx takes more of these, and adds them up
ADDED = {'proxy_set_header', 'proxy_ignore_headers'}
ONCE = [line for line in LINES if line.split()[0] not in ADDED]

PLAIN = 'proxy_pass http://s3control;'
SETTINGS = (f's3jobs_account {ACCOUNT}; s3jobs_region us-east-1;'
            's3jobs_credentials ops;')

# all that the lines set, set otherwise
OTHERWISE = ('proxy_http_version 1.0; proxy_method POST;'
             'proxy_pass_request_headers on; proxy_pass_request_body on;'
             'proxy_set_body "a body"; proxy_set_header Host evil.example;'
             'proxy_set_header X-Evil 1; proxy_set_header Connection close;'
             'proxy_ignore_headers Set-Cookie; proxy_ssl_verify off;'
             'proxy_ssl_server_name off; proxy_ssl_name evil.example;'
             'proxy_cache_key one;')

# what a client may try, besides
CLIENT = [('X-Amz-Date', '20200101T000000Z'), ('Authorization', 'theirs'),
          ('X-Client', '1'), ('Cookie', 'a=b'), ('Range', 'bytes=0-9')]


def test_the_table_of_the_readme():
    names = [line.split()[0] for line in LINES]
    assert len({*LINES}) == len(LINES) >= 19
    assert names.count('proxy_set_header') == 9
    assert {*names} - ADDED == {line.split()[0]
                                for line in OTHERWISE.split(';')[:-1]} - ADDED


@pytest.mark.parametrize('before', [False, True])
@pytest.mark.parametrize('line', ONCE)
def test_a_line_given_again(nginx, tmp_path, line, before):
    """nginx's own words, at the place of the second of the two."""
    ours = f'{SETTINGS} s3jobs on;'
    said = complaint(nginx, tmp_path, path='= /other', server='location /a {'
                     + (f'{line};\n{ours} {HERE}\n' if before else
                        f'{ours}\n{line}; {HERE}\n') + PLAIN + '}')
    assert f'"{line.split()[0]}" directive is duplicate' in said


def test_s3jobs_on_twice(nginx, tmp_path):
    for second in 'on', 'off':
        assert '"s3jobs" directive is duplicate' in complaint(
            nginx, tmp_path, path='= /other', server='location /a {'
            f's3jobs on;\ns3jobs {second}; {HERE}\n}}')


def test_place_in_an_included_file(nginx, tmp_path):
    """The included file, and its line, is where "s3jobs on" stands."""
    file = tmp_path / 'jobs.conf'
    file.write_text(f'\n{SETTINGS}\n\ns3jobs on;\n')
    code, output = nginx.check(path='= /other', server='location /jobs {'
                               f'proxy_method GET; include {file};\n{PLAIN}}}')
    assert code
    assert f'"proxy_method" directive is duplicate in {file}:4\n' in output
    # and what follows is still read at its own line
    assert 'unknown directive "proxy_pas"' in complaint(
        nginx, tmp_path, path='= /other', server='location /jobs {'
        f'include {file};\n\nproxy_pas x; {HERE}\n}}')


@pytest.mark.parametrize('location', [
    'proxy_set_header X-Trace 1; s3jobs on;',
    's3jobs on; proxy_set_header X-Trace 1;',
    'proxy_set_header X-Trace $s3jobs_account$is_args; s3jobs on;',
])
def test_a_header_of_the_operator(s3, nginx, location):
    gw = nginx(path='= /other', server=f'location /jobs {{ {SETTINGS}'
               f'{location} {PLAIN} }}')
    assert gw.get('/jobs', CLIENT).status == 200
    value = ACCOUNT if 'account' in location else '1'
    assert_ours(*s3.requests, more=[('x-trace', value)])


OURS = [line.split()[1] for line in LINES if 'set_header' in line]


@pytest.mark.parametrize('value', ['""', '1', '$s3jobs_date'])
@pytest.mark.parametrize('name', [*OURS, 'hOST', 'x-amz-date'])
def test_a_header_of_ours_again(nginx, tmp_path, name, value):
    """Before or after; nginx would send both, and S3 refuse them."""
    line = f'proxy_set_header {name} {value};'
    on = f'{SETTINGS} s3jobs on; {HERE}\n'
    for location in f'{line} {on}', f'{on} {line}':
        said = complaint(nginx, tmp_path, path='= /other', server='location'
                         f' /jobs {{ {location} {PLAIN} }}')
        assert re.search(f'"proxy_set_header {name}" in location "/jobs" sets'
                         ' again what is set by "s3jobs on"', said, re.I)


@pytest.mark.parametrize('name', ['X-Amz-Meta-A', 'x-amz-user-agent',
                                  'X-AMZ-', 'X-Amz-Dat', 'X-Amz-Dates'])
def test_a_header_that_is_not_signed(nginx, tmp_path, name):
    """Of Amazon's headers, S3 wants each that is sent to be signed."""
    said = complaint(nginx, tmp_path, path='= /other', server='location'
                     f' /jobs {{ {SETTINGS} s3jobs on; {HERE}\n'
                     f'proxy_set_header {name} 1; {PLAIN} }}')
    assert f'"proxy_set_header {name}" in location "/jobs" would go up' \
           ' without being signed' in said


def test_headers_that_resemble_ours(s3, nginx):
    names = 'Hos', 'Hosts', 'Connection-Id', 'X-Amzn-Trace-Id', 'X-Amz', 'A'
    gw = nginx(location=''.join(f'proxy_set_header {n} 1;' for n in names))
    assert gw.get('/jobs').status == 200
    assert_ours(*s3.requests, more=[(n.lower(), '1') for n in names])


# configurations around "s3jobs on": the location /jobs, or what it is in

def within(text):
    return {'server': f'location / {{ {text} }}'}


ON = f's3jobs on; {SETTINGS} {PLAIN}'
ACCEPTED = {
    'alone': {},
    'all otherwise in http': {'http': OTHERWISE},
    'all otherwise in server': {'server': OTHERWISE},
    'twice otherwise': {'http': OTHERWISE, 'server': 'proxy_method PUT;'},
    'at the end': {'server': f'location /jobs {{ {SETTINGS} {PLAIN}'
                             's3jobs on; }'},
    'at the beginning': {'server': f'location /jobs {{ s3jobs on; {PLAIN}'
                                   f'{SETTINGS} }}'},
    'settings above': {'http': SETTINGS,
                       'server': f'location /jobs {{ s3jobs on; {PLAIN} }}'},
    'inside of another': within(f'{OTHERWISE} proxy_pass http://127.0.0.1:1;'
                                f'location = /jobs {{ {ON} }}'),
    'inside of one that is off': within(
        f's3jobs off; {OTHERWISE} {PLAIN} location = /jobs {{ {ON} }}'),
    'inherited': within(f'{ON} location = /jobs {{ {PLAIN} }}'),
    'inherited twice': within(f'{ON} location ~ . {{ {PLAIN}'
                              f'location ~ jobs {{ {PLAIN} }} }}'),
    'inherited, nested before it': within(
        f'location = /jobs {{ {PLAIN} }} {ON}'),
    'on inside of on': within(f'{ON} location = /jobs {{ s3jobs on;'
                              f'{PLAIN} }}'),
    'on inside of on inside of off': within(
        f'{ON} location ~ . {{ s3jobs off; proxy_set_header A b; {PLAIN}'
        f'location ~ jobs {{ s3jobs on; {PLAIN} }} }}'),
    'all otherwise, inherited by the outer one': {
        'http': OTHERWISE,
        **within(f'{ON} location = /jobs {{ {PLAIN} }}')},
    'if': {'location': 'if ($http_x_client) { add_header X-If yes; }'},
    'if with its own proxy_pass': {
        'location': f'if ($http_x_client) {{ {PLAIN} }}'},
    'limit_except': {'location': 'limit_except GET { deny all; }'},
    'limit_except with its own proxy_pass': {
        'location': f'limit_except POST {{ {PLAIN} }}'},
    'named': {'server': 'location /jobs { error_page 418 = @jobs;'
                        ' return 418; }'
                        f'location @jobs {{ {ON} }}'},
    'rewritten': {'server': 'location /jobs { rewrite ^ /other last; }'},
    'a regular expression': {'server': f'location ~ ^/jobs$ {{ {ON} }}'},
    'a URI': {'server': f'location /jobs {{ s3jobs on; {SETTINGS}'
                        'proxy_pass http://s3control/other?a=b; }'},
    'a variable': {'server': f'location /jobs {{ s3jobs on; {SETTINGS}'
                             'set $to s3control; proxy_pass http://$to; }'
                             'proxy_ssl_trusted_certificate'
                             ' /etc/ssl/certs/ca-certificates.crt;'},
    'not buffered': {'location': 'proxy_buffering off;'
                                 'proxy_request_buffering off;'},
    'cached': {'location': 'proxy_cache c; proxy_cache_valid any 1h;'},
    'cached, HEAD as it is': {'location': 'proxy_cache c;'
                              'proxy_cache_convert_head off;'},
    'sliced': {'location': 'slice 1m;'},
    'mirrored': {'location': 'mirror /void;',
                 'server': 'location /void { return 204; }'},
    'in an SSI page': {'server': 'location = /page { ssi on; ssi_types *;'
                       'default_type text/html; return 200 "<!--# include'
                       f' virtual=/jobs -->"; }} location /jobs {{ {ON} }}'},
}


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@pytest.mark.parametrize('name', ACCEPTED)
def test_accepted_configurations(s3, nginx, tmp_path, name, method):
    """Whatever nginx -t accepts sends our headers, each once, and signed."""
    options = dict(ACCEPTED[name])
    http = (f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;'
            + options.pop('http', ''))
    if 'location' in options.get('server', '') and 'location' not in options:
        options['path'] = '= /other'
    gw = nginx(http=http, **options)
    r = gw.get('/jobs', CLIENT, method=method, body=b'')
    assert r.status == 200 and r.complete
    if method == 'GET':
        assert job_ids(r) == expected_ids(s3)
    [request] = s3.wait_for(1)
    assert_ours(request)


def test_a_body_of_the_outer_level(s3, nginx):
    """It would be taken for the next request on a kept connection."""
    gw = nginx(http='proxy_set_body "GET /evil HTTP/1.1\\r\\nHost: a\\r\\n";')
    for _ in range(3):
        assert gw.get('/jobs', [('Content-Length', '5')], body=b'hello',
                      method='GET').status == 200
    for request in s3.wait_for(3):
        assert_ours(request)
    assert s3.connections == 1


# what nginx -t refuses

@pytest.mark.parametrize('line', [
    *(line for line in OTHERWISE.split(';')[:-1]
      if not line.startswith('proxy_cache_key')),
    'proxy_set_header X-Trace 1'])
def test_a_line_of_its_own_where_it_is_inherited(nginx, tmp_path, line):
    """It would hide the inherited one, or all of its name."""
    said = complaint(nginx, tmp_path, path='= /other', **within(
        f'{ON} {HERE}\nlocation /jobs {{ {line}; {PLAIN} }}'))
    assert (f'location "/jobs" inherits "s3jobs on" but has'
            f' "{line.split()[0]}" of its own: it must say "s3jobs on"'
            ' itself' in said)


PASSES = ['fastcgi_pass 127.0.0.1:1', 'uwsgi_pass 127.0.0.1:1',
          'scgi_pass 127.0.0.1:1', 'grpc_pass 127.0.0.1:1',
          'memcached_pass 127.0.0.1:1', 'fastcgi_pass $host']


@pytest.mark.parametrize('handler,where', [
    *itertools.product(PASSES, ['location', 'inherited', 'if']),
    *itertools.product(['empty_gif', 'stub_status'],
                       ['location', 'inherited'])])
def test_another_content_handler(nginx, tmp_path, handler, where):
    """It would send what the client sent."""
    on = f's3jobs on; {SETTINGS} {HERE}\n'
    said = complaint(nginx, tmp_path, path='= /other', server={
        'location': f'location /jobs {{ {on} {handler}; }}',
        'inherited': f'location / {{ {on} {PLAIN}'
                     f'location /jobs {{ {handler}; }} }}',
        'if': f'location /jobs {{ {on} {PLAIN}'
              f'if ($arg_a) {{ {handler}; }} }}'}[where])
    assert '"s3jobs on" in location "' in said
    assert 'has a content handler that is not "proxy_pass"' in said


# off

def test_off_inside_of_on(s3, nginx, stand_in):
    """It is a plain location again, with headers of its own."""
    other = stand_in()
    other.verify, other.unsigned_expected = False, 1
    gw = nginx(path='/', location='location = /off { s3jobs off;'
               'proxy_set_header X-Own 1;'
               f'proxy_pass http://127.0.0.1:{other.port}; }}'
               'location = /text { s3jobs off; return 200 "text"; }')
    assert gw.get('/text').text == 'text'
    gw.get('/off')
    [request] = other.requests
    assert (request.target, request.header('X-Own')) == ('/off', '1')
    assert request.header('Authorization') is None
    assert s3.requests == []


def test_off_that_inherits_the_lines(nginx, tmp_path):
    """It would send our headers, without a value, and not the client's."""
    for nested in f's3jobs off; {PLAIN}', \
            f's3jobs off; location /off/x {{ {PLAIN} }}':
        said = complaint(nginx, tmp_path, path='= /other', **within(
            f'{ON} {HERE}\nlocation /off {{ {nested} }}'))
        assert '"s3jobs off" inherits the "proxy_set_header" lines' in said


def test_off_has_no_lines(s3, nginx):
    s3.verify, s3.unsigned_expected = False, 1
    gw = nginx(path='= /other', server='location /jobs { s3jobs off;'
               f'proxy_method PUT; {PLAIN} }}')
    gw.get('/jobs', [('X-Client', '1')])
    [request] = s3.requests
    assert (request.method, request.header('X-Client')) == ('PUT', '1')


# the cache

@pytest.mark.parametrize('level', ['http', 'server'])
@pytest.mark.parametrize('key', [
    None, 'one', '$uri', '$proxy_host$request_uri',
    '$scheme$proxy_host$uri$is_args$args', '$s3jobs_cache_key',
    '$s3jobs_region'])
def test_two_accounts_in_one_cache(s3, nginx, tmp_path, key, level):
    """One upstream, one zone, any key: nobody gets a foreign job."""
    cache = ('proxy_cache c; proxy_cache_valid any 1h;'
             + (f'proxy_cache_key {key};' if key else ''))
    gw = nginx(path='= /other', **{
        'http': f'proxy_cache_path {tmp_path}/cache keys_zone=c:1m;'
                + (cache if level == 'http' else ''),
        'server': (cache if level == 'server' else '')
        + place('= /jobs') + place('= /b', account=B)
        + place('~ ^/(?<id>[0-9]+)/jobs$', account='$id')})
    for _ in range(2):
        for target, account in ('/jobs', ACCOUNT), ('/b', B), \
                (f'/{B}/jobs', B), (f'/{ACCOUNT}/jobs', ACCOUNT), \
                ('/000000000001/jobs', '000000000001'):
            assert job_ids(gw.get(target)) == expected_ids(s3, account)
    assert [r.account for r in s3.requests] == [ACCOUNT, B, '000000000001']


def test_a_key_of_its_own_where_it_is_inherited(s3, nginx, tmp_path):
    """nginx -t does not see it: no answer rather than a foreign one."""
    nested = f'location = /%s {{ s3jobs_account %s; {PLAIN} proxy_cache c;' \
             'proxy_cache_valid any 1h; proxy_cache_key one; }'
    gw = nginx(path='= /other', http=f'proxy_cache_path {tmp_path}/cache'
               ' keys_zone=c:1m;', **within(
                   ON + nested % ('a', ACCOUNT) + nested % ('b', B)))
    for target in '/a', '/b', '/b', '/a':
        r = gw.get(target)
        assert r.status == 500 and error(r)[0] == 'InternalServerError'
        assert b'JobId' not in r.body
    gw.wait_log(r'\[crit\].*the cache key is not "\$s3jobs_cache_key"',
                count=4)
    for request in s3.requests:
        assert request.verdict is None


# plain http

@pytest.mark.parametrize('servers,pass_to,named', [
    ('server 127.0.0.1:80;', 's3control', None),
    ('server 127.9.8.7:80;', 's3control', None),
    ('server [::1]:80;', 's3control', None),
    ('server unix:/tmp/x;', 's3control', None),
    ('server localhost:80;', 's3control', None),
    ('server 127.0.0.1:80;', '127.0.0.1:8080', None),
    ('server 127.0.0.1:80;', 'localhost', None),
    ('server 127.0.0.1:80;', 'unix:/tmp/x:', None),
    ('server 192.0.2.1;', 's3control', '192.0.2.1:80'),
    ('server 127.0.0.1; server 192.0.2.1 backup;', 's3control',
     '192.0.2.1:80'),
    ('server [2001:db8::1]:81;', 's3control', '[2001:db8::1]:81'),
    ('server 127.0.0.1;', '192.0.2.1:99', '192.0.2.1:99'),
    ('server 127.0.0.1;', '10.1.2.3', '10.1.2.3:80'),
])
def test_plain_http_to_another_machine(nginx, tmp_path, servers, pass_to,
                                       named):
    def options(scheme):
        return {'servers': f'upstream s3control {{ {servers} }}',
                'path': '= /other', 'proxy_pass': 'http://127.0.0.1:1',
                'server': f'location = /jobs {{ {SETTINGS}'
                f's3jobs on; {HERE}\nproxy_pass {scheme}://{pass_to}; }}'
                'proxy_ssl_trusted_certificate'
                ' /etc/ssl/certs/ca-certificates.crt;'}

    code, output = nginx.check(**options('https'))
    assert code == 0 and '[warn]' not in output, output
    if named:
        said = complaint(nginx, tmp_path, level='warn', **options('http'))
        assert 'location "/jobs"' in said
        assert f'in clear text to "{named}"' in said
    else:
        code, output = nginx.check(**options('http'))
        assert code == 0 and '[warn]' not in output, output
