// Storage of the host's own, and an operation by steps, as an event loop takes them.
#include <mfacore.hpp>

#include <exception>
#include <iostream>
#include <map>
#include <mutex>

// Stands for a table of your database, with columns key, version and bytes.
class records final : public mfacore::host_store {
public:
    std::optional<mfacore::record> load(mfacore::bytes_view key) override {
        const std::lock_guard<std::mutex> held(lock_);
        const auto row = rows_.find(key.to_vector());
        if (row == rows_.end()) return std::nullopt; // certainly nothing: throw where you cannot tell
        return row->second;
    }

    mfacore::swapped swap(mfacore::bytes_view key, const mfacore::version *expected,
                          const mfacore::record_view *next) override {
        const std::lock_guard<std::mutex> held(lock_);
        const auto row = rows_.find(key.to_vector());
        const bool is_there = row != rows_.end();
        if (is_there != (expected != nullptr) || (is_there && row->second.version != *expected)) {
            return mfacore::swapped::conflict;
        }
        if (next != nullptr) {
            rows_.insert_or_assign(key.to_vector(), mfacore::record{next->version, next->bytes.to_vector()});
        } else if (is_there) {
            rows_.erase(row);
        }
        return mfacore::swapped::committed; // in a database: after the commit
    }

private:
    std::mutex lock_;
    std::map<std::vector<std::uint8_t>, mfacore::record> rows_;
};

// Answers what an operation wants; says whether it wants more. A loop serves others between two steps.
static bool step(mfacore::operation &operation, records &store) {
    const mfacore::want want = operation.next();
    if (const auto *load = std::get_if<mfacore::load_wanted>(&want)) {
        // Wait load->after_ms milliseconds first: your loop has a timer for it.
        const auto found = store.load(load->key);
        if (found) {
            operation.loaded(*found);
        } else {
            operation.absent();
        }
        return true;
    }
    if (const auto *swap = std::get_if<mfacore::swap_wanted>(&want)) {
        operation.stored(store.swap(swap->key, swap->expected ? &*swap->expected : nullptr,
                                    swap->next ? &*swap->next : nullptr));
        return true;
    }
    return false;
}

int main() try {
    const mfacore::key_ring keys(1, mfacore::bytes_view("not a key, but what shows where."));
    const mfacore::engine engine(keys, R"({"profile":"recommended","enforcement":"always"})");
    records store;

    auto blocking = engine.require(mfacore::caller::host("ann"));
    std::cout << "run: " << mfacore::to_string(blocking.run(store)) << "\n";

    auto stepped = engine.require(mfacore::caller::host("ann"));
    while (step(stepped, store)) {
    }
    std::cout << "steps: " << mfacore::to_string(stepped.outcome()) << "\n";
    return 0;
} catch (const std::exception &failure) {
    std::cerr << failure.what() << "\n";
    return 1;
}
