"""The source "container": the agents of ECS and of EKS Pod Identity."""

import pytest

from credentials import source
from providers import Agent


def test_token_of_the_environment(s3, nginx):
    with Agent(s3) as agent:
        agent.authorization = 'Basic abc'
        gw = nginx(sources=source('ops', 'container'), env={
            'AWS_CONTAINER_CREDENTIALS_FULL_URI': agent.uri,
            'AWS_CONTAINER_AUTHORIZATION_TOKEN': 'Basic abc'})
        assert gw.get().status == 200
        assert len(agent.calls()) == 1


def test_relative_uri(nginx):
    """It wins, and means the host of ECS, which nobody asks here."""
    code, output = nginx.check(sources=source('ops', 'container'), env={
        'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI': '/v2/credentials/#',
        'AWS_CONTAINER_CREDENTIALS_FULL_URI': 'https://example.com/'})
    assert code
    assert 'invalid URL "http://169.254.170.2" of' in output


@pytest.mark.parametrize('uri, shown', [
    ('http://10.0.0.1/SECRET', 'http://10.0.0.1'),
    ('http://10.0.0.1?SECRET', 'http://10.0.0.1'),
    ('http://127.0.0.1/SECRET#x', 'http://127.0.0.1'),
    ('http://127.0.0.1:99999/SECRET', 'http://127.0.0.1:99999'),
    ('http://me:SECRET@127.0.0.1/x', 'http://'),
    ('http:/SECRET', 'http:'), ('/SECRET#', 'http://169.254.170.2'),
    ('/SECRET%20a b', 'http://169.254.170.2'),
    ('ftp://127.0.0.1/SECRET', 'ftp://127.0.0.1')],
    ids=iter('abcdefghi'))
def test_uri_is_a_secret(nginx, uri, shown):
    """Its path authorizes: what is wrong with it is said without it."""
    full = {'AWS_CONTAINER_CREDENTIALS_'
            + ('RELATIVE_URI' if uri[0] == '/' else 'FULL_URI'): uri}
    for kind, env, options in ('container', full, {}), ('default', full, {}), \
            ('container', {}, {'"uri': uri + '"'}):
        code, output = nginx.check(sources=source('ops', kind, **options),
                                   env={'AWS_ACCESS_KEY_ID': None,
                                        'AWS_SECRET_ACCESS_KEY': None, **env})
        assert code and 'SECRET' not in output
        assert f'invalid URL "{shown}" of' in output


@pytest.mark.parametrize('text', [
    'container secret=SECRET', 'container uri=/a uri=/SECRET',
    'env aws_secret_access_key=SECRET'],
    ids=iter('abc'))
def test_a_parameter_may_be_a_secret(nginx, text):
    code, output = nginx.check(
        sources=f's3jobs_credentials_source ops {text};')
    assert code and 'SECRET' not in output
    assert 'parameter "' + text.split()[-1].partition('=')[0] + '="' in output
