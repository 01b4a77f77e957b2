// Lists all jobs through the gateway at 127.0.0.1:PORT, and prints them:
//     node list.mjs PORT '{"AccountId": "...", ...}'
// It stands beside node_modules, in build/node.

import { lookup } from 'node:dns';
import { Agent } from 'node:http';
import { S3ControlClient, paginateListJobs }
    from '@aws-sdk/client-s3-control';

const [port, parameters] = process.argv.slice(2);

// the SDK puts the account before any host name
const resolve = (host, options, done) => host.endsWith('.gateway.test')
    ? lookup('127.0.0.1', options, done)
    : done(new Error(`unexpected host ${host}`));

const client = new S3ControlClient({
    region: 'us-east-1',
    endpoint: `http://gateway.test:${port}`,
    credentials: { accessKeyId: 'AKIDDUMMY', secretAccessKey: 'dummy',
                   sessionToken: 'dummytoken' },
    maxAttempts: 1,
    requestHandler: { httpAgent: new Agent({ lookup: resolve }) },
});

const jobs = [];
let pages = 0;

try {
    const all = paginateListJobs({ client }, JSON.parse(parameters));
    for await (const page of all) {
        jobs.push(...(page.Jobs ?? []));
        pages++;
    }
    console.log(JSON.stringify({ jobs, pages }));
} catch (e) {
    console.log(JSON.stringify({ error: e.name, message: e.message,
                                 status: e.$metadata?.httpStatusCode,
                                 requestId: e.$metadata?.requestId }));
}
