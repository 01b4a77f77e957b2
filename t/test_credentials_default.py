"""The type "default" against botocore, and what nginx -t says of sources."""

import os
import re
import subprocess

import pytest
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from credentials import source
from nginx import BINARY, alive, environment, until
from providers import ROLE, Agent, Imds, Sts

METHODS = {'env': 'env', 'assume-role-with-web-identity': 'web_identity',
           'shared-credentials-file': 'file', 'container-role': 'container',
           'iam-role': 'imds'}

KEYS = {'AWS_ACCESS_KEY_ID': 'AKIDENV',
        'AWS_SECRET_ACCESS_KEY': 'sEcReTeNv'}
WEB = {'AWS_WEB_IDENTITY_TOKEN_FILE': '{dir}/token', 'AWS_ROLE_ARN': ROLE}
FULL = {'AWS_CONTAINER_CREDENTIALS_FULL_URI': '{agent}'}
CONFIG = {'AWS_CONFIG_FILE': '{dir}/config'}
FILE = {'AWS_SHARED_CREDENTIALS_FILE': '{dir}/credentials'}
HOME = {'HOME': '{dir}/home'}

# the environment, and the choice; None: botocore and nginx -t refuse it
ENVIRONMENTS = {
    'nothing': ({}, 'imds'),
    'home without a file': ({'HOME': '{dir}'}, 'imds'),
    'keys': (KEYS, 'env'),
    'keys and a token': ({**KEYS, 'AWS_SESSION_TOKEN': 't'}, 'env'),
    'everything': ({**KEYS, **WEB, **FULL, **FILE, **HOME}, 'env'),
    'half a pair': ({'AWS_ACCESS_KEY_ID': 'AKIDENV', **FULL}, None),
    'the other half': ({'AWS_SECRET_ACCESS_KEY': 's', **FULL}, 'container'),
    'empty keys': ({'AWS_ACCESS_KEY_ID': '', 'AWS_SECRET_ACCESS_KEY': '',
                    **FULL}, 'container'),
    'web identity': ({**WEB, **FULL, **FILE, **HOME}, 'web_identity'),
    'role only': ({'AWS_ROLE_ARN': ROLE, **FULL}, 'container'),
    'file': ({**FILE, **FULL}, 'file'),
    'file at home': ({**HOME, **FULL}, 'file'),
    'file and profile': ({**FILE, 'AWS_PROFILE': 'other'}, 'file'),
    'profile at home': ({**HOME, 'AWS_PROFILE': 'athome', **KEYS}, 'env'),
    'profile without key': ({**FILE, 'AWS_PROFILE': 'empty', **FULL},
                            'container'),
    'no such file': ({'AWS_SHARED_CREDENTIALS_FILE': '{dir}/none', **FULL},
                     'container'),
    'no default profile': ({'AWS_SHARED_CREDENTIALS_FILE': '{dir}/others',
                            **FULL}, 'container'),
    'profile with half a pair': ({**FILE, 'AWS_PROFILE': 'half', **FULL},
                                 None),
    'container': (FULL, 'container'),

    # a profile that is named and not there, one of another kind: nobody else
    # signs in its place
    'no such profile': ({**FILE, 'AWS_PROFILE': 'nosuch', **FULL}, None),
    'no such profile, imds': ({**FILE, 'AWS_PROFILE': 'nosuch'}, None),
    'no such profile, older name': ({**FILE, 'AWS_DEFAULT_PROFILE': 'nosuch',
                                     'AWS_PROFILE': 'other'}, None),
    'the older name comes first': ({**FILE, 'AWS_DEFAULT_PROFILE': 'other',
                                    'AWS_PROFILE': 'nosuch'}, 'file'),
    'no such profile and keys': ({**FILE, **KEYS, 'AWS_PROFILE': 'nosuch'},
                                 None),
    'no such profile, web identity': ({**WEB, **FILE,
                                       'AWS_PROFILE': 'nosuch'}, None),
    'a profile and no file': ({**FULL, 'AWS_PROFILE': 'nosuch'}, None),
    'default is named': ({**FILE, 'AWS_PROFILE': 'default'}, 'file'),
    'default is named, not there': (
        {'AWS_SHARED_CREDENTIALS_FILE': '{dir}/others', **FULL,
         'AWS_PROFILE': 'default'}, None),
    'role': ({**FILE, 'AWS_PROFILE': 'role', **FULL}, None),
    'role and keys': ({**FILE, 'AWS_PROFILE': 'role-and-keys'}, None),
    'role, keys of the environment': ({**FILE, 'AWS_PROFILE': 'role', **KEYS},
                                      'env'),
    'process': ({**FILE, 'AWS_PROFILE': 'process', **FULL}, None),
    'process and keys': ({**FILE, 'AWS_PROFILE': 'process-and-keys'}, 'file'),
    'sso': ({**FILE, 'AWS_PROFILE': 'sso', **FULL}, None),

    # what is only in the config file
    'config: region': ({**CONFIG, 'AWS_PROFILE': 'region', **FULL},
                       'container'),
    'config: region, keys in the file': (
        {**FILE, **CONFIG, 'AWS_PROFILE': 'other'}, 'file'),
    'config: region, keys in the environment': (
        {**CONFIG, 'AWS_PROFILE': 'region', **KEYS}, 'env'),
    'config: role': ({**CONFIG, 'AWS_PROFILE': 'role', **FULL}, None),
    'config: role, keys in the environment': (
        {**CONFIG, 'AWS_PROFILE': 'role', **KEYS}, 'env'),
    'config: process': ({**CONFIG, 'AWS_PROFILE': 'process'}, None),
    'config: default': ({'AWS_CONFIG_FILE': '{dir}/config-default', **FULL},
                        None),
    'config: default with a prefix': (
        {'AWS_CONFIG_FILE': '{dir}/config-profile-default', **FULL}, None),
    'config: quoted': ({**CONFIG, 'AWS_PROFILE': 'two words', **FULL}, None),
    'config: no such profile': ({**CONFIG, 'AWS_PROFILE': 'nosuch', **KEYS},
                                None),
    'config: at home': ({'HOME': '{dir}/home', 'AWS_PROFILE': 'sso'}, None),
}

CREDENTIALS = """\
[default]
aws_access_key_id = AKIDFILE
aws_secret_access_key = sEcReTfIlE
[other]
aws_access_key_id = AKIDOTHER
aws_secret_access_key = sEcReToThEr
[athome]
aws_access_key_id = AKIDHOME
aws_secret_access_key = sEcReThOmE
[half]
aws_access_key_id = AKIDHALF
[empty]
region = eu-west-1
[role]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = other
[role-and-keys]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = other
aws_access_key_id = AKIDROLE
aws_secret_access_key = sEcReTrOlE
[process]
credential_process = /bin/false
[process-and-keys]
credential_process = /bin/false
aws_access_key_id = AKIDPROC
aws_secret_access_key = sEcReTpRoC
[sso]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = reader
[login]
login_session = arn:aws:iam::123456789012:user/me
[web]
web_identity_token_file = /nonexistent
role_arn = arn:aws:iam::123456789012:role/r
"""

SETTINGS = """\
[profile region]
region = eu-west-1
[profile role]
role_arn = arn:aws:iam::123456789012:role/r
credential_source = Ec2InstanceMetadata
[profile process]
credential_process = /bin/false
[profile other]
region = eu-west-1
[profile "two words"]
credential_process = /bin/false
[profile sso]
sso_session = company
sso_account_id = 123456789012
sso_role_name = reader
[sso-session company]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
"""


@pytest.fixture
def services(s3, tmp_path, nginx):
    (tmp_path / 'token').write_text(Sts.identity)
    nginx.credentials(tmp_path / 'credentials', CREDENTIALS)
    (tmp_path / 'config').write_text(SETTINGS)
    for name, section in ('default', 'default'), \
            ('profile-default', 'profile default'):
        (tmp_path / f'config-{name}').write_text(
            f'[{section}]\ncredential_process = /bin/false\n')
    (tmp_path / 'home/.aws').mkdir(parents=True)
    (tmp_path / 'home/.aws/config').write_text(SETTINGS)
    nginx.credentials(tmp_path / 'home/.aws/credentials', CREDENTIALS)
    nginx.credentials(tmp_path / 'others', CREDENTIALS.replace(
        '[default]', '[this]'))
    with Agent(s3) as agent, Imds(s3) as imds, Sts(s3) as sts:
        yield {'dir': tmp_path, 'agent': agent.uri, 'imds': imds.url,
               'sts': sts.url}


@pytest.mark.parametrize('name', ENVIRONMENTS)
def test_default(s3, nginx, services, monkeypatch, name):
    given, choice = ENVIRONMENTS[name]
    env = {'AWS_EC2_METADATA_SERVICE_ENDPOINT': services['imds'],
           'AWS_ENDPOINT_URL_STS': services['sts'],
           **{k: v.format(**services) for k, v in given.items()}}

    for variable in list(os.environ):
        if variable.startswith('AWS_') or variable in ('HOME', 'BOTO_CONFIG'):
            monkeypatch.delenv(variable)
    for variable, value in {'HOME': '/nonexistent', **env}.items():
        monkeypatch.setenv(variable, value)
    try:
        # None: a way that is not known here
        botocore = METHODS.get(Session().get_credentials().method)
    except BotoCoreError:
        botocore = None
    assert botocore == choice

    env = {'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None,
           'HOME': '/nonexistent', **env}
    sources = source('ops', 'default')
    if choice is None:
        code, text = nginx.check(sources=sources, env=env)
        assert code and '[emerg]' in text
        profile = env.get('AWS_DEFAULT_PROFILE') or env.get('AWS_PROFILE')
        assert f'profile "{profile or "default"}"' in text \
            or 'credentials in the environment' in text
        return
    s3.verify = False                   # most of these keys it does not know
    gw = nginx(sources=sources, env=env)
    assert gw.wait_log(r'"ops": type "default" has chosen "(\w+)"') \
        == [choice]
    gw.wait_log(rf'credentials "ops" from {choice}: key id ending in')
    assert gw.get().status == 200


def test_config_file_that_cannot_be_read(services, nginx):
    code, text = nginx.check(sources=source('ops', 'default'), env={
        'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None,
        'AWS_CONFIG_FILE': str(services['dir']), 'HOME': '/nonexistent'})
    assert code and f'config file "{services["dir"]}" cannot be read' in text


@pytest.mark.parametrize('profile, said', [
    ('login', 'has login_session,'), ('web', 'has web_identity_token_file,')])
def test_profile_of_another_kind(services, nginx, profile, said):
    """What botocore does depends on its version, or is done otherwise."""
    code, text = nginx.check(sources=source('ops', 'default'), env={
        'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None,
        'AWS_PROFILE': profile, **{k: v.format(**services)
                                   for k, v in {**FILE, **FULL}.items()}})
    assert code and said in text and f'profile "{profile}"' in text


@pytest.mark.parametrize('signal', ['reload', 'quit'])
def test_signal_from_another_shell(s3, nginx, services, signal):
    """Whose AWS_PROFILE is no matter of the service's."""
    s3.verify = False
    gw = nginx(sources=source('ops', 'default'), env={
        'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None,
        **{k: v.format(**services) for k, v in FILE.items()}})
    assert gw.get().status == 200
    subprocess.run([BINARY, '-p', gw.prefix, '-c', gw.prefix / 'nginx.conf',
                    '-e', 'stderr', '-s', signal], check=True,
                   env=environment({'AWS_PROFILE': 'nosuch'}))
    if signal == 'quit':
        until(lambda: not alive(gw.master), 'end of nginx')
    else:
        gw.wait_log('type "default" has chosen "file"', count=2)


def test_no_name_of_a_profile(s3, nginx, services):
    """A variable that is empty is one that is not set."""
    s3.verify = False
    gw = nginx(sources=source('ops', 'default'), env={
        'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None,
        'AWS_DEFAULT_PROFILE': '', 'AWS_PROFILE': '',
        **{k: v.format(**services) for k, v in FILE.items()}})
    assert gw.get().status == 200
    assert s3.requests[-1].key_id == 'AKIDFILE'


def test_nothing_by_default(s3, nginx):
    env = {'AWS_EC2_METADATA_DISABLED': 'true', 'AWS_ACCESS_KEY_ID': None,
           'AWS_SECRET_ACCESS_KEY': None}
    code, text = nginx.check(sources=source('ops', 'default'), env=env)
    assert code == 0
    assert re.search(r'\[warn\] .*no credentials in the environment .*'
                     r'source "ops" of type "default" .*nginx.conf:\d+', text)
    gw = nginx(sources=source('ops', 'default'), env=env)
    assert gw.get().status == 503


# parameters of the source, what nginx -t has to say; line and file always
MISTAKES = [
    ('magic', 'unknown type "magic"'),
    ('container path=/x', 'unknown parameter "path="'),
    ('container uri=', 'empty parameter "uri="'),
    ('imds endpoint=http://127.0.0.1 endpoint=http://127.0.0.2',
     'duplicate parameter "endpoint="'),
    ('container uri=http://10.0.0.1/', 'invalid URL "http://10.0.0.1"'),
    ('container uri=http://127.0.0.1.example.com/x', 'must begin with "https'),
    ('container uri=http://169.254.169.254/', 'must begin with "https://"'),
    ('container uri=ftp://127.0.0.1/', 'begins with neither'),
    ('container uri=http://a@127.0.0.1/', 'invalid host or port'),
    ('container uri=http://127.0.0.1:99999/', 'invalid host or port'),
    ('container "uri=http://127.0.0.1/a b"', 'invalid character in its path'),
    ('imds endpoint=http://169.254.170.2', 'must begin with "https://"'),
    ('imds endpoint=http://127.0.0.1/latest', 'must have no path'),
    ('assume_role role_arn=' + ROLE, 'parameter "from=" is missing'),
    ('assume_role from=env', 'parameter "role_arn=" is missing'),
    (f'assume_role from=nobody role_arn={ROLE}',
     'unknown credentials source "nobody" in parameter "from=nobody"'),
    (f'assume_role from=ops role_arn={ROLE}',
     'the circle of sources comes back to "ops" in parameter "from=ops"'),
    ('assume_role from=base role_arn=role/gateway-for-all', 'begin with "arn'),
    ('assume_role from=base role_arn=arn', 'invalid parameter "role_arn=arn"'),
    (f'assume_role from=base role_arn={ROLE} duration=1',
     'invalid parameter "duration=1"'),
    (f'assume_role from=base role_arn={ROLE} duration=13h',
     'from 15m to 12h'),
    (f'assume_role from=base role_arn={ROLE} "session_name=a b"',
     'invalid parameter "session_name=a b"'),
    (f'assume_role from=base role_arn={ROLE} external_id=x',
     'invalid parameter "external_id=x"'),
    (f'assume_role from=base role_arn={ROLE} region=europe',
     'invalid region "europe"'),
    (f'assume_role from=base role_arn={ROLE} endpoint=http://sts.example.com',
     'invalid URL "http://sts.example.com"'),
    (f'web_identity from=base role_arn={ROLE}',
     'unknown parameter "from="'),
    ('default profile=x', 'unknown parameter "profile="'),
]


@pytest.mark.parametrize('text, said', MISTAKES)
def test_mistakes(nginx, text, said):
    code, output = nginx.check(
        sources=f's3jobs_credentials_source base env;\n'
        f's3jobs_credentials_source ops {text};')
    assert code
    [line] = [line for line in output.splitlines() if '[emerg]' in line]
    assert said in line and '"s3jobs_credentials_source" directive' in line
    assert re.search(r'in /\S+/nginx.conf:\d+$', line)


@pytest.mark.parametrize('variable, value', [
    ('AWS_ENDPOINT_URL_STS', 'http://sts.example.com'),
    ('AWS_REGION', 'mars'), ('AWS_ROLE_SESSION_NAME', 'a b')])
def test_mistakes_of_the_environment(nginx, tmp_path, variable, value):
    code, output = nginx.check(
        env={variable: value}, sources=source(
            'ops', 'web_identity', role_arn=ROLE, token_file='/x'))
    assert code and value in output


def test_circle(nginx):
    code, output = nginx.check(sources=''.join(
        source(a, 'assume_role', role_arn=ROLE, **{'from': b})
        for a, b in ('ab', 'bc', 'ca')) + source('ops', 'env'))
    assert code and 'the circle of sources comes back to "a" in parameter ' \
        '"from=a" of source "c" in "s3jobs_credentials_source"' in output
    assert re.search(r'nginx.conf:\d+', output)


@pytest.mark.parametrize('text', [
    'container uri=http://127.9.9.9:80/x', 'container uri=http://[::1]:8080/',
    'container uri=http://localhost/x?y=z',
    'container uri=http://169.254.170.23/v1/credentials',
    'container uri=http://[fd00:ec2::23]/v1/credentials',
    'container uri=/v2/credentials/x', 'container uri=https://example.com/',
    'container', 'imds', 'imds endpoint=http://[fd00:ec2::254]/',
    'imds endpoint=http://169.254.169.254:80',
    f'web_identity role_arn={ROLE} token_file=/x region=eusc-de-east-1',
    f'assume_role from=base role_arn={ROLE} duration=1h',
    f'assume_role from=base role_arn={ROLE} duration=3600 region=eu-west-1',
])
def test_good(nginx, text):
    code, output = nginx.check(
        sources=f's3jobs_credentials_source ops {text};\n'
        f's3jobs_credentials_source base env;')
    assert code == 0, output


def test_check_does_nothing(s3, nginx):
    """nginx -t fetches nothing, and says nothing of keys."""
    with Agent(s3) as agent:
        code, output = nginx.check(sources=source(
            'ops', 'container', uri=agent.uri) + source('base', 'env'))
        assert code == 0 and 'key id' not in output
        assert not agent.calls(None)
