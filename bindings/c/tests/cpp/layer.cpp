// The C++ layer, checked by itself: the exit code is the number of checks that failed, at most 100.
#include <mfacore.hpp>

#include <mfacore.hpp> // twice: it guards itself

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#ifdef CHECK
#error "mfacore.hpp leaves a macro behind"
#endif

using mfacore::caller;
using mfacore::outcome;
using mfacore::status;
using mfacore::swapped;
using namespace std::string_literals;

// --- What must not compile -----------------------------------------------------------------------------------------

template <class, template <class> class Use, class T>
struct compiles_for : std::false_type {};
template <template <class> class Use, class T>
struct compiles_for<std::void_t<Use<T>>, Use, T> : std::true_type {};
template <template <class> class Use, class T>
constexpr bool compiles = compiles_for<void, Use, T>::value;

template <class T>
constexpr bool is_handle =
    std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> && !std::is_copy_constructible_v<T> &&
    !std::is_copy_assignable_v<T> && std::is_nothrow_destructible_v<T> && !std::is_constructible_v<bool, T> &&
    !std::is_default_constructible_v<T> && sizeof(T) == sizeof(void *);
static_assert(is_handle<mfacore::key_ring> && is_handle<mfacore::engine> && is_handle<mfacore::store>);
static_assert(is_handle<mfacore::operation> && is_handle<mfacore::text>);

template <class T>
constexpr bool is_no_bool = !std::is_convertible_v<T, bool> && !std::is_convertible_v<T, int>;
static_assert(is_no_bool<outcome> && is_no_bool<mfacore::otp::verdict> && is_no_bool<mfacore::otp::checked>);
static_assert(is_no_bool<mfacore::verified> && is_no_bool<swapped> && is_no_bool<status>);
static_assert(static_cast<int>(outcome::none) == 0 && static_cast<int>(outcome::granted) == 0x4D464121);

template <class T> using get = decltype(std::declval<T>().get("x"));
template <class T> using body = decltype(std::declval<T>().body());
template <class T> using message = decltype(std::declval<T>().message());
template <class T> using deliveries = decltype(std::declval<T>().deliveries());
template <class T> using events = decltype(std::declval<T>().events());
template <class T> using next = decltype(std::declval<T>().next());
template <class T> using view = decltype(std::declval<T>().view());
template <template <class> class Use, class T>
constexpr bool is_borrowed = compiles<Use, T &> && compiles<Use, const T &> && !compiles<Use, T> && !compiles<Use, const T>;
static_assert(is_borrowed<get, mfacore::operation> && is_borrowed<body, mfacore::operation>);
static_assert(is_borrowed<message, mfacore::operation> && is_borrowed<next, mfacore::operation>);
static_assert(is_borrowed<deliveries, mfacore::operation> && is_borrowed<events, mfacore::operation>);
static_assert(is_borrowed<view, mfacore::text>);

// A proof is made by an operation alone: no constructor, no braces.
template <class T> using braces = decltype(T{});
template <class T> using filled = decltype(T{"eve"s});
static_assert(!std::is_default_constructible_v<mfacore::verified> && !std::is_aggregate_v<mfacore::verified>);
static_assert(!compiles<braces, mfacore::verified> && !compiles<filled, mfacore::verified>);

// A caller says whose token it is; neither a text nor a token without an owner is one.
template <class T> using verifies = decltype(std::declval<const mfacore::engine &>().verify_otp(std::declval<T>(), "1"));
static_assert(compiles<verifies, caller> && compiles<verifies, const caller &>);
static_assert(!compiles<verifies, caller::unsaid> && !compiles<verifies, std::string> && !compiles<verifies, const char *>);
static_assert(!std::is_default_constructible_v<caller> && std::is_nothrow_move_constructible_v<caller>);

// Texts that could be swapped have types of their own.
template <class T> using polls = decltype(std::declval<const mfacore::engine &>().verify_oob(std::declval<caller>(), std::declval<T>()));
static_assert(compiles<polls, mfacore::oob_code> && !compiles<polls, mfacore::binding_code> && !compiles<polls, const char *>);
static_assert(!std::is_convertible_v<std::string, mfacore::bytes_view> && !std::is_abstract_v<mfacore::engine>);
static_assert(std::is_convertible_v<std::vector<std::uint8_t>, mfacore::bytes_view>);
static_assert(std::is_abstract_v<mfacore::host_store> && std::has_virtual_destructor_v<mfacore::host_store>);

// --- What all tests share ------------------------------------------------------------------------------------------

static std::atomic<int> failures{0};

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            ++failures;                                                          \
        }                                                                        \
    } while (false)

/// The status and the text of what a call throws.
static std::pair<int, std::string> thrown(const std::function<void()> &call) {
    try {
        call();
    } catch (const mfacore::error &failure) {
        return {static_cast<int>(failure.status()), failure.what()};
    }
    return {0, "nothing was thrown"};
}

static bool throws(status expected, const std::function<void()> &call) {
    const auto [code, text] = thrown(call);
    const bool is_right = code == static_cast<int>(expected) && !text.empty();
    if (!is_right) std::fprintf(stderr, "status %d: %s\n", code, text.c_str());
    return is_right;
}

constexpr std::uint64_t now_ms = 1767225600000;
constexpr std::string_view policy = R"({"profile":"recommended","enforcement":"always","issuer":"ACME",
    "factors":["otp","phone","recovery-code"]})";

static mfacore::key_ring keys() {
    mfacore::key_ring ring(1, mfacore::bytes_view("the key that all scenarios share"));
    ring.set_naming(mfacore::bytes_view("the naming key of all scenarios."));
    return ring;
}

static mfacore::engine engine() { return mfacore::engine(keys(), policy); }

/// A host's store, as a host would write it.
class map_store : public mfacore::host_store {
public:
    std::optional<mfacore::record> load(mfacore::bytes_view key) override {
        const std::lock_guard<std::mutex> guard(mutex);
        const auto found = records.find(key.to_vector());
        if (found == records.end()) return std::nullopt;
        return found->second;
    }

    swapped swap(mfacore::bytes_view key, const mfacore::version *expected, const mfacore::record_view *next) override {
        const std::lock_guard<std::mutex> guard(mutex);
        const auto found = records.find(key.to_vector());
        const bool is_there = found != records.end();
        if (is_there != (expected != nullptr)) return swapped::conflict;
        if (is_there && found->second.version != *expected) return swapped::conflict;
        if (next != nullptr) {
            records[key.to_vector()] = mfacore::record{next->version, next->bytes.to_vector()};
        } else if (is_there) {
            records.erase(found);
        }
        return swapped::committed;
    }

    std::map<std::vector<std::uint8_t>, mfacore::record> records;

private:
    std::mutex mutex;
};

/// Answers what an operation wants, as an event loop would.
static outcome by_loop(mfacore::operation &operation, mfacore::host_store &store) {
    for (;;) {
        const mfacore::want want = operation.next();
        if (const auto *load = std::get_if<mfacore::load_wanted>(&want)) {
            if (const auto found = store.load(load->key)) operation.loaded(*found);
            else operation.absent();
        } else if (const auto *swap = std::get_if<mfacore::swap_wanted>(&want)) {
            operation.stored(store.swap(swap->key, swap->expected ? &*swap->expected : nullptr,
                                        swap->next ? &*swap->next : nullptr));
        } else {
            return operation.outcome();
        }
    }
}

/// The three ways to run an operation.
using driver = std::function<outcome(mfacore::operation &)>;

static std::string member(const mfacore::operation &operation, std::string_view name) {
    const auto found = operation.get(name);
    if (!found) std::fprintf(stderr, "there is no %s in %s\n", std::string(name).c_str(), std::string(operation.body()).c_str());
    return found ? std::string(*found) : std::string();
}

static mfacore::operation associate_app(const mfacore::engine &engine, const caller &who) {
    return engine.call("associate", who, R"({"authenticator_types":["otp"]})", now_ms);
}

/// Enrolls an app; gives its secret.
static std::string enrolled(const mfacore::engine &engine, const driver &run, const std::string &user) {
    auto require = engine.require(caller::host(user), {}, now_ms);
    CHECK(run(require) == outcome::required);
    const auto who = caller::token(member(require, "mfa_token")).of(user);
    auto associate = associate_app(engine, who);
    CHECK(run(associate) == outcome::done);
    const std::string secret = member(associate, "secret");
    auto verify = engine.verify_otp(who, mfacore::otp::generate(secret, now_ms).str(), {}, now_ms);
    CHECK(run(verify) == outcome::granted);
    const auto proof = verify.verified();
    CHECK(proof && proof->user == user);
    return secret;
}

/// The `mfa_token` of a login that needs a factor.
static std::string begun(const mfacore::engine &engine, const driver &run, const caller &host) {
    auto require = engine.require(host, {}, now_ms);
    CHECK(run(require) == outcome::required);
    return member(require, "mfa_token");
}

// --- Tests ---------------------------------------------------------------------------------------------------------

static void the_library_says_what_it_is() {
    CHECK(mfacore::library_version() == MFACORE_VERSION);
    CHECK(mfacore::commands().find(R"("verify_otp")") != std::string_view::npos);
    CHECK(mfacore::to_string(outcome::granted) == "granted" && mfacore::to_string(outcome::none) == "none");
    CHECK(mfacore::to_string(static_cast<outcome>(1)) == "unknown");
}

static void errors_have_status_and_text() {
    const auto short_key = thrown([] { mfacore::key_ring(1, mfacore::bytes_view("short")); });
    CHECK(short_key == std::make_pair(MFACORE_ERROR_ARGUMENT, "a key is 32 bytes"s));
    CHECK(throws(status::config, [] { mfacore::key_ring(1, std::array<std::uint8_t, 32>{}); }));
    auto ring = keys();
    CHECK(throws(status::config, [&] { ring.add_retired(1, mfacore::bytes_view("a key with the id of another one")); }));
    CHECK(throws(status::argument, [&] { ring.add_retired(2, {}); }));
    CHECK(throws(status::argument, [&] { ring.set_naming(mfacore::bytes_view("short")); }));
    const auto refused = thrown([&] { mfacore::engine(ring, R"({"profile":"none such"})"); });
    CHECK(refused.first == MFACORE_ERROR_CONFIG && refused.second.find("recommended") != std::string::npos);
    CHECK(throws(status::utf8, [&] { mfacore::engine(ring, "\xff"); }));
    CHECK(throws(status::store, [] { (void)mfacore::store::open("/no/such/folder/mfa.db"); }));
    const auto made = engine();
    CHECK(throws(status::config, [&] { (void)made.with_policy("", policy); }));
    CHECK(throws(status::argument, [] { (void)caller::token("x").of(""); }));
    CHECK(throws(status::utf8, [&] { (void)made.require(caller::host("\xc3\x28")); }));
    CHECK(throws(status::utf8, [&] { (void)made.verify_otp(caller::token("\xff").of("ann"), "123456"); }));
    CHECK(throws(status::utf8, [&] { (void)made.verify_otp(caller::token("x").of("ann"), "\xff"); }));
    CHECK(throws(status::config, [&] { (void)made.require(caller::host("ann").mfa_audience("everything")); }));
    // A refusal is no error.
    const auto store = mfacore::store::open("memory:");
    auto unknown = made.call("no_such_call", caller::host("ann"));
    unknown.run(store);
    CHECK(unknown.outcome() != outcome::done && unknown.http_status() >= 400 && !unknown.message().empty());
    // An error copies without a throw, as every exception should.
    static_assert(std::is_nothrow_copy_constructible_v<mfacore::error>);
}

static void handles_move() {
    auto ring = keys();
    auto ring_then = std::move(ring);
    CHECK(throws(status::argument, [&] { mfacore::engine(ring, policy); })); // NOLINT: what was moved from throws
    mfacore::engine first(ring_then, policy);
    auto second = std::move(first);
    CHECK(throws(status::argument, [&] { (void)first.require(caller::host("ann")); }));
    CHECK(throws(status::argument, [&] { (void)first.with_policy("other"); }));
    auto store = mfacore::store::open("memory:");
    auto store_then = std::move(store);
    auto operation = second.require(caller::host("ann"), {}, now_ms);
    CHECK(throws(status::argument, [&] { operation.run(store); }));
    CHECK(operation.run(store_then) == outcome::required);
    const std::string_view token = operation.get("mfa_token").value();
    auto moved = std::move(operation);
    CHECK(moved.get("mfa_token") == token && moved.get("mfa_token")->data() == token.data());
    CHECK(operation.outcome() == outcome::none && operation.sequence() == 0 && operation.events().empty());
    CHECK(!operation.verified() && operation.deliveries().empty());
    CHECK(throws(status::argument, [&] { (void)operation.body(); }));
    CHECK(throws(status::argument, [&] { (void)operation.next(); }));
    operation = std::move(moved);
    CHECK(operation.outcome() == outcome::required);
    operation = second.require(caller::host("bob"), {}, now_ms);
    CHECK(operation.outcome() == outcome::none);
    auto text = mfacore::otp::new_secret();
    const std::string secret = text.str();
    auto text_then = std::move(text);
    CHECK(text_then.view() == secret && text.view().empty() && text.str().empty());
    second = mfacore::engine(ring_then); // the recommended policy as it is
    CHECK(operation.run(store_then) == outcome::required); // it outlives its engine
}

static void a_login_goes_alike_over_each_storage() {
    const auto made = engine();
    const auto built_in = mfacore::store::open("memory:");
    map_store by_table, by_steps;
    const driver drivers[] = {
        [&](mfacore::operation &operation) { return operation.run(built_in); },
        [&](mfacore::operation &operation) { return operation.run(by_table); },
        [&](mfacore::operation &operation) { return by_loop(operation, by_steps); },
    };
    std::vector<std::string> bodies;
    for (const driver &run : drivers) {
        mfacore::seed_bytes seed{};
        seed[0] = 7;
        auto require = made.require(caller::host("ann").client("web"), {}, now_ms, &seed);
        CHECK(!require.verified() && require.outcome() == outcome::none);
        CHECK(throws(status::order, [&] { (void)require.body(); }));
        CHECK(throws(status::order, [&] { (void)require.get("mfa_token"); }));
        CHECK(throws(status::order, [&] { (void)require.message(); }));
        CHECK(throws(status::order, [&] { (void)require.http_status(); }));
        CHECK(run(require) == outcome::required && require.http_status() == 403);
        CHECK(require.get("error") == "mfa_required" && !require.get("no_such_member") && !require.get("verified.user"));
        CHECK(!require.verified());
        bodies.emplace_back(require.body());
        const auto ann = caller::token(member(require, "mfa_token")).of("ann").client("web");
        seed[0] = 8;
        auto associate = made.call("associate", ann, R"({"authenticator_types":["otp"]})", now_ms, &seed);
        CHECK(run(associate) == outcome::done && associate.events().size() == 1 && associate.deliveries().empty());
        CHECK(associate.events()[0].name == "enrollment_started");
        CHECK(associate.events()[0].json.find("enrollment_started") != std::string_view::npos);
        CHECK(associate.sequence() > require.sequence());
        bodies.emplace_back(associate.body());
        const std::string code = mfacore::otp::generate(member(associate, "secret"), now_ms).str();
        auto wrong = made.verify_otp(ann, code == "123456" ? "123457" : "123456", {}, now_ms);
        CHECK(run(wrong) == outcome::denied && !wrong.verified() && !wrong.verified(mfacore::purpose::step_up));
        CHECK(wrong.get("error") == "invalid_grant" && !wrong.get("verified.user") && !wrong.message().empty());
        auto eve = made.verify_otp(caller::token(member(require, "mfa_token")).of("eve").client("web"), code, {}, now_ms);
        CHECK(run(eve) == outcome::denied && !eve.verified());
        auto client = made.verify_otp(caller::token(member(require, "mfa_token")).of("ann").client("x"), code, {}, now_ms);
        CHECK(run(client) == outcome::denied && !client.verified());
        auto verify = made.verify_otp(ann, code, {}, now_ms);
        CHECK(run(verify) == outcome::granted && verify.message().empty());
        const auto proof = verify.verified();
        CHECK(proof && proof->user == "ann" && proof->at_ms == now_ms && !proof->is_weak && !proof->transaction);
        CHECK(proof && !proof->authenticator.empty() && proof->challenge.size() == 32 && !proof->acr.empty());
        CHECK(proof && proof->amr.front() == '[' && proof->amr.find("otp") != std::string::npos);
        CHECK(proof && proof->purpose == mfacore::purpose::log_in && !verify.verified(mfacore::purpose::step_up));
        auto again = made.verify_otp(ann, code, {}, now_ms);
        CHECK(run(again) != outcome::granted && !again.verified());
    }
    CHECK(bodies.size() == 6 && bodies[0] == bodies[2] && bodies[0] == bodies[4]);
    CHECK(bodies[1] == bodies[3] && bodies[1] == bodies[5]);
    CHECK(!by_table.records.empty() && by_table.records.size() == by_steps.records.size());
}

static void proof_is_for_one_purpose() {
    const auto made = engine();
    map_store store;
    const driver run = [&](mfacore::operation &operation) { return operation.run(store); };
    const std::string secret = enrolled(made, run, "ann");
    const auto later = now_ms + 30000;
    const std::string token = begun(made, run, caller::host("ann").step_up("Pay 100 EUR to Bob"));
    auto verify = made.verify_otp(caller::token(token).of_whoever_it_names(),
                                  mfacore::otp::generate(secret, later).str(), {}, later);
    CHECK(run(verify) == outcome::granted && !verify.verified());
    const auto proof = verify.verified(mfacore::purpose::step_up);
    CHECK(proof && proof->purpose == mfacore::purpose::step_up && proof->transaction == "Pay 100 EUR to Bob");
}

static void codes_are_sent_and_verified() {
    const auto made = engine();
    map_store store;
    const driver run = [&](mfacore::operation &operation) { return operation.run(store); };
    const auto ann = caller::token(begun(made, run, caller::host("ann"))).of("ann");
    const std::string number = "+4930123459167";
    auto associate = made.call(
        "associate", ann,
        R"({"authenticator_types":["oob"],"oob_channels":["sms"],"phone_number":)" + mfacore::json_text(number) + "}", now_ms);
    CHECK(run(associate) == outcome::done);
    const auto sent = associate.deliveries();
    CHECK(sent.size() == 1 && sent[0].channel == "sms" && sent[0].destination == number && sent[0].code);
    CHECK(!associate.events().empty() && associate.events().front().name == "enrollment_started");
    const std::string recovery = member(associate, "recovery_codes");
    const std::string code(sent.empty() ? "" : sent[0].code.value_or(""));
    auto confirm = made.verify_oob(ann, mfacore::oob_code(member(associate, "oob_code")), mfacore::binding_code(code), now_ms);
    CHECK(run(confirm) == outcome::granted && confirm.verified());

    const auto again = caller::token(begun(made, run, caller::host("ann"))).of("ann").locale("de-DE");
    auto list = made.call("list_authenticators", again, {}, now_ms);
    CHECK(run(list) == outcome::done);
    const std::string listed(list.body());
    const std::size_t id = listed.find(R"("id":")") + 6;
    const std::string sms = listed.substr(id, listed.find('"', id) - id);
    auto challenge = made.challenge(again, mfacore::authenticator_id(sms), mfacore::challenge_type("oob"), now_ms);
    CHECK(run(challenge) == outcome::done && challenge.deliveries().size() == 1);
    CHECK(challenge.get("authenticator_id") == sms);
    CHECK(challenge.deliveries()[0].json.find("de-DE") != std::string_view::npos);
    auto missing = made.verify_oob(again, mfacore::oob_code(member(challenge, "oob_code")), {}, now_ms);
    CHECK(run(missing) == outcome::denied && missing.message().find("binding_code") != std::string_view::npos);

    auto recover = made.verify_recovery_code(again, recovery.substr(2, recovery.find('"', 2) - 2), now_ms);
    CHECK(run(recover) == outcome::granted && recover.verified());
}

static void a_trusted_browser_needs_no_factor() {
    const auto made = engine();
    map_store store;
    const driver run = [&](mfacore::operation &operation) { return operation.run(store); };
    const std::string secret = enrolled(made, run, "ann");
    const auto later = now_ms + 30000;
    const auto ann = caller::token(begun(made, run, caller::host("ann").trust_browser())).of("ann");
    auto verify = made.verify_otp(ann, mfacore::otp::generate(secret, later).str(), {}, later);
    CHECK(run(verify) == outcome::granted);
    const std::string device = member(verify, "device_token");
    auto trusted = made.require(caller::host("ann"), device, later);
    CHECK(run(trusted) == outcome::done && !trusted.verified());
    auto forced = made.require(caller::host("ann").force(), device, later);
    CHECK(run(forced) == outcome::required);
    // The host knows of a user whom the store does not.
    map_store lost;
    auto expected = made.require(caller::host("ann").expects(mfacore::expectation::enrolled), {}, later);
    CHECK(expected.run(lost) != outcome::done && expected.outcome() != outcome::required);
    auto old = made.require(caller::host("ann").sequence_min(1000000), {}, later);
    CHECK(old.run(store) != outcome::done && old.outcome() != outcome::required);
}

static void tenants_are_apart() {
    const auto first = engine();
    const auto second = first.with_policy("other", policy);
    map_store store;
    const driver run = [&](mfacore::operation &operation) { return operation.run(store); };
    const std::string token = begun(first, run, caller::host("ann"));
    auto associate = associate_app(second, caller::token(token).of("ann"));
    CHECK(run(associate) == outcome::denied);
    auto own = associate_app(first, caller::token(token).of("ann"));
    CHECK(run(own) == outcome::done);
}

/// Throws where it is told to.
class throwing_store : public map_store {
public:
    std::optional<mfacore::record> load(mfacore::bytes_view key) override {
        if (loads_to_fail-- > 0) throw std::range_error("load");
        return map_store::load(key);
    }
    swapped swap(mfacore::bytes_view key, const mfacore::version *expected, const mfacore::record_view *next) override {
        if (swaps_to_fail-- <= 0) return map_store::swap(key, expected, next);
        if (writes_first) map_store::swap(key, expected, next);
        throw 7; // no std::exception either
    }
    int loads_to_fail = 0;
    int swaps_to_fail = 0;
    bool writes_first = false;
};

static void a_store_that_throws_logs_nobody_in() {
    const auto made = engine();
    throwing_store store;
    const driver run = [&](mfacore::operation &operation) { return operation.run(store); };
    auto require = made.require(caller::host("ann"), {}, now_ms);
    store.loads_to_fail = 1000;
    std::string told;
    try {
        require.run(store);
    } catch (const std::range_error &failure) {
        told = failure.what();
    }
    CHECK(told == "load" && require.outcome() == outcome::none && !require.verified());
    CHECK(require.http_status() >= 500 && !require.body().empty() && !require.message().empty());
    CHECK(require.run(store) == outcome::none); // it has ended: nothing runs, nothing is thrown
    store.loads_to_fail = 0;

    const auto ann = caller::token(begun(made, run, caller::host("ann"))).of("ann");
    auto associate = associate_app(made, ann);
    CHECK(run(associate) == outcome::done);
    const std::string code = mfacore::otp::generate(member(associate, "secret"), now_ms).str();
    auto lost = made.verify_otp(ann, code, {}, now_ms);
    store.swaps_to_fail = 1000;
    int number = 0;
    try {
        lost.run(store);
    } catch (int thrown_number) {
        number = thrown_number;
    }
    CHECK(number == 7 && lost.outcome() == outcome::none && !lost.verified() && lost.http_status() >= 400);
    CHECK(store.swaps_to_fail > 900); // its tries are bounded
    store.swaps_to_fail = 0;

    // Thrown once, and overcome by another try.
    store.loads_to_fail = 1;
    auto wrong = made.verify_otp(ann, code == "123456" ? "123457" : "123456", {}, now_ms);
    CHECK(run(wrong) == outcome::denied && wrong.get("error") == "invalid_grant");

    // Written, then thrown, as a connection that breaks after the commit: found out by another load, and overcome.
    store.swaps_to_fail = 1;
    store.writes_first = true;
    auto verify = made.verify_otp(ann, code, {}, now_ms);
    CHECK(run(verify) == outcome::granted && verify.verified());
}

/// Calls back into the operation that it is called for.
class meddling_store : public map_store {
public:
    std::optional<mfacore::record> load(mfacore::bytes_view) override {
        CHECK(operation->outcome() == outcome::none && !operation->verified());
        CHECK(throws(status::order, [&] { (void)operation->next(); }));
        CHECK(throws(status::order, [&] { operation->absent(); }));
        operation->run(*this);
        return std::nullopt;
    }
    mfacore::operation *operation = nullptr;
};

static void a_store_may_not_touch_its_operation() {
    const auto made = engine();
    meddling_store store;
    auto require = made.require(caller::host("ann"), {}, now_ms);
    store.operation = &require;
    CHECK(throws(status::order, [&] { require.run(store); }));
    CHECK(require.outcome() == outcome::none);
}

/// Says what is not so.
class lying_store : public map_store {
public:
    std::optional<mfacore::record> load(mfacore::bytes_view key) override {
        auto found = map_store::load(key);
        if (found && spoils_version) found->version[0] = static_cast<std::uint8_t>(found->version[0] ^ 1);
        if (found && spoils_bytes) found->bytes.back() = static_cast<std::uint8_t>(found->bytes.back() ^ 1);
        if (found && empties) found->bytes.clear();
        if (is_huge) return mfacore::record{{}, std::vector<std::uint8_t>(17 << 20)};
        return found;
    }
    swapped swap(mfacore::bytes_view key, const mfacore::version *expected, const mfacore::record_view *next) override {
        return answer ? *answer : map_store::swap(key, expected, next);
    }
    bool spoils_version = false, spoils_bytes = false, empties = false, is_huge = false;
    std::optional<swapped> answer;
};

static void a_store_that_lies_logs_nobody_in() {
    const auto made = engine();
    lying_store store;
    const driver run = [&](mfacore::operation &operation) { return operation.run(store); };
    const auto ann = caller::token(begun(made, run, caller::host("ann"))).of("ann");
    auto associate = associate_app(made, ann);
    CHECK(run(associate) == outcome::done);
    const std::string code = mfacore::otp::generate(member(associate, "secret"), now_ms).str();
    const auto tried = [&] {
        auto verify = made.verify_otp(ann, code, {}, now_ms);
        run(verify);
        CHECK(!verify.verified());
        return verify.outcome();
    };
    for (bool lying_store::*lie : {&lying_store::spoils_version, &lying_store::spoils_bytes, &lying_store::empties,
                                   &lying_store::is_huge}) {
        store.*lie = true;
        CHECK(tried() == outcome::none);
        store.*lie = false;
    }
    for (const swapped lie : {swapped::failed, swapped::conflict, static_cast<swapped>(0), static_cast<swapped>(-1)}) {
        store.answer = lie;
        CHECK(tried() == outcome::none);
    }
    store.answer.reset();
    auto verify = made.verify_otp(ann, code, {}, now_ms);
    CHECK(run(verify) == outcome::granted);
}

static void steps_keep_their_order() {
    const auto made = engine();
    map_store store;
    auto require = made.require(caller::host("ann"), {}, now_ms);
    const auto first = require.next();
    const auto *load = std::get_if<mfacore::load_wanted>(&first);
    CHECK(load != nullptr && load->after_ms == 0 && !load->key.empty() && load->key.size() <= 200);
    CHECK(std::holds_alternative<mfacore::load_wanted>(require.next())); // the same until it is answered
    CHECK(throws(status::argument, [&] { require.loaded({}, {nullptr, 1}); }));
    CHECK(std::holds_alternative<mfacore::load_wanted>(require.next())); // and after an answer that was none
    require.absent();
    const auto second = require.next();
    const auto *swap = std::get_if<mfacore::swap_wanted>(&second);
    CHECK(swap != nullptr && !swap->expected && swap->next && !swap->next->bytes.empty());
    CHECK(require.outcome() == outcome::none);
    require.stored(swapped::committed);
    CHECK(std::holds_alternative<mfacore::done>(require.next()) && require.outcome() == outcome::required);
    CHECK(throws(status::order, [&] { require.absent(); }));
    CHECK(require.outcome() == outcome::required);

    auto disordered = made.require(caller::host("ann"), {}, now_ms);
    CHECK(throws(status::order, [&] { disordered.stored(swapped::committed); }));
    CHECK(std::holds_alternative<mfacore::done>(disordered.next()) && disordered.outcome() == outcome::none);

    auto failed = made.require(caller::host("ann"), {}, now_ms);
    std::uint32_t waited_ms = 0;
    for (mfacore::want want = failed.next(); !std::holds_alternative<mfacore::done>(want); want = failed.next()) {
        waited_ms += std::get<mfacore::load_wanted>(want).after_ms;
        failed.load_failed();
    }
    CHECK(failed.outcome() == outcome::none && failed.http_status() == 503 && waited_ms > 0 && waited_ms < 1000);

    // Given up: nothing is logged in, nothing leaks.
    const auto left = made.require(caller::host("ann"), {}, now_ms);
    CHECK(left.outcome() == outcome::none);

    // A swap that replaces, and one that deletes or leaves a tombstone, carry what must be there.
    auto begin = made.require(caller::host("ann"), {}, now_ms);
    CHECK(by_loop(begin, store) == outcome::required);
    auto associate = associate_app(made, caller::token(member(begin, "mfa_token")).of("ann"));
    const auto wanted = associate.next();
    const auto found = store.load(std::get<mfacore::load_wanted>(wanted).key);
    CHECK(found.has_value());
    if (found) associate.loaded(found->version, found->bytes);
    const auto replaces = associate.next();
    CHECK(found && std::get<mfacore::swap_wanted>(replaces).expected == found->version);
    CHECK(by_loop(associate, store) == outcome::done);
}

static void names_are_escaped() {
    CHECK(mfacore::json_text("") == R"("")");
    CHECK(mfacore::json_text("ann") == R"("ann")");
    CHECK(mfacore::json_text("a\"b\\c/d") == R"("a\"b\\c/d")");
    CHECK(mfacore::json_text("\n\t\x01\x1f\x7f"s + '\0') == "\"\\u000a\\u0009\\u0001\\u001f\x7f\\u0000\"");
    CHECK(mfacore::json_text("\xc3\xa4\xf0\x9f\x94\x91") == "\"\xc3\xa4\xf0\x9f\x94\x91\"");
    const std::string long_text(10000, '"');
    CHECK(mfacore::json_text(long_text).size() == 20002);

    const auto made = engine();
    map_store store;
    const driver run = [&](mfacore::operation &operation) { return operation.run(store); };
    std::string control;
    for (char letter = 1; letter < 0x20; ++letter) control += letter;
    const std::string names[] = {
        R"(ann"}},"client":"admin)", R"(a\)", R"(\u0041)", "\"\"", "a\nb\tc", "j\xc3\xb6rg \xf0\x9f\x94\x91", "{}", control,
    };
    for (const std::string &user : names) {
        const std::string secret = enrolled(made, run, user);
        const auto later = now_ms + 30000;
        const std::string token = begun(made, run, caller::host(user).client(user).transaction(user + control).locale("de"));
        auto eve = made.verify_otp(caller::token(token).of("ann").client(user), "123456", {}, later);
        CHECK(run(eve) == outcome::denied);
        auto verify = made.verify_otp(caller::token(token).of(user).client(user),
                                      mfacore::otp::generate(secret, later).str(), {}, later);
        CHECK(run(verify) == outcome::granted);
        const auto proof = verify.verified();
        CHECK(proof && proof->user == user && proof->transaction == user + control);
    }
    // What a client sent ends no text of ours.
    auto typed = made.verify_otp(caller::token(R"(x","subject":"from_token)").of("ann"), R"(1","otp":"2)", {}, now_ms);
    CHECK(run(typed) == outcome::denied);
    // Every fact at once is a caller; a copy is as good.
    const auto host = caller::host("ann").client("web").account_label("Ann \"A\"").expects(mfacore::expectation::not_enrolled)
                          .mfa_audience("enroll read:authenticators").step_up("x").sequence_min(0).locale("de-DE")
                          .verified_emails({"a\"@example.com", "b@example.com"}).force().trust_browser();
    const auto copy = host;
    auto all = made.require(copy, "no such device", now_ms);
    CHECK(run(all) == outcome::required);
    auto none = made.require(caller::host("bob").verified_emails({}), {}, now_ms);
    CHECK(run(none) == outcome::required);
    // The facts that only show later arrive as they are.
    const auto labelled = caller::token(begun(made, run, caller::host("carl"))).of("carl").account_label("Carl & Co");
    auto app = associate_app(made, labelled);
    CHECK(run(app) == outcome::done && member(app, "barcode_uri").find("Carl%20%26%20Co") != std::string::npos);
    const mfacore::engine by_mail(keys(), R"({"profile":"recommended","enforcement":"always","factors":["otp","email"]})");
    map_store mails;
    auto mailed = by_mail.require(caller::host("dora").verified_emails({"dora@example.com"}), {}, now_ms);
    auto unmailed = by_mail.require(caller::host("emil").verified_emails({}), {}, now_ms);
    CHECK(mailed.run(mails) == outcome::required);
    CHECK(unmailed.run(mails) == outcome::required);
    CHECK(member(mailed, "mfa_requirements").find(R"("email")") != std::string::npos);
    CHECK(member(unmailed, "mfa_requirements") != member(mailed, "mfa_requirements"));
}

static void codes_alone() {
    namespace otp = mfacore::otp;
    // RFC 6238, appendix B.
    const std::string_view sha1 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const std::string_view sha256 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
    const std::string_view sha512 =
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNA";
    const otp::parameters eight{otp::algorithm::sha1, 8, 30};
    CHECK(otp::generate(sha1, 59000, eight).str() == "94287082");
    CHECK(otp::generate(sha1, 1111111109000, eight).str() == "07081804");
    CHECK(otp::generate(sha256, 59000, {otp::algorithm::sha256, 8, 30}).str() == "46119246");
    CHECK(otp::generate(sha512, 59000, {otp::algorithm::sha512, 8, 30}).str() == "90693936");

    const auto code = otp::typed_code("94287082");
    const auto accepted = otp::check(sha1, code, std::nullopt, 59000, {}, eight);
    CHECK(accepted.verdict == otp::verdict::accepted && accepted.step && accepted.step->number == 1);
    const auto replayed = otp::check(sha1, code, accepted.step, 59000, {}, eight);
    CHECK(replayed.verdict == otp::verdict::replayed && !replayed.step);
    const auto wrong = otp::check(sha1, otp::typed_code("94287083"), std::nullopt, 59000, {}, eight);
    CHECK(wrong.verdict == otp::verdict::wrong && !wrong.step);
    CHECK(otp::check(sha1, otp::typed_code("no code"), std::nullopt, 59000).verdict == otp::verdict::wrong);
    CHECK(otp::check(sha1, code, std::nullopt, 89000, {}, eight).verdict == otp::verdict::accepted); // one step back
    CHECK(otp::check(sha1, code, std::nullopt, 119000, {}, eight).verdict == otp::verdict::wrong);
    CHECK(otp::check(sha1, code, std::nullopt, 29000, {}, eight).verdict == otp::verdict::wrong);
    CHECK(otp::check(sha1, code, std::nullopt, 29000, {0, 1}, eight).verdict == otp::verdict::accepted);
    CHECK(otp::check(sha1, code, otp::step{0}, 59000, {}, eight).verdict == otp::verdict::accepted);
    CHECK(throws(status::argument, [&] { (void)otp::check(sha1, code, otp::step{UINT64_MAX}, 59000); }));
    CHECK(throws(status::config, [&] { (void)otp::check("not base32!", code, std::nullopt, 59000); }));
    CHECK(throws(status::config, [&] { (void)otp::generate(sha1, 59000, {otp::algorithm::sha1, 9, 30}); }));
    CHECK(throws(status::config, [&] { (void)otp::generate(sha1, 59000, {otp::algorithm::sha1, 0, 30}); }));
    CHECK(throws(status::config, [&] { (void)otp::generate(sha1, 59000, {otp::algorithm::sha1, 6, 0}); }));
    CHECK(throws(status::argument, [&] { (void)otp::generate(sha1, 59000, {static_cast<otp::algorithm>(2), 6, 30}); }));

    const auto secret = otp::new_secret();
    CHECK(secret.view().size() == 32 && secret.view() != otp::new_secret().str());
    const auto now = otp::generate(secret.view());
    CHECK(otp::check(secret.view(), otp::typed_code(now.view()), std::nullopt).verdict == otp::verdict::accepted);
    const auto uri = otp::uri(sha1, otp::issuer("ACME"), otp::account("ann@example.com"));
    CHECK(uri.view().substr(0, 15) == "otpauth://totp/" && uri.view().find("issuer=ACME") != std::string_view::npos);
    CHECK(otp::uri(sha1, {}, otp::account("ann")).str().find("issuer") == std::string::npos);
    CHECK(otp::qr_svg(uri.view()).str().find("<svg") != std::string::npos);
    CHECK(throws(status::config, [] { (void)otp::qr_svg(std::string(10000, 'x')); }));
}

static void many_threads_share_one_engine() {
    const auto made = engine();
    const auto built_in = mfacore::store::open("memory:");
    map_store own;
    const driver runs[] = {
        [&](mfacore::operation &operation) { return operation.run(built_in); },
        [&](mfacore::operation &operation) { return operation.run(own); },
    };
    for (const driver &run : runs) {
        std::vector<std::thread> threads;
        for (int number = 0; number < 8; ++number) {
            threads.emplace_back([&made, &run, number] {
                for (int turn = 0; turn < 3; ++turn) {
                    enrolled(made, run, "user " + std::to_string(number) + " " + std::to_string(turn));
                }
            });
        }
        for (std::thread &thread : threads) thread.join();

        // One code, eight servers: it is spent once.
        const auto ann = caller::token(begun(made, run, caller::host("ann"))).of("ann");
        auto associate = associate_app(made, ann);
        CHECK(run(associate) == outcome::done);
        const std::string code = mfacore::otp::generate(member(associate, "secret"), now_ms).str();
        std::atomic<int> logins{0};
        threads.clear();
        for (int number = 0; number < 8; ++number) {
            threads.emplace_back([&] {
                auto verify = made.verify_otp(ann, code, {}, now_ms);
                run(verify);
                if (verify.verified()) ++logins;
            });
        }
        for (std::thread &thread : threads) thread.join();
        CHECK(logins == 1);
    }
    // An operation may move to another thread.
    auto operation = made.require(caller::host("carl"), {}, now_ms);
    std::thread([&, moved = std::move(operation)]() mutable { CHECK(moved.run(own) == outcome::required); }).join();
}

int main() try {
    the_library_says_what_it_is();
    errors_have_status_and_text();
    handles_move();
    a_login_goes_alike_over_each_storage();
    proof_is_for_one_purpose();
    codes_are_sent_and_verified();
    a_trusted_browser_needs_no_factor();
    tenants_are_apart();
    a_store_that_throws_logs_nobody_in();
    a_store_may_not_touch_its_operation();
    a_store_that_lies_logs_nobody_in();
    steps_keep_their_order();
    names_are_escaped();
    codes_alone();
    many_threads_share_one_engine();
    return std::min(failures.load(), 100);
} catch (const std::exception &failure) {
    std::fprintf(stderr, "thrown: %s\n", failure.what());
    return 101;
}
