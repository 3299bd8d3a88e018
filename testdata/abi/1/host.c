/* A host of the first header, frozen with it: built against the header beside it, it runs with every library of
 * MFACORE_ABI 1. It goes through each struct and each way to run an operation. */
#include "mfacore.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(is_well)                                             \
    do {                                                           \
        if (!(is_well)) {                                          \
            fprintf(stderr, "line %d: %s\n", __LINE__, #is_well);  \
            exit(1);                                               \
        }                                                          \
    } while (0)

enum { RECORDS_MAX = 8 };

/* The host's records, each in a page of its own. */
typedef struct records {
    size_t count;
    struct {
        uint8_t key[200], version[16], bytes[32768];
        size_t key_len, len;
    } all[RECORDS_MAX];
} records;

static size_t place(records *store, mfacore_slice key) {
    for (size_t i = 0; i < store->count; i++)
        if (store->all[i].key_len == key.len && memcmp(store->all[i].key, key.data, key.len) == 0) return i;
    CHECK(store->count < RECORDS_MAX);
    memcpy(store->all[store->count].key, key.data, key.len);
    store->all[store->count].key_len = key.len;
    return store->count++;
}

static int32_t load(void *context, mfacore_slice key, mfacore_found *found) {
    records *store = context;
    size_t at = place(store, key);
    mfacore_slice bytes = {store->all[at].bytes, store->all[at].len};
    if (bytes.len == 0) return MFACORE_LOADED_ABSENT;
    CHECK(mfacore_found_put(found, store->all[at].version, bytes, NULL) == MFACORE_OK);
    return MFACORE_LOADED_FOUND;
}

static int32_t swap(void *context, mfacore_slice key, const uint8_t *expected, const uint8_t *version,
                    mfacore_slice bytes) {
    records *store = context;
    size_t at = place(store, key);
    int is_there = store->all[at].len > 0;
    if (is_there != (expected != NULL) || (expected && memcmp(expected, store->all[at].version, 16) != 0))
        return MFACORE_STORED_CONFLICT;
    store->all[at].len = version ? bytes.len : 0;
    if (version) {
        memcpy(store->all[at].version, version, 16);
        memcpy(store->all[at].bytes, bytes.data, bytes.len);
    }
    return MFACORE_STORED_COMMITTED;
}

static void run_by_table(mfacore_operation *operation, records *store) {
    mfacore_store_table table;
    memset(&table, 0, sizeof table);
    table.struct_size = sizeof table;
    table.context = store;
    table.load = load;
    table.swap = swap;
    CHECK(mfacore_operation_run(operation, &table, NULL) == MFACORE_OK);
}

static void run_by_loop(mfacore_operation *operation, records *store) {
    for (;;) {
        mfacore_want want;
        memset(&want, 0, sizeof want);
        want.struct_size = sizeof want;
        CHECK(mfacore_operation_next(operation, &want, NULL) == MFACORE_OK);
        if (want.kind == MFACORE_WANT_DONE) return;
        if (want.kind == MFACORE_WANT_LOAD) {
            size_t at = place(store, want.key);
            mfacore_slice bytes = {store->all[at].len ? store->all[at].bytes : NULL, store->all[at].len};
            CHECK(mfacore_operation_loaded(operation, bytes.len ? MFACORE_LOADED_FOUND : MFACORE_LOADED_ABSENT,
                                           bytes.len ? store->all[at].version : NULL, bytes, NULL) == MFACORE_OK);
        } else {
            int32_t outcome = swap(store, want.key, want.has_expected ? want.expected : NULL,
                                   want.is_delete ? NULL : want.version, want.bytes);
            CHECK(mfacore_operation_stored(operation, outcome, NULL) == MFACORE_OK);
        }
    }
}

static mfacore_slice text(const char *text) {
    mfacore_slice slice = {(const uint8_t *)text, strlen(text)};
    return slice;
}

static mfacore_slice get(const mfacore_operation *operation, const char *name) {
    mfacore_slice value;
    CHECK(mfacore_operation_get(operation, text(name), &value, NULL) == MFACORE_OK);
    return value;
}

static void check_effects(const mfacore_operation *operation) {
    size_t count = mfacore_operation_effect_count(operation);
    CHECK(count > 0);
    for (size_t i = 0; i < count; i++) {
        mfacore_effect effect;
        memset(&effect, 0, sizeof effect);
        effect.struct_size = sizeof effect;
        CHECK(mfacore_operation_effect(operation, i, &effect, NULL) == MFACORE_OK);
        CHECK(effect.kind == MFACORE_EFFECT_EVENT && effect.name.len > 0 && effect.json.len > 0);
    }
}

int main(void) {
    static const uint8_t root[32] = "the key that all scenarios share", naming[32] = "the naming key of all scenarios.";
    const uint64_t now_ms = UINT64_C(1767225600000);
    const mfacore_slice none = {NULL, 0};
    records *store = calloc(1, sizeof *store);
    mfacore_keys *keys;
    mfacore_engine *first, *engine;
    CHECK(store && mfacore_abi() == MFACORE_ABI && mfacore_version().len > 0 && mfacore_commands().len > 0);
    CHECK(mfacore_keys_new(1, root, &keys, NULL) == MFACORE_OK);
    CHECK(mfacore_keys_add_retired(keys, 2, naming, NULL) == MFACORE_OK);
    CHECK(mfacore_keys_set_naming(keys, naming, NULL) == MFACORE_OK);
    CHECK(mfacore_engine_new(keys, none, &first, NULL) == MFACORE_OK);
    CHECK(mfacore_engine_with_policy(first, text("acme"), text("{\"profile\":\"recommended\",\"enforcement\":\"always\"}"),
                                     &engine, NULL) == MFACORE_OK);
    mfacore_keys_free(keys);
    mfacore_engine_free(first);

    mfacore_operation *require, *associate, *verify;
    CHECK(mfacore_require(engine, text("ann"), none, none, now_ms, root, &require, NULL) == MFACORE_OK);
    run_by_loop(require, store);
    CHECK(mfacore_operation_outcome(require) == MFACORE_OUTCOME_REQUIRED);
    mfacore_slice token = get(require, "mfa_token");
    char caller[4096];
    snprintf(caller, sizeof caller, "{\"authority\":{\"token\":{\"text\":\"%.*s\",\"subject\":{\"expected\":\"ann\"}}}}",
             (int)token.len, (const char *)token.data);
    CHECK(mfacore_operation_new(engine, text("associate"), text(caller), text("{\"authenticator_types\":[\"otp\"]}"),
                                now_ms, NULL, &associate, NULL) == MFACORE_OK);
    run_by_table(associate, store);
    mfacore_slice secret = get(associate, "secret");

    mfacore_text *code, *picture;
    mfacore_totp totp;
    memset(&totp, 0, sizeof totp);
    totp.struct_size = sizeof totp;
    totp.secret = secret;
    totp.algorithm = MFACORE_OTP_SHA1;
    totp.steps_back = 1;
    CHECK(mfacore_otp_generate(&totp, now_ms, &code, NULL) == MFACORE_OK);
    int32_t result;
    uint64_t step;
    CHECK(mfacore_otp_check(&totp, mfacore_text_get(code), now_ms, MFACORE_OTP_NO_STEP, &result, &step, NULL) ==
          MFACORE_OK);
    CHECK(result == MFACORE_OTP_ACCEPTED && step == now_ms / 30000);
    CHECK(mfacore_qr_svg(get(associate, "barcode_uri"), &picture, NULL) == MFACORE_OK);
    mfacore_text_free(picture);

    mfacore_error *error;
    CHECK(mfacore_verify_otp(engine, token, 77, text("ann"), none, mfacore_text_get(code), none, now_ms, NULL, &verify,
                             &error) == MFACORE_ERROR_ARGUMENT);
    CHECK(mfacore_error_status(error) == MFACORE_ERROR_ARGUMENT && mfacore_error_message(error).len > 0);
    mfacore_error_free(error);
    CHECK(mfacore_verify_otp(engine, token, MFACORE_SUBJECT_EXPECTED, text("ann"), none, mfacore_text_get(code), none,
                             now_ms, NULL, &verify, NULL) == MFACORE_OK);
    run_by_loop(verify, store);
    CHECK(mfacore_operation_outcome(verify) == MFACORE_OUTCOME_GRANTED);
    CHECK(get(verify, "verified.user").len == 3 && mfacore_operation_sequence(verify) > 0);
    check_effects(verify);
    int32_t http_status;
    mfacore_slice body, message;
    CHECK(mfacore_operation_body(verify, &http_status, &body, NULL) == MFACORE_OK && http_status == 200 && body.len > 0);
    CHECK(mfacore_operation_message(verify, &message, NULL) == MFACORE_OK && message.len == 0);

    mfacore_text_free(code);
    mfacore_operation_free(verify);
    mfacore_operation_free(associate);
    mfacore_operation_free(require);
    mfacore_engine_free(engine);
    free(store);
    return 0;
}
