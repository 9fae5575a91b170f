"""Contract section 3.9: attachments and upload sessions."""

import base64
import json

import pytest

from graphsim import attachments

MIB = 1024 * 1024
FILE = "#microsoft.graph.fileAttachment"


@pytest.fixture
def base(msg):
    return f"/me/messages/{msg.id}/attachments"


def open_session(graph, base, size=4 * MIB, **more):
    return graph.post(base + "/createUploadSession", {"AttachmentItem": {
        "attachmentType": "file", "name": "big", "size": size}}, **more)


def test_small_ones(graph, base, msg):
    row = graph.post(base, {"@odata.type": FILE, "name": "a.txt",
                            "contentType": "text/plain",
                            "contentBytes": "aGk="}, status=201)
    assert row["size"] == 2 and not row["isInline"]
    assert graph.get(f"/me/messages/{msg.id}")["hasAttachments"]
    assert graph.get(f"{base}/{row['id']}/$value") == b"hi"
    listed = graph.get(base + "?$select=name,size")["value"]
    assert listed == [{"@odata.type": FILE, "id": row["id"],
                       "name": "a.txt", "size": 2}]
    graph("DELETE", f"{base}/{row['id']}", status=204)
    graph.get(f"{base}/{row['id']}", status=404, code="ErrorItemNotFound")


def test_inline_ones_do_not_count(graph, base, msg):
    graph.post(base, {"@odata.type": FILE, "name": "i", "isInline": True,
                      "contentId": "c", "contentBytes": "eA=="}, status=201)
    assert not graph.get(f"/me/messages/{msg.id}")["hasAttachments"]


@pytest.mark.parametrize("size,status", [(2 * MIB + 7, 201), (3 * MIB, 413)])
def test_three_megabytes(graph, base, size, status):
    data = base64.b64encode(bytes(size)).decode()
    graph.post(base, {"@odata.type": FILE, "name": "a",
                      "contentBytes": data}, status=status)


@pytest.mark.parametrize("item,status,code", [
    ({"size": 3 * MIB - 1}, 400,
     "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"),
    ({"size": 151 * MIB}, 413, "ErrorMessageSizeExceeded"),
    ({"size": "4000000"}, 400, "UnableToDeserializePostBody"),
    ({"attachmentType": "item"}, 400, "UnableToDeserializePostBody"),
    ({"name": None}, 400, "UnableToDeserializePostBody")])
def test_sessions_refused(graph, base, item, status, code):
    item = dict({"attachmentType": "file", "name": "a", "size": 4 * MIB},
                **item)
    graph.post(base + "/createUploadSession", {"AttachmentItem": item},
               status=status, code=code)


def put(served, url, start, data, total, **more):
    headers = {"Content-Range":
               f"bytes {start}-{start + len(data) - 1}/{total}",
               "Content-Type": "application/octet-stream"}
    headers.update(more)
    return served.ask("PUT", url, data, headers)


def test_slices(served, graph, base, msg):
    size = 5 * MIB + 3
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    session = open_session(graph, base, size, status=201)
    url, step = session["uploadUrl"], 2 * MIB
    assert session["nextExpectedRanges"] == ["0-"]
    assert put(served, url, step, data[step:step + 9], size)[0] == 416
    assert put(served, url, 0, data[:9], size + 1)[0] == 416
    assert put(served, url, 0, data[:9], size, **{
        "Authorization": "Bearer x"})[0] == 401
    assert put(served, url, 0, data[:4 * MIB + 1], size)[0] == 413
    assert served.ask("PUT", url, b"x")[0] == 400
    status, _, body = put(served, url, 0, data[:step], size)
    assert status == 200
    assert json.loads(body)["NextExpectedRanges"] == [str(step)]
    assert put(served, url, 0, data[:step], size)[0] == 416   # once only
    assert put(served, url, step, data[step:2 * step], size)[0] == 200
    status, headers, _ = put(served, url, 2 * step, data[2 * step:], size)
    assert status == 201 and "Attachments('" in headers["Location"]
    assert msg.attachments[0].data == data
    assert put(served, url, 0, data[:9], size)[0] == 404


def test_cancel_and_expiry(served, sim, graph, base):
    url = open_session(graph, base, status=201)["uploadUrl"]
    assert served.ask("DELETE", url)[0] == 204
    assert served.ask("DELETE", url)[0] == 404
    url = open_session(graph, base, status=201)["uploadUrl"]
    sim.skew += attachments.SESSION_SECONDS + 1
    assert put(served, url, 0, b"x", 4 * MIB)[0] == 404


def test_other_host_by_switch(sim, graph, base):
    sim.switches["upload_host"] = "other"
    url = open_session(graph, base, status=201)["uploadUrl"]
    assert url.startswith("https://localhost:")
