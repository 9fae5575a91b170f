"""The other end of test-msnet-poll: answers by path, prints its port."""
import gzip
import socket
import struct
import sys
import threading
import time


def read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return None
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        headers[name.lower()] = value.strip()
    size = int(headers.get("content-length", "0"))
    while len(body) < size:
        part = conn.recv(65536)
        if not part:
            break
        body += part
    return method, path, headers, body


def send(conn, status, body, extra=""):
    conn.sendall(("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n"
                  % (status, len(body), extra)).encode() + body)


posts = 0


def answer(conn, method, path, headers, body):
    """Returns False when the connection is to be closed."""
    global posts
    if path == "/hello":
        send(conn, "200 OK", b"hello", "X-Test: yes\r\n")
    elif path == "/echo":
        expect = "expect" in headers
        info = "%s %s %s\n" % (method, headers.get("content-type", "-"),
                               "expect" if expect else "-")
        send(conn, "201 Created", info.encode() + body)
    elif path == "/gzip":
        send(conn, "200 OK", gzip.compress(b"z" * 100000),
             "Content-Encoding: gzip\r\n")
    elif path.startswith("/gzip-"):
        whole = gzip.compress(b"z" * 100000)
        send(conn, "200 OK", {"cut": whole[:-8], "rest": whole + b"x",
                              "no": b"text"}[path[6:]],
             "Content-Encoding: gzip\r\n")
    elif path == "/missing":
        send(conn, "404 Not Found", b'{"error":{"code":"x"}}')
    elif path == "/redirect":
        send(conn, "302 Found", b"", "Location: /hello\r\n")
    elif path == "/cut":
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        return False
    elif path == "/headers":
        send(conn, "200 OK", b"", "".join("X-%d: 1\r\n" % i
                                          for i in range(500)))
    elif path == "/silent":
        time.sleep(3)
        return False
    elif path == "/once":
        # acted on, never answered, over a connection that was kept
        posts += 1
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        return False
    elif path == "/posts":
        send(conn, "200 OK", b"%d" % posts)
    else:
        send(conn, "400 Bad Request", b"")
    return True


def serve(conn):
    with conn:
        while True:
            try:
                request = read_request(conn)
                if request is None or not answer(conn, *request):
                    return
            except OSError:
                return


def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    print(listener.getsockname()[1], flush=True)
    # ends with the test, which holds the other end of stdin
    threading.Thread(target=lambda: (sys.stdin.read(), listener.close()),
                     daemon=True).start()
    listener.settimeout(30)
    while True:
        try:
            conn, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(conn,), daemon=True).start()


main()
