// mfacore: an embeddable multi-factor-authentication engine. A thin C++17 layer over mfacore.h.
//
// How to use it: bindings/c/CPP.md. What the functions do is said in mfacore.h; here is what C++ adds:
//
// - Ownership. Handles are move-only classes that free and wipe what they hold. A moved-from handle may be destroyed
//   and assigned to; using it throws `error`. Views that come out are borrowed from the object that they came of, and
//   cannot be asked of a temporary. Views that go in are read during the call alone.
// - Threads. As in mfacore.h: engine and store from any number of threads at once, all else from one at a time.
// - Errors. What cannot be done throws `error`. A refusal is no error: it is the operation's `outcome`. Nobody is
//   logged in where something is thrown. Destructors never throw.
// - Secrets. What the library holds it wipes. This layer wipes the JSON that it writes, and the token in a `caller`.
//   A `std::string` that you make of a token or a code is yours to wipe.
#ifndef MFACORE_HPP
#define MFACORE_HPP

#include <mfacore.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

static_assert(MFACORE_ABI == 1, "mfacore.hpp and mfacore.h are of different versions");

namespace mfacore {

/// Why a call failed: `MFACORE_ERROR_..`. A newer library may give other numbers.
enum class status : mfacore_status {
    argument = MFACORE_ERROR_ARGUMENT,
    utf8 = MFACORE_ERROR_UTF8,
    order = MFACORE_ERROR_ORDER,
    config = MFACORE_ERROR_CONFIG,
    store = MFACORE_ERROR_STORE,
    not_found = MFACORE_ERROR_NOT_FOUND,
    entropy = MFACORE_ERROR_ENTROPY,
    panic = MFACORE_ERROR_PANIC,
};

/// A call that failed. Its text is for a log and holds no secret. Deny.
class error : public std::runtime_error {
public:
    error(::mfacore::status code, const std::string &text) : std::runtime_error(text), status_(code) {}

    /// Which rule was broken.
    ::mfacore::status status() const noexcept { return status_; }

private:
    ::mfacore::status status_;
};

/// Borrowed bytes: a storage key, a record, a root key. Lives no longer than what it was made of.
class bytes_view {
public:
    constexpr bytes_view() noexcept = default;
    constexpr bytes_view(const std::uint8_t *first, std::size_t count) noexcept : data_(first), size_(count) {}

    /// Of a vector, an array or another container of `std::uint8_t`.
    template <class Bytes, class = std::enable_if_t<
                               !std::is_same_v<Bytes, bytes_view> &&
                               std::is_convertible_v<decltype(std::declval<const Bytes &>().data()), const std::uint8_t *>>>
    constexpr bytes_view(const Bytes &bytes) noexcept : data_(bytes.data()), size_(bytes.size()) {}

    /// Of a text that holds bytes.
    explicit bytes_view(std::string_view bytes) noexcept
        : data_(reinterpret_cast<const std::uint8_t *>(bytes.data())), size_(bytes.size()) {}

    constexpr const std::uint8_t *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr const std::uint8_t *begin() const noexcept { return data_; }
    constexpr const std::uint8_t *end() const noexcept { return data_ + size_; }

    /// The same bytes for an interface that takes `char`.
    std::string_view chars() const noexcept {
        return size_ == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char *>(data_), size_);
    }

    /// A copy.
    std::vector<std::uint8_t> to_vector() const { return std::vector<std::uint8_t>(begin(), end()); }

private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

/// What this layer uses itself; no part of the interface.
namespace detail {

template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T *pointer) const noexcept {
        Free(pointer);
    }
};

template <class T, auto Free>
using handle = std::unique_ptr<T, freed_by<Free>>;

inline mfacore_slice slice(bytes_view bytes) noexcept { return {bytes.data(), bytes.size()}; }
inline mfacore_slice slice(std::string_view text) noexcept { return slice(bytes_view(text)); }
inline bytes_view bytes(mfacore_slice slice) noexcept { return {slice.data, slice.len}; }
inline std::string_view chars(mfacore_slice slice) noexcept { return bytes(slice).chars(); }

/// Makes a call that takes a place for an error object, and throws what it finds there.
template <class Call>
void must(const Call &call) {
    mfacore_error *raw = nullptr;
    const mfacore_status code = call(&raw);
    const handle<mfacore_error, mfacore_error_free> failure(raw);
    if (code != MFACORE_OK) {
        throw error(static_cast<status>(code), std::string(chars(mfacore_error_message(failure.get()))));
    }
}

/// Makes a call that gives a handle.
template <class Handle, class Call>
Handle made(const Call &call) {
    typename Handle::pointer raw = nullptr;
    must([&](mfacore_error **failure) { return call(&raw, failure); });
    return Handle(raw);
}

/// Overwrites a text in a way that no compiler may leave out.
inline void wipe(std::string &text) noexcept {
    volatile char *place = text.data();
    for (std::size_t index = 0; index < text.size(); ++index) place[index] = 0;
}

/// A text that is wiped in the end.
class secret_text {
public:
    secret_text() noexcept = default;
    explicit secret_text(std::string_view text) : text_(text) {}
    secret_text(const secret_text &) = default;
    secret_text(secret_text &&other) noexcept { text_.swap(other.text_); }
    secret_text &operator=(secret_text other) noexcept {
        text_.swap(other.text_);
        return *this;
    }
    ~secret_text() { wipe(text_); }

    std::string_view view() const noexcept { return text_; }

private:
    std::string text_;
};

/// JSON while it is written; wiped in the end, and wherever it outgrows its place.
class json {
public:
    json() { text_.reserve(512); }
    json(const json &) = delete;
    json &operator=(const json &) = delete;
    ~json() { wipe(text_); }

    std::string_view view() const noexcept { return text_; }

    /// Adds JSON as it is.
    json &raw(std::string_view part) {
        if (text_.capacity() - text_.size() < part.size()) {
            std::string larger;
            larger.reserve(2 * (text_.size() + part.size()));
            larger.append(text_);
            wipe(text_);
            text_.swap(larger);
        }
        text_.append(part);
        return *this;
    }

    /// Adds a text in quotes (RFC 8259, section 7). That it is UTF-8 is the library's to check.
    json &quoted(std::string_view text) {
        raw("\"");
        for (std::size_t from = 0; from < text.size();) {
            std::size_t to = from;
            while (to < text.size() && !is_escaped(text[to])) ++to;
            raw(text.substr(from, to - from));
            if (to < text.size()) escaped(text[to++]);
            from = to;
        }
        return raw("\"");
    }

    /// Adds a name, and a comma where it is not the first of its object.
    json &name(std::string_view name) {
        if (text_.back() != '{') raw(",");
        return quoted(name).raw(":");
    }

    /// Adds a name with its text.
    json &member(std::string_view name_of_it, std::string_view text) { return name(name_of_it).quoted(text); }

    /// The same, left out where the text is empty.
    json &optional_member(std::string_view name_of_it, std::string_view text) {
        return text.empty() ? *this : member(name_of_it, text);
    }

private:
    static bool is_escaped(char letter) noexcept {
        return letter == '"' || letter == '\\' || static_cast<unsigned char>(letter) < 0x20;
    }

    void escaped(char letter) {
        if (letter == '"' || letter == '\\') {
            const char pair[] = {'\\', letter};
            raw(std::string_view(pair, sizeof pair));
            return;
        }
        constexpr char digits[] = "0123456789abcdef";
        const auto code = static_cast<unsigned char>(letter);
        const char six[] = {'\\', 'u', '0', '0', digits[code >> 4], digits[code & 15]};
        raw(std::string_view(six, sizeof six));
    }

    std::string text_;
};

/// A text with a meaning of its own, so that two arguments cannot be swapped. Borrowed: for arguments alone.
template <class Meaning>
class named {
public:
    constexpr named() noexcept = default;
    constexpr explicit named(std::string_view text) noexcept : text_(text) {}
    constexpr std::string_view view() const noexcept { return text_; }

private:
    std::string_view text_;
};

} // namespace detail

/// The version of the library that is linked; `MFACORE_VERSION` is that of the header. Any thread.
inline std::string_view library_version() noexcept { return detail::chars(mfacore_version()); }

/// Every call with those who may make it, as JSON. Any thread.
inline std::string_view commands() noexcept { return detail::chars(mfacore_commands()); }

/// A text as a JSON string, quotes included: for bodies that a host writes itself. The copy is yours to wipe.
inline std::string json_text(std::string_view text) {
    detail::json json;
    return std::string(json.quoted(text).view());
}

/// Which authenticator is meant; empty: any.
using authenticator_id = detail::named<struct authenticator_id_meaning>;
/// What a client can do, separated by spaces: `otp`, `oob`; empty: all.
using challenge_type = detail::named<struct challenge_type_meaning>;
/// What a challenge gave.
using oob_code = detail::named<struct oob_code_meaning>;
/// The code that was sent and typed; empty for a push.
using binding_code = detail::named<struct binding_code_meaning>;

/// 32 bytes from the system's generator, for one operation alone.
using seed_bytes = std::array<std::uint8_t, 32>;

/// How an operation ended. No number of it is true or false. A login is `granted`, and `done` after `require`.
enum class outcome : std::int32_t {
    none = MFACORE_OUTCOME_NONE,
    done = MFACORE_OUTCOME_DONE,
    required = MFACORE_OUTCOME_REQUIRED,
    denied = MFACORE_OUTCOME_DENIED,
    confirmed = MFACORE_OUTCOME_CONFIRMED,
    granted = MFACORE_OUTCOME_GRANTED,
};

/// Its name, for a log.
inline std::string_view to_string(outcome which) noexcept {
    switch (which) {
    case outcome::none: return "none";
    case outcome::done: return "done";
    case outcome::required: return "required";
    case outcome::denied: return "denied";
    case outcome::confirmed: return "confirmed";
    case outcome::granted: return "granted";
    }
    return "unknown";
}

/// What a second factor is passed for. Proof for one purpose is none for the other.
enum class purpose { log_in, step_up };

/// What the host believes of a user. Only `enrolled` can change an answer, and only into a denial.
enum class expectation { unknown, enrolled, not_enrolled };

/// On whose word a call is made, and what only the host knows. Written by code, never from what a client sent; the
/// library checks it when a call is begun. Owns copies, and wipes that of the token. One thread at a time.
class caller {
public:
    /// A token whose bearer is not said yet: no call takes it. Borrows the token.
    class unsaid {
    public:
        /// It must be a token of `user`, the user of your session. Throws `error` where that is empty.
        [[nodiscard]] caller of(std::string_view user) && {
            if (user.empty()) throw error(status::argument, "user is empty: name the user of your session");
            return caller(kind::token_of_user, user, token_);
        }

        /// Whoever the token names: for endpoints that have no session yet.
        [[nodiscard]] caller of_whoever_it_names() && { return caller(kind::token_of_anybody, {}, token_); }

    private:
        friend class caller;
        explicit unsaid(std::string_view token) noexcept : token_(token) {}
        std::string_view token_;
    };

    /// The host itself, for `user`: after the first factor was right, or for support and migration.
    [[nodiscard]] static caller host(std::string_view user) { return caller(kind::host, user, {}); }

    /// The bearer of an `mfa_token` or an access token; say whose it must be: `caller::token(text).of("ann")`.
    [[nodiscard]] static unsaid token(std::string_view text) noexcept { return unsaid(text); }

    /// The client that you authenticated. An `mfa_token` is bound to the client of its `require`.
    [[nodiscard]] caller client(std::string_view id) && { return with(client_, id); }

    /// What authenticator apps show beside the issuer.
    [[nodiscard]] caller account_label(std::string_view label) && { return with(account_label_, label); }

    /// What you believe of the user.
    [[nodiscard]] caller expects(expectation what) && noexcept {
        expects_ = what;
        return std::move(*this);
    }

    /// The first factor asked for the MFA audience with these scopes, separated by spaces.
    [[nodiscard]] caller mfa_audience(std::string_view scopes) && { return with(mfa_audience_, scopes); }

    /// What the user is about to do; it comes back in `verified`.
    [[nodiscard]] caller transaction(std::string_view context) && { return with(transaction_, context); }

    /// Step-up: the user is logged in, and is about to do what `context` says.
    [[nodiscard]] caller step_up(std::string_view context) && {
        purpose_ = purpose::step_up;
        return with(transaction_, context);
    }

    /// The lowest sequence that the record may have, from an earlier `operation::sequence`.
    [[nodiscard]] caller sequence_min(std::uint64_t sequence) && noexcept {
        sequence_min_ = sequence;
        return std::move(*this);
    }

    /// The language of what is sent (RFC 5646).
    [[nodiscard]] caller locale(std::string_view tag) && { return with(locale_, tag); }

    /// The e-mail addresses that you have verified. An empty list says that there is none.
    [[nodiscard]] caller verified_emails(std::vector<std::string> addresses) && noexcept {
        verified_emails_ = std::move(addresses);
        return std::move(*this);
    }

    /// Demands a second factor.
    [[nodiscard]] caller force() && noexcept {
        force_ = true;
        return std::move(*this);
    }

    /// The user asked to trust this browser; say so at `require`.
    [[nodiscard]] caller trust_browser() && noexcept {
        trust_browser_ = true;
        return std::move(*this);
    }

private:
    friend class engine;
    enum class kind { host, token_of_user, token_of_anybody };
    using fact = std::optional<std::string>;

    caller(kind which, std::string_view user, std::string_view token) : kind_(which), user_(user), token_(token) {}

    caller with(fact &place, std::string_view value) {
        place = std::string(value);
        return std::move(*this);
    }

    void write(detail::json &json) const {
        json.raw("{").name("authority").raw("{");
        if (kind_ == kind::host) {
            json.member("host", user_);
        } else {
            json.name("token").raw("{").member("text", token_.view());
            if (kind_ == kind::token_of_user) json.name("subject").raw("{").member("expected", user_).raw("}");
            if (kind_ == kind::token_of_anybody) json.member("subject", "from_token");
            json.raw("}");
        }
        json.raw("}");
        write_fact(json, "client", client_);
        json.name("facts").raw("{");
        write_facts(json);
        json.raw("}}");
    }

    void write_facts(detail::json &json) const {
        write_fact(json, "account_label", account_label_);
        write_fact(json, "mfa_audience", mfa_audience_);
        write_fact(json, "transaction", transaction_);
        write_fact(json, "locale", locale_);
        if (expects_ == expectation::enrolled) json.member("expects", "enrolled");
        if (expects_ == expectation::not_enrolled) json.member("expects", "not_enrolled");
        if (purpose_ == purpose::step_up) json.member("purpose", "step_up");
        if (sequence_min_) json.name("sequence_min").raw(std::to_string(*sequence_min_));
        if (force_) json.name("force").raw("true");
        if (trust_browser_) json.name("trust_browser").raw("true");
        if (!verified_emails_) return;
        json.name("verified_emails").raw("[");
        for (std::size_t index = 0; index < verified_emails_->size(); ++index) {
            json.raw(index == 0 ? "" : ",").quoted((*verified_emails_)[index]);
        }
        json.raw("]");
    }

    static void write_fact(detail::json &json, std::string_view name, const fact &value) {
        if (value) json.member(name, *value);
    }

    kind kind_;
    std::string user_;
    detail::secret_text token_;
    fact client_, account_label_, mfa_audience_, transaction_, locale_;
    std::optional<std::vector<std::string>> verified_emails_;
    std::optional<std::uint64_t> sequence_min_;
    expectation expects_ = expectation::unknown;
    purpose purpose_ = purpose::log_in;
    bool force_ = false;
    bool trust_browser_ = false;
};

/// Proof that `user` passed what policy asks for. Only `operation::verified` makes one. Owns its texts.
struct [[nodiscard]] verified {
    std::string user;
    std::string authenticator;
    /// Hexadecimal.
    std::string challenge;
    /// For an id token: a JSON array of texts.
    std::string amr;
    /// For an id token.
    std::string acr;
    /// Milliseconds since 1970.
    std::uint64_t at_ms = 0;
    ::mfacore::purpose purpose = ::mfacore::purpose::log_in;
    /// Whether the authenticator was enrolled, not long ago, under a proof that grants little.
    bool is_weak = true;
    /// What was given as `transaction` or `step_up`.
    std::optional<std::string> transaction;

private:
    friend class operation;
    // Not `= default`: that would be an aggregate in C++17, which anybody may make.
    verified() noexcept {}
};

/// Something to send, once. Borrowed from its operation. Log no code.
struct delivery {
    /// `sms`, `voice`, `email` or `auth0` (push).
    std::string_view channel;
    /// The number, the address, or where the push service reaches the device.
    std::string_view destination;
    /// Of a delivery of a code.
    std::optional<std::string_view> code;
    /// The whole delivery.
    std::string_view json;
};

/// Something for the audit log. Borrowed from its operation.
struct event {
    std::string_view name;
    /// The whole event.
    std::string_view json;
};

/// What names one state of a record; never the same twice.
using version = std::array<std::uint8_t, 16>;

/// What a store keeps at a key.
struct record {
    ::mfacore::version version;
    std::vector<std::uint8_t> bytes;
};

/// The same, borrowed.
struct record_view {
    ::mfacore::version version;
    bytes_view bytes;
};

/// What came of a compare-and-swap. `committed`, said of what is not, gives a login away.
enum class swapped : std::int32_t {
    /// It is there and can no longer be undone. Inside your own transaction: after its commit.
    committed = MFACORE_STORED_COMMITTED,
    /// What was there was not what was expected; nothing changed.
    conflict = MFACORE_STORED_CONFLICT,
    /// The store failed, or cannot tell whether it wrote.
    failed = MFACORE_STORED_FAILED,
};

/// The storage of a host. Both methods run on the thread that called `operation::run`, and what they are given is
/// borrowed until they return. They may begin other operations, but not touch the one that they are called for.
/// A method that throws has failed, which is how `load` says it: the operation asks again, and finds out by itself
/// what was written; see `operation::run`. They may not be left by the cancelling of a thread.
/// Whether several threads may use one object is the host's business.
class host_store {
public:
    virtual ~host_store() = default;

    /// What is at `key`, as of every swap committed before; nothing only where that is certain: throw for a timeout,
    /// and never read a replica that lags.
    virtual std::optional<record> load(bytes_view key) = 0;

    /// In one atomic step: what is at `key` must be `expected` (null: nothing may be there); then `next` replaces it,
    /// or, where `next` is null, nothing does.
    virtual swapped swap(bytes_view key, const version *expected, const record_view *next) = 0;

protected:
    host_store() = default;
    host_store(const host_store &) = default;
    host_store &operator=(const host_store &) = default;
};

/// Load `key` after `after_ms` milliseconds; answer with `loaded`, `absent` or `load_failed`.
struct load_wanted {
    bytes_view key;
    std::uint32_t after_ms;
};

/// Compare and swap at `key`; answer with `stored`.
struct swap_wanted {
    bytes_view key;
    /// What must be there; empty: nothing may be.
    std::optional<version> expected;
    /// What replaces it; empty: delete.
    std::optional<record_view> next;
};

/// Nothing more is wanted: the outcome may be read.
struct done {};

/// What an operation wants next. Its views are borrowed until the operation is answered, run or destroyed.
using want = std::variant<load_wanted, swap_wanted, done>;

/// A built-in store: `sqlite:name.db`, a path, or `memory:` for tests. Any number of threads at once. Not across a
/// fork: open it in each process. Destroy it when no call uses it any more.
class store {
public:
    /// Opens it, and makes the file where there is none. Throws `error`.
    [[nodiscard]] static store open(std::string_view url) {
        return store(detail::made<pointer>([&](mfacore_store **out, mfacore_error **failure) {
            return mfacore_store_open(detail::slice(url), out, failure);
        }));
    }

private:
    friend class operation;
    using pointer = detail::handle<mfacore_store, mfacore_store_free>;
    explicit store(pointer opened) noexcept : pointer_(std::move(opened)) {}
    pointer pointer_;
};

/// One call of an engine: run it, or answer what it wants, then read how it ended. Destroyed before its end it has
/// no outcome: deny. It outlives its engine. One thread at a time; it may move between threads. What reads the end
/// throws `error` with `status::order` before it. Texts are borrowed until the operation is destroyed or assigned to;
/// moving it leaves them valid.
class operation {
public:
    /// Runs it to its end over a built-in store; waits on this thread where a try is repeated. A store that fails
    /// throws nothing here: there is no outcome, and `message` says why.
    ::mfacore::outcome run(const store &over) {
        detail::must([&](mfacore_error **failure) {
            return mfacore_operation_run_store(pointer_.get(), over.pointer_.get(), failure);
        });
        return outcome();
    }

    /// The same over the host's storage. A method that throws is asked again, as one that fails, for about a quarter
    /// of a second. Where the operation then ends without an outcome, the last exception is thrown again here; the
    /// operation has ended, and its body may be sent. Where another try went well, what was thrown before is dropped.
    /// So whenever this throws, nobody is logged in.
    ::mfacore::outcome run(host_store &over) {
        adapter between{over, nullptr};
        mfacore_store_table table{};
        table.struct_size = sizeof table;
        table.context = &between;
        table.load = &adapter::load;
        table.swap = &adapter::swap;
        detail::must([&](mfacore_error **failure) { return mfacore_operation_run(pointer_.get(), &table, failure); });
        const ::mfacore::outcome ended = outcome();
        if (ended == ::mfacore::outcome::none && between.thrown) std::rethrow_exception(std::move(between.thrown));
        return ended;
    }

    /// What it wants next, the same until it is answered. Throws `error` where it is being run, or was lost to a bug:
    /// leave the loop then.
    want next() const & {
        mfacore_want wanted{};
        wanted.struct_size = sizeof wanted;
        detail::must([&](mfacore_error **failure) { return mfacore_operation_next(pointer_.get(), &wanted, failure); });
        const bytes_view key = detail::bytes(wanted.key);
        switch (wanted.kind) {
        case MFACORE_WANT_LOAD: return load_wanted{key, wanted.after_ms};
        case MFACORE_WANT_SWAP: {
            swap_wanted swap{key, std::nullopt, std::nullopt};
            if (wanted.has_expected != 0) swap.expected = to_version(wanted.expected);
            if (wanted.is_delete == 0) swap.next = record_view{to_version(wanted.version), detail::bytes(wanted.bytes)};
            return swap;
        }
        case MFACORE_WANT_DONE: return done{};
        default: throw error(status::order, "the operation wants what mfacore.hpp does not know");
        }
    }
    want next() const && = delete;

    /// Answers `load_wanted`: this is there. Copied. An answer to what was not wanted throws `error`, and the
    /// operation denies.
    void loaded(const version &found, bytes_view bytes) { load_answer(MFACORE_LOADED_FOUND, found.data(), bytes); }
    void loaded(const record &found) { loaded(found.version, found.bytes); }

    /// Answers `load_wanted`: certainly nothing is there.
    void absent() { load_answer(MFACORE_LOADED_ABSENT, nullptr, {}); }

    /// Answers `load_wanted`: the store failed, or cannot tell.
    void load_failed() { load_answer(MFACORE_LOADED_FAILED, nullptr, {}); }

    /// Answers `swap_wanted`. Say `swapped::failed` wherever you cannot tell.
    void stored(swapped what) {
        detail::must([&](mfacore_error **failure) {
            return mfacore_operation_stored(pointer_.get(), static_cast<std::int32_t>(what), failure);
        });
    }

    /// How it ended; `none` before that, where it failed, and of a moved-from operation.
    ::mfacore::outcome outcome() const noexcept {
        return static_cast<::mfacore::outcome>(mfacore_operation_outcome(pointer_.get()));
    }

    /// The proof that a user passed, where the outcome is `granted` and what it was passed for is `wanted`: with
    /// nothing said, to log in. Else nothing. A copy, which may outlive the operation.
    std::optional<::mfacore::verified> verified(purpose wanted = purpose::log_in) const {
        if (outcome() != ::mfacore::outcome::granted) return std::nullopt;
        const std::string_view shown = value("verified.purpose");
        if (shown != (wanted == purpose::step_up ? "step_up" : "log_in")) return std::nullopt;
        ::mfacore::verified proof;
        proof.user = value("verified.user");
        proof.authenticator = value("verified.authenticator");
        proof.challenge = value("verified.challenge");
        proof.amr = value("verified.amr");
        proof.acr = value("verified.acr");
        const std::string_view at_ms = value("verified.at_ms");
        const auto read = std::from_chars(at_ms.data(), at_ms.data() + at_ms.size(), proof.at_ms);
        if (read.ec != std::errc()) throw error(status::not_found, "verified.at_ms is no number");
        proof.purpose = wanted;
        proof.is_weak = value("verified.is_weak") != "false";
        if (const auto transaction = find("verified.transaction")) proof.transaction = std::string(*transaction);
        return proof;
    }

    /// A value by name: a member of the body, a text as it is, anything else as JSON; nothing where there is none.
    std::optional<std::string_view> get(std::string_view name) const & { return find(name); }
    std::optional<std::string_view> get(std::string_view name) const && = delete;

    /// The contract's JSON, for the response; empty for 204.
    std::string_view body() const & { return response().second; }
    std::string_view body() const && = delete;

    /// The HTTP status of the response.
    int http_status() const { return response().first; }

    /// Why it was refused or failed, for a log: holds no secret; empty where it was neither.
    std::string_view message() const & {
        mfacore_slice text{};
        detail::must([&](mfacore_error **failure) { return mfacore_operation_message(pointer_.get(), &text, failure); });
        return detail::chars(text);
    }
    std::string_view message() const && = delete;

    /// The record's sequence, for a later `caller::sequence_min`; 0 where none was read, and before the end.
    std::uint64_t sequence() const noexcept { return mfacore_operation_sequence(pointer_.get()); }

    /// What is to be sent, whatever the outcome; nothing before the end.
    std::vector<delivery> deliveries() const & {
        std::vector<delivery> found;
        each_effect(MFACORE_EFFECT_DELIVERY, [&](const mfacore_effect &effect) {
            std::optional<std::string_view> code;
            if (effect.code.data != nullptr) code = detail::chars(effect.code);
            found.push_back({detail::chars(effect.name), detail::chars(effect.destination), code, detail::chars(effect.json)});
        });
        return found;
    }
    std::vector<delivery> deliveries() const && = delete;

    /// What is for the audit log, whatever the outcome; nothing before the end.
    std::vector<event> events() const & {
        std::vector<event> found;
        each_effect(MFACORE_EFFECT_EVENT, [&](const mfacore_effect &effect) {
            found.push_back({detail::chars(effect.name), detail::chars(effect.json)});
        });
        return found;
    }
    std::vector<event> events() const && = delete;

private:
    friend class engine;
    using pointer = detail::handle<mfacore_operation, mfacore_operation_free>;
    explicit operation(pointer begun) noexcept : pointer_(std::move(begun)) {}

    /// Stands between the library, which no exception may enter, and the host's storage.
    struct adapter {
        host_store &over;
        /// What a method threw last.
        std::exception_ptr thrown;

        static std::int32_t load(void *context, mfacore_slice key, mfacore_found *found) noexcept {
            return static_cast<adapter *>(context)->guarded(MFACORE_LOADED_FAILED, [&](host_store &over) -> std::int32_t {
                const std::optional<record> there = over.load(detail::bytes(key));
                if (!there) return MFACORE_LOADED_ABSENT;
                // Where this fails the library takes the load for failed.
                mfacore_found_put(found, there->version.data(), detail::slice(bytes_view(there->bytes)), nullptr);
                return MFACORE_LOADED_FOUND;
            });
        }

        static std::int32_t swap(void *context, mfacore_slice key, const std::uint8_t *expected,
                                 const std::uint8_t *next, mfacore_slice bytes) noexcept {
            return static_cast<adapter *>(context)->guarded(MFACORE_STORED_FAILED, [&](host_store &over) -> std::int32_t {
                std::optional<version> before;
                std::optional<record_view> after;
                if (expected != nullptr) before = to_version(expected);
                if (next != nullptr) after = record_view{to_version(next), detail::bytes(bytes)};
                return static_cast<std::int32_t>(
                    over.swap(detail::bytes(key), before ? &*before : nullptr, after ? &*after : nullptr));
            });
        }

        template <class Work>
        std::int32_t guarded(std::int32_t failed, const Work &work) noexcept {
            try {
                return work(over);
            } catch (...) {
                thrown = std::current_exception();
                return failed;
            }
        }
    };

    static version to_version(const std::uint8_t *bytes) noexcept {
        version copy{};
        for (std::size_t index = 0; index < copy.size(); ++index) copy[index] = bytes[index];
        return copy;
    }

    void load_answer(std::int32_t what, const std::uint8_t *found, bytes_view bytes) {
        detail::must([&](mfacore_error **failure) {
            return mfacore_operation_loaded(pointer_.get(), what, found, detail::slice(bytes), failure);
        });
    }

    std::pair<int, std::string_view> response() const {
        std::int32_t http = 0;
        mfacore_slice json{};
        detail::must([&](mfacore_error **failure) { return mfacore_operation_body(pointer_.get(), &http, &json, failure); });
        return {http, detail::chars(json)};
    }

    std::optional<std::string_view> find(std::string_view name) const {
        mfacore_slice text{};
        bool is_there = true;
        detail::must([&](mfacore_error **failure) {
            const mfacore_status code = mfacore_operation_get(pointer_.get(), detail::slice(name), &text, failure);
            is_there = code != MFACORE_ERROR_NOT_FOUND;
            return is_there ? code : MFACORE_OK;
        });
        if (!is_there) return std::nullopt;
        return detail::chars(text);
    }

    std::string_view value(std::string_view name) const {
        const auto text = find(name);
        if (!text) throw error(status::not_found, "there is no " + std::string(name));
        return *text;
    }

    template <class Take>
    void each_effect(std::int32_t kind, const Take &take) const {
        const std::size_t count = mfacore_operation_effect_count(pointer_.get());
        for (std::size_t index = 0; index < count; ++index) {
            mfacore_effect effect{};
            effect.struct_size = sizeof effect;
            detail::must([&](mfacore_error **failure) {
                return mfacore_operation_effect(pointer_.get(), index, &effect, failure);
            });
            if (effect.kind == kind) take(effect);
        }
    }

    pointer pointer_;
};

/// Root keys, for making engines, which live on without it. Keys are 32 bytes from the system's generator, and are
/// copied: wipe yours. One thread at a time. Throws `error` for a key that was never filled or has another length.
class key_ring {
public:
    /// With the key that seals, and the number that names it. Throws also where the library that is linked is of
    /// another binary interface than this header.
    key_ring(std::uint32_t id, bytes_view root) {
        if (mfacore_abi() != MFACORE_ABI) throw error(status::config, "mfacore.h and the library that is linked differ");
        pointer_ = detail::made<pointer>([&](mfacore_keys **out, mfacore_error **failure) {
            return mfacore_keys_new(id, key(root), out, failure);
        });
    }

    /// Adds a key that opens what it has sealed and seals nothing any more. After an error the ring is as it was.
    void add_retired(std::uint32_t id, bytes_view root) {
        detail::must([&](mfacore_error **failure) {
            return mfacore_keys_add_retired(pointer_.get(), id, key(root), failure);
        });
    }

    /// Sets the key that names budgets: needed with telephones and e-mail, the same for ever.
    void set_naming(bytes_view naming) {
        detail::must([&](mfacore_error **failure) {
            return mfacore_keys_set_naming(pointer_.get(), key(naming), failure);
        });
    }

private:
    friend class engine;
    using pointer = detail::handle<mfacore_keys, mfacore_keys_free>;

    static const std::uint8_t *key(bytes_view bytes) {
        if (bytes.size() != 32) throw error(status::argument, "a key is 32 bytes");
        return bytes.data();
    }

    pointer pointer_;
};

/// Keys and policy of a tenant. Any number of threads at once. Operations outlive it. Every call begins an operation
/// and loads nothing yet; `now_ms` is milliseconds since 1970, 0 the system's clock; without a seed the library asks
/// the system's generator. Throws `error` for what is no call; a refusal is the operation's outcome.
class engine {
public:
    /// With a policy in JSON; empty: the recommended one. Throws `error`, whose text says what to change.
    explicit engine(const key_ring &keys, std::string_view policy_json = {})
        : pointer_(detail::made<pointer>([&](mfacore_engine **out, mfacore_error **failure) {
              return mfacore_engine_new(keys.pointer_.get(), detail::slice(policy_json), out, failure);
          })) {}

    /// An engine of another tenant with the keys of this one, which need not outlive this one.
    [[nodiscard]] engine with_policy(std::string_view tenant, std::string_view policy_json = {}) const {
        return engine(detail::made<pointer>([&](mfacore_engine **out, mfacore_error **failure) {
            return mfacore_engine_with_policy(pointer_.get(), detail::slice(tenant), detail::slice(policy_json), out, failure);
        }));
    }

    /// Any call by its name (`commands` lists them), with the contract's body.
    [[nodiscard]] operation call(std::string_view name, const caller &who, std::string_view body_json = {},
                                 std::uint64_t now_ms = 0, const seed_bytes *seed = nullptr) const {
        detail::json caller_json;
        who.write(caller_json);
        return operation(detail::made<operation::pointer>([&](mfacore_operation **out, mfacore_error **failure) {
            return mfacore_operation_new(pointer_.get(), detail::slice(name), detail::slice(caller_json.view()),
                                         detail::slice(body_json), now_ms, seed == nullptr ? nullptr : seed->data(), out,
                                         failure);
        }));
    }

    /// After the first factor was right: is a second one due? `outcome::done` says no. `who` is the host.
    [[nodiscard]] operation require(const caller &who, std::string_view device_token = {}, std::uint64_t now_ms = 0,
                                    const seed_bytes *seed = nullptr) const {
        detail::json body;
        body.raw("{").optional_member("device_token", device_token).raw("}");
        return call("require", who, body.view(), now_ms, seed);
    }

    /// Takes or picks the authenticator that is to be passed; send its deliveries.
    [[nodiscard]] operation challenge(const caller &who, authenticator_id authenticator = {}, challenge_type type = {},
                                      std::uint64_t now_ms = 0, const seed_bytes *seed = nullptr) const {
        detail::json body;
        body.raw("{").optional_member("authenticator_id", authenticator.view());
        body.optional_member("challenge_type", type.view()).raw("}");
        return call("challenge", who, body.view(), now_ms, seed);
    }

    /// Verifies a typed one-time password.
    [[nodiscard]] operation verify_otp(const caller &who, std::string_view typed, authenticator_id authenticator = {},
                                       std::uint64_t now_ms = 0, const seed_bytes *seed = nullptr) const {
        detail::json body;
        body.raw("{").member("otp", typed).optional_member("authenticator_id", authenticator.view()).raw("}");
        return call("verify_otp", who, body.view(), now_ms, seed);
    }

    /// Verifies what was sent; without a binding code it polls a push.
    [[nodiscard]] operation verify_oob(const caller &who, oob_code sent, binding_code typed = {}, std::uint64_t now_ms = 0,
                                       const seed_bytes *seed = nullptr) const {
        detail::json body;
        body.raw("{").member("oob_code", sent.view()).optional_member("binding_code", typed.view()).raw("}");
        return call("verify_oob", who, body.view(), now_ms, seed);
    }

    /// Verifies a typed recovery code.
    [[nodiscard]] operation verify_recovery_code(const caller &who, std::string_view typed, std::uint64_t now_ms = 0,
                                                 const seed_bytes *seed = nullptr) const {
        detail::json body;
        body.raw("{").member("recovery_code", typed).raw("}");
        return call("verify_recovery_code", who, body.view(), now_ms, seed);
    }

private:
    using pointer = detail::handle<mfacore_engine, mfacore_engine_free>;
    explicit engine(pointer made) noexcept : pointer_(std::move(made)) {}
    pointer pointer_;
};

/// A text that the library has made; wiped when it is destroyed. One thread at a time.
class text {
public:
    /// Borrowed until the text is destroyed or assigned to; empty where it was moved from.
    std::string_view view() const & noexcept { return detail::chars(mfacore_text_get(pointer_.get())); }
    std::string_view view() const && = delete;

    /// A copy, which is yours to wipe.
    std::string str() const { return std::string(view()); }

    using pointer = std::unique_ptr<mfacore_text, detail::freed_by<mfacore_text_free>>;

    /// Takes a text over that a function of mfacore.h gave.
    explicit text(pointer made) noexcept : pointer_(std::move(made)) {}

private:
    pointer pointer_;
};

/// One-time passwords alone, without engine and storage, which leaves guessing to you. Any thread. Throws `error` for
/// a secret or a setting out of its bounds.
namespace otp {

enum class algorithm : std::int32_t { sha1 = MFACORE_OTP_SHA1, sha256 = MFACORE_OTP_SHA256, sha512 = MFACORE_OTP_SHA512 };

/// What an app and its server agree on.
struct parameters {
    otp::algorithm algorithm = otp::algorithm::sha1;
    std::uint32_t digits = 6;
    std::uint32_t period_s = 30;
};

namespace detail {

inline mfacore_totp totp(std::string_view secret, const parameters &as, std::uint32_t back = 0, std::uint32_t forward = 0) {
    // Zero, which means an app's setting in C, is out of its bounds here.
    if (as.digits == 0 || as.period_s == 0) throw error(status::config, "digits and period are not zero");
    mfacore_totp filled{};
    filled.struct_size = sizeof filled;
    filled.secret = ::mfacore::detail::slice(secret);
    filled.algorithm = static_cast<std::int32_t>(as.algorithm);
    filled.digits = as.digits;
    filled.period_s = as.period_s;
    filled.steps_back = back;
    filled.steps_forward = forward;
    return filled;
}

} // namespace detail

/// How far from the current step a code may be.
struct window {
    std::uint32_t steps_back = 1;
    std::uint32_t steps_forward = 0;
};

/// The time step of an accepted code (RFC 6238): keep it beside the secret.
struct step {
    std::uint64_t number;
};

/// No number of it is true or false.
enum class verdict : std::int32_t {
    wrong = MFACORE_OTP_WRONG,
    accepted = MFACORE_OTP_ACCEPTED,
    /// Right, at or below the last step: refuse it.
    replayed = MFACORE_OTP_REPLAYED,
};

/// What came of a check. `step` is there only where the code was accepted.
struct [[nodiscard]] checked {
    otp::verdict verdict = otp::verdict::wrong;
    std::optional<otp::step> step;
};

using typed_code = ::mfacore::detail::named<struct typed_code_meaning>;
using issuer = ::mfacore::detail::named<struct issuer_meaning>;
using account = ::mfacore::detail::named<struct account_meaning>;

/// A new secret of 20 bytes, in base32.
[[nodiscard]] inline text new_secret() {
    return text(::mfacore::detail::made<text::pointer>(mfacore_otp_new_secret));
}

/// The code at `now_ms`, 0 being the system's clock: what an app shows, for tests and devices.
[[nodiscard]] inline text generate(std::string_view secret, std::uint64_t now_ms = 0, const parameters &as = {}) {
    const mfacore_totp totp = detail::totp(secret, as);
    return text(::mfacore::detail::made<text::pointer>([&](mfacore_text **out, mfacore_error **failure) {
        return mfacore_otp_generate(&totp, now_ms, out, failure);
    }));
}

/// Checks a typed code in constant time. Where it is accepted keep its step, in one transaction with the login, and
/// hand it to the next check as `last`, or a code is accepted twice; where it is not, keep the one that you have.
inline checked check(std::string_view secret, typed_code typed, std::optional<step> last, std::uint64_t now_ms = 0,
                     const window &around = {}, const parameters &as = {}) {
    if (last && last->number == MFACORE_OTP_NO_STEP) throw error(status::argument, "the last step is no step");
    std::int32_t result = MFACORE_OTP_WRONG;
    std::uint64_t matched = 0;
    const mfacore_totp totp = detail::totp(secret, as, around.steps_back, around.steps_forward);
    ::mfacore::detail::must([&](mfacore_error **failure) {
        return mfacore_otp_check(&totp, ::mfacore::detail::slice(typed.view()), now_ms, last ? last->number : MFACORE_OTP_NO_STEP,
                                 &result, &matched, failure);
    });
    checked found;
    found.verdict = static_cast<verdict>(result);
    if (found.verdict == verdict::accepted) found.step = step{matched};
    return found;
}

/// The `otpauth` URI that apps scan. The issuer may be empty.
[[nodiscard]] inline text uri(std::string_view secret, issuer by, account of, const parameters &as = {}) {
    const mfacore_totp totp = detail::totp(secret, as);
    return text(::mfacore::detail::made<text::pointer>([&](mfacore_text **out, mfacore_error **failure) {
        return mfacore_otp_uri(&totp, ::mfacore::detail::slice(by.view()), ::mfacore::detail::slice(of.view()), out, failure);
    }));
}

/// A text as a QR code in SVG, for a web page.
[[nodiscard]] inline text qr_svg(std::string_view shown) {
    return text(::mfacore::detail::made<text::pointer>([&](mfacore_text **out, mfacore_error **failure) {
        return mfacore_qr_svg(::mfacore::detail::slice(shown), out, failure);
    }));
}

} // namespace otp
} // namespace mfacore

#endif // MFACORE_HPP
