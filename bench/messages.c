/* Messages over TCP, as fast as they go: `messages serve PORT SIZE HOST...` answers each message of 24 bytes with SIZE
   bytes; `messages ask PORT SIZE CONNECTIONS SECONDS` sends one message on each connection and the next one behind its
   answer, and prints the answers, the bytes, the connections that failed and the nanoseconds. `serve-upgraded` and
   `ask-upgraded` do the same behind the handshake of a WebSocket, and without its frames. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 24, AT_ONCE = 1 << 20, EVENTS = 256, MOST = 4096 };

static char buffer[AT_ONCE];
static int contents = -1;          /* a file in memory, for answers that are larger than a message */
static long long left[MOST];       /* by descriptor: bytes that the connection still sends or awaits */
static int unread[MOST];           /* by descriptor: bytes that are missing of a message; 0: the handshake is to come */
static int upgraded = 0;

static const char HANDSHAKE[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
static const char SWITCH[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                             "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct sockaddr_in address(const char *host, int port) {
    struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &made.sin_addr) != 1) fail(host);
    return made;
}

static void watch(int poll, int change, int descriptor, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    if (epoll_ctl(poll, change, descriptor, &event)) fail("epoll_ctl");
}

static int without_delay(int descriptor) {
    if (descriptor < 0 || descriptor >= MOST) fail("socket");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return descriptor;
}

/* Sends what is left of the answer; whether the connection lives. */
static int answer(int poll, int descriptor, long long size) {
    while (left[descriptor] > 0) {
        off_t at = size - left[descriptor];
        ssize_t sent = size <= MESSAGE ? send(descriptor, buffer, left[descriptor], MSG_NOSIGNAL)
                                       : sendfile(descriptor, contents, &at, left[descriptor]);
        if (sent < 0) {
            if (errno != EAGAIN) return 0;
            watch(poll, EPOLL_CTL_MOD, descriptor, EPOLLOUT);
            return 1;
        }
        left[descriptor] -= sent;
    }
    return 1;
}

/* Reads a handshake, which comes at once, and agrees; whether the connection lives. */
static int switch_protocols(int descriptor) {
    ssize_t came = recv(descriptor, buffer, AT_ONCE, 0);
    if (came <= 0) return came < 0 && errno == EAGAIN;
    unread[descriptor] = MESSAGE;
    return send(descriptor, SWITCH, sizeof SWITCH - 1, MSG_NOSIGNAL) == sizeof SWITCH - 1;
}

/* Reads messages, and begins with the answers; whether the connection lives. */
static int serve_one(int poll, int descriptor, unsigned events, long long size) {
    if (events & EPOLLOUT) {
        if (!answer(poll, descriptor, size)) return 0;
        if (!left[descriptor]) watch(poll, EPOLL_CTL_MOD, descriptor, EPOLLIN);
        return 1;
    }
    if (!unread[descriptor]) return switch_protocols(descriptor);
    ssize_t came = recv(descriptor, buffer, unread[descriptor], 0);
    if (came <= 0) return came < 0 && errno == EAGAIN;
    unread[descriptor] -= came;
    if (unread[descriptor]) return 1;
    unread[descriptor] = MESSAGE;
    left[descriptor] = size;
    return answer(poll, descriptor, size);
}

static void serve(int port, long long size, char **hosts) {
    struct epoll_event events[EVENTS];
    int poll = epoll_create1(EPOLL_CLOEXEC), listeners[EVENTS] = {0};
    contents = memfd_create("answer", MFD_CLOEXEC);
    for (long long made = 0; made < size; made += AT_ONCE)
        if (write(contents, buffer, AT_ONCE) != AT_ONCE) fail("write");
    for (; *hosts; hosts++) {
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct sockaddr_in here = address(*hosts, port);
        if (listener < 0 || listener >= EVENTS) fail("socket");
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) fail(*hosts);
        listeners[listener] = 1;
        watch(poll, EPOLL_CTL_ADD, listener, EPOLLIN);
    }
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS, -1);
        for (int number = 0; number < count; number++) {
            int descriptor = events[number].data.fd;
            if (descriptor < EVENTS && listeners[descriptor]) {
                int client = accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (client < 0) continue;
                unread[without_delay(client)] = upgraded ? 0 : MESSAGE;
                left[client] = 0;
                watch(poll, EPOLL_CTL_ADD, client, EPOLLIN);
            } else if (!serve_one(poll, descriptor, events[number].events, size)) {
                close(descriptor);
            }
        }
    }
}

/* Asks once; whether that was taken. */
static int ask_one(int descriptor, long long size) {
    left[descriptor] = size;
    return send(descriptor, buffer, MESSAGE, MSG_NOSIGNAL) == MESSAGE;
}

/* The server sends nothing of its own: all that comes before the first message is the head of its answer. */
static void shake_hands(int descriptor) {
    size_t came = 0;
    if (send(descriptor, HANDSHAKE, sizeof HANDSHAKE - 1, MSG_NOSIGNAL) < 0) fail("send");
    while (came < 4 || memcmp(buffer + came - 4, "\r\n\r\n", 4)) {
        ssize_t more = recv(descriptor, buffer + came, AT_ONCE - came, 0);
        if (more <= 0) fail("handshake");
        came += more;
    }
    if (!memmem(buffer, came, " 101 ", 5)) fail("handshake");
}

static void ask(int port, long long size, int connections, int seconds) {
    struct epoll_event events[EVENTS];
    struct sockaddr_in there = address("127.0.0.1", port);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    long long answers = 0, bytes = 0, failed = 0, begun = now(), end = begun + seconds * 1000000000LL;
    for (int number = 0; number < connections; number++) {
        int descriptor = without_delay(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (connect(descriptor, (struct sockaddr *)&there, sizeof there)) fail("connect");
        if (upgraded) shake_hands(descriptor);
        if (!ask_one(descriptor, size)) fail("send");
        watch(poll, EPOLL_CTL_ADD, descriptor, EPOLLIN);
    }
    while (now() < end) {
        int count = epoll_wait(poll, events, EVENTS, 100);
        for (int number = 0; number < count; number++) {
            int descriptor = events[number].data.fd;
            ssize_t came = recv(descriptor, buffer, AT_ONCE, size <= MESSAGE ? 0 : MSG_TRUNC);
            if (came > 0) {
                bytes += came;
                left[descriptor] -= came;
                if (left[descriptor] > 0) continue;
                answers++;
                if (!left[descriptor] && ask_one(descriptor, size)) continue;
            }
            failed++;
            close(descriptor);
        }
    }
    printf("%lld %lld %lld %lld\n", answers, bytes, failed, now() - begun);
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    upgraded = count > 1 && strstr(words[1], "-upgraded");
    if (count > 4 && !strncmp(words[1], "serve", 5)) serve(atoi(words[2]), atoll(words[3]), words + 4);
    if (count == 6 && !strncmp(words[1], "ask", 3)) {
        ask(atoi(words[2]), atoll(words[3]), atoi(words[4]), atoi(words[5]));
        return 0;
    }
    fprintf(stderr, "usage: messages serve[-upgraded] PORT SIZE HOST... | ask[-upgraded] PORT SIZE CONNECTIONS SECONDS\n");
    return 2;
}
