"""The jobs that the stand-in holds."""

import collections.abc
import datetime
import random
import uuid

STATUSES = ('Active', 'Cancelled', 'Cancelling', 'Complete', 'Completing',
            'Failed', 'Failing', 'New', 'Paused', 'Pausing', 'Preparing',
            'Ready', 'Suspended')
ENDED = ('Cancelled', 'Complete', 'Failed')
OPERATIONS = ('LambdaInvoke', 'S3PutObjectCopy', 'S3PutObjectAcl',
              'S3PutObjectTagging', 'S3DeleteObjectTagging',
              'S3InitiateRestoreObject', 'S3PutObjectLegalHold',
              'S3PutObjectRetention', 'S3ReplicateObject',
              'S3ComputeObjectChecksum', 'S3UpdateObjectEncryption')
DESCRIPTIONS = ('Copy of the archive to the new bucket', None,
                'Restore <2019> & "2020" from Glacier', "Tag it's objects",
                'Umzug der Protokolle nach München', None,
                'バケットの複製 🪣', 'ACL fix; ticket #4711, a=b&c=d')


def make_jobs(account, region, n):
    """n jobs as ListJobs describes them, always the same ones."""
    rnd = random.Random(f'{account}/{region}')
    created = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000)
    for i in range(n):
        status = STATUSES[i % 13] if i < 26 else rnd.choice(STATUSES)
        total = (1 << 53) + 1 if i == 3 else rnd.randrange(20_000_000)
        failed = rnd.randrange(total + 1) // 50
        progress = {'TotalNumberOfTasks': total,
                    'NumberOfTasksSucceeded': total - failed,
                    'NumberOfTasksFailed': failed}
        if i % 3:
            progress['Timers'] = {
                'ElapsedTimeInActiveSeconds': rnd.randrange(864000)}
        job = {'JobId': str(uuid.UUID(int=rnd.getrandbits(128), version=4)),
               'Description': DESCRIPTIONS[i % len(DESCRIPTIONS)],
               'Operation': OPERATIONS[i % len(OPERATIONS)],
               'Priority': (0, 10, 2147483647)[i % 3],
               'Status': status,
               'CreationTime': stamp(created),
               'TerminationDate': None if status not in ENDED else stamp(
                   created + datetime.timedelta(seconds=3600 + i)),
               'ProgressSummary': progress if status != 'New' else None}
        yield {k: v for k, v in job.items() if v is not None}
        created -= datetime.timedelta(
            milliseconds=rnd.randrange(2000, 3600_000))


def stamp(when):
    return when.isoformat(timespec='milliseconds') + 'Z'


def as_cli(value):
    """A listing with its times as botocore reads and the AWS CLI prints
    them."""
    if isinstance(value, dict):
        return {k: datetime.datetime.fromisoformat(v[:-1] + '+00:00')
                .isoformat() if k in ('CreationTime', 'TerminationDate')
                else as_cli(v) for k, v in value.items()}
    return [as_cli(v) for v in value] if isinstance(value, list) else value


class Many(collections.abc.Sequence):
    """n jobs, each made when it is asked for, so that a million of them cost
    no memory."""

    def __init__(self, account, region, n):
        self.n = n
        self.salt = random.Random(f'{account}/{region}').getrandbits(32)

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [self._job(k) for k in range(*i.indices(self.n))]
        if not 0 <= i < self.n:
            raise IndexError(i)
        return self._job(i)

    def _job(self, i):
        status = STATUSES[i % 13]
        return {'JobId': f'{self.salt:08x}-0000-4000-8000-{i:012x}',
                'Description': f'{DESCRIPTIONS[0]} {i}',
                'Operation': OPERATIONS[i % len(OPERATIONS)],
                'Priority': i % 11,
                'Status': status,
                'CreationTime': '2026-01-02T03:04:05.678Z',
                'ProgressSummary': {'TotalNumberOfTasks': i,
                                    'NumberOfTasksSucceeded': i,
                                    'NumberOfTasksFailed': 0}}

    def find(self, job_id):
        """The job of that id, None if there is none."""
        i = int(job_id[-12:], 16)
        return self[i] if i < self.n and self[i]['JobId'] == job_id else None
