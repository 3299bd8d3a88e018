/* Processes that fork, as web servers do: before anything of the library was used, and after. Engines go over; stores
 * are opened after the fork. Argument: the file of the SQLite store, which parent and child share. */
#define _GNU_SOURCE
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

static void must_succeed(pid_t child) {
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A whole login of a user of its own. */
static void log_in(const mfacore_engine *engine, const char *url, const char *user) {
    mfacore_store *store = new_store(url);
    char secret[64];
    enroll(engine, store, user, secret, NOW_MS);
    mfacore_operation *required = require(engine, store, user, NOW_MS + 60000);
    CHECK(verify(engine, store, user, get(required, "mfa_token"), secret, NOW_MS + 60000) == MFACORE_OUTCOME_GRANTED);
    mfacore_operation_free(required);
    mfacore_store_free(store);
}

static void before_first_use(const char *url) {
    pid_t child = fork();
    if (child == 0) {
        mfacore_engine *engine = new_engine();
        log_in(engine, url, "child before");
        mfacore_engine_free(engine);
        exit(0);
    }
    must_succeed(child);
}

/* The engine was used, and an operation begun, with which the child goes on: one of both may, as an operation holds a
 * seed. The parent's store was freed before the fork, and parent and child open their own. */
static void after_use(const char *url) {
    mfacore_engine *engine = new_engine();
    log_in(engine, url, "parent");
    mfacore_operation *half;
    CHECK(mfacore_require(engine, text("half"), NONE, NONE, NOW_MS, NULL, &half, NULL) == MFACORE_OK);
    pid_t child = fork();
    if (child == 0) {
        log_in(engine, url, "child after");
        mfacore_store *own = new_store(url);
        CHECK(mfacore_operation_run_store(half, own, NULL) == MFACORE_OK);
        CHECK(mfacore_operation_outcome(half) == MFACORE_OUTCOME_REQUIRED);
        mfacore_store_free(own);
        mfacore_operation_free(half);
        mfacore_engine_free(engine);
        exit(0);
    }
    must_succeed(child);
    mfacore_operation_free(half);
    log_in(engine, url, "parent after");
    mfacore_engine_free(engine);
}

/* SQLite's locks are in the memory that a fork copies: beside a store of the parent's the child gets none, old or new. */
static void with_a_store_open(const char *url) {
    mfacore_engine *engine = new_engine();
    mfacore_store *store = new_store(url);
    pid_t child = fork();
    if (child == 0) {
        mfacore_store *own = (mfacore_store *)1;
        mfacore_error *error;
        CHECK(mfacore_store_open(text(url), &own, &error) == MFACORE_ERROR_STORE && own == NULL);
        mfacore_error_free(error);
        mfacore_operation *inherited;
        CHECK(mfacore_require(engine, text("ann"), NONE, NONE, NOW_MS, NULL, &inherited, NULL) == MFACORE_OK);
        CHECK(mfacore_operation_run_store(inherited, store, NULL) == MFACORE_OK);
        CHECK(mfacore_operation_outcome(inherited) == MFACORE_OUTCOME_NONE);
        _exit(0); /* what the parent owns is not freed here */
    }
    must_succeed(child);
    mfacore_operation_free(require(engine, store, "parent", NOW_MS + 120000));
    mfacore_store_free(store);
    mfacore_engine_free(engine);
}

/* The generator is the system's: a parent and its child never make one secret. */
static void secrets_differ(void) {
    mfacore_text *warm;
    CHECK(mfacore_otp_new_secret(&warm, NULL) == MFACORE_OK);
    mfacore_text_free(warm);
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    mfacore_text *secret;
    CHECK(mfacore_otp_new_secret(&secret, NULL) == MFACORE_OK);
    mfacore_slice own = mfacore_text_get(secret);
    CHECK(own.len == 32);
    if (child == 0) _exit(write(ends[1], own.data, own.len) == 32 ? 0 : 1);
    must_succeed(child);
    char others[32];
    CHECK(read(ends[0], others, sizeof others) == 32 && memcmp(others, own.data, 32) != 0);
    mfacore_text_free(secret);
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    before_first_use(argv[1]);
    after_use(argv[1]);
    with_a_store_open(argv[1]);
    secrets_differ();
    return 0;
}
