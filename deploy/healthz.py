"""The image's health check: exit status 0 while the service of this container says that it serves, and what it says.

    python -I -S healthz.py HTTP_PORT

It asks over HTTP and with the least of Python, because it is started every few seconds for as long as the mesh is
up: an eighth of the processor time of `qiki health`, which asks over gRPC. Both answers come from the same report.
"""

import socket
import sys

TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 65_536


def main() -> int:
    """Ask once and return the exit status."""
    if len(sys.argv) != 2 or not (sys.argv[1].isascii() and sys.argv[1].isdigit()):
        print("usage: healthz.py HTTP_PORT")
        return 2
    try:
        answer = ask(int(sys.argv[1]))
    except (OSError, OverflowError) as error:
        print(f"no answer: {error}")
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    print(body.decode(errors="replace").strip() or "the answer is empty")
    return 0 if head.split(maxsplit=2)[1:2] == [b"200"] else 1


def ask(port: int) -> bytes:
    """Return the answer's bytes. Raises OSError where none comes, and OverflowError for what is no port."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = b""
        while len(answer) < MAX_ANSWER_BYTES and (more := connection.recv(4096)):
            answer += more
    return answer


if __name__ == "__main__":
    sys.exit(main())
