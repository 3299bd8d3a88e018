/* Multi-factor authentication on storage of the host's own: a table in the database where its users are, here the
 * system's SQLite. Usage: own_storage FILE. At the first run ann enrolls an app; a later run shows that she is known.
 * Build: cc own_storage.c $(pkg-config --cflags --libs mfacore sqlite3) */
#include <mfacore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const TABLE =
    "CREATE TABLE IF NOT EXISTS mfa (key BLOB PRIMARY KEY, version BLOB NOT NULL, bytes BLOB NOT NULL)";
static const char *const LOAD = "SELECT version, bytes FROM mfa WHERE key = ?1";
static const char *const INSERT = "INSERT INTO mfa (key, version, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
static const char *const UPDATE = "UPDATE mfa SET version = ?2, bytes = ?3 WHERE key = ?1 AND version = ?4";
static const char *const DELETE = "DELETE FROM mfa WHERE key = ?1 AND version = ?4";

/* Binds what a statement names: a NULL pointer is a parameter that it does not have. */
static sqlite3_stmt *prepared(sqlite3 *database, const char *sql, mfacore_slice key, const uint8_t *version,
                              mfacore_slice bytes, const uint8_t *expected) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK) return NULL;
    sqlite3_bind_blob(statement, 1, key.data, (int)key.len, SQLITE_STATIC);
    if (version) {
        sqlite3_bind_blob(statement, 2, version, 16, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 3, bytes.data, (int)bytes.len, SQLITE_STATIC);
    }
    if (expected) sqlite3_bind_blob(statement, 4, expected, 16, SQLITE_STATIC);
    return statement;
}

static int32_t load(void *context, mfacore_slice key, mfacore_found *found) {
    mfacore_slice none = {NULL, 0};
    sqlite3_stmt *statement = prepared(context, LOAD, key, NULL, none, NULL);
    int32_t outcome = MFACORE_LOADED_FAILED;
    switch (statement ? sqlite3_step(statement) : SQLITE_ERROR) {
    case SQLITE_ROW:
        if (sqlite3_column_bytes(statement, 0) == 16) {
            mfacore_slice bytes = {sqlite3_column_blob(statement, 1), (size_t)sqlite3_column_bytes(statement, 1)};
            mfacore_found_put(found, sqlite3_column_blob(statement, 0), bytes, NULL);
            outcome = MFACORE_LOADED_FOUND;
        }
        break;
    case SQLITE_DONE: /* the only answer that says for certain: nothing is there */
        outcome = MFACORE_LOADED_ABSENT;
        break;
    default:
        break;
    }
    sqlite3_finalize(statement);
    return outcome;
}

/* One statement is one transaction: it is committed once sqlite3_step has said SQLITE_DONE. */
static int32_t swap(void *context, mfacore_slice key, const uint8_t *expected, const uint8_t *version,
                    mfacore_slice bytes) {
    const char *sql = !version ? DELETE : expected ? UPDATE : INSERT;
    sqlite3_stmt *statement = prepared(context, sql, key, version, bytes, expected);
    int32_t outcome = MFACORE_STORED_FAILED;
    if (statement && sqlite3_step(statement) == SQLITE_DONE)
        outcome = sqlite3_changes(context) == 1 ? MFACORE_STORED_COMMITTED : MFACORE_STORED_CONFLICT;
    sqlite3_finalize(statement);
    return outcome;
}

static mfacore_slice text(const char *text) {
    mfacore_slice slice = {(const uint8_t *)text, strlen(text)};
    return slice;
}

static void must(mfacore_status status, mfacore_error *error) {
    if (status == MFACORE_OK) return;
    mfacore_slice message = mfacore_error_message(error);
    fprintf(stderr, "%.*s\n", (int)message.len, (const char *)message.data);
    mfacore_error_free(error);
    exit(1);
}

/* Runs an operation on the host's table; whatever goes wrong there, the outcome is none, and nobody passes. */
static int32_t run(mfacore_operation *operation, const mfacore_store_table *table) {
    mfacore_error *error = NULL;
    must(mfacore_operation_run(operation, table, &error), error);
    return mfacore_operation_outcome(operation);
}

static mfacore_operation *begin(const mfacore_engine *engine, const char *name, const char *body) {
    mfacore_error *error = NULL;
    mfacore_operation *operation;
    must(mfacore_operation_new(engine, text(name), text("{\"authority\":{\"host\":\"ann\"}}"), text(body), 0, NULL,
                               &operation, &error), error);
    return operation;
}

int main(int argc, char **argv) {
    static const uint8_t root[32] = "not a key, but what shows where"; /* yours: from your secret manager */
    sqlite3 *database;
    if (argc != 2 || sqlite3_open(argv[1], &database) != SQLITE_OK) return 2;
    if (sqlite3_exec(database, TABLE, NULL, NULL, NULL) != SQLITE_OK) return 2;
    mfacore_store_table table = {sizeof table, database, load, swap};

    mfacore_error *error = NULL;
    mfacore_keys *keys;
    mfacore_engine *engine;
    must(mfacore_keys_new(1, root, &keys, &error), error);
    must(mfacore_engine_new(keys, text("{\"profile\":\"recommended\",\"issuer\":\"ACME\"}"), &engine, &error), error);
    mfacore_keys_free(keys);

    /* Once she has a factor, a login needs it. */
    mfacore_operation *require = begin(engine, "require", "");
    int32_t outcome = run(require, &table);
    printf("ann %s\n", outcome == MFACORE_OUTCOME_REQUIRED ? "must pass her second factor"
                       : outcome == MFACORE_OUTCOME_DONE   ? "has no second factor yet"
                                                           : "is kept out");
    if (outcome == MFACORE_OUTCOME_DONE) {
        /* The host knows her secret of old, and hands it over: no scan is needed. */
        mfacore_operation *import =
            begin(engine, "import", "{\"otp\":[{\"uri\":\"otpauth://totp/ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"}]}");
        outcome = run(import, &table);
        printf("import: %s\n", outcome == MFACORE_OUTCOME_DONE ? "done" : "refused");
        mfacore_operation_free(import);
    }
    mfacore_operation_free(require);
    mfacore_engine_free(engine);
    sqlite3_close(database);
    return 0;
}
