// Signature Version 4 in njs, for the front "njs": what one would write.

import crypto from 'crypto';

const KEY = 'AKIDEXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const REGION = 'us-east-1';
const HEADERS = 'host;x-amz-account-id;x-amz-content-sha256;x-amz-date';

function hmac(key, text) {
    return crypto.createHmac('sha256', key).update(text);
}

function date(r) {
    return new Date().toISOString().replace(/[:-]|\.\d+/g, '');
}

function authorization(r) {
    const v = r.variables, date = v.njs_date, day = date.slice(0, 8);
    const empty = v.njs_empty;
    const query = v.args.split('&').sort().join('&');
    const scope = `${day}/${REGION}/s3/aws4_request`;

    const canonical = `GET\n/v20180820/jobs\n${query}\nhost:${v.njs_host}\n`
        + `x-amz-account-id:${v.njs_account}\nx-amz-content-sha256:${empty}\n`
        + `x-amz-date:${date}\n\n${HEADERS}\n${empty}`;
    const hash = crypto.createHash('sha256').update(canonical).digest('hex');

    let key = 'AWS4' + SECRET;
    [day, REGION, 's3', 'aws4_request'].forEach(step => {
        key = hmac(key, step).digest();
    });

    const signature = hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash}`)
        .digest('hex');

    return `AWS4-HMAC-SHA256 Credential=${KEY}/${scope}, `
        + `SignedHeaders=${HEADERS}, Signature=${signature}`;
}

export default {date, authorization};
