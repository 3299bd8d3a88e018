/* mfacore: an embeddable multi-factor-authentication engine. The C interface.
 *
 * Generated from bindings/c by its test `header`; do not edit. How to use it: bindings/c/README.md.
 *
 * Rules for every function, unless it says otherwise:
 *
 * - Ownership. Handles are opaque; whoever gets one frees it with the function of its type, once. No call takes
 *   a handle over. Slices that come out are borrowed from the handle that they came of; nothing that comes out is
 *   ever passed to free(). Slices that go in are read during the call alone, need no final zero byte, and are NULL
 *   only with length 0.
 * - Threads. An engine and a built-in store may be used by any number of threads at once. An operation, a ring of
 *   keys, an error and a text belong to one thread at a time, and may move. The library starts no thread before a
 *   SQLite store is opened, and writes no log. Fork before a SQLite store is opened or after all are freed: a child
 *   of a process that has one open cannot open any. Engines live on.
 * - Errors. Each function that can fail returns a status, MFACORE_OK where it did what it says, and takes, last, a
 *   place for an error object: NULL, or a pointer that is set to NULL or to an object that you free. Outputs are
 *   zeroed before anything else, so that after a failure they hold zero, which never means yes.
 * - Structs that you fill begin with struct_size; set the rest to zero.
 */

#ifndef MFACORE_H
#define MFACORE_H

#include <stddef.h>
#include <stdint.h>

/*
 The version of this header; `mfacore_version` says that of the library.
 */
#define MFACORE_VERSION "0.1.0"

/*
 The number of the binary interface; within one number things are only added.
 */
#define MFACORE_ABI 1

/*
 The token must be of the user named in `user`.
 */
#define MFACORE_SUBJECT_EXPECTED 1

/*
 Whoever the token names: for endpoints that have no session yet. `user` must be empty.
 */
#define MFACORE_SUBJECT_FROM_TOKEN 2

/*
 No outcome: the operation runs still, or ended in an error. Deny.
 */
#define MFACORE_OUTCOME_NONE 0

/*
 Done. From `require`: nothing is required, and the first factor is enough; from any other call no login.
 */
#define MFACORE_OUTCOME_DONE 11

/*
 A factor must be passed, or enrolled, first. Nobody is logged in.
 */
#define MFACORE_OUTCOME_REQUIRED 22

/*
 Refused.
 */
#define MFACORE_OUTCOME_DENIED 33

/*
 A later factor was confirmed. Nobody is logged in.
 */
#define MFACORE_OUTCOME_CONFIRMED 44

/*
 The user whom `verified.user` names passed what policy asks for: log that user in where `verified.purpose` is
 `log_in`; where it is `step_up`, do what `verified.transaction` says.
 */
#define MFACORE_OUTCOME_GRANTED 1296449825

/*
 Something to send.
 */
#define MFACORE_EFFECT_DELIVERY 1

/*
 Something for the audit log.
 */
#define MFACORE_EFFECT_EVENT 2

/*
 The code is none of the window.
 */
#define MFACORE_OTP_WRONG 0

/*
 The code is right, and its step is given: keep it, and hand it to the next check.
 */
#define MFACORE_OTP_ACCEPTED 1330925601

/*
 The code was right at or below the last step: refuse it.
 */
#define MFACORE_OTP_REPLAYED 2

/*
 There is no last step yet.
 */
#define MFACORE_OTP_NO_STEP UINT64_MAX

/*
 HMAC-SHA-1, as authenticator apps have it.
 */
#define MFACORE_OTP_SHA1 1

/*
 HMAC-SHA-256.
 */
#define MFACORE_OTP_SHA256 256

/*
 HMAC-SHA-512.
 */
#define MFACORE_OTP_SHA512 512

/*
 Load `key`, after `after_ms` milliseconds; answer with `mfacore_operation_loaded`.
 */
#define MFACORE_WANT_LOAD 1

/*
 Compare and swap at `key`; answer with `mfacore_operation_stored`.
 */
#define MFACORE_WANT_SWAP 2

/*
 Nothing: the outcome may be read.
 */
#define MFACORE_WANT_DONE 3

/*
 Something is there: version and bytes are given.
 */
#define MFACORE_LOADED_FOUND 1

/*
 The store says for certain that nothing is there.
 */
#define MFACORE_LOADED_ABSENT 2

/*
 The store failed, or cannot tell.
 */
#define MFACORE_LOADED_FAILED 3

/*
 The write is there and can no longer be undone. Inside your own transaction: after its commit.
 */
#define MFACORE_STORED_COMMITTED 1

/*
 What was there was not what was expected; nothing changed.
 */
#define MFACORE_STORED_CONFLICT 2

/*
 The store failed, or cannot tell whether it wrote.
 */
#define MFACORE_STORED_FAILED 3

/*
 Keys and policy of a tenant. Any number of threads at once.
 */
typedef struct mfacore_engine mfacore_engine;

/*
 Why a call failed, for a log. Holds no secret. One thread at a time; free with `mfacore_error_free`.
 */
typedef struct mfacore_error mfacore_error;

/*
 What a `load` callback found. It lives during that callback alone.
 */
typedef struct mfacore_found mfacore_found;

/*
 A ring of root keys while it is put together. One thread at a time.
 */
typedef struct mfacore_keys mfacore_keys;

/*
 One call. One thread at a time; it may move between threads. It has no outcome until its storage answered all
 that it wants; a host that gives up before that frees it, and denies.
 */
typedef struct mfacore_operation mfacore_operation;

/*
 A built-in store. Any number of threads at once. Not over a fork: fork before one is opened, or after all are freed.
 */
typedef struct mfacore_store mfacore_store;

/*
 Text that the library has made. One thread at a time; `mfacore_text_free` wipes it.
 */
typedef struct mfacore_text mfacore_text;

/*
 Bytes that are borrowed. As input: read during the call only; NULL goes with length 0 alone. As output:
 valid until the handle that it came of is freed, or, where a function says so, until a next call; NULL where
 there is nothing, and never NULL where there is something, were it empty. No zero byte follows.
 */
typedef struct mfacore_slice {
  /*
   The first byte; NULL where there is none.
   */
  const uint8_t *data;
  /*
   How many bytes.
   */
  size_t len;
} mfacore_slice;

/*
 What a call came to. After anything but `MFACORE_OK` its outputs are zero.
 */
typedef int32_t mfacore_status;

/*
 An effect. Set `struct_size` to `sizeof(mfacore_effect)` and the rest to zero.
 */
typedef struct mfacore_effect {
  /*
   The size that the caller was compiled with.
   */
  size_t struct_size;
  /*
   `MFACORE_EFFECT_..`.
   */
  int32_t kind;
  /*
   Zero.
   */
  int32_t reserved;
  /*
   The whole effect as JSON. As all slices here it is borrowed until the operation is freed.
   */
  struct mfacore_slice json;
  /*
   Delivery: `sms`, `voice`, `email` or `auth0` (push). Event: its name.
   */
  struct mfacore_slice name;
  /*
   Delivery: the number, the address, or where the push service reaches the device. NULL for an event.
   */
  struct mfacore_slice destination;
  /*
   Delivery of a code: the code. NULL else.
   */
  struct mfacore_slice code;
} mfacore_effect;

/*
 What an app and its server agree on, and how far from the current step a code may be. Set `struct_size` to
 `sizeof(mfacore_totp)`, `secret`, and what differs from an authenticator app's settings; the rest to zero.
 */
typedef struct mfacore_totp {
  /*
   The size that the caller was compiled with.
   */
  size_t struct_size;
  /*
   The secret in base32. Read during a call alone.
   */
  struct mfacore_slice secret;
  /*
   `MFACORE_OTP_SHA..`; 0: HMAC-SHA-1.
   */
  int32_t algorithm;
  /*
   6, 7 or 8; 0: 6.
   */
  uint32_t digits;
  /*
   Seconds in a step; 0: 30.
   */
  uint32_t period_s;
  /*
   Checks: how many steps before the current one are accepted.
   */
  uint32_t steps_back;
  /*
   Checks: how many steps after the current one are accepted.
   */
  uint32_t steps_forward;
  /*
   Zero.
   */
  uint32_t reserved;
} mfacore_totp;

/*
 The host's storage: two callbacks, and what both are given. Set `struct_size` to
 `sizeof(mfacore_store_table)`, and members that you do not know to zero; it is read once, at the beginning of
 `mfacore_operation_run`. The callbacks run on the thread of that call, and return: no exception and no `longjmp`
 may leave them. They may use the engine for other operations, but not this operation. Slices and versions that
 they are given are borrowed until they return.
 */
typedef struct mfacore_store_table {
  /*
   The size that the caller was compiled with.
   */
  size_t struct_size;
  /*
   Handed to both callbacks.
   */
  void *context;
  /*
   Loads `key`, as of every swap committed before. Where something is there it calls `mfacore_found_put` once.
   Returns `MFACORE_LOADED_..`; anything else, or what does not fit what was put, is a failure.
   */
  int32_t (*load)(void *context, struct mfacore_slice key, struct mfacore_found *found);
  /*
   Compares and swaps in one atomic step: `expected` (16 bytes, or NULL: nothing may be there) is what must
   be there; `version` (16 bytes) with `bytes` replaces it, or, where `version` is NULL (and `expected` is
   not), nothing does.
   Returns `MFACORE_STORED_..`; anything else is a failure.
   */
  int32_t (*swap)(void *context,
                  struct mfacore_slice key,
                  const uint8_t *expected,
                  const uint8_t *version,
                  struct mfacore_slice bytes);
} mfacore_store_table;

/*
 What an operation wants next. Set `struct_size` to `sizeof(mfacore_want)` and the rest to zero.
 */
typedef struct mfacore_want {
  /*
   The size that the caller was compiled with.
   */
  size_t struct_size;
  /*
   `MFACORE_WANT_..`.
   */
  int32_t kind;
  /*
   Load: how long to wait first, milliseconds.
   */
  uint32_t after_ms;
  /*
   The storage key, at most 200 bytes of any value. As all slices here it is borrowed until the operation is
   answered, run or freed.
   */
  struct mfacore_slice key;
  /*
   Swap: whether `expected` must be there now (1), or nothing may be there (0).
   */
  int32_t has_expected;
  /*
   Swap: whether to delete (1; `has_expected` is 1 then) or to write `version` with `bytes` (0).
   */
  int32_t is_delete;
  /*
   Swap: the version that must be there.
   */
  uint8_t expected[16];
  /*
   Swap: the version to keep beside the bytes.
   */
  uint8_t version[16];
  /*
   Swap: the sealed record, at most 32 KiB.
   */
  struct mfacore_slice bytes;
} mfacore_want;

/*
 The call did what it says.
 */
#define MFACORE_OK 0

/*
 An argument is NULL that must not be, is an unknown constant, contradicts another, or claims a size that cannot
 be. Nothing happened.
 */
#define MFACORE_ERROR_ARGUMENT 1

/*
 A text is not UTF-8. Nothing happened.
 */
#define MFACORE_ERROR_UTF8 2

/*
 A call came out of its order: an answer to what was not asked for, after which the operation denies; or a
 question that the operation cannot answer at this point, which changes nothing.
 */
#define MFACORE_ERROR_ORDER 3

/*
 A key, a policy, a caller or a setting is refused; the message says what to change.
 */
#define MFACORE_ERROR_CONFIG 4

/*
 The built-in store could not be opened.
 */
#define MFACORE_ERROR_STORE 5

/*
 There is no such value, name or index.
 */
#define MFACORE_ERROR_NOT_FOUND 6

/*
 The system's generator failed.
 */
#define MFACORE_ERROR_ENTROPY 7

/*
 The library met a bug of its own and contained it; Rust's words on it are on standard error. Nothing may be
 concluded from the call, and an operation that it worked on is lost: it has no outcome, and can be freed.
 */
#define MFACORE_ERROR_PANIC 100

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The version of the library that is linked, UTF-8; compare it with `MFACORE_VERSION`. Borrowed for ever. Any
 thread.
 */
struct mfacore_slice mfacore_version(void);

/*
 The interface number of the library that is linked; it must be `MFACORE_ABI`. Any thread.
 */
uint32_t mfacore_abi(void);

/*
 Every call with those who may make it, as JSON: `[{"name": "require", "host": true, "mfa_token": false,
 "access": null, "device": false}, ..]`. `access` names the scopes that an access token needs, or is null where
 none will do; `device` says whether a push device makes it. Borrowed for ever. Any thread.
 */
struct mfacore_slice mfacore_commands(void);

/*
 After the first factor of `user` was right: is a second one due? `MFACORE_OUTCOME_DONE` says no: log the user in.
 `client` and `device_token` may be empty. For facts on the user call `mfacore_operation_new`. Time, seed,
 ownership, threads and errors as there.
 */
mfacore_status mfacore_require(const struct mfacore_engine *engine,
                               struct mfacore_slice user,
                               struct mfacore_slice client,
                               struct mfacore_slice device_token,
                               uint64_t now_ms,
                               const uint8_t *seed,
                               struct mfacore_operation **out,
                               struct mfacore_error **error);

/*
 Takes or picks the authenticator that is to be passed, and sends what it needs: read the effects.
 `challenge_type` and `authenticator_id` may be empty; `subject` is `MFACORE_SUBJECT_..`. The rest as
 `mfacore_operation_new`.
 */
mfacore_status mfacore_challenge(const struct mfacore_engine *engine,
                                 struct mfacore_slice mfa_token,
                                 int32_t subject,
                                 struct mfacore_slice user,
                                 struct mfacore_slice client,
                                 struct mfacore_slice challenge_type,
                                 struct mfacore_slice authenticator_id,
                                 uint64_t now_ms,
                                 const uint8_t *seed,
                                 struct mfacore_operation **out,
                                 struct mfacore_error **error);

/*
 Verifies a typed one-time password; `client` and `authenticator_id` may be empty. `token` is an `mfa_token`, or,
 to confirm what was enrolled with it, an access token; `subject` is `MFACORE_SUBJECT_..`. The rest as
 `mfacore_operation_new`.
 */
mfacore_status mfacore_verify_otp(const struct mfacore_engine *engine,
                                  struct mfacore_slice token,
                                  int32_t subject,
                                  struct mfacore_slice user,
                                  struct mfacore_slice client,
                                  struct mfacore_slice otp,
                                  struct mfacore_slice authenticator_id,
                                  uint64_t now_ms,
                                  const uint8_t *seed,
                                  struct mfacore_operation **out,
                                  struct mfacore_error **error);

/*
 Verifies what was sent; `binding_code` is empty for a push, which this polls. The rest as `mfacore_verify_otp`.
 */
mfacore_status mfacore_verify_oob(const struct mfacore_engine *engine,
                                  struct mfacore_slice token,
                                  int32_t subject,
                                  struct mfacore_slice user,
                                  struct mfacore_slice client,
                                  struct mfacore_slice oob_code,
                                  struct mfacore_slice binding_code,
                                  uint64_t now_ms,
                                  const uint8_t *seed,
                                  struct mfacore_operation **out,
                                  struct mfacore_error **error);

/*
 Verifies a typed recovery code. The rest as `mfacore_verify_otp`.
 */
mfacore_status mfacore_verify_recovery_code(const struct mfacore_engine *engine,
                                            struct mfacore_slice token,
                                            int32_t subject,
                                            struct mfacore_slice user,
                                            struct mfacore_slice client,
                                            struct mfacore_slice recovery_code,
                                            uint64_t now_ms,
                                            const uint8_t *seed,
                                            struct mfacore_operation **out,
                                            struct mfacore_error **error);

/*
 Begins a ring with the key that seals, and the number that names it: 32 bytes from the system's generator, kept in
 your secret manager. They are copied; wipe yours. `out` is yours: free it with `mfacore_keys_free`, which you may do
 once engines are made. Any thread. Errors: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_CONFIG` for a key that was
 never filled.
 */
mfacore_status mfacore_keys_new(uint32_t id,
                                const uint8_t *root,
                                struct mfacore_keys **out,
                                struct mfacore_error **error);

/*
 Adds a key that opens what it has sealed and seals nothing any more. 32 bytes, copied. Engines made before do not
 have it. Errors, after which the ring is as it was: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_CONFIG` for a key that
 was never filled, an id that is there already, or a ring that is full.
 */
mfacore_status mfacore_keys_add_retired(struct mfacore_keys *keys,
                                        uint32_t id,
                                        const uint8_t *root,
                                        struct mfacore_error **error);

/*
 Sets the key that names the budgets which cross users: needed with the factors phone and email. 32 bytes,
 copied; give the same ones for ever. Engines made before do not have it. Errors, after which the ring is as it was:
 `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_CONFIG` for a key that was never filled.
 */
mfacore_status mfacore_keys_set_naming(struct mfacore_keys *keys,
                                       const uint8_t *naming,
                                       struct mfacore_error **error);

/*
 Frees and wipes a ring; engines made of it live on. NULL is nothing.
 */
void mfacore_keys_free(struct mfacore_keys *keys);

/*
 Makes an engine. `policy_json` is an object: `{"profile": "recommended", "issuer": "ACME"}`; empty: the
 recommended policy as it is; docs/json.md has its members. `keys` stays yours, and `out` is: free it with `mfacore_engine_free`. Any thread.
 Errors: `MFACORE_ERROR_CONFIG`, whose message says what to change; `MFACORE_ERROR_ARGUMENT`, `_UTF8`.
 */
mfacore_status mfacore_engine_new(const struct mfacore_keys *keys,
                                  struct mfacore_slice policy_json,
                                  struct mfacore_engine **out,
                                  struct mfacore_error **error);

/*
 Makes an engine of another tenant, a name of 1 to 48 bytes, that shares the keys of `engine`. Nothing of one tenant
 opens for another. `engine` stays yours and may be freed first; `out` is yours: free it with
 `mfacore_engine_free`. Any thread. Errors: as `mfacore_engine_new`.
 */
mfacore_status mfacore_engine_with_policy(const struct mfacore_engine *engine,
                                          struct mfacore_slice tenant,
                                          struct mfacore_slice policy_json,
                                          struct mfacore_engine **out,
                                          struct mfacore_error **error);

/*
 Frees an engine, which no call uses any more; operations begun with it live on. NULL is nothing.
 */
void mfacore_engine_free(struct mfacore_engine *engine);

/*
 The outcome, `MFACORE_OUTCOME_..`; `MFACORE_OUTCOME_NONE` while the operation runs, for NULL, and where it
 ended in an error. A login is `MFACORE_OUTCOME_GRANTED` alone, and after `require` `MFACORE_OUTCOME_DONE`.
 */
int32_t mfacore_operation_outcome(const struct mfacore_operation *operation);

/*
 HTTP status and the contract's JSON (empty for 204), whichever way the operation ended; borrowed until it is
 freed. Errors: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_ORDER` where it has not ended.
 */
mfacore_status mfacore_operation_body(const struct mfacore_operation *operation,
                                      int32_t *http_status,
                                      struct mfacore_slice *json,
                                      struct mfacore_error **error);

/*
 Why the operation was refused or failed, for a log: holds no secret; empty where it was neither. Borrowed until
 it is freed. Errors: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_ORDER` where it has not ended.
 */
mfacore_status mfacore_operation_message(const struct mfacore_operation *operation,
                                         struct mfacore_slice *message,
                                         struct mfacore_error **error);

/*
 A value by name: a member of the body (`mfa_token`, `oob_code`, `error`, ..; a text as it is, anything else as
 JSON), or of the proof of a login, which the body does not hold: `verified.user`, `verified.authenticator`,
 `verified.challenge` (hexadecimal), `verified.amr` (JSON), `verified.acr`, `verified.at_ms`,
 `verified.purpose` (`log_in` or `step_up`), `verified.is_weak` (`true` or `false`), `verified.transaction`.
 Borrowed until the operation is freed. Errors: `MFACORE_ERROR_NOT_FOUND` where there is none, never an empty text
 in its place; `MFACORE_ERROR_ARGUMENT`, `_UTF8`; `MFACORE_ERROR_ORDER` where the operation has not ended.
 */
mfacore_status mfacore_operation_get(const struct mfacore_operation *operation,
                                     struct mfacore_slice name,
                                     struct mfacore_slice *value,
                                     struct mfacore_error **error);

/*
 The record's sequence, to be kept outside the store and given as the fact `sequence_min`: shows that storage was
 set back. 0 where none was read, for NULL, and while the operation runs.
 */
uint64_t mfacore_operation_sequence(const struct mfacore_operation *operation);

/*
 How many effects there are: deliveries first, then events. 0 for NULL, and while the operation runs: nothing may
 be sent before its write is committed.
 */
size_t mfacore_operation_effect_count(const struct mfacore_operation *operation);

/*
 The effect at `index`, from 0. Send each delivery once, log each event, whatever the outcome. Errors:
 `MFACORE_ERROR_NOT_FOUND` past the last one; `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_ORDER` where the operation
 has not ended.
 */
mfacore_status mfacore_operation_effect(const struct mfacore_operation *operation,
                                        size_t index,
                                        struct mfacore_effect *effect,
                                        struct mfacore_error **error);

/*
 Begins the call `name` (`mfacore_commands` lists them) with `body_json`; an empty one is `{}`.

 `caller_json` says on whose word, and whose it must be: `{"authority":{"host":"ann"}}`, or
 `{"authority":{"token":{"text":"..","subject":{"expected":"ann"}}}}`, where `"subject":"from_token"` is for
 endpoints without a session; beside it `client`, and in `facts` what only the host knows (docs/json.md). A name that
 is no call's ends without an outcome, with status 500. Build it from your own
 session, never from what a client sent.

 `now_ms` is milliseconds since 1970, 0 the system's clock. `seed` is 32 bytes from the system's generator, for
 this operation alone; NULL: the library asks that generator itself.

 A refusal is no failure of this function: it is the operation's outcome. Nothing is loaded yet. `out` is yours:
 free it with `mfacore_operation_free`. The engine may be freed before it. Any thread. Errors:
 `MFACORE_ERROR_ARGUMENT`, `_UTF8`, `_CONFIG` (`caller_json` is no caller), `_ENTROPY`.
 */
mfacore_status mfacore_operation_new(const struct mfacore_engine *engine,
                                     struct mfacore_slice name,
                                     struct mfacore_slice caller_json,
                                     struct mfacore_slice body_json,
                                     uint64_t now_ms,
                                     const uint8_t *seed,
                                     struct mfacore_operation **out,
                                     struct mfacore_error **error);

/*
 Frees and wipes an operation, at any time; what it wrote stays written. All slices that came of it end. NULL is
 nothing. In a callback of its own `mfacore_operation_run` it is taken away when that call returns.
 */
void mfacore_operation_free(struct mfacore_operation *operation);

/*
 The text, UTF-8, without a final zero byte; borrowed until it is freed. NULL with length 0
 for NULL.
 */
struct mfacore_slice mfacore_text_get(const struct mfacore_text *text);

/*
 Frees and wipes a text. NULL is nothing.
 */
void mfacore_text_free(struct mfacore_text *text);

/*
 A new secret in base32: 20 bytes from the system's generator. `out` is yours: free it with `mfacore_text_free`. Any
 thread. Errors: `MFACORE_ERROR_ARGUMENT`, `_ENTROPY`.
 */
mfacore_status mfacore_otp_new_secret(struct mfacore_text **out,
                                      struct mfacore_error **error);

/*
 The code at `now_ms`, 0 being the system's clock: what an app shows, for tests and devices. `out` is yours: free
 it with `mfacore_text_free`. Any thread. Errors: `MFACORE_ERROR_ARGUMENT`, `_UTF8`, `_CONFIG` for a secret or a
 setting out of its bounds.
 */
mfacore_status mfacore_otp_generate(const struct mfacore_totp *totp,
                                    uint64_t now_ms,
                                    struct mfacore_text **out,
                                    struct mfacore_error **error);

/*
 Checks a typed code in constant time: `MFACORE_OTP_ACCEPTED` in `result` is the only success. Keep `step` and hand
 it to the user's next check as `last_step` (`MFACORE_OTP_NO_STEP` at first), in one transaction with the login, or
 a code is accepted twice; where the code was not accepted, and after a failure, `step` is `last_step`. `now_ms` 0
 is the system's clock. Guesses are yours to limit: the engine does both. Any thread. Errors:
 `MFACORE_ERROR_ARGUMENT`, `_UTF8`, `_CONFIG` for a secret or a setting out of its bounds; a text that is no code is
 a wrong one.
 */
mfacore_status mfacore_otp_check(const struct mfacore_totp *totp,
                                 struct mfacore_slice typed,
                                 uint64_t now_ms,
                                 uint64_t last_step,
                                 int32_t *result,
                                 uint64_t *step,
                                 struct mfacore_error **error);

/*
 The `otpauth` URI that authenticator apps scan; `issuer` may be empty. The rest as `mfacore_otp_generate`.
 */
mfacore_status mfacore_otp_uri(const struct mfacore_totp *totp,
                               struct mfacore_slice issuer,
                               struct mfacore_slice account,
                               struct mfacore_text **out,
                               struct mfacore_error **error);

/*
 A text as a QR code in SVG, for a web page. `out` is yours: free it with `mfacore_text_free`. Any thread. Errors:
 `MFACORE_ERROR_ARGUMENT`, `_UTF8`; `MFACORE_ERROR_CONFIG` where the text is too long.
 */
mfacore_status mfacore_qr_svg(struct mfacore_slice text,
                              struct mfacore_text **out,
                              struct mfacore_error **error);

/*
 The status that the failed call returned; 0 for NULL.
 */
mfacore_status mfacore_error_status(const struct mfacore_error *error);

/*
 What went wrong, in English, UTF-8, without a final zero byte; borrowed until the error is freed. NULL
 with length 0 for NULL.
 */
struct mfacore_slice mfacore_error_message(const struct mfacore_error *error);

/*
 Frees an error object; NULL is nothing.
 */
void mfacore_error_free(struct mfacore_error *error);

/*
 Opens a built-in store: `sqlite:name.db`, `sqlite:///folder/name.db`, a path, or `memory:` (for tests: nothing
 outlives the handle). A file is made where there is none. While it is open nothing else in this process may open
 its file, neither another SQLite nor a plain copy: SQLite's locks would be lost. `out` is yours: free it with `mfacore_store_free`. Any
 thread. Errors: `MFACORE_ERROR_STORE`, whose message says what is wrong with the file; `MFACORE_ERROR_ARGUMENT`,
 `_UTF8`.
 */
mfacore_status mfacore_store_open(struct mfacore_slice url,
                                  struct mfacore_store **out,
                                  struct mfacore_error **error);

/*
 Runs an operation to its end over a built-in store; waits, on this thread, where a try is repeated.
 `MFACORE_OK` says that it has ended, not how: read `mfacore_operation_outcome`. Errors: `MFACORE_ERROR_ARGUMENT`;
 `MFACORE_ERROR_ORDER` within a callback of the same operation's run. A store that fails is no failure of this
 function: the operation denies, and `mfacore_operation_message` says why.
 */
mfacore_status mfacore_operation_run_store(struct mfacore_operation *operation,
                                           const struct mfacore_store *store,
                                           struct mfacore_error **error);

/*
 Closes a store, which no call uses any more. NULL is nothing.
 */
void mfacore_store_free(struct mfacore_store *store);

/*
 Hands over what is stored, from within a `load` callback, once: `version` is 16 bytes, `bytes` the record; both
 are copied. The callback may ignore a failure: a put that failed, or a second one, is a load that failed. Errors:
 `MFACORE_ERROR_ARGUMENT`.
 */
mfacore_status mfacore_found_put(struct mfacore_found *found,
                                 const uint8_t *version,
                                 struct mfacore_slice bytes,
                                 struct mfacore_error **error);

/*
 Runs an operation to its end over the host's storage; waits, on this thread, where a try is repeated.
 `MFACORE_OK` says that it has ended, not how: read `mfacore_operation_outcome`. Errors: `MFACORE_ERROR_ARGUMENT`;
 `MFACORE_ERROR_ORDER` where a callback of this very run called it, or freed the operation.
 */
mfacore_status mfacore_operation_run(struct mfacore_operation *operation,
                                     const struct mfacore_store_table *table,
                                     struct mfacore_error **error);

/*
 Says in `want` what is needed next; the same until it is answered. After the end that is `MFACORE_WANT_DONE`.
 Errors: `MFACORE_ERROR_ARGUMENT`; `MFACORE_ERROR_ORDER` while the operation is run, or was lost to a bug: leave
 the loop then.
 */
mfacore_status mfacore_operation_next(const struct mfacore_operation *operation,
                                      struct mfacore_want *want,
                                      struct mfacore_error **error);

/*
 Answers `MFACORE_WANT_LOAD`. `outcome` is `MFACORE_LOADED_..`; `version` (16 bytes) and `bytes` are copied, and
 go with `MFACORE_LOADED_FOUND` alone: absence is an outcome of its own, never a NULL. Say
 `MFACORE_LOADED_ABSENT` only where the store is sure: a replica that lags is not. Errors:
 `MFACORE_ERROR_ARGUMENT`, after which the operation wants the same still: answer `MFACORE_LOADED_FAILED`;
 `MFACORE_ERROR_ORDER`, where no load was wanted: the operation denies, and after its end nothing changes.
 */
mfacore_status mfacore_operation_loaded(struct mfacore_operation *operation,
                                        int32_t outcome,
                                        const uint8_t *version,
                                        struct mfacore_slice bytes,
                                        struct mfacore_error **error);

/*
 Answers `MFACORE_WANT_SWAP`. `outcome` is `MFACORE_STORED_..`. Whatever you answer but committed, the
 operation loads again and finds out by itself whether it was written: say `MFACORE_STORED_FAILED` wherever you
 cannot tell. Committed, said of what is not, gives a login away. Errors: `MFACORE_ERROR_ARGUMENT`, after which
 the operation wants the same still; `MFACORE_ERROR_ORDER`, where no swap was wanted: the operation denies, and after
 its end nothing changes.
 */
mfacore_status mfacore_operation_stored(struct mfacore_operation *operation,
                                        int32_t outcome,
                                        struct mfacore_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MFACORE_H */
