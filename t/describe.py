"""Descriptions of jobs: values that fit the output of DescribeJob in
botocore's service model, and their XML as S3 Control writes it."""

import datetime
import string
from xml.sax.saxutils import escape

from botocore.session import Session

SHAPE = Session().get_service_model('s3control') \
                 .operation_model('DescribeJob').output_shape
JOB = SHAPE.members['Job']
OPERATIONS = JOB.members['Operation'].members
ROLE = 'arn:aws:iam::{}:role/batch'
TEXT = string.ascii_letters + string.digits + ' /:-_.<>&"\'\\é語\u2028🪣'


def description(job, account, region):
    """What DescribeJob says of a job of the listing."""
    bucket = f'arn:aws:s3:::{account}-{region}'
    operation = job.get('Operation', 'S3PutObjectTagging')
    more = {'JobArn': f'arn:aws:s3:{region}:{account}:job/{job["JobId"]}',
            'ConfirmationRequired': False,
            'Manifest': {
                'Spec': {'Format': 'S3BatchOperations_CSV_20180820',
                         'Fields': ['Bucket', 'Key']},
                'Location': {'ObjectArn': f'{bucket}/manifest.csv',
                             'ETag': '60e460c9d1046e73f7dde5043ac3ae85'}},
            'Operation': {operation: {}},
            'Report': {'Bucket': bucket, 'Format': 'Report_CSV_20180820',
                       'Enabled': True, 'Prefix': 'reports',
                       'ReportScope': 'AllTasks'},
            'RoleArn': ROLE.format(account)}
    if job.get('Status') == 'Failed':
        more['FailureReasons'] = [{'FailureCode': 'ManifestInvalid',
                                   'FailureReason': 'Not a <manifest>'}]
    return {**{k: v for k, v in job.items() if k != 'Operation'}, **more}


def generate(rnd, operation):
    """Any description at all: of an operation, the rest by chance."""
    job = value(rnd, JOB)
    job['JobId'] = f'{rnd.getrandbits(64):016x}'
    job['Operation'] = {operation: value(rnd, OPERATIONS[operation])}
    return job


def value(rnd, shape):
    kind = shape.type_name
    if getattr(shape, 'is_tagged_union', False):
        name = rnd.choice([*shape.members])
        return {name: value(rnd, shape.members[name])}
    if kind == 'structure':
        return {name: value(rnd, member)
                for name, member in shape.members.items()
                if rnd.random() < 0.8}
    if kind == 'list':
        return [value(rnd, shape.member) for _ in range(rnd.randrange(4))]
    if kind == 'map':
        return {f'{text(rnd)}{i}': text(rnd) for i in range(rnd.randrange(4))}
    if kind == 'boolean':
        return rnd.random() < 0.5
    if kind in ('integer', 'long'):
        return rnd.choice((0, 1, -1, rnd.randrange(1 << 31), (1 << 31) - 1,
                           *([(1 << 53) + 1] if kind == 'long' else [])))
    if kind == 'timestamp':
        return (datetime.datetime(2026, 1, 1) + datetime.timedelta(
            milliseconds=rnd.randrange(10**10))).isoformat(
                timespec='milliseconds') + 'Z'
    if getattr(shape, 'enum', None):
        return rnd.choice(shape.enum)
    return text(rnd)


def text(rnd):
    return ''.join(rnd.choice(TEXT) for _ in range(rnd.randrange(1, 30)))


def document(job, namespace=None):
    xmlns = f' xmlns="{namespace}"' if namespace else ''
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<DescribeJobResult'
            f'{xmlns}>{element("Job", JOB, job)}</DescribeJobResult>')


def element(name, shape, value):
    """A member that the model does not know (shape None) is what it looks
    like."""
    kind = shape.type_name if shape else type(value).__name__
    if kind in ('structure', 'dict'):
        members = shape.members if shape else {}
        inner = ''.join(element(
            members[n].serialization.get('name', n) if n in members else n,
            members.get(n), v) for n, v in value.items())
    elif kind == 'list':
        member = shape.member if shape else None
        entry = member.serialization.get('name', 'member') if member \
            else 'member'
        inner = ''.join(element(entry, member, v) for v in value)
    elif kind == 'map':
        inner = ''.join(f'<entry><key>{escape(k)}</key>'
                        f'<value>{escape(v)}</value></entry>'
                        for k, v in value.items())
    else:
        inner = escape(str(value).lower() if value is True or value is False
                       else str(value))
    return f'<{name}>{inner}</{name}>'
