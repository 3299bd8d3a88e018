/* An event loop that holds many logins at once on one thread. No call of the library waits here: an operation says
 * what it wants of the storage, the loop asks for it, and goes on with whatever is answered next.
 * Usage: epoll USERS. Every user enrolls an app and passes it; one code is tried by two logins at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <mfacore.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { KEY_MAX = 200, RECORD_MAX = 32 * 1024, RECORDS_MAX = 1024, EVENTS_MAX = 64 };

/* ---- The storage: a service of its own, reached by messages, as a database is by a non-blocking client. ---- */

typedef struct message {
    struct login *login; /* who asked: goes there and back */
    int32_t kind;        /* asked: MFACORE_WANT_LOAD or _SWAP; answered: MFACORE_LOADED_.. or MFACORE_STORED_.. */
    int32_t has_expected, is_delete;
    uint8_t expected[16], version[16];
    size_t key_len, len;
    uint8_t key[KEY_MAX], bytes[RECORD_MAX];
} message;

typedef struct record {
    size_t key_len, len; /* len 0: nothing is there */
    uint8_t key[KEY_MAX], version[16], bytes[RECORD_MAX];
} record;

/* The place of a key; a key without a record gets a free one. */
static record *place_of(record *records, const message *asked) {
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        record *place = &records[i];
        if (place->key_len == 0) {
            place->key_len = asked->key_len;
            memcpy(place->key, asked->key, asked->key_len);
        }
        if (place->key_len == asked->key_len && memcmp(place->key, asked->key, asked->key_len) == 0) return place;
    }
    return NULL;
}

static void answer(record *place, message *m) {
    if (m->kind == MFACORE_WANT_LOAD) {
        m->kind = !place ? MFACORE_LOADED_FAILED : place->len ? MFACORE_LOADED_FOUND : MFACORE_LOADED_ABSENT;
        m->len = 0;
        if (m->kind == MFACORE_LOADED_FOUND) {
            memcpy(m->version, place->version, 16);
            memcpy(m->bytes, place->bytes, m->len = place->len);
        }
        return;
    }
    int is_expected = place && (m->has_expected ? place->len && memcmp(place->version, m->expected, 16) == 0
                                                : place->len == 0);
    if (is_expected) {
        place->len = m->is_delete ? 0 : m->len;
        memcpy(place->version, m->version, 16);
        memcpy(place->bytes, m->bytes, place->len);
    }
    m->kind = !place ? MFACORE_STORED_FAILED : is_expected ? MFACORE_STORED_COMMITTED : MFACORE_STORED_CONFLICT;
    m->len = 0;
}

static size_t size_of(const message *m) { return offsetof(message, bytes) + m->len; }

static void *serve(void *socket) {
    int end = *(int *)socket;
    record *records = calloc(RECORDS_MAX, sizeof *records);
    message m;
    while (records && recv(end, &m, sizeof m, 0) > 0) {
        answer(place_of(records, &m), &m);
        if (send(end, &m, size_of(&m), MSG_NOSIGNAL) < 0) break;
    }
    free(records);
    return NULL;
}

/* ---- The host: an operation's steps, between which the loop serves everybody else. ---- */

typedef struct loop {
    int epoll, storage;
    const mfacore_engine *engine;
    uint64_t now_ms; /* a loop reads the clock once a round; here it stands still, so that every run is the same */
    struct login *first_waiting, **last_waiting; /* in line for a storage that takes no more just now */
    size_t in_flight, most_in_flight, granted, refused;
} loop;

typedef struct login {
    loop *loop;
    char user[32];
    mfacore_operation *operation, *require; /* `require` lives on: its slice is the token */
    mfacore_slice token;
    char secret[64]; /* what the user's app keeps, once there is one */
    struct login *next_waiting;
    int timer; /* an operation that met another's write waits before it tries again */
    void (*then)(struct login *); /* what follows once the operation has ended */
} login;

static mfacore_slice text(const char *text) {
    mfacore_slice slice = {(const uint8_t *)text, strlen(text)};
    return slice;
}

static void must(int is_well, const char *what) {
    if (is_well) return;
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

/* What the operation wants; the same until it is answered. */
static mfacore_want want_of(const login *l) {
    mfacore_want want = {.struct_size = sizeof want};
    must(mfacore_operation_next(l->operation, &want, NULL) == MFACORE_OK, "mfacore_operation_next");
    return want;
}

/* Sends it to the storage; says whether that took it. */
static int is_sent(login *l) {
    static message m; /* one thread: one at a time */
    mfacore_want want = want_of(l);
    m.login = l;
    m.kind = want.kind;
    m.key_len = want.key.len;
    memcpy(m.key, want.key.data, want.key.len);
    m.has_expected = want.has_expected;
    m.is_delete = want.is_delete;
    memcpy(m.expected, want.expected, 16);
    memcpy(m.version, want.version, 16);
    m.len = want.bytes.len;
    if (m.len) memcpy(m.bytes, want.bytes.data, m.len);
    if (send(l->loop->storage, &m, size_of(&m), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return 1;
    must(errno == EAGAIN || errno == EWOULDBLOCK, "the storage's socket");
    return 0;
}

/* A loop that waited for the storage to take something could wait for ever: the storage may wait for the loop. */
static void ask(login *l) {
    loop *loop = l->loop;
    if (!loop->first_waiting && is_sent(l)) return;
    l->next_waiting = NULL;
    *(loop->first_waiting ? loop->last_waiting : &loop->first_waiting) = l;
    loop->last_waiting = &l->next_waiting;
}

static void ask_for_those_in_line(loop *loop) {
    while (loop->first_waiting && is_sent(loop->first_waiting)) loop->first_waiting = loop->first_waiting->next_waiting;
}

static void step(login *l) {
    mfacore_want want = want_of(l);
    if (want.kind == MFACORE_WANT_DONE) {
        l->loop->in_flight--;
        l->then(l);
    } else if (want.kind == MFACORE_WANT_LOAD && want.after_ms > 0) {
        struct itimerspec after = {.it_value = {want.after_ms / 1000, (long)(want.after_ms % 1000) * 1000000}};
        must(timerfd_settime(l->timer, 0, &after, NULL) == 0, "timerfd_settime");
    } else {
        ask(l);
    }
}

static void start(login *l, mfacore_operation *operation, void (*then)(login *)) {
    l->operation = operation;
    l->then = then;
    if (++l->loop->in_flight > l->loop->most_in_flight) l->loop->most_in_flight = l->loop->in_flight;
    step(l);
}

static mfacore_slice get(const mfacore_operation *operation, const char *name) {
    mfacore_slice value;
    must(mfacore_operation_get(operation, text(name), &value, NULL) == MFACORE_OK, name);
    return value;
}

static void verified(login *l) {
    if (mfacore_operation_outcome(l->operation) == MFACORE_OUTCOME_GRANTED)
        l->loop->granted++;
    else
        l->loop->refused++;
    mfacore_operation_free(l->operation);
    l->operation = NULL;
}

/* The user types what the app shows. */
static void verify(login *l) {
    mfacore_slice none = {NULL, 0};
    mfacore_text *code;
    mfacore_totp totp = {.struct_size = sizeof totp, .secret = text(l->secret)};
    must(mfacore_otp_generate(&totp, l->loop->now_ms, &code, NULL) == MFACORE_OK, "mfacore_otp_generate");
    mfacore_operation *operation;
    must(mfacore_verify_otp(l->loop->engine, l->token, MFACORE_SUBJECT_EXPECTED, text(l->user), none,
                            mfacore_text_get(code), none, l->loop->now_ms, NULL, &operation, NULL) == MFACORE_OK,
         "mfacore_verify_otp");
    mfacore_text_free(code);
    start(l, operation, verified);
}

static void associated(login *l) {
    mfacore_slice secret = get(l->operation, "secret");
    must(secret.len < sizeof l->secret, "the secret's buffer");
    memcpy(l->secret, secret.data, secret.len);
    mfacore_operation_free(l->operation);
    verify(l);
}

static void required(login *l) {
    must(mfacore_operation_outcome(l->operation) == MFACORE_OUTCOME_REQUIRED, "mfacore_require");
    l->require = l->operation;
    l->token = get(l->require, "mfa_token");
    if (l->secret[0] != 0) return; /* has an app: what it shows is typed later */
    char caller[4096];
    int length = snprintf(caller, sizeof caller,
                          "{\"authority\":{\"token\":{\"text\":\"%.*s\",\"subject\":{\"expected\":\"%s\"}}}}",
                          (int)l->token.len, (const char *)l->token.data, l->user);
    must(length > 0 && (size_t)length < sizeof caller, "the caller's buffer");
    mfacore_operation *operation;
    must(mfacore_operation_new(l->loop->engine, text("associate"), text(caller),
                               text("{\"authenticator_types\":[\"otp\"]}"), l->loop->now_ms, NULL, &operation, NULL) == MFACORE_OK,
         "associate");
    start(l, operation, associated);
}

static void answered(const message *m) {
    login *l = m->login;
    mfacore_slice bytes = {m->len ? m->bytes : NULL, m->len};
    const uint8_t *version = m->kind == MFACORE_LOADED_FOUND ? m->version : NULL;
    mfacore_status status = want_of(l).kind == MFACORE_WANT_LOAD
                                ? mfacore_operation_loaded(l->operation, m->kind, version, bytes, NULL)
                                : mfacore_operation_stored(l->operation, m->kind, NULL);
    must(status == MFACORE_OK, "an answer");
    step(l);
}

static void timed(login *l) {
    uint64_t times;
    if (read(l->timer, &times, sizeof times) == sizeof times) ask(l);
}

static void watch(const loop *loop, int descriptor, login *login) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = login}};
    must(epoll_ctl(loop->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0, "epoll_ctl");
}

/* Serves until no operation is in flight. The storage's events carry no login. */
static void serve_all(loop *loop) {
    static message m;
    struct epoll_event events[EVENTS_MAX];
    while (loop->in_flight > 0) {
        int count = epoll_wait(loop->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) timed(events[i].data.ptr);
            else if (recv(loop->storage, &m, sizeof m, MSG_DONTWAIT) > 0) answered(&m);
        }
        ask_for_those_in_line(loop);
    }
}

static login *admit(loop *loop, size_t number, const char *secret) {
    login *l = calloc(1, sizeof *l);
    must(l != NULL, "calloc");
    l->loop = loop;
    snprintf(l->user, sizeof l->user, "user %zu", number);
    snprintf(l->secret, sizeof l->secret, "%s", secret);
    l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    must(l->timer >= 0, "timerfd_create");
    watch(loop, l->timer, l);
    mfacore_slice none = {NULL, 0};
    mfacore_operation *operation;
    must(mfacore_require(loop->engine, text(l->user), none, none, loop->now_ms, NULL, &operation, NULL) ==
             MFACORE_OK, "mfacore_require");
    start(l, operation, required);
    return l;
}

static void dismiss(login *l) {
    mfacore_operation_free(l->require);
    close(l->timer);
    free(l);
}

int main(int argc, char **argv) {
    static const uint8_t root[32] = "not a key, but what shows where"; /* yours: from your secret manager */
    size_t users = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (users < 1 || users > 500) return 2;
    mfacore_keys *keys;
    mfacore_engine *engine;
    must(mfacore_keys_new(1, root, &keys, NULL) == MFACORE_OK, "mfacore_keys_new");
    must(mfacore_engine_new(keys, text("{\"profile\":\"recommended\",\"enforcement\":\"always\"}"), &engine, NULL) ==
             MFACORE_OK, "mfacore_engine_new");
    mfacore_keys_free(keys);
    int ends[2];
    pthread_t storage;
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    must(pthread_create(&storage, NULL, serve, &ends[1]) == 0, "pthread_create");
    loop loop = {.epoll = epoll_create1(EPOLL_CLOEXEC), .storage = ends[0], .engine = engine,
                 .now_ms = 1767225600000};
    must(loop.epoll >= 0, "epoll_create1");
    watch(&loop, loop.storage, NULL);

    login **logins = calloc(users + 2, sizeof *logins);
    must(logins != NULL, "calloc");
    for (size_t i = 0; i < users; i++) logins[i] = admit(&loop, i, "");
    serve_all(&loop);
    printf("%zu of %zu granted, at most %zu at once\n", loop.granted, users, loop.most_in_flight);
    int is_well = loop.granted == users;

    /* A minute later one code is tried by two logins at once: whoever is second finds the record changed. */
    loop.granted = 0;
    loop.now_ms += 60000;
    for (size_t i = 0; i < 2; i++) logins[users + i] = admit(&loop, 0, logins[0]->secret);
    serve_all(&loop);
    for (size_t i = 0; i < 2; i++) verify(logins[users + i]);
    serve_all(&loop);
    printf("one code, two logins: %zu granted, %zu refused\n", loop.granted, loop.refused);
    is_well = is_well && loop.granted == 1 && loop.refused == 1;

    for (size_t i = 0; i < users + 2; i++) dismiss(logins[i]);
    free(logins);
    shutdown(ends[0], SHUT_RDWR);
    pthread_join(storage, NULL);
    close(ends[0]);
    close(ends[1]);
    close(loop.epoll);
    mfacore_engine_free(engine);
    return is_well ? 0 : 1;
}
