"""The sources "web_identity" and "assume_role", which ask STS."""

import re

import pytest
from botocore.session import Session

from credentials import late, service, source
from nginx import until
from providers import ROLE, Agent, Fault, Sts


STS_FAULTS = [
    (Fault(status=500, body=b''), 'answered 500,'),
    (Fault(body=b'<a/>'), 'are not a document of STS'),
    (Fault(body=lambda body: body[:-9]), 'are not well-formed XML'),
    (Fault(body=lambda body: b'<!DOCTYPE a>' + body),
     'are not well-formed XML'),
    (Fault(status=400, body=Sts.error('IDPCommunicationError', 'later')),
     'answered 400 "IDPCommunicationError": "later"'),
    (Fault(body=lambda body: re.sub(b'<Expiration>[^<]*', b'<Expiration>0',
                                    body)), 'have an unreadable Expiration'),
]


@pytest.mark.parametrize('kind', ['web_identity', 'assume_role'])
def test_sts_failures(s3, nginx, tmp_path, kind):
    """At cold start, one after the other; requests wait for the end."""
    server, sources = service(kind, s3, tmp_path)
    with server:
        server.faults = [STS_FAULTS[0][0]]
        gw = nginx(sources=sources)
        assert gw.get().status == 200
        assert len(server.calls()) == 2 + late(gw)
        gw.wait_log(STS_FAULTS[0][1] + '.*no credentials so far')
    for fault, said in STS_FAULTS[1:]:
        server, sources = service(kind, s3, tmp_path)
        with server:
            server.fault = fault
            gw = nginx(sources=sources)
            gw.wait_log(said + '.*no credentials so far')


def test_chain_of_roles(s3, nginx):
    """A role by a role by the agent, defined the other way round."""
    with Agent(s3) as agent, Sts(s3) as first, Sts(s3) as second:
        agent.fault = Fault(delay=0.5)
        gw = nginx(sources=source('ops', 'assume_role', role_arn=ROLE,
                                  endpoint=second.url, **{'from': 'middle'})
                   + source('middle', 'assume_role', role_arn=ROLE,
                            endpoint=first.url, **{'from': 'base'})
                   + source('base', 'container', uri=agent.uri))
        assert gw.get().status == 200
        assert s3.requests[-1].key_id == second.issued[0].key_id
        assert len(first.calls()) == len(second.calls()) == 1
        assert len(re.findall(r'\[warn\]', gw.log())) == sum(
            late(gw, name) for name in ('ops', 'middle', 'base'))


def test_base_without_credentials(s3, nginx):
    with Sts(s3) as sts:
        gw = nginx(env={'AWS_ACCESS_KEY_ID': None,
                        'AWS_SECRET_ACCESS_KEY': None},
                   sources=source('ops', 'assume_role', role_arn=ROLE,
                                  endpoint=sts.url, **{'from': 'base'})
                   + source('base', 'env'),
                   location='s3jobs_credentials_timeout 0;')
        gw.wait_log('source "base", which it signs with, has no usable')
        assert gw.get().status == 503
        assert not sts.calls()


def test_changed_base(s3, nginx):
    with Agent(s3) as one, Agent(s3) as two, Sts(s3) as sts:
        def sources(agent):
            return source('ops', 'assume_role', role_arn=ROLE,
                          endpoint=sts.url, **{'from': 'base'}) \
                + source('base', 'container', uri=agent.uri)
        gw = nginx(sources=sources(one))
        assert gw.get().status == 200
        gw.reload(sources=sources(two))
        assert gw.get().status == 200
        assert [r.key_id for r in s3.requests] \
            == [it.key_id for it in sts.issued]
        assert len(sts.issued) == 2
        assert two.issued[0].key_id in sts.calls()[1].headers['authorization']


def test_session_name_of_the_environment(s3, nginx, tmp_path):
    token = tmp_path / 'token'
    token.write_text(Sts.identity)
    with Sts(s3) as sts:
        sts.faults = [Fault(status=500)]
        nginx(sources=source('ops', 'web_identity', endpoint=sts.url), env={
            'AWS_ROLE_ARN': ROLE, 'AWS_WEB_IDENTITY_TOKEN_FILE': str(token),
            'AWS_ROLE_SESSION_NAME': 'pod-7'})
        until(lambda: sts.issued, what='credentials')
        assert sts.calls()[0].form['RoleSessionName'] == 'pod-7'


# the limits of the API, as botocore has them
MODEL = Session().get_service_model('sts')


def limits(operation, member):
    found = MODEL.operation_model(operation).input_shape.members[member]
    return found.metadata['min'], found.metadata['max']


@pytest.mark.parametrize('option, member', [
    ('role_arn', 'RoleArn'), ('session_name', 'RoleSessionName'),
    ('external_id', 'ExternalId'), ('duration', 'DurationSeconds')])
def test_limits(nginx, option, member):
    """What the API takes at its limits is taken, what is beyond is not."""
    shortest, longest = limits('AssumeRole', member)
    for n in shortest - 1, shortest, longest, longest + 1:
        value = n if option == 'duration' else \
            ('arn:' if option == 'role_arn' else '').ljust(n, 'x')
        code, output = nginx.check(sources=source('base', 'env') + source(
            'ops', 'assume_role', **{'from': 'base', 'role_arn': ROLE,
                                     option: value}))
        assert (code == 0) == (shortest <= n <= longest), output


def test_length_of_a_token(s3, nginx, tmp_path):
    """White space at the end does not count."""
    shortest, longest = limits('AssumeRoleWithWebIdentity',
                               'WebIdentityToken')
    for text, said in ('x' * longest, None), ('x' * longest + ' \r\n', None), \
            ('x' * shortest, None), ('x' * (longest - 1) + 'y', None), \
            ('x' * (longest + 1), 'longer than the 20000 bytes'), \
            ('x' * 200_000, 'longer than the 20000 bytes'), \
            ('', 'is empty'), (' \n' * 50, 'is empty'), \
            ('x' * 100 + '\xe9', 'other than printable ASCII'), \
            ('a\nb', 'other than printable ASCII'):
        token = tmp_path / 'token'
        token.write_text(text)
        with Sts(s3) as sts:
            sts.identity = text.rstrip()
            gw = nginx(sources=source('ops', 'web_identity', role_arn=ROLE,
                                      token_file=token, endpoint=sts.url))
            if said:
                gw.wait_log(f'token file "{token}" [a-z ]*{said}')
                assert not sts.calls()
            else:
                assert gw.get().status == 200
