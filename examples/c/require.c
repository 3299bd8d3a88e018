/* The password of ann was right: is a second factor due? */
#include <mfacore.h>
#include <stdio.h>

#define TEXT(literal) ((mfacore_slice){(const uint8_t *)(literal), sizeof(literal) - 1})

int main(void) {
    static const uint8_t root[32] = "not a key, but what shows where"; /* yours: 32 random bytes, kept secret */
    mfacore_keys *keys = NULL;
    mfacore_engine *engine = NULL;
    mfacore_store *store = NULL;
    mfacore_operation *require = NULL;
    mfacore_error *error = NULL;

    /* Each call gives a status; what was not made stays NULL, which the next call refuses. */
    if (mfacore_keys_new(1, root, &keys, &error) == MFACORE_OK &&
        mfacore_engine_new(keys, TEXT("{\"enforcement\":\"always\",\"issuer\":\"ACME\"}"), &engine, &error) == MFACORE_OK &&
        mfacore_store_open(TEXT("sqlite:mfa.db"), &store, &error) == MFACORE_OK &&
        mfacore_require(engine, TEXT("ann"), TEXT(""), TEXT(""), 0, NULL, &require, &error) == MFACORE_OK &&
        mfacore_operation_run_store(require, store, &error) == MFACORE_OK) {
        switch (mfacore_operation_outcome(require)) {
        case MFACORE_OUTCOME_DONE: puts("no: log ann in"); break;
        case MFACORE_OUTCOME_REQUIRED: puts("yes: ann must enroll or pass one"); break;
        default: puts("deny"); break;
        }
    } else {
        mfacore_slice message = mfacore_error_message(error);
        printf("deny: %.*s\n", (int)message.len, (const char *)message.data);
    }

    mfacore_error_free(error);
    mfacore_operation_free(require);
    mfacore_store_free(store);
    mfacore_engine_free(engine);
    mfacore_keys_free(keys);
    return 0;
}
