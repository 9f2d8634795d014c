#include "access.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "errors.h"

namespace s3attn::server {
namespace {

constexpr size_t kShortestKey = 8;

// Takes as long for any wrong key of the right length.
bool is_same_secret(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    unsigned difference = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
    }
    return difference == 0;
}

bool holds_store(const std::vector<size_t>& stores, size_t store) {
    return std::find(stores.begin(), stores.end(), store) != stores.end();
}

// Reads one key of the file; throws what is wrong with it.
class KeyReader {
  public:
    KeyReader(const Json& json, const Stores& stores) : json_(json), stores_(stores) {}

    std::string read(Access& access) {
        if (!json_.is_object()) throw std::string("a key is an object");
        access.everything = false;
        access.name = text("name");
        for (const auto& [field, value] : json_.items()) {
            if (field == "name" || field == "key") continue;
            if (field == "read") {
                access.read = stores(field, value);
            } else if (field == "write") {
                access.write = stores(field, value);
            } else if (field == "requests_per_minute") {
                access.requests_per_minute = static_cast<uint32_t>(limit(field, value));
            } else if (field == "max_upload_mib") {
                access.upload_bytes = limit(field, value) << 20;
            } else {
                throw of(field) + "is not known";
            }
        }
        std::string secret = text("key");
        if (secret.size() < kShortestKey) throw of("key") + "has fewer than 8 characters";
        return secret;
    }

  private:
    std::string of(const std::string& field) const { return "'" + field + "' "; }

    std::string text(const char* field) const {
        const auto value = json_.find(field);
        if (value == json_.end() || !value->is_string() || value->get<std::string>().empty()) {
            throw of(field) + "must be a text that is not empty";
        }
        return value->get<std::string>();
    }

    uint64_t limit(const std::string& field, const Json& value) const {
        constexpr uint64_t kMost = 1u << 20;
        if (!value.is_number_unsigned() || value.get<uint64_t>() == 0 ||
            value.get<uint64_t>() > kMost) {
            throw of(field) + "must be a whole number from 1 to 1048576";
        }
        return value.get<uint64_t>();
    }

    std::vector<size_t> stores(const std::string& field, const Json& value) const {
        std::vector<size_t> all;
        if (value == "*") {
            for (size_t i = 0; i < stores_.size(); ++i) all.push_back(i);
            return all;
        }
        if (!value.is_array()) throw of(field) + "must be \"*\", or a list of names of stores";
        for (const Json& name : value) {
            const auto found = name.is_string() ? stores_.choose_one(name.get<std::string>())
                                                : Outcome<size_t>(Failure());
            const auto* store = std::get_if<size_t>(&found);
            if (store == nullptr) throw of(field) + "names " + name.dump() + ", which is no store";
            all.push_back(*store);
        }
        return all;
    }

    const Json& json_;
    const Stores& stores_;
};

}  // namespace

Failure no_right() {
    return {403, "no_right", "this key has no right to that, or there is nothing of that name", "",
            0};
}

bool Access::may_read(size_t store) const { return everything || holds_store(read, store); }

bool Access::may_write(size_t store) const { return everything || holds_store(write, store); }

Outcome<size_t> Access::choose_among(const Stores& stores, const std::string& wanted,
                                     const std::vector<size_t>& mine, bool or_first) const {
    if (wanted.empty()) {
        if (mine.empty()) return no_right();
        if (or_first || mine.size() == 1) return mine.front();
        std::string names;
        for (const size_t store : mine) names += (names.empty() ? "" : ", ") + stores[store].name;
        return bad_request("say which store: " + names, "store");
    }
    const auto found = stores.choose_one(wanted);
    const auto* store = std::get_if<size_t>(&found);
    if (store == nullptr || !holds_store(mine, *store)) return no_right();
    return *store;
}

Outcome<std::vector<size_t>> Access::choose(const Stores& stores,
                                            const std::vector<std::string>& names) const {
    if (everything) return stores.choose(names);
    std::vector<size_t> chosen;
    for (const std::string& wanted : names) {
        const auto found = choose_among(stores, wanted.empty() ? "?" : wanted, read, false);
        if (const auto* failure = std::get_if<Failure>(&found)) return *failure;
        if (!holds_store(chosen, std::get<size_t>(found))) {
            chosen.push_back(std::get<size_t>(found));
        }
    }
    if (names.empty()) chosen = read;
    if (chosen.empty()) return no_right();
    return chosen;
}

Outcome<size_t> Access::choose_one(const Stores& stores, const std::string& wanted) const {
    return everything ? stores.choose_one(wanted) : choose_among(stores, wanted, read, false);
}

Outcome<size_t> Access::choose_to_write(const Stores& stores, const std::string& wanted) const {
    return everything ? stores.choose_one(wanted, true) : choose_among(stores, wanted, write, true);
}

std::optional<int> Access::take_request() const {
    if (requests_per_minute == 0) return {};
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    const double most = requests_per_minute, per_second = most / 60;
    const std::chrono::duration<double> passed = now - counted_;
    left_ = left_ < 0 ? most : std::min(most, left_ + passed.count() * per_second);
    counted_ = now;
    if (left_ < 1) return std::max(1, static_cast<int>(std::ceil((1 - left_) / per_second)));
    left_ -= 1;
    return {};
}

Result<Keys> Keys::read(const std::string& file, const Stores& stores) {
    const auto wrong = [&](const std::string& what) {
        return make_error(ErrorCode::kInvalidArgument, "the file of keys '" + file + "': " + what);
    };
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    if (!stream) return wrong("cannot be read");
    const Json json = Json::parse(text.str(), nullptr, false);
    if (!json.is_object() || !json.contains("keys") || !json["keys"].is_array()) {
        return wrong("must be a JSON object with a list 'keys'; docs/serve.md shows one");
    }
    Keys keys;
    for (size_t i = 0; i < json["keys"].size(); ++i) {
        const Json& one = json["keys"][i];
        std::string name = "key " + std::to_string(i + 1);
        if (one.is_object() && one.contains("name") && one["name"].is_string()) {
            name = "key '" + one["name"].get<std::string>() + "'";
        }
        Key key;
        key.access = std::make_unique<Access>();
        try {
            key.secret = KeyReader(one, stores).read(*key.access);
        } catch (const std::string& what) {
            return wrong(name + ": " + what);
        }
        for (const Key& other : keys.keys_) {
            if (other.secret == key.secret || other.access->name == key.access->name) {
                return wrong(name + " is there twice, or has the value of another key");
            }
        }
        keys.keys_.push_back(std::move(key));
    }
    if (keys.empty()) return wrong("has no key");
    return keys;
}

void Keys::add_master(const std::string& secret) {
    Key key{secret, std::make_unique<Access>()};
    key.access->name = "api-key";
    keys_.push_back(std::move(key));
}

const Access* Keys::find(std::string_view secret) const {
    const Access* found = nullptr;
    for (const Key& key : keys_) {
        if (is_same_secret(secret, key.secret)) found = key.access.get();
    }
    return found;
}

}  // namespace s3attn::server
