/* What a careless C program does: NULL, nonsense and calls out of order. Each is a status, and nothing grants. */
#include "check.h"

/* Both ways of naming a failure must agree, and outputs hold zero after it. */
#define REFUSED(status, call)                            \
    do {                                                 \
        mfacore_error *error = (mfacore_error *)1;       \
        CHECK((call) == (status));                       \
        CHECK(mfacore_error_status(error) == (status));  \
        CHECK(mfacore_error_message(error).len > 0);     \
        mfacore_error_free(error);                       \
    } while (0)

static int32_t failing_load(void *context, mfacore_slice key, mfacore_found *found) {
    (void)context, (void)key, (void)found;
    return MFACORE_LOADED_FAILED;
}

static int32_t lying_load(void *context, mfacore_slice key, mfacore_found *found) {
    (void)context, (void)key, (void)found;
    return MFACORE_LOADED_FOUND; /* and nothing was put */
}

static int32_t absent_load(void *context, mfacore_slice key, mfacore_found *found) {
    (void)context, (void)key, (void)found;
    return MFACORE_LOADED_ABSENT;
}

static int32_t unknown_swap(void *context, mfacore_slice key, const uint8_t *expected, const uint8_t *version,
                            mfacore_slice bytes) {
    (void)context, (void)key, (void)expected, (void)version, (void)bytes;
    return 77;
}

static void nulls(const mfacore_engine *engine) {
    mfacore_slice half = {NULL, 1}, endless = {(const uint8_t *)"x", SIZE_MAX};
    mfacore_operation *operation = (mfacore_operation *)1;
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_require(NULL, text("ann"), NONE, NONE, 0, NULL, &operation, &error));
    CHECK(operation == NULL);
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_require(engine, half, NONE, NONE, 0, NULL, &operation, &error));
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_require(engine, endless, NONE, NONE, 0, NULL, &operation, &error));
    /* Counted, the final zero byte would make ann somebody who has no factor: it has ended, and nobody passes. */
    mfacore_slice counted = {(const uint8_t *)"ann", sizeof "ann"};
    mfacore_want want = {.struct_size = sizeof want};
    CHECK(mfacore_require(engine, counted, NONE, NONE, NOW_MS, NULL, &operation, NULL) == MFACORE_OK);
    CHECK(mfacore_operation_next(operation, &want, NULL) == MFACORE_OK && want.kind == MFACORE_WANT_DONE);
    CHECK(mfacore_operation_outcome(operation) == MFACORE_OUTCOME_NONE);
    mfacore_operation_free(operation);
    REFUSED(MFACORE_ERROR_UTF8, mfacore_require(engine, text("\xff"), NONE, NONE, 0, NULL, &operation, &error));
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_require(engine, text("ann"), NONE, NONE, 0, NULL, NULL, &error));
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_verify_otp(engine, NONE, 3, text("ann"), NONE, NONE, NONE, 0, NULL,
                                                       &operation, &error));
    CHECK(mfacore_require(NULL, NONE, NONE, NONE, 0, NULL, &operation, NULL) == MFACORE_ERROR_ARGUMENT);
    mfacore_keys_free(NULL);
    mfacore_engine_free(NULL);
    mfacore_operation_free(NULL);
    mfacore_store_free(NULL);
    mfacore_text_free(NULL);
    mfacore_error_free(NULL);
    CHECK(mfacore_error_message(NULL).data == NULL && mfacore_text_get(NULL).data == NULL);
}

static mfacore_operation *begun(const mfacore_engine *engine) {
    mfacore_operation *operation;
    CHECK(mfacore_require(engine, text("ann"), NONE, NONE, NOW_MS, NULL, &operation, NULL) == MFACORE_OK);
    return operation;
}

static void structs(const mfacore_engine *engine) {
    struct {
        mfacore_want want;
        uint64_t tail;
    } grown = {.want = {.struct_size = sizeof grown}};
    mfacore_operation *operation = begun(engine);
    mfacore_want want = {.struct_size = 0};
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_operation_next(operation, &want, &error));
    want.struct_size = sizeof want - 1;
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_operation_next(operation, &want, &error));
    CHECK(mfacore_operation_next(operation, &grown.want, NULL) == MFACORE_OK && grown.want.kind == MFACORE_WANT_LOAD);
    grown.tail = 1;
    grown.want.struct_size = sizeof grown;
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_operation_next(operation, &grown.want, &error));
    mfacore_store_table table = {0, NULL, absent_load, unknown_swap};
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_operation_run(operation, &table, &error));
    table.struct_size = sizeof table;
    table.swap = NULL;
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_operation_run(operation, &table, &error));
    mfacore_operation_free(operation);
}

static void order(const mfacore_engine *engine) {
    mfacore_operation *operation = begun(engine);
    int32_t http_status = 1;
    mfacore_slice body = {(const uint8_t *)1, 1};
    REFUSED(MFACORE_ERROR_ORDER, mfacore_operation_body(operation, &http_status, &body, &error));
    CHECK(http_status == 0 && body.data == NULL && body.len == 0);
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_operation_loaded(operation, 0, NULL, NONE, &error));
    REFUSED(MFACORE_ERROR_ARGUMENT, mfacore_operation_loaded(operation, MFACORE_LOADED_FOUND, NULL, NONE, &error));
    REFUSED(MFACORE_ERROR_ORDER, mfacore_operation_stored(operation, MFACORE_STORED_COMMITTED, &error));
    CHECK(mfacore_operation_outcome(operation) == MFACORE_OUTCOME_NONE);
    mfacore_operation_free(operation);
}

static void stores(const mfacore_engine *engine) {
    int32_t (*const loads[])(void *, mfacore_slice, mfacore_found *) = {failing_load, lying_load, absent_load};
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        mfacore_store_table table = {sizeof table, NULL, loads[i], unknown_swap};
        mfacore_operation *operation;
        CHECK(mfacore_operation_new(engine, text("import"), text("{\"authority\":{\"host\":\"ann\"}}"),
                                    text("{\"otp\":[{\"uri\":\"otpauth://totp/ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"}]}"),
                                    NOW_MS, NULL, &operation, NULL) == MFACORE_OK);
        CHECK(mfacore_operation_run(operation, &table, NULL) == MFACORE_OK);
        CHECK(mfacore_operation_outcome(operation) == MFACORE_OUTCOME_NONE);
        int32_t http_status;
        mfacore_slice body;
        CHECK(mfacore_operation_body(operation, &http_status, &body, NULL) == MFACORE_OK && http_status >= 500);
        mfacore_operation_free(operation);
    }
}

int main(void) {
    mfacore_engine *engine = new_engine();
    nulls(engine);
    structs(engine);
    order(engine);
    stores(engine);
    mfacore_engine_free(engine);
    return 0;
}
