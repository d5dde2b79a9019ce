// SPDX-License-Identifier: Apache-2.0
// Crash-only: dhowd is killed at random moments under load, over and over; after each start it
// knows the truth, and nothing is lost or left behind.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <thread>

#include "base/strings.h"
#include "crash/load.h"
#include "crash/syscall_count.h"
#include "crash/truth.h"
#include "crash/verify.h"
#include "metadata/database.h"

namespace dhow::crash_test {
namespace {

using ::testing::IsEmpty;

constexpr int kUsers = 4;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = ::getenv(name);
  if (text == nullptr) return otherwise;
  return parse_number<std::uint64_t>(text).value_or(otherwise);
}

// A daemon, those who use it, and what they know of it. Used by one thread.
class World {
 public:
  explicit World(std::uint64_t seed) : seed_(seed), random_(seed) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  // What is left when a test has failed must not outlive it.
  ~World() {
    gate_.end();
    entries_.clear();
    users_.clear();
    if (daemon_.pid() == 0) std::ignore = daemon_.start();
    if (daemon_.pid() != 0) {
      remove_all();
      EXPECT_EQ(daemon_.stop(), 0);
    }
    if (::testing::Test::HasFailure()) {
      std::printf("--- dhowd.log of DHOW_CRASH_SEED=%llu\n%s\n",
                  static_cast<unsigned long long>(seed_), daemon_.log_end().c_str());
    }
  }

  // Adds to `done`, which is that of all worlds, until it has come to `wanted` kills.
  void run(std::atomic<std::uint64_t>& done, std::uint64_t wanted) {
    SCOPED_TRACE(cat("DHOW_CRASH_SEED=", seed_));
    ASSERT_NO_FATAL_FAILURE(begin());
    for (std::uint64_t mine = 0; done < wanted && !::testing::Test::HasFailure();) {
      SCOPED_TRACE(cat("kill ", mine));
      kill_under_load();
      ++mine;
      tell_of(++done);
      if (::testing::Test::HasFailure()) return;
      gate_.await_all();
      while (random_() % 4 == 0) {
        ASSERT_NO_FATAL_FAILURE(kill_while_it_starts());
        ++mine;
        tell_of(++done);
      }
      ASSERT_NO_FATAL_FAILURE(start_and_compare());
    }
    end();
  }

  std::uint64_t operations() const {
    std::uint64_t sum = 0;
    for (const auto& user : users_) sum += user->operations();
    return sum;
  }

 private:
  void begin() {
    auto started = daemon_.start();
    ASSERT_TRUE(started.has_value()) << started.error().message();
    Answer made = api_.post("/containers/create", client::Query().add("name", "first"),
                            R"({"Image":"busybox","Cmd":["true"]})");
    ASSERT_TRUE(made.good()) << made.body;
    ASSERT_TRUE(api_.call("DELETE", "/containers/first").good());
    images_ = look_at(daemon_).snapshots.size();
    for (int i = 0; i < kUsers; ++i) {
      users_.push_back(std::make_unique<User>(gate_, daemon_.socket(), i,
                                              seed_ + static_cast<std::uint64_t>(i) + 1));
      entries_.push_back(&users_.back()->entries());
    }
  }

  void end() {
    remove_all();
    EXPECT_THAT(lasting_differences(daemon_, api_, entries_, images_, Rightness::kAllAtOnce),
                IsEmpty());
    EXPECT_EQ(daemon_.stop(), 0);
    auto database = metadata::Database::open((daemon_.folder() / "root/dhow.db").string());
    ASSERT_TRUE(database.has_value()) << database.error().message();
    auto count = [&](metadata::Transaction& transaction) -> Status {
      for (const char* question :
           {"SELECT count(*) FROM container", "SELECT count(*) FROM volume_use",
            "SELECT count(*) FROM volume WHERE owner IS NOT NULL",
            "SELECT count(*) FROM lease WHERE id LIKE 'container/%'"}) {
        TRY(transaction.query(question, {}, [&](const metadata::Row& row) -> Status {
          EXPECT_EQ(row.integer(0), 0) << question;
          return {};
        }));
      }
      return {};
    };
    EXPECT_TRUE((*database)->read(count).has_value());
  }

  static void tell_of(std::uint64_t done) {
    if (done % 100 != 0) return;
    std::printf("%llu kills\n", static_cast<unsigned long long>(done));
    std::fflush(stdout);
  }

  void remove_all() {
    for (Entries* entries : entries_) entries->clear();
    Truth truth = look_at(daemon_);
    for (const std::string& id : truth.folders) {
      std::ignore = api_.call("DELETE", cat("/containers/", id),
                              client::Query().add("force", "1").add("v", "1"));
    }
  }

  std::chrono::microseconds moment(std::uint64_t milliseconds) {
    return std::chrono::microseconds(random_() % (milliseconds * 1000));
  }

  // One that has ended by itself was not there to be killed.
  void expect_killed(int status) {
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "dhowd had ended by itself: wait status " << status;
  }

  void kill() {
    gate_.close();
    expect_killed(daemon_.kill());
  }

  void kill_after_calls(std::uint64_t most) {
    auto ended = kill_after_syscalls(daemon_.pid(), random_() % most, [this] { gate_.close(); });
    if (!ended) return kill();
    daemon_.forget();
    expect_killed(*ended);
  }

  // While the users are at it; the gate is closed before its end comes. What kills it is chosen so
  // that each step of each use case is met: most of them take less than a few milliseconds.
  void kill_under_load() {
    gate_.open();
    std::uint64_t way = random_() % 4;
    if (way == 0) {
      std::this_thread::sleep_for(moment(300));
      return kill();
    }
    std::this_thread::sleep_for(moment(60));
    gate_.await_sent(std::chrono::milliseconds(200));
    if (way == 1) return kill_after_calls(3000);
    std::this_thread::sleep_for(moment(30));
    kill();
  }

  void kill_while_it_starts() {
    auto spawned = daemon_.spawn();
    ASSERT_TRUE(spawned.has_value()) << spawned.error().message();
    if (random_() % 2 == 0) return kill_after_calls(2500);
    std::this_thread::sleep_for(moment(40));
    kill();
  }

  void start_and_compare() {
    auto started = daemon_.start();
    ASSERT_TRUE(started.has_value()) << started.error().message();
    api_.forget_connections();
    ASSERT_THAT(lasting_differences(daemon_, api_, entries_, images_, Rightness::kEachOnce),
                IsEmpty());
    ASSERT_THAT(gate_.faults(), IsEmpty());
  }

  const std::uint64_t seed_;
  std::mt19937_64 random_;
  Gate gate_{kUsers};
  Daemon daemon_;
  Api api_{daemon_.socket(), [] {}, [this](std::string fault) { gate_.report(std::move(fault)); }};
  std::vector<std::unique_ptr<User>> users_;
  std::vector<Entries*> entries_;
  std::size_t images_ = 0;
};

// Most of a kill's time is spent waiting: several worlds, which know nothing of one another, share
// the machine. With DHOW_CRASH_WORLDS=1 and the seed that a failure tells, one of them does the
// same again.
TEST(CrashTest, KillsAtAnyMomentLoseAndLeaveNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_NE(needed("DHOWD"), "") << "DHOWD is not set";
  const std::uint64_t kills = setting("DHOW_CRASH_KILLS", 60);
  const std::uint64_t worlds = setting("DHOW_CRASH_WORLDS", 3);
  // Far from one another: users have the seeds behind that of their world.
  const std::uint64_t seed = setting("DHOW_CRASH_SEED", std::random_device()());
  constexpr std::uint64_t kBetweenWorlds = 1000;
  std::printf("DHOW_CRASH_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  std::atomic<std::uint64_t> done = 0;
  std::atomic<std::uint64_t> operations = 0;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 0; i < worlds; ++i) {
      threads.emplace_back([&, its_seed = seed + i * kBetweenWorlds] {
        World world(its_seed);
        world.run(done, kills);
        operations += world.operations();
      });
    }
  }
  std::printf("%llu kills, %llu operations\n", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(operations));
}

}  // namespace
}  // namespace dhow::crash_test
