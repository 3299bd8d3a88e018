/* mfacore: the self-test of a host's storage. For test programs alone.
 *
 * Generated from bindings/selftest by its test `header`; do not edit. How to use it: bindings/selftest/README.md.
 *
 * The library of this header has all functions of mfacore.h too: a test program links it in place of the library of
 * mfacore, never beside it. The rules are those at the head of mfacore.h.
 */

#ifndef MFACORE_SELFTEST_H
#define MFACORE_SELFTEST_H

#include <stdint.h>
#include "mfacore.h"

/*
 No result: the self-test did not run.
 */
#define MFACORE_SELFTEST_NONE 0

/*
 Every check that was run passed.
 */
#define MFACORE_SELFTEST_PASSED 1398034209

/*
 A check failed: the engine must not be given this storage.
 */
#define MFACORE_SELFTEST_FAILED 2

/*
 The callbacks are called from up to eight threads at once, as a server calls them. `context` must bear it.
 */
#define MFACORE_SELFTEST_MANY_THREADS 1

/*
 The callbacks are called on the calling thread alone, for storage that belongs to one thread. The checks of calls
 that race are left out, and the report says so.
 */
#define MFACORE_SELFTEST_ONE_THREAD 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Shows whether a host's storage keeps the rules that the engine relies on: calls its `load` and `swap`, some
 thousands of times, and compares what they answer with what they must. For a test of the host. It takes as long as
 those calls, and a callback that hangs makes it hang.

 `table` is filled as for `mfacore_operation_run`, over an empty table of a test database. All keys begin with
 `mfacore-selftest/`, but those of the check `keys_are_bytes`, which are any bytes. What a check wrote is deleted
 after it; a run that was killed leaves it.

 `threads`: with `MFACORE_SELFTEST_MANY_THREADS` the callbacks run on threads of this library, up to eight at once,
 while the calling one waits; all have ended when it returns. With `MFACORE_SELFTEST_ONE_THREAD` no thread is started.
 Either way a callback returns: no exception and no `longjmp` may leave it.

 `result` is `MFACORE_SELFTEST_PASSED` or `MFACORE_SELFTEST_FAILED`; compare with the first. `report` is English text,
 a line for each check: `ok`, `left out`, or `FAILED` with what was found and, in a second line, what to do. It is
 yours: free it with `mfacore_text_free`. Storage that answers wrongly, with failures, or with what is no answer at
 all is a result, not an error. Not checked: a loss of power, a restart, replicas, a second connection.

 Any thread; two runs at once on one table of a database disturb each other. Errors: `MFACORE_ERROR_ARGUMENT`, after
 which nothing was called; `MFACORE_ERROR_PANIC`, also where the system has no more threads.
 */
mfacore_status mfacore_store_selftest(const mfacore_store_table *table,
                                      int32_t threads,
                                      int32_t *result,
                                      mfacore_text **report,
                                      mfacore_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MFACORE_SELFTEST_H */
