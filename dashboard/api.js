// The gateway's answers: a listing, plain or merged, its further pages, and
// one job.  What goes wrong is a Problem that says what to do.

import {Job, same} from './job.js';

const API = new URL(document.getElementById('api').href);
const PATIENCE = 300_000;

const ADVICE = {
    AccessDenied: 'The gateway’s credentials need the permissions'
        + ' s3:ListJobs and s3:DescribeJob in this account.',
    CredentialsUnavailable: 'The gateway has no usable credentials: its error'
        + ' log says why.',
    NoSuchJob: 'S3 forgets a job 90 days after its end.',
    PermanentRedirectControlError: 'The gateway asks the wrong region.',
    RequestTimeTooSkewed: 'The clock of the gateway is wrong.',
    BadUpstreamResponse: 'What answered the gateway is not S3 Control, or its'
        + ' answer broke off: the gateway’s error log has more.',
};

const ADVICE_OF_STATUS = {
    0: 'Is the gateway up, and are you still signed in?  Reload the page to'
        + ' find out.',
    200: 'Are you still signed in?  Reload the page to find out.',
    400: 'The link may be old: show all jobs, or reload the page.',
    401: 'Reload the page to sign in again.',
    403: 'You, or the gateway, may not see this.',
    404: 'The gateway does not serve this address.',
    429: 'You ask too often; the page slows down by itself.',
    502: 'The gateway and S3 Control do not get along: the gateway’s error'
        + ' log says why.',
    503: 'S3 Control, or the gateway, is busy; the page asks again by'
        + ' itself.',
    504: 'S3 Control did not answer the gateway in time; the page asks again'
        + ' by itself.',
};

export class Problem extends Error {

    constructor(status, code, detail, requestId, retryAfter)
    {
        super(detail || code);
        Object.assign(this, {status, code, requestId, retryAfter});
        this.advice = ADVICE[code] ?? ADVICE_OF_STATUS[status]
                      ?? ADVICE_OF_STATUS[status < 500 ? 403 : 502];
    }

    get title()
    {
        return this.status ? `${this.status} ${this.code}` : this.code;
    }
}

// Numbers past 2^53 become texts of their digits; texts stay as they are.
const LONG = /[:,[]\s*-?\d{16}/;
const TEXT_OR_LONG = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d{16,}(?![\d.eE])/gs;

export function parse(text)
{
    return JSON.parse(!LONG.test(text) ? text : text.replace(TEXT_OR_LONG,
        token => token[0] === '"' ? token : `"${token}"`));
}

function retryAfter(response)
{
    const text = response.headers.get('Retry-After') ?? '';
    const at = /^\d+$/.test(text) ? Number(text)
               : (Date.parse(text) - Date.now()) / 1000;
    return at > 0 ? Math.min(at, 3600) : 0;
}

async function get(url)
{
    let response, text;
    try {
        response = await fetch(url, {
            headers: {Accept: 'application/json'}, cache: 'no-store',
            signal: AbortSignal.timeout(PATIENCE)});
        text = await response.text();
    } catch (error) {
        throw error.name === 'TimeoutError'
            ? new Problem(0, 'Timeout', 'The answer takes too long.')
            : response
            ? new Problem(0, 'BrokenAnswer', 'The answer broke off.')
            : new Problem(0, 'NoAnswer', 'The gateway does not answer.');
    }

    const type = response.headers.get('Content-Type') ?? '';
    let answer = null;
    if (/^application\/(problem\+)?json\b/.test(type)) {
        try {
            answer = parse(text);
        } catch {}
    }
    if (!response.ok) {
        throw new Problem(response.status,
            String(answer?.code ?? response.statusText ?? ''),
            String(answer?.detail ?? ''), String(answer?.requestId ?? ''),
            retryAfter(response));
    }
    if (answer === null || typeof answer !== 'object') {
        throw new Problem(200, 'NotJson', 'The answer is no JSON.');
    }
    return answer;
}

function below(place, query)
{
    const url = new URL(API);
    url.pathname += place && '/' + place;
    url.search = query ? '?' + new URLSearchParams(query) : '';
    return url;
}

// A key is that of a Job: an id, after its place where there are several.
export const KEY = /^(\d{12}\/[a-z0-9-]+\/)?[\w-]{5,36}$/;

export function jobUrl(key)
{
    return below(key);
}

export async function describe(key)
{
    const answer = await get(jobUrl(key));
    if (!answer.Job || typeof answer.Job !== 'object') {
        throw new Problem(200, 'NotAJob', 'The answer is no job.');
    }
    return answer.Job;
}

// All that is loaded: jobs by key, and what is missing by place.
export class Listing {

    #further = new Map();           // pages that were asked for, by place

    jobs = new Map();
    gaps = new Map();               // place: {label, token, problem}
    places = [];                    // in a merged listing, sorted

    // All again; the object of a job that is the same stays.
    async load()
    {
        const jobs = new Map(), gaps = new Map();
        this.#take(await get(API), '', jobs, gaps);

        for (const [place, pages] of this.#further) {
            for (let n = 0; n < pages && gaps.get(place)?.token; n++) {
                if (!await this.#more(place, jobs, gaps)) {
                    break;
                }
            }
        }
        this.#keep(jobs, gaps);
    }

    // The next page of one listing.
    async more(place)
    {
        const jobs = new Map(this.jobs), gaps = new Map(this.gaps);
        if (await this.#more(place, jobs, gaps)) {
            this.#further.set(place, 1 + (this.#further.get(place) ?? 0));
        }
        this.#keep(jobs, gaps);
    }

    async #more(place, jobs, gaps)
    {
        const gap = gaps.get(place);
        try {
            const answer = await get(below(place, {nextToken: gap.token}));
            gaps.delete(place);
            this.#take(answer, place, jobs, gaps);
            return true;
        } catch (problem) {
            gaps.set(place, {...gap, problem});
            return false;
        }
    }

    #take(answer, place, jobs, gaps)
    {
        if (!Array.isArray(answer.Jobs)) {
            throw new Problem(200, 'NotAListing', 'The answer is no listing.');
        }
        answer.Jobs.forEach((fields, n) => {
            const where = placeOf(fields) || place;
            const id = fields.JobId ?? `#${n}`;
            const key = where ? `${where}/${id}` : id;
            const old = this.jobs.get(key);
            jobs.set(key, old && same(old.fields, fields) ? old
                          : new Job(fields, where, key));
        });

        // one listing has its token at the end, each of several its own
        const alone = place || answer.NextToken;
        if (answer.NextToken) {
            gaps.set(place, {label: place, token: answer.NextToken});
        }
        for (const gap of answer.Incomplete ?? []) {
            const label = placeOf(gap) || gap.URI || '';
            gaps.set(alone ? place : label, {
                label, token: alone ? answer.NextToken : gap.NextToken,
                problem: gap.code || gap.status ? new Problem(gap.status,
                    gap.code ?? '', gap.detail, gap.requestId) : null});
        }
    }

    #keep(jobs, gaps)
    {
        const places = new Set([...gaps.keys()].filter(it => PLACE.test(it)));
        jobs.forEach(job => places.add(job.place));
        Object.assign(this, {jobs, gaps, places:
                             [...places].filter(Boolean).sort()});
    }
}

const PLACE = /^\d{12}\/[a-z0-9-]+$/;

function placeOf({AccountId, Region})
{
    return AccountId && Region ? `${AccountId}/${Region}` : '';
}
