"""What the gateway sends, read with Python's own XML parser."""

import xml.etree.ElementTree as ElementTree


def error(response):
    """(code, message) of an S3 error document, with its request id not
    empty."""
    assert response.header('Content-Type') == 'application/xml', response
    assert response.complete, response
    root = ElementTree.fromstring(bytes(response.body))
    assert root.tag == 'ErrorResponse', response
    assert [child.tag for child in root] == ['Error', 'RequestId'], response
    assert root.findtext('RequestId'), response
    return root.findtext('Error/Code'), root.findtext('Error/Message')


def job_ids(response):
    """The ids of the jobs in an XML listing, in order."""
    assert response.status == 200 and response.complete, response
    return [e.text for e in ElementTree.fromstring(bytes(response.body))
            .findall('{*}Jobs/*/{*}JobId')]


def expected_ids(s3, *where):
    return [job['JobId'] for job in s3.jobs(*where)]
