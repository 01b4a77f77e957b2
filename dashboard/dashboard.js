// The page: its state, which is its address, and when it asks again.

import {KEY, Listing, Problem} from './api.js';
import * as drawer from './drawer.js';
import {KEYS, LARGEST_FIRST, sorted, STATUSES} from './job.js';
import * as table from './table.js';
import {plural, put, setClock} from './text.js';

const $ = id => document.getElementById(id);

const TITLE = document.title;
const TROUBLE = 'attention';            // a filter that is no status of S3
const LONGEST = 300;                    // seconds between two tries

const COLUMNS = {status: 'Status', description: 'Description',
    operation: 'Operation', account: 'Account', region: 'Region',
    priority: 'Priority', created: 'Created', ended: 'Ended',
    progress: 'Progress', failed: 'Failed', elapsed: 'Active for',
    left: 'Time left'};

const listing = new Listing();
let state = null;


// the state

function read()
{
    const query = new URLSearchParams(location.search);
    const order = query.get('sort') ?? '', name = order.replace(/^-/, '');
    const known = Object.hasOwn(KEYS, name);
    const every = query.get('refresh'), job = query.get('job') ?? '';

    state = {
        search: query.get('q') ?? '',
        statuses: new Set((query.get('status') ?? '').split(',')
                          .filter(Boolean)),
        place: query.get('in') ?? '',
        sort: known ? name : 'status',
        descending: known && order[0] === '-',
        every: ['60', 'off'].includes(every) ? every : '15',
        job: KEY.test(job) ? job : null,
    };
}

function address()
{
    const query = new URLSearchParams();
    const order = (state.descending ? '-' : '') + state.sort;

    for (const [name, value, usual] of [
        ['q', state.search, ''], ['status', [...state.statuses].join(), ''],
        ['in', state.place, ''], ['sort', order, 'status'],
        ['refresh', state.every, '15'], ['job', state.job ?? '', '']]) {
        if (value !== usual) {
            query.set(name, value);
        }
    }
    const text = query.toString().replaceAll('%2F', '/')
                      .replaceAll('%2C', ',');
    return text ? '?' + text : location.pathname;
}

let writing = 0;

// Browsers allow about a hundred changes of the address in half a minute.
function write()
{
    clearTimeout(writing);
    writing = setTimeout(
        () => history.replaceState(history.state, '', address()), 300);
}


// what is shown

let order = {};                 // the sorted jobs, and of what they are made

function inOrder()
{
    const {sort, descending} = state, {jobs} = listing;
    if (order.jobs !== jobs || order.sort !== sort
        || order.descending !== descending) {
        order = {jobs, sort, descending,
                 list: sorted([...jobs.values()], sort, descending)};
    }
    return order.list;
}

function passes(job)
{
    return !state.statuses.size || state.statuses.has(job.status)
           || job.trouble && state.statuses.has(TROUBLE);
}

// still: a refresh, after which what one looks at is where it was
function show(still = false)
{
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    const found = inOrder().filter(job =>
        (!state.place || job.place === state.place)
        && words.every(word => job.text.includes(word)));
    const list = found.filter(passes);

    showFilters(found);
    showPlaces();
    showOrder();
    table.show(list, still);
    showStatus(list);

    $('empty').hidden = !loaded || list.length > 0;
    $('empty').firstElementChild.textContent = listing.jobs.size
        ? 'No job is like that.'
        : listing.gaps.size ? 'No job could be loaded.'
        : 'There are no jobs.  S3 forgets a job 90 days after its end.';
    $('clear').hidden = !listing.jobs.size;
}

function showFilters(found)
{
    const counts = new Map([[TROUBLE, 0]]);
    for (const job of found) {
        counts.set(job.status, (counts.get(job.status) ?? 0) + 1);
        if (job.trouble) {
            counts.set(TROUBLE, counts.get(TROUBLE) + 1);
        }
    }
    const names = [...new Set([TROUBLE, ...STATUSES, ...counts.keys(),
                               ...state.statuses])];
    let before = null;
    for (const name of names) {
        let button = $('filters').querySelector(
            `[data-status="${CSS.escape(name)}"]`);
        if (!button && (counts.has(name) || state.statuses.has(name))) {
            button = document.createElement('button');
            button.type = 'button';
            button.dataset.status = name;
            button.append(document.createElement('span'), ' ',
                          document.createElement('b'));
            button.firstChild.textContent =
                name === TROUBLE ? 'Needs attention' : name || 'No status';
            $('filters').insertBefore(button, before
                ? before.nextSibling : $('filters').firstChild);
        }
        if (button) {
            const n = counts.get(name) ?? 0;
            button.lastChild.textContent = n.toLocaleString();
            button.classList.toggle('none', n === 0);
            button.ariaPressed = String(state.statuses.has(name));
            before = button;
        }
    }
}

let places = null;

function showPlaces()
{
    const several = listing.places.length > 1;
    const list = state.place && !listing.places.includes(state.place)
                 ? [...listing.places, state.place] : listing.places;

    $('jobs').classList.toggle('several', several);
    $('place').hidden = list.length < 2;
    if (places !== list.join()) {
        places = list.join();
        $('place').replaceChildren(
            new Option('All accounts and regions', ''),
            ...list.map(place => new Option(place.replace('/', ' '), place)));
    }
    $('place').value = state.place;
}

function showOrder()
{
    for (const th of $('jobs').tHead.rows[0].cells) {
        th.ariaSort = th.className !== state.sort ? null
                      : state.descending ? 'descending' : 'ascending';
    }
    $('order').value = state.sort;
}

function showStatus(list)
{
    const n = listing.jobs.size, partly = [...listing.gaps.values()]
        .some(gap => gap.token || gap.problem);
    const trouble = [...listing.jobs.values()].filter(job => job.trouble);

    document.title = (trouble.length ? `(${trouble.length}) ` : '') + TITLE;
    const text = list.length < n
        ? `${list.length.toLocaleString()} of ${plural(n, 'job')}`
        : plural(n, 'job');
    put($('status'), !loaded ? problem ? 'Nothing is loaded' : 'Loading …'
        : text + (partly ? ' loaded, not all' : '')
          + (problem ? ', not up to date' : ''));
}


// what is missing, and what is wrong

let gapsShown = '';

function showGaps()
{
    const gaps = [...listing.gaps].sort(), section = $('gaps');
    const now = JSON.stringify(gaps.map(([place, {token, problem}]) =>
        [place, token, problem?.title, problem?.message]));
    if (now === gapsShown) {
        return;
    }
    gapsShown = now;
    const focus = document.activeElement?.dataset.more;
    const wrong = gaps.filter(([, gap]) => gap.problem).length;

    section.hidden = gaps.length === 0;
    section.classList.toggle('bad', wrong > 0);
    section.querySelector('summary').textContent =
        gaps.length < 2 && listing.places.length < 2
        ? 'The listing is not complete'
        : plural(gaps.length, 'listing')
          + (gaps.length === 1 ? ' is' : ' are') + ' not complete';
    section.querySelector('ul').replaceChildren(...gaps.map(item));
    if (focus !== undefined) {
        (section.hidden ? $('now')
         : section.querySelector(`[data-more="${CSS.escape(focus)}"]`)
         ?? section.querySelector('summary')).focus();
    }
}

function item([place, {label, token, problem}])
{
    const li = document.createElement('li');
    const name = document.createElement('b');

    name.textContent = label.startsWith('/') ? label : label.replace('/', ' ');
    li.append(name, ' ', problem
        ? `${problem.title}: ${problem.message} ${problem.advice}`
        : 'has more jobs than are loaded.', ' ');
    if (token) {
        const button = document.createElement('button');
        button.type = 'button';
        button.dataset.more = place;
        button.textContent = 'Load more';
        li.append(button);
    }
    return li;
}

function ago(ms)
{
    const minutes = Math.floor((Date.now() - ms) / 60_000);
    return minutes < 1 ? 'less than a minute ago'
           : minutes < 120 ? `${minutes} min ago`
           : `${Math.floor(minutes / 60)} h ago`;
}

function showTrouble()
{
    const late = busy && loaded && Date.now() - began > 60_000;
    const [what, advice, when] = $('trouble').children;
    const again = document.activeElement === $('again');

    $('trouble').hidden = !problem && !late;
    if ($('trouble').hidden) {
        if (again) {
            $('now').focus();
        }
        return;
    }
    what.firstElementChild.textContent = problem?.title ?? 'Slow';
    what.lastElementChild.textContent = problem?.message
        ?? 'The answer is not there yet.';
    advice.textContent = problem?.advice ?? '';
    when.firstElementChild.textContent = [
        loaded && `Last good answer ${ago(loaded)}.`,
        problem?.requestId && `Request id ${problem.requestId}.`,
        problem && timer && `Next try at ${new Date(due)
            .toLocaleTimeString()}.`].filter(Boolean).join(' ');
}


// when to ask

let busy = false, began = 0, loaded = 0, took = 0, due = 0, timer = 0;
let problem = null, failures = 0, paused = false;

function interval()
{
    return state.every === 'off' ? 0 : Number(state.every) * 1000;
}

// After a failure as long as S3 wishes, and longer each time, but no longer
// than LONGEST; at most a quarter of the time is spent asking.
function delay()
{
    const usual = Math.max(interval(), Math.min(3 * took, LONGEST * 1000));
    if (!failures) {
        return usual;
    }
    return Math.min(LONGEST * 1000, 2 ** (failures - 1)
        * Math.max((problem.retryAfter ?? 0) * 1000,
                   loaded ? usual : 2000));
}

function schedule()
{
    clearTimeout(timer);
    timer = 0;
    if (!busy && !paused && !document.hidden && state.every !== 'off') {
        timer = setTimeout(refresh, Math.max(0, due - Date.now()));
    }
}

async function working(work)
{
    if (busy) {
        return;
    }
    busy = true;
    began = Date.now();
    schedule();
    $('jobs').ariaBusy = $('now').ariaDisabled = 'true';
    try {
        await work();
    } finally {
        busy = false;
        $('jobs').ariaBusy = $('now').ariaDisabled = 'false';
        schedule();
    }
    table.hold(null, showTrouble);

    // "Load more", pressed meanwhile
    const place = wanted;
    wanted = null;
    if (listing.gaps.get(place)?.token) {
        more(place);
    }
}

function refresh()
{
    return working(async () => {
        const start = performance.now();
        try {
            await listing.load();
            loaded = Date.now();
            problem = null;
            failures = 0;
        } catch (error) {
            problem = asProblem(error);
            failures++;
        }
        took = performance.now() - start;
        due = Date.now() + delay();
        if (!problem) {
            setClock($('updated'), loaded);
            if (state.job) {
                drawer.update(listing.jobs.get(state.job));
            }
        }
        show(true);
        table.hold(null, showGaps);
    });
}

let wanted = null;

function more(place)
{
    if (busy) {
        wanted = place;
        return;
    }
    return working(async () => {
        await listing.more(place);
        show(true);
        table.hold(null, showGaps);
    });
}

function asProblem(error)
{
    if (error instanceof Problem) {
        return error;
    }
    console.error(error);
    return new Problem(0, error.name, error.message);
}


// what the reader does

function change(what)
{
    Object.assign(state, what);
    write();
    show();
}

function sortBy(name)
{
    change({sort: name, descending: state.sort === name ? !state.descending
                                    : LARGEST_FIRST.has(name)});
}

// By push and back, so that the browser's own back closes the drawer too.
function openJob(key)
{
    if (!KEY.test(key)) {
        return;
    }
    clearTimeout(writing);
    history.replaceState(history.state, '', address());
    state.job = key;
    history[history.state?.job ? 'replaceState' : 'pushState'](
        {job: true}, '', address());
    showJob();
}

let closing = false;

function closeJob()
{
    if (closing || state.job === null) {
        return;
    }
    closing = Boolean(history.state?.job);
    if (closing) {
        history.back();
    } else {
        closed();
    }
}

// What was chosen while the drawer was open stays chosen.
function closed()
{
    closing = false;
    clearTimeout(writing);
    state.job = null;
    history.replaceState(null, '', address());
    showJob();
}

function moved()
{
    if (closing) {
        closed();
        return;
    }
    read();
    showState();
    show(true);
    showJob();
    schedule();
}

function showJob()
{
    const before = table.select(state.job);
    table.hold(state.job ?? before, () => document.body.classList.toggle(
        'open', state.job !== null));
    drawer.open(state.job, listing.jobs.get(state.job));
    if (state.job === null) {
        table.focusRow(before);
    }
}

function showState()
{
    $('search').value = state.search;
    $('every').value = state.every;
    $('pause').hidden = state.every === 'off';
}

function start()
{
    const head = $('jobs').tHead.rows[0];
    for (const [name, label] of Object.entries(COLUMNS)) {
        const th = document.createElement('th');
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = label;
        button.addEventListener('click', () => sortBy(name));
        th.setAttribute('role', 'columnheader');
        th.scope = 'col';
        th.className = name;
        th.append(button);
        head.append(th);
        $('order').append(new Option(`by ${label.toLowerCase()}`, name));
    }

    $('search').addEventListener('input', event =>
        change({search: event.target.value}));
    $('place').addEventListener('change', event =>
        change({place: event.target.value}));
    $('order').addEventListener('change', event => sortBy(event.target.value));
    $('filters').addEventListener('click', event => {
        const name = event.target.closest('button')?.dataset.status;
        if (name !== undefined) {
            const statuses = new Set(state.statuses);
            statuses.delete(name) || statuses.add(name);
            change({statuses});
        }
    });
    $('clear').addEventListener('click', () => {
        change({search: '', statuses: new Set(), place: ''});
        showState();
        $('search').focus();
    });
    $('gaps').addEventListener('click', event => {
        const place = event.target.dataset.more;
        if (place !== undefined) {
            more(place);
        }
    });

    $('every').addEventListener('change', event => {
        state.every = event.target.value;
        due = Date.now() + delay();
        write();
        showState();
        schedule();
    });
    $('pause').addEventListener('click', () => {
        paused = !paused;
        $('pause').ariaPressed = String(paused);
        schedule();
    });
    $('now').addEventListener('click', refresh);
    $('again').addEventListener('click', refresh);
    document.addEventListener('visibilitychange', schedule);
    setInterval(showTrouble, 10_000);

    document.addEventListener('keydown', event => {
        if (event.key === 'Escape' && state.job !== null
            && event.target !== $('search')) {
            event.preventDefault();
            closeJob();
        } else if (event.key === '/' && !event.ctrlKey && !event.metaKey
                   && !/^(INPUT|SELECT)$/.test(event.target.tagName)) {
            event.preventDefault();
            $('search').focus();
        }
    });
    addEventListener('popstate', moved);
    new ResizeObserver(() => document.documentElement.style.setProperty(
        '--bar', `${$('bar').offsetHeight}px`)).observe($('bar'));

    history.scrollRestoration = 'manual';   // Back is to close the drawer
    read();
    showState();
    table.start(openJob);
    drawer.start(closeJob);
    show();
    if (state.job !== null) {
        showJob();
    }
    refresh();
}

start();
