"""nginx -t finds every mistake, with the directive, the value and the place;
directives are inherited, in any order; blocks within a location."""

import os
import random
import re
import shutil
import subprocess

import pytest

import nginx as nginx_process
from documents import error
from nginx import MODULE
from s3control import KEY, PATH, SECRET

HERE = '# here'
OTHER = 'AKIDOTHER'


def complaint(nginx, tmp_path, level='emerg', **options):
    """The line that nginx -t says about the line that has HERE in it."""
    code, output = nginx.check(**options)
    conf = max(tmp_path.glob('check*/nginx.conf'),
               key=lambda path: int(path.parent.name[5:]))
    [line] = [n for n, text in enumerate(conf.read_text().splitlines(), 1)
              if HERE in text]
    assert (code != 0) == (level == 'emerg'), output
    found = [text for text in output.splitlines()
             if f'[{level}]' in text and text.endswith(f'{conf}:{line}')]
    assert len(found) == 1, output
    return found[0]


def directive(name, value, **options):
    """The standard location with this in it."""
    return {'location': f'{name} {value}; {HERE}',
            **({name[7:]: None} if name[7:] in nginx_process.DEFAULTS
               else {}), **options}


SETTINGS = ('s3jobs_account 123456789012; s3jobs_region us-east-1;'
            's3jobs_credentials ops;')


# what is seen of a value, for the tests of inheritance

def of_request(see):
    return lambda s3, gw, name: (
        gw.get('/jobs', [('Host', name)]).status == 200
        and see(s3.requests[-1]))


def type_of_error(s3, gw, name):
    return gw.get('/jobs?a', [('Host', name)]).header('Content-Type')


def framing(s3, gw, name):
    return gw.get('/jobs', [('Host', name)]).framing


# All that may stand in http, server and location: values that are taken,
# those that are not with what else the message says, and two values with
# what is seen of each, for inheritance.  A new directive is one entry here.

NUMBER = '"{name}" directive invalid value'   # as nginx words it
DIRECTIVES = {
    's3jobs_account': {
        'good': ['000000000000', '$http_x_account', '1$http_x_account'],
        'bad': {**dict.fromkeys(
            ['12345678901', '1234567890123', '12345678901a', '-12345678901',
             '１２３４５６７８９０１２', '""'],
            'invalid value "{value}" in "{name}" directive,'
            ' it must be 12 digits')},
        'inherit': ('000000000001', '000000000002',
                    of_request(lambda r: r.account),
                    '000000000001', '000000000002')},
    's3jobs_region': {
        'good': ['eu-west-1', 'us-gov-west-1', 'xx-new-99', '$http_x_region'],
        'bad': {**dict.fromkeys(
            ['EU-WEST-1', 'eu_west_1', 'aws-global', 'eu-west',
             'eu-west-1.evil.com', 'eu-west-1/', '""'],
            'invalid value "{value}" in "{name}" directive,'
            ' it must be like "eu-west-1"')},
        'inherit': ('eu-west-1', 'eu-west-2', of_request(lambda r: r.region),
                    'eu-west-1', 'eu-west-2')},
    's3jobs_credentials': {
        'good': ['ops', '$http_x_source'],
        'bad': {**dict.fromkeys(
            ['nosuch', '""'],
            'unknown credentials source "{value}" in "{name}" directive')},
        'inherit': ('ops', 'other', of_request(lambda r: r.key_id), KEY,
                    OTHER)},
    's3jobs_credentials_timeout': {
        'good': ['0', '5s', '1500ms'],
        'bad': dict.fromkeys(['5q', '-1', '""'], NUMBER)},
    's3jobs_endpoint': {
        'good': ['fips', 'fips dualstack', 'a.example', 'a.example:8443',
                 '[::1]:99', '$http_x_host'],
        'bad': {**dict.fromkeys(
            ['https://host.example', 'host.example/path', 'host.example:0',
             'host.example:65536', 'host.example:', 'host..example',
             '"host example"', '-host.example', '[::1', '""'],
            'invalid host "{value}" in "{name}" directive'),
            'fips dualstak': 'invalid parameter "dualstak" in "{name}"',
            'a.example b.example': 'invalid parameter "b.example" in "{name}"',
            'dualstack a.example': 'invalid parameter "a.example" in "{name}"',
            'fips fips': 'duplicate parameter "fips" in "{name}" directive',
            'a.example fips': 'not with the host "a.example" in "{name}"'},
        'inherit': ('fips', 'dualstack', of_request(
            lambda r: r.header('Host').split('.us')[0][12:]),
            '.s3-control-fips', '.s3-control.dualstack')},
    's3jobs_json': {
        'good': ['on', 'off', 'accept', 'ON'],
        'bad': dict.fromkeys(['maybe', '1', '""'],
                             'invalid value "{value}"'),
        'inherit': ('on', 'off', type_of_error, 'application/problem+json',
                    'application/xml')},
    's3jobs_json_buffer_size': {
        'good': ['1', '64k', '1m'],
        'bad': {**dict.fromkeys(['64q', '-1', '""'], NUMBER),
                '0': '"{name}" directive must not be 0'},
        'inherit': ('1k', '100k', framing, 'chunked', 'length')},
}


def rows(kind):
    return [(name, value) for name, of in DIRECTIVES.items()
            for value in of[kind]]


@pytest.mark.parametrize('name,value', rows('good'))
def test_good_value(nginx, name, value):
    code, output = nginx.check(**directive(name, value))
    assert code == 0, output


@pytest.mark.parametrize('name,value', rows('bad'))
def test_bad_value(nginx, tmp_path, name, value):
    said = complaint(nginx, tmp_path, **directive(name, value))
    assert DIRECTIVES[name]['bad'][value].format(
        name=name, value=value.strip('"')) in said


@pytest.mark.parametrize('name', DIRECTIVES)
def test_duplicate(nginx, tmp_path, name):
    value = DIRECTIVES[name]['good'][0]
    said = complaint(nginx, tmp_path, path='= /other', server='location /jobs '
                     f'{{ {name} {value};\n{name} {value}; {HERE}\n}}')
    assert f'"{name}" directive is duplicate' in said


@pytest.mark.parametrize('name', DIRECTIVES)
def test_number_of_arguments(nginx, tmp_path, name):
    for values in '', 'a b c d':
        said = complaint(nginx, tmp_path, path='= /other',
                         server=f'{name} {values}; {HERE}')
        assert f'invalid number of arguments in "{name}" directive' in said


@pytest.mark.parametrize('name', DIRECTIVES)
@pytest.mark.parametrize('level', ['main', 'upstream', 'if', 'limit_except'])
def test_where_it_is_not_allowed(nginx, tmp_path, name, level):
    line = f'{name} {DIRECTIVES[name]["good"][0]}; {HERE}'
    said = complaint(nginx, tmp_path, path='= /other', **(
        {'main': line} if level == 'main' else
        {'http': f'upstream u {{ server 127.0.0.1;\n{line}\n}}'}
        if level == 'upstream' else
        {'server': f'location /a {{ {level} '
                   + ('($arg_a)' if level == 'if' else 'GET')
                   + f' {{\n{line}\n}} }}'}))
    assert f'"{name}" directive is not allowed here' in said


@pytest.mark.parametrize('region', ['cn-north-1', 'cn-northwest-1'])
def test_no_fips_in_china(nginx, tmp_path, region):
    said = complaint(nginx, tmp_path, region=region,
                     **directive('s3jobs_endpoint', 'fips dualstack'))
    assert '"fips" in "s3jobs_endpoint" directive' in said
    assert f'"{region}"' in said


@pytest.mark.parametrize('name', ['account', 'region', 'credentials'])
def test_missing_directive(nginx, tmp_path, name):
    settings = re.sub(rf's3jobs_{name} [^;]+;', '', SETTINGS)
    said = complaint(nginx, tmp_path, path='= /other',
                     server=f'location /jobs {{ {settings} s3jobs on; {HERE}\n'
                     'proxy_pass http://s3control; }')
    assert '"s3jobs on" in location "/jobs"' in said
    assert f'has no "s3jobs_{name}"' in said


@pytest.mark.parametrize('block', [
    f's3jobs on; {HERE}',
    f's3jobs on; {HERE}\nlocation /jobs/a {{ proxy_pass http://s3control; }}',
    f'root /; s3jobs on; {HERE}',
    f'return 200 "x"; s3jobs on; {HERE}',
    f's3jobs on; {HERE}\nlimit_except POST {{ proxy_pass http://s3control; }}',
    f's3jobs on; {HERE}\nif ($arg_a) {{ proxy_pass http://s3control; }}',
])
def test_no_content_handler(nginx, tmp_path, block):
    """Also a nested location that inherits "s3jobs on"."""
    said = complaint(nginx, tmp_path, server='location /jobs {' + SETTINGS
                     + block + '\n}', path='= /other')
    assert '"s3jobs on" in location "/jobs"' in said
    assert 'has no content handler, it needs "proxy_pass"' in said


def test_nested_location_without_a_content_handler(nginx, tmp_path):
    said = complaint(
        nginx, tmp_path, path='= /other', server='location /jobs {' + SETTINGS
        + f's3jobs on; {HERE}\nproxy_pass http://s3control;'
        'location /jobs/a { add_header X-A b; } }')
    assert '"s3jobs on" in location "/jobs/a"' in said
    assert 'has no content handler, it needs "proxy_pass"' in said


@pytest.mark.parametrize('where', ['main', 'http', 'server', 'if'])
def test_s3jobs_belongs_in_a_location(nginx, tmp_path, where):
    said = complaint(nginx, tmp_path, **{
        'location': f'if ($arg_a) {{ s3jobs off; {HERE}\n}}'} if where == 'if'
        else {where: f's3jobs on; {HERE}'})
    assert '"s3jobs" directive is not allowed here' in said


@pytest.mark.parametrize('value', ['yes', '1', '""'])
def test_s3jobs_is_a_flag(nginx, tmp_path, value):
    said = complaint(nginx, tmp_path, path='= /other',
                     server=f'location /a {{ s3jobs {value}; {HERE}\n}}')
    assert '"{}" in "s3jobs" directive'.format(value.strip('"')) in said


# credentials sources

def source(text, **options):
    return {'sources': f's3jobs_credentials_source {text}; {HERE}', **options}


@pytest.mark.parametrize('text,value', [
    ('ops environment', 'unknown type "environment"'),
    ('"" env', 'invalid credentials source name ""'),
    ('$name env', 'invalid credentials source name "$name"'),
    ('ops ENV', 'unknown type "ENV"'),
    ('ops ""', 'unknown type ""'),
    ('ops env path=/a', 'unknown parameter "path="'),
    ('ops env extra', 'unknown parameter "extra"'),
    ('ops file Path=/a', 'unknown parameter "Path="'),
    ('ops file path', 'unknown parameter "path"'),
    ('ops file role_arn=a', 'unknown parameter "role_arn="'),
    ('ops file =a', 'unknown parameter "="'),
    ('ops file path=', 'empty parameter "path="'),
    ('ops file path=/a path=/b', 'duplicate parameter "path="'),
    ('ops env; s3jobs_credentials_source ops env',
     'duplicate credentials source "ops"'),
])
def test_source(nginx, tmp_path, text, value):
    said = complaint(nginx, tmp_path, **source(text))
    assert value in said and '"s3jobs_credentials_source" directive' in said


@pytest.mark.parametrize('text', ['', 'ops'])
def test_source_without_name_or_type(nginx, tmp_path, text):
    assert 'invalid number of arguments in "s3jobs_credentials_source"' \
        in complaint(nginx, tmp_path, **source(text))


def test_source_belongs_in_http(nginx, tmp_path):
    assert '"s3jobs_credentials_source" directive is not allowed here' \
        in complaint(nginx, tmp_path,
                     server=f's3jobs_credentials_source a env; {HERE}')


@pytest.mark.parametrize('text,said', [
    ('location = /x { s3jobs on; proxy_pass http://s3control; }',
     'has no "s3jobs_account"'),
    ('location = /x { s3jobs on; s3jobs_account 123456789012;'
     's3jobs_region us-east-1; s3jobs_credentials nosuch;'
     'proxy_pass http://s3control; }', 'unknown credentials source "nosuch"'),
    ('location = /x { s3jobs on; s3jobs_account 123456789012;'
     's3jobs_region cn-north-1; s3jobs_credentials ops; s3jobs_endpoint fips;'
     'proxy_pass http://s3control; }', '"cn-north-1"'),
    (None, '"nosuch"')])
def test_mistake_in_an_included_file(nginx, tmp_path, text, said):
    """It is told of the file that has it, though others were read since."""
    files = tmp_path / 'conf.d'
    files.mkdir()
    (files / 'a.conf').write_text(
        f'\n\nserver {{ listen 127.0.0.1:1; {text} }}\n' if text else
        '\n\ns3jobs_credentials_source r assume_role from=nosuch'
        ' role_arn=arn:aws:iam::123456789012:role/x;\n')
    (files / 'b.conf').write_text('map x $y { default z; }\n')
    code, output = nginx.check(http=f'include {files}/*.conf;'
                               'map x $z { default z; }')
    [line] = [line for line in output.splitlines() if '[emerg]' in line]
    assert code and said in line and line.endswith(f' in {files}/a.conf:3')


def test_too_many_sources(nginx, tmp_path):
    most = ''.join(f's3jobs_credentials_source s{n} env;' for n in range(31))
    code, output = nginx.check(http=most)
    assert code == 0, output
    said = complaint(nginx, tmp_path, http=f'{most}'
                     f's3jobs_credentials_source last env; {HERE}')
    assert 'too many "s3jobs_credentials_source" directives' in said


@pytest.mark.parametrize('env,text', [
    ({'AWS_SECRET_ACCESS_KEY': None}, 'lack the secret access key'),
    ({'AWS_ACCESS_KEY_ID': None}, 'lack the access key id'),
    ({'AWS_ACCESS_KEY_ID': ''}, 'lack the access key id'),
    ({'AWS_ACCESS_KEY_ID': 'AK ID'}, 'access key id'),
    ({'AWS_ACCESS_KEY_ID': 'AK/ID'}, 'access key id'),
    ({'AWS_ACCESS_KEY_ID': 'A' * 129}, 'access key id'),
    ({'AWS_SECRET_ACCESS_KEY': SECRET + '\n'}, 'secret access key'),
    ({'AWS_SECRET_ACCESS_KEY': 'ä' * 40}, 'secret access key'),
    ({'AWS_SESSION_TOKEN': 'a\r\nX-Evil: b'}, 'session token'),
    ({'AWS_SESSION_TOKEN': 'a' * 8193}, 'session token'),
])
def test_unusable_environment(nginx, tmp_path, env, text):
    said = complaint(nginx, tmp_path, env=env, **source('ops env'))
    assert text in said and '"ops"' in said
    assert '"s3jobs_credentials_source" directive' in said
    assert SECRET not in said and 'X-Evil' not in said


NO_KEYS = {'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None}


def test_no_environment_is_a_warning(s3, nginx, tmp_path):
    """nginx -t runs in an administrator's shell: 503 comes later."""
    said = complaint(nginx, tmp_path, level='warn', env=NO_KEYS,
                     **source('ops env'))
    assert 'AWS_ACCESS_KEY_ID' in said and '"ops"' in said
    gw = nginx(env=NO_KEYS)
    r = gw.get()
    assert r.status == 503 and r.header('Retry-After')
    assert error(r)[0] == 'CredentialsUnavailable'
    assert s3.requests == []
    gw.wait_log(r'\[error\].*no usable credentials from source "ops"')


BROKEN_FILES = [
    ('', 'does not exist', None),
    ('[default]\n', 'has no aws_access_key_id', 1),
    ('[other]\naws_access_key_id = A\naws_secret_access_key = B0\n',
     'does not exist', None),
    ('[default]\naws_access_key_id = A\n', 'has no aws_secret_access_key', 1),
    ('[default]\naws_secret_access_key = B0\n', 'has no aws_access_key_id',
     1),
    ('[default]\naws_access_key_id =\naws_secret_access_key = B0\n',
     'empty aws_access_key_id', 2),
    ('[default]\naws_access_key_id = A\naws_secret_access_key\n',
     'neither [profile] nor key = value', 3),
    ('aws_access_key_id = A\n', 'before the first [profile]', 1),
    ('\ufeff[default]\n', 'byte order mark', 1),
    ('[default]\naws_access_key_id = A\0\n', 'NUL', 2),
    ('[default]\na = b\n\na = c\n', 'was there before', 4),
    ('{"AccessKeyId": "A"}', 'before the first [profile]', 1),
]


@pytest.mark.parametrize('text,message,line', BROKEN_FILES)
def test_broken_credentials_file(nginx, tmp_path, text, message, line):
    path = tmp_path / 'aws'
    path.write_text(text)
    path.chmod(0o600)
    code, output = nginx.check(**source(f'ops file path={path}'))
    assert code != 0
    [said] = [s for s in output.splitlines() if message in s]
    assert '[emerg]' in said and f'"{path}"' in said
    assert 'profile "default"' in said
    assert (f'line {line},' in said) if line else ('line' not in said)
    assert 'source "ops" in "s3jobs_credentials_source" directive' \
        in complaint(nginx, tmp_path, **source(f'ops file path={path}'))


@pytest.mark.parametrize('kind', ['missing', 'directory', 'fifo', 'loop',
                                  'huge'])
def test_no_credentials_file(nginx, tmp_path, kind):
    path = tmp_path / 'aws'
    if kind == 'directory':
        path.mkdir()
    elif kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'loop':
        path.symlink_to(path)
    elif kind == 'huge':
        path.touch(0o600)
        os.truncate(path, (1 << 20) + 1)
    said = complaint(nginx, tmp_path, **source(f'ops file path={path}'))
    assert 'source "ops" in "s3jobs_credentials_source" directive' in said
    code, output = nginx.check(**source(f'ops file path={path}'))
    assert code != 0 and f'"{path}"' in output


def test_unreadable_credentials_file(nginx, tmp_path):
    path = tmp_path / 'aws'
    nginx.credentials(path, f'[default]\naws_access_key_id = {KEY}\n'
                      f'aws_secret_access_key = {SECRET}\n').chmod(0o000)
    nginx.check(**source(f'ops file path={path}'))
    [directory] = tmp_path.glob('check*')
    if nginx_process.MODULE:
        # the clone may be where only root gets
        shutil.copy(nginx_process.MODULE, tmp_path / 'module.so')
        conf = directory / 'nginx.conf'
        conf.write_text(conf.read_text().replace(nginx_process.MODULE,
                                                 str(tmp_path / 'module.so')))
    drop = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups',
            '--inh-caps=-all'] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*drop, nginx_process.BINARY, '-t', '-p', directory, '-c',
         directory / 'nginx.conf', '-e', 'stderr'], text=True,
        env=nginx_process.environment({}), stderr=subprocess.PIPE)
    assert done.returncode
    assert re.search(rf'\[emerg\].*"{path}" failed \(13: Permission denied\)',
                     done.stderr)


def test_file_readable_by_everybody(s3, nginx, tmp_path):
    path = nginx.credentials(tmp_path / 'aws', '[default]\n'
                             f'aws_access_key_id = {KEY}\n'
                             f'aws_secret_access_key = {SECRET}\n')
    path.chmod(0o644)
    said = complaint(nginx, tmp_path, level='warn',
                     **source(f'ops file path={path}'))
    assert f'"{path}" is readable by everybody' in said
    path.chmod(0o640)
    code, output = nginx.check(**source(f'ops file path={path}'))
    assert code == 0 and 'readable by everybody' not in output


def test_unused_module(nginx):
    code, output = nginx.check(path='')
    assert code == 0, output


# what is accepted

@pytest.mark.parametrize('region,endpoint,host', [
    ('us-east-1', '', '{}.s3-control.us-east-1.amazonaws.com'),
    ('us-east-1', 'fips', '{}.s3-control-fips.us-east-1.amazonaws.com'),
    ('eu-west-1', 'dualstack',
     '{}.s3-control.dualstack.eu-west-1.amazonaws.com'),
    ('us-gov-west-1', 'dualstack fips',
     '{}.s3-control-fips.dualstack.us-gov-west-1.amazonaws.com'),
    ('cn-north-1', '', '{}.s3-control.cn-north-1.amazonaws.com.cn'),
    ('cn-north-1', 'dualstack',
     '{}.s3-control.dualstack.cn-north-1.amazonaws.com.cn'),
    ('us-iso-east-1', '', '{}.s3-control.us-iso-east-1.c2s.ic.gov'),
    ('us-isob-east-1', '', '{}.s3-control.us-isob-east-1.sc2s.sgov.gov'),
    ('eu-isoe-west-1', '', '{}.s3-control.eu-isoe-west-1.cloud.adc-e.uk'),
    ('us-isof-south-1', '', '{}.s3-control.us-isof-south-1.csp.hci.ic.gov'),
    ('eusc-de-east-1', '', '{}.s3-control.eusc-de-east-1.amazonaws.eu'),
    ('us-east-1',
     '123456789012.control.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com',
     '{}.control.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com'),
    ('us-east-1', 'proxy.internal:8443', 'proxy.internal:8443'),
    ('us-east-1', '$http_x_host', 'proxy.internal'),
    ('us-east-1', '[::1]:99', '[::1]:99'),
])
def test_endpoint(s3, nginx, region, endpoint, host):
    s3.hosts = {h: ('123456789012', 'us-east-1') for h in (
        'proxy.internal:8443', 'proxy.internal', '[::1]:99')}
    gw = nginx(region=region, location=endpoint
               and f's3jobs_endpoint {endpoint};')
    assert gw.get('/jobs', [('X-Host', 'proxy.internal')]).status == 200
    [request] = s3.requests
    assert request.verdict is None
    assert request.header('Host') == host.format('123456789012')


@pytest.mark.parametrize('value', ['', 'a b', 'a/b', 'http://a', 'a:0'])
def test_bad_host_from_a_variable(s3, nginx, value):
    gw = nginx(location='s3jobs_endpoint $http_x_host;')
    assert gw.get('/jobs', [('X-Host', value)]).status == 500
    assert s3.requests == []
    gw.wait_log(r'\[error\].*invalid host "')


@pytest.mark.parametrize('account', ['', '12345678901', '1234567890123',
                                     '12345678901a', ' 23456789012',
                                     '../123456789'])
def test_bad_account_from_a_variable(s3, nginx, account):
    gw = nginx(account='$http_x_account')
    r = gw.get('/jobs', [('X-Account', account)])
    assert r.status == 403 and error(r)[0] == 'AccessDenied'
    assert s3.requests == []
    assert gw.get('/jobs', [('X-Account', '000000000042')]).status == 200
    assert s3.requests[0].account == '000000000042'


@pytest.mark.parametrize('region', ['', 'EU-WEST-1', 'eu-west-1.evil.com',
                                    'eu-west-1/', 'aws-global', 'cn-north-1'])
def test_bad_region_from_a_variable(s3, nginx, region):
    """FIPS in China is one."""
    gw = nginx(region='$http_x_region', location='s3jobs_endpoint fips;')
    r = gw.get('/jobs', [('X-Region', region)])
    assert r.status == 403 and error(r)[0] == 'AccessDenied'
    assert s3.requests == []
    assert gw.get('/jobs', [('X-Region', 'eu-west-1')]).status == 200
    assert s3.requests[0].region == 'eu-west-1'


@pytest.mark.parametrize('name', ['', 'nosuch', 'OPS', 'ops2'])
def test_unknown_source_from_a_variable(s3, nginx, name):
    gw = nginx(credentials='$http_x_source')
    r = gw.get('/jobs', [('X-Source', name)])
    assert r.status == 503 and r.header('Retry-After')
    assert error(r)[0] == 'CredentialsUnavailable'
    assert s3.requests == []
    assert gw.get('/jobs', [('X-Source', 'ops')]).status == 200


@pytest.mark.parametrize('name', [
    name for name in DIRECTIVES if 'inherit' in DIRECTIVES[name]])
def test_inheritance(s3, nginx, tmp_path, port, name):
    """http, server, location, nested location: the innermost counts."""
    one, two, see, sees_one, sees_two = DIRECTIVES[name]['inherit']
    name = name.removeprefix('s3jobs_')
    s3.key(OTHER, 'anothersecret')
    other = nginx.credentials(tmp_path / 'other', '[default]\n'
                              f'aws_access_key_id = {OTHER}\n'
                              'aws_secret_access_key = anothersecret\n')
    settings = {'account': '123456789012', 'region': 'us-east-1',
                'credentials': 'ops',
                'json': 'on' if 'json' in name else 'off'}
    settings.pop(name, None)
    settings = ''.join(f's3jobs_{n} {v};' for n, v in settings.items())
    say_one, say_two = (f's3jobs_{name} {v};' for v in (one, two))
    proxy = f' proxy_pass http://s3control;'

    def server(server_name, in_server, in_location, nested=None):
        if nested is not None:
            in_location += (f'location /jobs {{ {nested} {proxy} }}')
        return (f'server {{ listen 127.0.0.1:{port.number};'
                f'server_name {server_name}; {in_server}'
                f'location / {{ s3jobs on; {in_location} {proxy} }} }}\n')

    gw = nginx(port=port.number, path='= /other',
               sources='s3jobs_credentials_source ops env;'
               f's3jobs_credentials_source other file path={other};',
               **{name: None} if name in nginx_process.DEFAULTS else {},
               http=settings + say_one + server('a', '', '')
               + server('b', say_two, '') + server('c', '', say_two)
               + server('d', say_two, say_one)
               + server('e', '', say_two, '')
               + server('f', say_two, '', say_one))
    assert [see(s3, gw, n) for n in 'abcdef'] == [
        sees_one, sees_two, sees_two, sees_one, sees_two, sees_one]
    assert {r.verdict for r in s3.requests} <= {None}


def test_endpoint_is_replaced_as_a_whole(s3, nginx):
    """A host, and the parameters, of an outer level do not mix in."""
    s3.hosts = {'proxy.internal': ('123456789012', 'us-east-1')}
    gw = nginx(http='s3jobs_endpoint proxy.internal;',
               location='s3jobs_endpoint fips;')
    assert gw.get().status == 200
    assert s3.requests[-1].header('Host') \
        == '123456789012.s3-control-fips.us-east-1.amazonaws.com'
    gw.reload(http='s3jobs_endpoint fips;',
              location='s3jobs_endpoint proxy.internal;')
    assert gw.get().status == 200
    assert s3.requests[-1].header('Host') == 'proxy.internal'


def test_order_of_directives(s3, nginx):
    """The location's in any order, the source behind its use."""
    lines = ['s3jobs on;', 's3jobs_account 123456789012;',
             's3jobs_region us-east-1;', 's3jobs_credentials ops;',
             's3jobs_endpoint dualstack;', 's3jobs_json off;',
             f'', 'proxy_pass http://s3control;']

    def conf(gw, lines=lines):
        return f'''
            {MODULE and f'load_module {MODULE};'}
            pid {gw.prefix}/nginx.pid;
            error_log {gw.prefix}/error.log;
            events {{}}
            http {{
                access_log off;
                proxy_temp_path {gw.prefix}/proxy_temp;
                server {{
                    listen 127.0.0.1:{gw.port};
                    location = /jobs {{ {' '.join(lines)} }}
                }}
                s3jobs_credentials_source ops env;
                upstream s3control {{ server {gw.upstream}; }}
            }}'''

    gw = nginx(conf=conf)
    for seed in range(6):
        assert gw.get().status == 200
        random.Random(seed).shuffle(lines)
        gw.reload(conf)
    assert [(r.verdict, r.header('Host').split('.')[2]) for r in s3.requests] \
        == [(None, 'dualstack')] * 6


# blocks

def test_if(s3, nginx):
    gw = nginx(location='if ($http_x_debug) { add_header X-Debug yes; }'
               'if ($http_x_refuse) { return 410; }')
    assert gw.get().header('X-Debug') is None
    r = gw.get('/jobs', [('X-Debug', '1')])
    assert (r.status, r.header('X-Debug')) == (200, 'yes')
    assert gw.get('/jobs', [('X-Refuse', '1')]).status == 410
    assert [r.verdict for r in s3.requests] == [None, None]


def test_limit_except(s3, nginx):
    gw = nginx(location='limit_except GET { deny all; }')
    assert gw.get().status == 200
    assert gw.get(method='HEAD').status == 200
    r = gw.get(method='POST')
    assert r.status == 403 and error(r)[0] == 'Forbidden'
    gw.reload(location='limit_except POST { proxy_pass http://s3control; }')
    assert gw.get(method='GET').status == 200
    assert gw.get(method='POST').status == 405
    assert [r.verdict for r in s3.requests] == [None] * 3


def test_nested_location(s3, nginx):
    gw = nginx(path='/', location=f'location = /in/jobs {{ '
               'proxy_pass http://s3control; }'
               'location = /off { s3jobs off; return 204; }')
    assert gw.get('/in/jobs').status == gw.get('/out/jobs').status == 200
    assert gw.get('/off').status == 204
    assert [(r.target, r.verdict) for r in s3.requests] == [(PATH, None)] * 2


@pytest.mark.parametrize('path,target', [
    ('= /jobs', '/jobs'), ('/api/', '/api/x/../jobs'), ('/', '/%6aobs'),
    ('^~ /a', '/a//b/./c'), ('~ /jobs$', '/v1/jobs'), ('~* J', '/%4Aobs')])
@pytest.mark.parametrize('uri', ['', '/', '/other', '/v20180820/jobs/?x=1'])
def test_static_proxy_pass(s3, nginx, path, target, uri):
    """Whatever URI it has, what is signed is what is sent."""
    gw = nginx(path=path, proxy_pass='http://s3control' + (
        uri if '~' not in path.replace('^~', '') else ''))
    assert gw.get(f'{target}?maxResults=1&jobStatuses=New').status == 200
    [request] = s3.requests
    assert request.target == f'{PATH}?jobStatuses=New&maxResults=1'
    assert request.verdict is None


def test_rewritten_uri(s3, nginx):
    gw = nginx(server='location /old { rewrite ^ /jobs last; }',
               location='rewrite ^ /elsewhere break;')
    assert gw.get('/old/x?maxResults=2').status == 200
    [request] = s3.requests
    assert request.target == f'{PATH}?maxResults=2'
    assert request.verdict is None


# it might be https
VARIABLE = ('set $backend s3control; proxy_ssl_trusted_certificate'
            ' /etc/ssl/certs/ca-certificates.crt;')


def test_variable_proxy_pass(s3, nginx):
    gw = nginx(location=VARIABLE,
               proxy_pass='http://$backend')
    assert gw.get('/jobs?maxResults=2').status == 200
    [request] = s3.requests
    assert request.target == f'{PATH}?maxResults=2'
    assert request.verdict is None


@pytest.mark.parametrize('uri', ['/', '/v20180820/jobs/1', '/v20180820/jobs?',
                                 '/v20180820/jobs?jobStatuses=New',
                                 '/v20180820/jobs', '$request_uri'])
def test_variable_proxy_pass_with_a_uri(s3, nginx, uri):
    """Ends in a clean 502: nothing but what was signed is ever accepted."""
    gw = nginx(location=VARIABLE,
               proxy_pass=f'http://$backend{uri}')
    r = gw.get('/jobs?maxResults=2')
    assert r.status == 502 and r.complete
    assert error(r)[0] == 'SignatureDoesNotMatch'
    [request] = s3.requests
    assert request.verdict == 'SignatureDoesNotMatch'
