/* Is our storage fit for mfacore? A test of a host: its own load and swap, here over a list in memory. */
#include <mfacore_selftest.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct row {
    struct row *next;
    uint8_t version[16], *bytes, *key;
    size_t bytes_len, key_len;
} row;

typedef struct storage {
    pthread_mutex_t lock;
    row *rows;
    int ignores_expected; /* to see the self-test fail */
} storage;

/* The place that points to the row of a key, or to the end. */
static row **find(storage *storage, mfacore_slice key) {
    row **at = &storage->rows;
    while (*at && ((*at)->key_len != key.len || memcmp((*at)->key, key.data, key.len) != 0)) at = &(*at)->next;
    return at;
}

static uint8_t *copy(mfacore_slice slice) {
    uint8_t *bytes = malloc(slice.len + 1); /* never of no bytes, which may give NULL */
    if (!bytes) abort();
    if (slice.len > 0) memcpy(bytes, slice.data, slice.len);
    return bytes;
}

static void remove_row(row **at) {
    row *gone = *at;
    *at = gone->next;
    free(gone->key);
    free(gone->bytes);
    free(gone);
}

static int32_t load(void *context, mfacore_slice key, mfacore_found *found) {
    storage *storage = context;
    pthread_mutex_lock(&storage->lock);
    row *row = *find(storage, key);
    int32_t status = MFACORE_LOADED_ABSENT;
    if (row) {
        mfacore_slice bytes = {row->bytes, row->bytes_len};
        mfacore_found_put(found, row->version, bytes, NULL);
        status = MFACORE_LOADED_FOUND;
    }
    pthread_mutex_unlock(&storage->lock);
    return status;
}

static int32_t swap(void *context, mfacore_slice key, const uint8_t *expected, const uint8_t *version,
                    mfacore_slice bytes) {
    storage *storage = context;
    pthread_mutex_lock(&storage->lock);
    row **at = find(storage, key);
    int is_as_expected = expected ? *at && memcmp((*at)->version, expected, 16) == 0 : !*at;
    int32_t status = MFACORE_STORED_CONFLICT;
    if (is_as_expected || storage->ignores_expected) {
        if (*at) remove_row(at);
        if (version) {
            row *new_row = calloc(1, sizeof *new_row);
            if (!new_row) abort();
            memcpy(new_row->version, version, 16);
            new_row->key = copy(key);
            new_row->key_len = key.len;
            new_row->bytes = copy(bytes);
            new_row->bytes_len = bytes.len;
            new_row->next = storage->rows;
            storage->rows = new_row;
        }
        status = MFACORE_STORED_COMMITTED;
    }
    pthread_mutex_unlock(&storage->lock);
    return status;
}

/* Prints the report; 1 where the storage is fit. */
static int is_fit(storage *storage) {
    mfacore_store_table table = {.struct_size = sizeof table, .context = storage, .load = load, .swap = swap};
    int32_t result;
    mfacore_text *report;
    mfacore_error *error = NULL;
    if (mfacore_store_selftest(&table, MFACORE_SELFTEST_MANY_THREADS, &result, &report, &error) != MFACORE_OK) {
        mfacore_slice message = mfacore_error_message(error);
        fprintf(stderr, "%.*s\n", (int)message.len, (const char *)message.data);
        mfacore_error_free(error);
        return 0;
    }
    mfacore_slice text = mfacore_text_get(report);
    printf("%.*s", (int)text.len, (const char *)text.data);
    mfacore_text_free(report);
    return result == MFACORE_SELFTEST_PASSED;
}

/* With the argument `broken` the storage is so, and this fails. */
int main(int argc, char **argv) {
    storage storage = {.ignores_expected = argc > 1 && strcmp(argv[1], "broken") == 0};
    pthread_mutex_init(&storage.lock, NULL);
    int fit = is_fit(&storage);
    while (storage.rows) remove_row(&storage.rows);
    pthread_mutex_destroy(&storage.lock);
    return fit ? 0 : 1;
}
