"""Jobs as a team has them, that go on while one looks: what an account has in
a region is a function of the time.

    fleet = Fleet('123456789012', 'eu-west-1', 40)
    fleet.jobs()            # now, the newest first, as ListJobs has them
    fleet.describe(job)     # the same as DescribeJob has it

    command(s3, {('123456789012', 'eu-west-1'): 40})    # a stand-in has them
"""

import collections.abc
import datetime
import random
import time
import uuid

from jobs import Many

WORK = (
    ('S3PutObjectCopy', 'Nightly copy of invoices to the audit bucket'),
    ('S3ReplicateObject', 'Replicate media originals to eu-central-1'),
    ('S3InitiateRestoreObject', 'Restore 2019 tax records from Glacier'),
    ('LambdaInvoke', 'Thumbnails for the 2026 catalogue'),
    ('S3PutObjectTagging', 'Tag cost centre on raw telemetry'),
    ('S3PutObjectCopy', 'Re-encrypt claims/ with the new KMS key'),
    ('S3PutObjectAcl', 'Close public ACLs, ticket SEC-4711'),
    ('S3DeleteObjectTagging', 'Drop expired retention tags'),
    ('S3PutObjectRetention', 'WORM retention for trade confirmations'),
    ('LambdaInvoke', 'Rewrite Parquet footers <v1> & "v2"'),
    ('S3PutObjectCopy', 'Umzug der Protokolle nach München'),
    ('S3ComputeObjectChecksum', 'SHA-256 over the master archive'),
    ('S3PutObjectLegalHold', 'Legal hold for case 26-1187'),
    ('S3ReplicateObject', 'バケットの複製 🪣 東京 → 大阪'),
    ('S3PutObjectCopy', 'نسخ أرشيف الصور إلى المخزن الجديد'),
    ('LambdaInvoke', None),
)
ROLE = 'arn:aws:iam::{}:role/batch-operations'
OUTCOMES = ('Complete',) * 32 + ('Partly',) * 3 + (
    'Failed', 'Failed', 'Cancelled', 'Suspended', 'Paused')


def stamp(seconds):
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return when.isoformat(timespec='milliseconds').replace('+00:00', 'Z')


class Work:
    """One job, from its creation to its end."""

    def __init__(self, rnd, age, outcome, run):
        self.operation, self.description = rnd.choice(WORK)
        self.id = str(uuid.UUID(int=rnd.getrandbits(128), version=4))
        self.priority = rnd.choice((0, 1, 10, 10, 10, 50))
        self.age, self.outcome, self.run = age, outcome, run
        self.prepare = rnd.randrange(20, 90)
        self.total = int(10 ** rnd.uniform(2, 7.5))
        self.failing = {'Partly': rnd.uniform(0.0001, 0.03), 'Failed': 0.62} \
            .get(outcome, 0)
        self.stops = {'Complete': 1, 'Partly': 1, 'Suspended': 0}.get(
            outcome, rnd.uniform(0.05, 0.9))

    def at(self, start, now):
        created = start - self.age
        since = now - created - self.prepare
        part = min(max(since / self.run, 0), self.stops)
        ended = created + self.prepare + self.run * self.stops
        over = now >= ended and self.outcome not in ('Suspended', 'Paused')

        done = int(self.total * part)
        if self.outcome in ('Complete', 'Partly') and over:
            done = self.total
        failed = min(done, -int(-done * self.failing // 1))
        return {k: v for k, v in {
            'JobId': self.id,
            'Description': self.description,
            'Operation': self.operation,
            'Priority': self.priority,
            'ProgressSummary': {
                'TotalNumberOfTasks': self.total if since > 0 else 0,
                'NumberOfTasksSucceeded': done - failed,
                'NumberOfTasksFailed': failed,
                'Timers': {'ElapsedTimeInActiveSeconds':
                           int(part * self.run)}},
            'Status': self._status(since, now >= ended),
            'CreationTime': stamp(created),
            'TerminationDate': stamp(ended) if over else None,
        }.items() if v is not None}

    def _status(self, since, ended):
        if since < 0:
            return 'New' if since < -self.prepare / 2 else 'Preparing'
        if self.outcome == 'Suspended':
            return 'Suspended'
        if ended:
            return {'Partly': 'Complete'}.get(self.outcome, self.outcome)
        return 'Active'


class Fleet(Many):

    def __init__(self, account, region, n, start=None):
        super().__init__(account, region, n)
        self.account, self.region = account, region
        self.start = time.time() if start is None else start
        rnd = random.Random(f'{account}/{region}')
        self.work = [self._work(rnd, i, n) for i in range(n)]

    @staticmethod
    def _work(rnd, i, n):
        if i < 2 or rnd.random() < 0.08:        # under way
            run = rnd.uniform(300, 3000)
            return Work(rnd, rnd.uniform(0, 0.7) * run + i, rnd.choice(
                ('Complete', 'Complete', 'Partly')), run)
        if i < 4:                               # whatever the random says
            return Work(rnd, 3600, ('Suspended', 'Failed')[i - 2], 1200)
        run = 10 ** rnd.uniform(1.5, 5)
        return Work(rnd, run + 100 + (i / n) ** 3 * 80 * 86400,
                    rnd.choice(OUTCOMES), run)

    def jobs(self, now=None):
        now = time.time() if now is None else now
        jobs = [work.at(self.start, now) for work in self.work]
        return sorted(jobs, key=lambda job: job['CreationTime'], reverse=True)

    def __getitem__(self, i):
        return self.jobs()[i]

    def __iter__(self):
        return iter(self.jobs())

    def find(self, job_id):
        return next((job for job in self.jobs() if job['JobId'] == job_id),
                    None)

    def describe(self, job):
        status, created = job['Status'], job['CreationTime']
        more = {
            'JobArn': f'arn:aws:s3:{self.region}:{self.account}'
                      f':job/{job["JobId"]}',
            'RoleArn': ROLE.format(self.account),
            'ConfirmationRequired': status == 'Suspended',
            'Operation': {job['Operation']: OPERATIONS.get(
                job['Operation'], {})},
            'Manifest': {
                'Spec': {'Format': 'S3BatchOperations_CSV_20180820',
                         'Fields': ['Bucket', 'Key']},
                'Location': {
                    'ObjectArn': 'arn:aws:s3:::ops-manifests/'
                                 f'{created[:10]}/manifest.csv',
                    'ETag': job['JobId'].replace('-', '')}},
            'Report': {'Bucket': 'arn:aws:s3:::ops-reports',
                       'Format': 'Report_CSV_20180820', 'Enabled': True,
                       'Prefix': 'batch', 'ReportScope': 'FailedTasksOnly'},
        }
        if status == 'Failed':
            more['FailureReasons'] = [{
                'FailureCode': 'JobFailureThresholdExceeded',
                'FailureReason': 'The job failed because more than 50% of its'
                                 ' tasks failed: 403 AccessDenied.'}]
        if status == 'Suspended':
            more |= {'SuspendedDate': created,
                     'SuspendedCause': 'AwaitingConfirmation'}
        return {**job, **more}


OPERATIONS = {
    'S3PutObjectCopy': {
        'TargetResource': 'arn:aws:s3:::audit-copies',
        'CannedAccessControlList': 'bucket-owner-full-control',
        'MetadataDirective': 'COPY', 'StorageClass': 'GLACIER_IR',
        'SSEAwsKmsKeyId': 'alias/audit', 'BucketKeyEnabled': True},
    'LambdaInvoke': {
        'FunctionArn': 'arn:aws:lambda:eu-west-1:123456789012:function:'
                       'thumbnails', 'InvocationSchemaVersion': '2.0',
        'UserArguments': {'size': '480', 'format': 'avif'}},
    'S3InitiateRestoreObject': {'ExpirationInDays': 7,
                                'GlacierJobTier': 'BULK'},
    'S3PutObjectTagging': {'TagSet': [
        {'Key': 'cost-centre', 'Value': '4711'},
        {'Key': 'owner', 'Value': 'telemetry'}]},
}


class Described(collections.abc.Mapping):
    """Of all jobs of some fleets, by id."""

    def __init__(self, fleets):
        self.fleets = fleets

    def __getitem__(self, job_id):
        for fleet in self.fleets:
            if job := fleet.find(job_id):
                return fleet.describe(job)
        raise KeyError(job_id)

    def __iter__(self):
        return (job['JobId'] for fleet in self.fleets for job in fleet.jobs())

    def __len__(self):
        return sum(map(len, self.fleets))


def command(s3, numbers):
    """Fleets of so many jobs by (account, region), in the stand-in."""
    fleets = {where: Fleet(*where, n) for where, n in numbers.items()}
    for (account, region), fleet in fleets.items():
        s3.set_jobs(account, fleet, region)
    s3.descriptions = Described(fleets.values())
    return fleets
