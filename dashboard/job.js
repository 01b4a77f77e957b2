// What the page knows of a job: S3's fields, and what follows from them.
// A Job never changes.  A refresh keeps the object of a job that is the same,
// so that its row is left alone.

// From what waits for somebody to what is over: the order of "Status".
export const STATUSES = ['Suspended', 'Failed', 'Failing', 'Cancelling',
    'Pausing', 'Paused', 'Active', 'Completing', 'Preparing', 'Ready', 'New',
    'Complete', 'Cancelled'];

export const ENDED = new Set(['Failed', 'Complete', 'Cancelled']);

const TROUBLE = {
    Suspended: 'needs confirmation',
    Failed: 'open to see why',
    Failing: 'about to fail',
};

// A number of the listing is a Number, or, past 2^53, a text of its digits.
export function whole(value)
{
    return Number.isSafeInteger(value) || /^-?\d+$/.test(value)
           ? BigInt(value) : null;
}

// 1 only if it is all of it, however large the numbers are.
function ratio(part, all)
{
    return part === null || !(all > 0n) ? null
           : part < all ? Math.min(Number(part) / Number(all), 1 - 2 ** -53)
           : 1;
}

function time(text)
{
    const ms = Date.parse(text);
    return Number.isNaN(ms) ? null : ms;
}

export function same(a, b)
{
    if (a === b) {
        return true;
    }
    if (!a || !b || typeof a !== 'object' || typeof b !== 'object') {
        return false;
    }
    const names = Object.keys(a);
    return names.length === Object.keys(b).length
           && names.every(name => same(a[name], b[name]));
}

export class Job {

    // place: "ACCOUNT/REGION", or "" where there is one listing only
    constructor(fields, place, key)
    {
        Object.assign(this, {fields, place, key});
        [this.account = '', this.region = ''] = place.split('/');
        this.id = String(fields.JobId ?? '');
        this.status = String(fields.Status ?? '');
        this.description = String(fields.Description ?? '');
        this.name = this.description.trim() ? this.description : '';
        this.operation = typeof fields.Operation === 'object'
                         ? Object.keys(fields.Operation ?? {})[0] ?? ''
                         : String(fields.Operation ?? '');
        this.priority = whole(fields.Priority);
        this.created = time(fields.CreationTime);
        this.ended = time(fields.TerminationDate);
        this.#count(fields.ProgressSummary ?? {});

        this.trouble = TROUBLE[this.status]
            ?? (this.failed > 0n && this.status === 'Complete'
                ? 'with failed tasks' : '');
        this.text = `${this.id} ${this.description} ${this.operation}`
            .toLowerCase();
    }

    #count(progress)
    {
        this.total = whole(progress.TotalNumberOfTasks);
        if (!(this.total > 0n)) {
            this.total = null;
        }
        this.succeeded = whole(progress.NumberOfTasksSucceeded);
        this.failed = whole(progress.NumberOfTasksFailed);
        this.elapsed = whole(progress.Timers?.ElapsedTimeInActiveSeconds);

        const done = this.succeeded === null && this.failed === null ? null
                     : (this.succeeded ?? 0n) + (this.failed ?? 0n);
        this.remaining = this.total === null || done === null ? null
                         : this.total > done ? this.total - done : 0n;
        this.progress = ratio(done, this.total);
        this.failure = ratio(this.failed, done);
        this.left = this.status === 'Active' && this.remaining !== null
                    && this.elapsed > 0n && done > 0n
                    ? Number(this.remaining) * Number(this.elapsed)
                      / Number(done) : null;
    }
}

const collator = new Intl.Collator(undefined, {numeric: true});

// By which a table can be sorted; null is always last.
export const KEYS = {
    status: job => (job.trouble ? 0 : 100)
                   + (STATUSES.indexOf(job.status) + 99) % 99,
    description: job => job.description || null,
    operation: job => job.operation || null,
    account: job => job.account || null,
    region: job => job.region || null,
    priority: job => job.priority,
    created: job => job.created,
    ended: job => job.ended,
    progress: job => job.progress,
    failed: job => job.failure,
    elapsed: job => job.elapsed,
    left: job => job.left,
};

// Those of which one wants to see the largest first.
export const LARGEST_FIRST = new Set(['priority', 'created', 'ended',
    'failed', 'elapsed']);

function compare(a, b)
{
    return typeof a === 'string' ? collator.compare(a, b) : (a > b) - (a < b);
}

export function sorted(jobs, name, descending)
{
    const key = KEYS[name], sign = descending ? -1 : 1;

    return jobs.map(job => [key(job), job]).sort(([a, x], [b, y]) =>
        (a === null || b === null ? (a === null) - (b === null)
                                  : sign * compare(a, b))
        || y.created - x.created || compare(x.key, y.key)
    ).map(pair => pair[1]);
}
