/* One engine and one store on many threads: each logs its own user in, and then all race for one code of one user. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>

enum { THREADS = 8 };

typedef struct lane {
    pthread_t thread;
    const mfacore_engine *engine;
    const mfacore_store *store;
    pthread_barrier_t *start;
    const char *shared_secret;
    size_t number;
    int32_t outcome;
} lane;

static void *run(void *context) {
    lane *own = context;
    char user[32], secret[64];
    snprintf(user, sizeof user, "user %zu", own->number);
    enroll(own->engine, own->store, user, secret, NOW_MS);
    mfacore_operation *required = require(own->engine, own->store, "shared", NOW_MS + 60000);
    pthread_barrier_wait(own->start);
    own->outcome = verify(own->engine, own->store, "shared", get(required, "mfa_token"), own->shared_secret, NOW_MS + 60000);
    mfacore_operation_free(required);
    return NULL;
}

int main(void) {
    mfacore_engine *engine = new_engine();
    mfacore_store *store = new_store("memory:");
    char secret[64];
    enroll(engine, store, "shared", secret, NOW_MS);
    pthread_barrier_t start;
    CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
    lane lanes[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        lane one = {.engine = engine, .store = store, .start = &start, .shared_secret = secret, .number = i};
        lanes[i] = one;
        CHECK(pthread_create(&lanes[i].thread, NULL, run, &lanes[i]) == 0);
    }
    size_t granted = 0;
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(lanes[i].thread, NULL) == 0);
        granted += lanes[i].outcome == MFACORE_OUTCOME_GRANTED;
    }
    CHECK(granted == 1);
    pthread_barrier_destroy(&start);
    mfacore_store_free(store);
    mfacore_engine_free(engine);
    return 0;
}
