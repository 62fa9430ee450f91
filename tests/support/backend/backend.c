/* An HTTP server that remembers what it has executed, for tests that count: a thread for each connection.

   /?id=ID        writes ID to /state/executed-HOSTNAME, then answers
   /?sleep=S      answers after S seconds
   /?eat          takes memory until it is stopped
   /events        server-sent events, ten a second
   /ws            a WebSocket that says again what it hears

   SIGTERM ends it well: it listens no more, and finishes what it has begun. STATUS in its environment is what it
   answers with, in place of 200 OK. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#define MOST_OF_A_HEAD 16384
#define PIECE 65536
#define FOR_EVER -1
#define FOR_THE_FIRST 1000 /* a client that has just connected is about to ask */

static volatile sig_atomic_t stopping;
static atomic_int connections;
static char host[256];
static const char *marker, *status;

static void pause_for(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    while (nanosleep(&time, &time) && errno == EINTR) {
    }
}

static int say(int client, const char *data, size_t size) {
    while (size) {
        ssize_t sent = send(client, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return 0;
        data += sent;
        size -= (size_t)sent;
    }
    return 1;
}

/* Waits until there is something to read; once the server ends, `patience` more milliseconds, or for ever. */
static int has_more(int client, int patience) {
    struct pollfd one = {client, POLLIN, 0};
    for (;;) {
        int ready = poll(&one, 1, 20);
        if (ready > 0)
            return 1;
        if (ready < 0 && errno != EINTR)
            return 0;
        if (!ready && stopping && patience != FOR_EVER && (patience -= 20) <= 0)
            return 0;
    }
}

/* ---- what was executed */

static void note(const char *id) {
    char path[320], line[256];
    snprintf(path, sizeof path, "/state/executed-%s", host);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (file < 0)
        return;
    int size = snprintf(line, sizeof line, "%s\n", id);
    if (write(file, line, (size_t)size) != size)
        perror("write");
    close(file);
}

static int argument(const char *target, const char *name, char *value, size_t size) {
    const char *at = strchr(target, '?');
    size_t length = strlen(name);
    while (at) {
        at++;
        if (!strncmp(at, name, length) && (at[length] == '=' || at[length] == '&' || !at[length])) {
            at += length + (at[length] == '=');
            size_t end = strcspn(at, "&");
            snprintf(value, size, "%.*s", (int)end, at);
            return 1;
        }
        at = strchr(at, '&');
    }
    return 0;
}

/* ---- a WebSocket (RFC 6455) */

static uint32_t turned(uint32_t word, int by) { return word << by | word >> (32 - by); }

static void sha1(const unsigned char *data, size_t size, unsigned char digest[20]) {
    uint32_t sums[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char padded[192] = {0};
    size_t blocks = (size + 8) / 64 + 1;
    memcpy(padded, data, size);
    padded[size] = 0x80;
    for (int byte = 0; byte < 8; byte++)
        padded[blocks * 64 - 1 - byte] = (unsigned char)((uint64_t)size * 8 >> 8 * byte);
    for (size_t block = 0; block < blocks; block++) {
        uint32_t words[80], a = sums[0], b = sums[1], c = sums[2], d = sums[3], e = sums[4];
        for (int n = 0; n < 16; n++) {
            const unsigned char *at = padded + block * 64 + n * 4;
            words[n] = (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
        }
        for (int n = 16; n < 80; n++)
            words[n] = turned(words[n - 3] ^ words[n - 8] ^ words[n - 14] ^ words[n - 16], 1);
        for (int n = 0; n < 80; n++) {
            uint32_t f = n < 20 ? (b & c) | (~b & d) : n < 40 ? b ^ c ^ d : n < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            uint32_t k = n < 20 ? 0x5A827999 : n < 40 ? 0x6ED9EBA1 : n < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            uint32_t next = turned(a, 5) + f + e + k + words[n];
            e = d, d = c, c = turned(b, 30), b = a, a = next;
        }
        sums[0] += a, sums[1] += b, sums[2] += c, sums[3] += d, sums[4] += e;
    }
    for (int n = 0; n < 20; n++)
        digest[n] = (unsigned char)(sums[n / 4] >> (24 - n % 4 * 8));
}

static void accept_key(const char *key, char accepted[32]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[128];
    unsigned char digest[21] = {0};
    int size = snprintf(text, sizeof text, "%.64s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1((unsigned char *)text, (size_t)size, digest);
    for (int n = 0; n < 7; n++) {
        uint32_t three = (uint32_t)digest[n * 3] << 16 | digest[n * 3 + 1] << 8 | digest[n * 3 + 2];
        for (int letter = 0; letter < 4; letter++)
            accepted[n * 4 + letter] = letters[three >> (18 - letter * 6) & 63];
    }
    accepted[27] = '=';
    accepted[28] = 0;
}

static int exactly(int client, unsigned char *data, size_t size) {
    while (size) {
        ssize_t got = recv(client, data, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        data += got;
        size -= (size_t)got;
    }
    return 1;
}

static void talk(int client, const char *key) {
    static const char away[] = {(char)0x88, 2, 1001 >> 8, (char)(1001 & 255)};
    char head[256], accepted[32];
    unsigned char frame[6 + 125];
    accept_key(key, accepted);
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n", accepted);
    if (!say(client, head, (size_t)size))
        return;
    while (has_more(client, 0)) { /* small masked frames only */
        if (!exactly(client, frame, 6) || (frame[1] & 127) > 125)
            return;
        size_t length = frame[1] & 127;
        if (!exactly(client, frame + 6, length))
            return;
        for (size_t n = 0; n < length; n++)
            frame[6 + n] ^= frame[2 + n % 4];
        frame[4] = frame[0];
        frame[5] = (unsigned char)length;
        if (!say(client, (char *)frame + 4, 2 + length) || (frame[0] & 15) == 8)
            return;
    }
    if (say(client, away, sizeof away) && has_more(client, FOR_EVER))
        (void)!recv(client, frame, sizeof frame, 0);
}

/* ---- requests */

static void tell_events(int client) {
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    char event[64], chunk[96];
    if (!say(client, head, sizeof head - 1))
        return;
    for (unsigned number = 1; !stopping; number++) {
        int size = snprintf(event, sizeof event, "data: %u\n\n", number);
        size = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", (unsigned)size, event);
        if (!say(client, chunk, (size_t)size))
            return;
        pause_for(0.1);
    }
    say(client, "0\r\n\r\n", 5);
}

static void eat(void) {
    for (;;) {
        char *taken = malloc(1 << 20);
        if (taken)
            memset(taken, 1, 1 << 20);
    }
}

static int answer(int client, const char *target, int last) {
    char value[128], head[256], body[512];
    if (argument(target, "id", value, sizeof value))
        note(value);
    if (argument(target, "eat", value, sizeof value))
        eat();
    if (argument(target, "sleep", value, sizeof value))
        pause_for(atof(value));
    last = last || stopping;
    int length = snprintf(body, sizeof body, "I am %s of %s\n", host, marker);
    int size = snprintf(head, sizeof head, "HTTP/1.1 %.64s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n",
                        status, length, last ? "Connection: close\r\n" : "");
    memmove(head + size, body, (size_t)length);
    return say(client, head, (size_t)(size + length)) && !last;
}

/* The value of a field, in lower case as it was sent; names are looked for in any case. */
static const char *field(const char *head, const char *name, char *value, size_t size) {
    const char *at = strcasestr(head, name);
    if (!at)
        return NULL;
    at += strlen(name);
    at += strspn(at, " ");
    snprintf(value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    return value;
}

static int serve(int client, char *head, size_t *held, size_t end) {
    char target[2048], value[128], piece[PIECE];
    long length = field(head, "\r\nContent-Length:", value, sizeof value) ? atol(value) : 0;
    int last = field(head, "\r\nConnection:", value, sizeof value) && strcasestr(value, "close");
    if (sscanf(head, "%*s %2047s", target) != 1)
        return 0;
    if (!strncmp(target, "/events", 7))
        return tell_events(client), 0;
    if (!strncmp(target, "/ws", 3) && field(head, "\r\nSec-WebSocket-Key:", value, sizeof value))
        return talk(client, value), 0;
    long here = (long)(*held - end) < length ? (long)(*held - end) : length;
    memmove(head, head + end + here, *held - end - (size_t)here);
    *held -= end + (size_t)here;
    for (length -= here; length > 0;) {
        ssize_t got = recv(client, piece, (size_t)(length < PIECE ? length : PIECE), 0);
        if (got <= 0)
            return 0;
        length -= got;
    }
    return answer(client, target, last);
}

static void *attend(void *given) {
    int client = (int)(intptr_t)given;
    char head[MOST_OF_A_HEAD + 1];
    size_t held = 0;
    for (int open = 1, patience = FOR_THE_FIRST; open;) {
        head[held] = 0;
        char *end = strstr(head, "\r\n\r\n");
        if (end) {
            end[2] = 0;
            open = serve(client, head, &held, (size_t)(end - head) + 4);
            patience = 0;
            continue;
        }
        if (held == MOST_OF_A_HEAD || !has_more(client, held ? FOR_EVER : patience))
            break;
        ssize_t got = recv(client, head + held, MOST_OF_A_HEAD - held, 0);
        if (got <= 0)
            break;
        held += (size_t)got;
    }
    shutdown(client, SHUT_WR);
    close(client);
    connections--;
    return NULL;
}

static void stop(int signal) {
    (void)signal;
    stopping = 1;
}

int main(void) {
    struct sigaction ending = {.sa_handler = stop};
    struct sockaddr_in6 anywhere = {.sin6_family = AF_INET6, .sin6_port = htons(9090)};
    int yes = 1, no = 0, listening = socket(AF_INET6, SOCK_STREAM, 0);
    sigaction(SIGTERM, &ending, NULL);
    signal(SIGHUP, SIG_IGN);
    gethostname(host, sizeof host - 1);
    marker = getenv("MARKER") ? getenv("MARKER") : "nothing";
    status = getenv("STATUS") ? getenv("STATUS") : "200 OK";
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listening, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(listening, (struct sockaddr *)&anywhere, sizeof anywhere) || listen(listening, 1024)) {
        perror("listen");
        return 1;
    }
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    struct pollfd door = {listening, POLLIN, 0};
    while (!stopping) {
        if (poll(&door, 1, 20) <= 0)
            continue;
        int client = accept(listening, NULL, NULL);
        pthread_t thread;
        if (client < 0)
            continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        connections++;
        if (pthread_create(&thread, &small, attend, (void *)(intptr_t)client)) {
            close(client);
            connections--;
        }
    }
    /* What is in the queue has connected already, and would be cut off. */
    while (poll(&door, 1, 0) > 0) {
        int client = accept(listening, NULL, NULL);
        pthread_t thread;
        if (client < 0)
            break;
        connections++;
        if (pthread_create(&thread, &small, attend, (void *)(intptr_t)client))
            connections--;
    }
    close(listening);
    while (connections)
        pause_for(0.01);
    return 0;
}
