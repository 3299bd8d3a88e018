/* A second factor at login, on a SQLite file: ann enrolls an app at her first login, and passes it.
 * Usage: login FILE, where FILE is the store. */
#include <mfacore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mfacore_slice text(const char *text) {
    mfacore_slice slice = {(const uint8_t *)text, strlen(text)};
    return slice;
}

/* Ends the program where a call failed; a server would log the message and deny. */
static void must(mfacore_status status, mfacore_error *error) {
    if (status == MFACORE_OK) return;
    mfacore_slice message = mfacore_error_message(error);
    fprintf(stderr, "%.*s\n", (int)message.len, (const char *)message.data);
    mfacore_error_free(error);
    exit(1);
}

static mfacore_slice get(const mfacore_operation *operation, const char *name) {
    mfacore_error *error = NULL;
    mfacore_slice value;
    must(mfacore_operation_get(operation, text(name), &value, &error), error);
    return value;
}

/* Runs an operation to its end and says how it went. */
static int32_t run(mfacore_operation *operation, const mfacore_store *store, const char *what) {
    mfacore_error *error = NULL;
    must(mfacore_operation_run_store(operation, store, &error), error);
    int32_t status;
    mfacore_slice body;
    must(mfacore_operation_body(operation, &status, &body, &error), error);
    int32_t outcome = mfacore_operation_outcome(operation);
    const char *word = outcome == MFACORE_OUTCOME_GRANTED    ? "granted"
                       : outcome == MFACORE_OUTCOME_REQUIRED ? "required"
                       : outcome == MFACORE_OUTCOME_DONE     ? "done"
                                                             : "denied";
    printf("%s: %s, HTTP %d\n", what, word, (int)status);
    return outcome;
}

int main(int argc, char **argv) {
    /* Yours: 32 bytes from the system's generator, from your secret manager. */
    static const uint8_t root[32] = "not a key, but what shows where";
    if (argc != 2) return 2;
    mfacore_error *error = NULL;

    /* Once in a process: any number of threads may use these two. */
    mfacore_keys *keys;
    mfacore_engine *engine;
    mfacore_store *store;
    must(mfacore_keys_new(1, root, &keys, &error), error);
    must(mfacore_engine_new(keys, text("{\"profile\":\"recommended\",\"enforcement\":\"always\",\"issuer\":\"ACME\"}"),
                            &engine, &error), error);
    must(mfacore_store_open(text(argv[1]), &store, &error), error);
    mfacore_keys_free(keys);

    /* The password was right. Is a second factor due? */
    mfacore_slice none = {NULL, 0}, ann = text("ann");
    mfacore_operation *require;
    must(mfacore_require(engine, ann, none, none, 0, NULL, &require, &error), error);
    if (run(require, store, "require") != MFACORE_OUTCOME_REQUIRED) return 1;
    mfacore_slice token = get(require, "mfa_token"); /* until `require` is freed: keep it in the session */

    /* She has none yet, and takes an app: any call goes by its name, with the contract's JSON. */
    size_t size = token.len + 100;
    char *caller = malloc(size);
    if (!caller) return 1;
    snprintf(caller, size, "{\"authority\":{\"token\":{\"text\":\"%.*s\",\"subject\":{\"expected\":\"ann\"}}}}",
             (int)token.len, (const char *)token.data);
    mfacore_operation *associate;
    must(mfacore_operation_new(engine, text("associate"), text(caller),
                               text("{\"authenticator_types\":[\"otp\"]}"), 0, NULL, &associate, &error), error);
    free(caller);
    run(associate, store, "associate");

    /* Her app scans `barcode_uri` and shows a code, which she types. */
    mfacore_text *code;
    mfacore_totp totp = {.struct_size = sizeof totp, .secret = get(associate, "secret")};
    must(mfacore_otp_generate(&totp, 0, &code, &error), error);
    mfacore_operation *verify;
    must(mfacore_verify_otp(engine, token, MFACORE_SUBJECT_EXPECTED, ann, none, mfacore_text_get(code), none, 0,
                            NULL, &verify, &error), error);
    int is_granted = run(verify, store, "verify_otp") == MFACORE_OUTCOME_GRANTED;
    if (is_granted) {
        mfacore_slice user = get(verify, "verified.user");
        printf("log in %.*s\n", (int)user.len, (const char *)user.data);
    }

    mfacore_operation_free(verify);
    mfacore_text_free(code);
    mfacore_operation_free(associate);
    mfacore_operation_free(require);
    mfacore_store_free(store);
    mfacore_engine_free(engine);
    return is_granted ? 0 : 1;
}
