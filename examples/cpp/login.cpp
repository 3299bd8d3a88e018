// A second factor at login, on a SQLite file: ann enrolls an app at her first login, and passes it.
// Usage: login FILE, where FILE is the store.
#include <mfacore.hpp>

#include <exception>
#include <iostream>

// Runs an operation to its end and says how it went.
static mfacore::outcome run(mfacore::operation &operation, const mfacore::store &store, const char *what) {
    const mfacore::outcome outcome = operation.run(store);
    std::cout << what << ": " << mfacore::to_string(outcome) << ", HTTP " << operation.http_status() << "\n";
    return outcome;
}

static int login(const char *file) {
    // Once in a process: any number of threads may use these two. The key is yours: 32 bytes from the system's
    // generator, from your secret manager.
    const mfacore::key_ring keys(1, mfacore::bytes_view("not a key, but what shows where."));
    const mfacore::engine engine(keys, R"({"profile":"recommended","enforcement":"always","issuer":"ACME"})");
    const auto store = mfacore::store::open(file);

    // The password was right. Is a second factor due?
    auto require = engine.require(mfacore::caller::host("ann"));
    if (run(require, store, "require") != mfacore::outcome::required) return 1;
    const auto ann = mfacore::caller::token(require.get("mfa_token").value()).of("ann"); // keep the token in the session

    // She has none yet, and takes an app: any call goes by its name, with the contract's JSON.
    auto associate = engine.call("associate", ann, R"({"authenticator_types":["otp"]})");
    if (run(associate, store, "associate") != mfacore::outcome::done) return 1;

    // Her app scans `barcode_uri` and shows a code, which she types.
    const auto code = mfacore::otp::generate(associate.get("secret").value());
    auto verify = engine.verify_otp(ann, code.view());
    run(verify, store, "verify_otp");
    const auto proof = verify.verified();
    if (!proof) return 1;
    std::cout << "log in " << proof->user << "\n";
    return 0;
}

int main(int argc, char **argv) try {
    return argc == 2 ? login(argv[1]) : 2;
} catch (const std::exception &failure) {
    std::cerr << failure.what() << "\n"; // A server would log it and deny.
    return 1;
}
