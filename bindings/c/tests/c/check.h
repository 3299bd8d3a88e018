/* What the C tests share: a check that names its line, texts as slices, and a login. */
#ifndef CHECK_H
#define CHECK_H

#include <mfacore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(is_well)                                                    \
    do {                                                                  \
        if (!(is_well)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #is_well); \
            exit(1);                                                      \
        }                                                                 \
    } while (0)

/* 2026-01-01, so that no test looks at a clock. */
#define NOW_MS UINT64_C(1767225600000)

static const mfacore_slice NONE = {NULL, 0};

static inline mfacore_slice text(const char *text) {
    mfacore_slice slice = {(const uint8_t *)text, strlen(text)};
    return slice;
}

static inline mfacore_slice get(const mfacore_operation *operation, const char *name) {
    mfacore_slice value;
    CHECK(mfacore_operation_get(operation, text(name), &value, NULL) == MFACORE_OK);
    return value;
}

static inline mfacore_engine *new_engine(void) {
    static const uint8_t root[32] = "the key that all scenarios share";
    mfacore_keys *keys;
    mfacore_engine *engine;
    CHECK(mfacore_keys_new(1, root, &keys, NULL) == MFACORE_OK);
    CHECK(mfacore_engine_new(keys, text("{\"profile\":\"recommended\",\"enforcement\":\"always\"}"), &engine, NULL) ==
          MFACORE_OK);
    mfacore_keys_free(keys);
    return engine;
}

static inline mfacore_store *new_store(const char *url) {
    mfacore_store *store;
    CHECK(mfacore_store_open(text(url), &store, NULL) == MFACORE_OK);
    return store;
}

/* A login's first step: it must be asked for a second factor. The token is `mfa_token` of what is returned. */
static inline mfacore_operation *require(const mfacore_engine *engine, const mfacore_store *store, const char *user,
                                         uint64_t now_ms) {
    mfacore_operation *operation;
    CHECK(mfacore_require(engine, text(user), NONE, NONE, now_ms, NULL, &operation, NULL) == MFACORE_OK);
    CHECK(mfacore_operation_run_store(operation, store, NULL) == MFACORE_OK);
    CHECK(mfacore_operation_outcome(operation) == MFACORE_OUTCOME_REQUIRED);
    return operation;
}

/* Passes, or tries to, the code that an app with `secret` shows. */
static inline int32_t verify(const mfacore_engine *engine, const mfacore_store *store, const char *user,
                             mfacore_slice token, const char *secret, uint64_t now_ms) {
    mfacore_text *code;
    mfacore_totp totp = {.struct_size = sizeof totp, .secret = text(secret)};
    CHECK(mfacore_otp_generate(&totp, now_ms, &code, NULL) == MFACORE_OK);
    mfacore_operation *operation;
    CHECK(mfacore_verify_otp(engine, token, MFACORE_SUBJECT_EXPECTED, text(user), NONE, mfacore_text_get(code), NONE,
                             now_ms, NULL, &operation, NULL) == MFACORE_OK);
    mfacore_text_free(code);
    CHECK(mfacore_operation_run_store(operation, store, NULL) == MFACORE_OK);
    int32_t outcome = mfacore_operation_outcome(operation);
    mfacore_operation_free(operation);
    return outcome;
}

/* Enrolls an app at the first login of `user`, whose secret goes to `secret` (64 bytes), and passes it. */
static inline void enroll(const mfacore_engine *engine, const mfacore_store *store, const char *user, char *secret,
                          uint64_t now_ms) {
    mfacore_operation *required = require(engine, store, user, now_ms), *associate;
    mfacore_slice token = get(required, "mfa_token");
    char caller[4096];
    snprintf(caller, sizeof caller, "{\"authority\":{\"token\":{\"text\":\"%.*s\",\"subject\":{\"expected\":\"%s\"}}}}",
             (int)token.len, (const char *)token.data, user);
    CHECK(mfacore_operation_new(engine, text("associate"), text(caller), text("{\"authenticator_types\":[\"otp\"]}"),
                                now_ms, NULL, &associate, NULL) == MFACORE_OK);
    CHECK(mfacore_operation_run_store(associate, store, NULL) == MFACORE_OK);
    mfacore_slice shown = get(associate, "secret");
    CHECK(shown.len < 64);
    memcpy(secret, shown.data, shown.len);
    secret[shown.len] = 0;
    mfacore_operation_free(associate);
    CHECK(verify(engine, store, user, token, secret, now_ms) == MFACORE_OUTCOME_GRANTED);
    mfacore_operation_free(required);
}

#endif
