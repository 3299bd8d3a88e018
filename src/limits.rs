//! Every bound of the engine, by name. What would pass one is refused with an error that names it.

/// A storage key, bytes.
pub const KEY_BYTES_MAX: usize = 200;
/// A sealed record, bytes.
pub const RECORD_BYTES_MAX: usize = 32 * 1024;
/// A tenant's name, bytes.
pub const TENANT_BYTES_MAX: usize = 48;
/// A user's id, bytes.
pub const USER_BYTES_MAX: usize = 128;
/// A client's id, bytes.
pub const CLIENT_BYTES_MAX: usize = 128;
/// An account label or an issuer in an `otpauth` URI, bytes.
pub const LABEL_BYTES_MAX: usize = 256;
/// A nickname of an authenticator, or the name of a push device, characters.
pub const NICKNAME_CHARS_MAX: usize = 64;
/// The caller's transaction context, bytes.
pub const TRANSACTION_BYTES_MAX: usize = 1024;
/// A request body, bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// A token's text, bytes.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// A client's list of challenge types, which a refusal repeats, bytes.
pub const CHALLENGE_TYPE_BYTES_MAX: usize = 64;
/// A typed code before spaces and dashes are stripped, bytes.
pub const TYPED_CODE_BYTES_MAX: usize = 128;
/// A recovery code after spaces and dashes are stripped, characters.
pub const RECOVERY_CODE_CHARS_MAX: usize = 64;
/// An `otpauth` URI, bytes.
pub const URI_BYTES_MAX: usize = 2048;
/// An `otpauth-migration` URI, bytes.
pub const MIGRATION_BYTES_MAX: usize = 16 * 1024;
/// Accounts in one `otpauth-migration` URI.
pub const MIGRATION_ACCOUNTS_MAX: usize = 100;
/// A phone number without its plus sign, digits.
pub const PHONE_DIGITS_MIN: usize = 8;
/// A phone number without its plus sign, digits (ITU-T E.164 section 6.1).
pub const PHONE_DIGITS_MAX: usize = 15;
/// An e-mail address, bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

/// Authenticators of one user, pending ones included (CONTRACT section 1).
pub const AUTHENTICATORS_MAX: usize = 51;
/// Active one-time-password secrets of one user (CONTRACT section 1).
pub const OTP_ACTIVE_MAX: usize = 5;
/// Pending enrollments of one user; one more replaces the oldest (CONTRACT section 1).
pub const PENDING_MAX: usize = 3;
/// Spent tokens remembered until their own expiry; a full list refuses.
pub const SPENT_MAX: usize = 64;
/// Tokens that outlive the authenticator that earned them, because they removed it.
pub const EXCEPTED_MAX: usize = 8;
/// Answers kept for a caller who did not get them.
pub const LOST_ANSWERS_MAX: usize = 4;
/// Recovery codes in one set.
pub const RECOVERY_CODES_MAX: usize = 32;
/// Enrollments that one token chain may have passed.
pub const CHAIN_LINKS_MAX: usize = 5;
/// Out-of-band challenges of one user, one a chain of tokens.
pub const CHALLENGES_MAX: usize = 16;
/// Trusted browsers of one user; one more replaces the least recently used (CONTRACT section 4, rule 7).
pub const BROWSERS_MAX: usize = 10;
/// Verified e-mail addresses of one user.
pub const EMAILS_KNOWN_MAX: usize = 5;
/// Prefixes that policy allows telephone numbers to start with.
pub const PHONE_PREFIXES_MAX: usize = 256;
/// Telephone numbers and addresses that one import brings.
pub const IMPORT_FACTORS_MAX: usize = 64;
/// A locale, bytes (RFC 5646 section 4.4.1).
pub const LOCALE_BYTES_MAX: usize = 35;
/// Where a push service reaches a device, bytes.
pub const PUSH_ADDRESS_BYTES_MAX: usize = 512;
/// The URL under which devices reach the host, bytes.
pub const BASE_URL_BYTES_MAX: usize = 256;
/// A public key, a signature or a number in a request body, bytes.
pub const DEVICE_FIELD_BYTES_MAX: usize = 256;
/// An export sealed to a recipient, as text, bytes.
pub const EXPORT_BYTES_MAX: usize = 60 * 1024;
/// Keys in a ring.
pub const RING_KEYS_MAX: usize = 64;

/// Operation ids that a record remembers, its version the last of them.
pub const OPERATION_RING: usize = 16;
/// Attempts of one operation at one record.
pub const TRIES_MAX: u8 = 8;
/// Records that one operation writes.
pub const OPERATION_RECORDS_MAX: usize = 64;
/// Records over which a budget of a tenant or of a country prefix is spread.
pub const LIMITER_SHARDS: u8 = 16;

/// One-time-password secret, bytes (RFC 4226 section 4, R6: at least 128 bits).
pub const SEED_BYTES_MIN: usize = 16;
/// One-time-password secret, bytes.
pub const SEED_BYTES_MAX: usize = 128;
/// The secret of a new enrollment, bytes (RFC 4226 section 4, R6: 160 bits recommended).
pub const SEED_BYTES_DEFAULT: usize = 20;
/// Digits of a one-time password.
pub const OTP_DIGITS_MIN: u8 = 6;
/// Digits of a one-time password.
pub const OTP_DIGITS_MAX: u8 = 8;
/// A TOTP time step, seconds.
pub const PERIOD_S_MIN: u32 = 15;
/// A TOTP time step, seconds.
pub const PERIOD_S_MAX: u32 = 120;
/// Steps accepted on either side of the current one.
pub const SKEW_STEPS_MAX: u8 = 10;
/// Counters tried after the last accepted one (RFC 4226 section 7.4, the look-ahead window s).
pub const LOOK_AHEAD_MAX: u8 = 100;

/// The first `now` that is no misuse: 2020-01-01, milliseconds since 1970.
pub const NOW_MS_MIN: u64 = 1_577_836_800_000;
/// The first `now` that is misuse again: 2200-01-01, milliseconds since 1970.
pub const NOW_MS_MAX: u64 = 7_258_118_400_000;
/// A time seen that lies further ahead of `now` than this is not believed.
pub const SEEN_AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// A token that was issued further after `now` than this is refused; so far behind, a clock is reported.
pub const CLOCK_DRIFT_MS_MAX: u64 = 5 * 60 * 1000;
/// The longest life that policy may give a token; an erased user's tombstone stays as long.
pub const TOKEN_LIFE_MS_MAX: u64 = 60 * 60 * 1000;
/// How long an identical call gets its show-once secrets again.
pub const LOST_ANSWER_MS: u64 = 2 * 60 * 1000;
/// The pause after the first denied push.
pub const PUSH_PAUSE_MS_MIN: u64 = 60 * 1000;
/// The longest pause after denied pushes.
pub const PUSH_PAUSE_MS_MAX: u64 = 60 * 60 * 1000;
/// After so long without a denial the next pause is the first one again.
pub const PUSH_PAUSE_FORGOTTEN_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a client waits between polls, seconds: 12 a minute (CONTRACT section 4, rule 8).
pub const POLL_INTERVAL_S: u64 = 5;
/// How long what was enrolled under a recovery code or an e-mail stays weak.
pub const WEAK_MS: u64 = 72 * 60 * 60 * 1000;
/// The first pause before an attempt is repeated; it doubles each time.
pub const BACK_OFF_MS: u64 = 2;

/// Memory of an imported password hash, KiB.
pub const IMPORT_HASH_MEMORY_KIB_MAX: u32 = 128 * 1024;
/// Iterations of an imported PBKDF2 hash.
pub const IMPORT_HASH_ITERATIONS_MAX: u32 = 2_000_000;
/// An imported password hash, characters.
pub const IMPORT_HASH_CHARS_MAX: usize = 512;
/// Bits below which a recovery code draws on the budgets of 6-digit codes too.
pub const RECOVERY_BITS_STRONG: u16 = 64;
/// Recovery codes left at which the event `recovery_low` is given, where a user holds a set.
pub const RECOVERY_LOW: usize = 3;
/// Consecutive failures after which the event `first_factor_suspect` is given.
pub const SUSPECT_FAILURES: u32 = 10;
