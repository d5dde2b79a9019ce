// SPDX-License-Identifier: Apache-2.0
// dhow-bench-pull FOLDER IMAGE [again]: pulls and unpacks an image into stores below a folder, and
// says what it took as one line: seconds in all; of those until the layers were known, until all of
// them had come, until they were unpacked, and until the image had its name; peak RSS in KiB. With
// "again" a second line is of pulls of what is there, in the same process: seconds of the fastest
// of ten, and of the registry's answer alone.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/strings.h"
#include "content/local_content_store.h"
#include "engine/image_pull.h"
#include "registry/client.h"
#include "snapshot/overlay.h"

namespace {

using namespace dhow;
using engine::ProgressPhase;

double now() {
  struct timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// When each part of the work ended.
struct Times {
  double begin = now();
  double known = begin;
  double come = begin;
  double unpacked = begin;
  double end = begin;
  double again = 1e9;   // seconds
  double answer = 1e9;  // seconds

  void see(const engine::ProgressEvent& event) {
    if (end > begin) return;
    double time = now();
    if (event.phase == ProgressPhase::kWaiting) known = time;
    bool comes =
        event.phase == ProgressPhase::kDownloading || event.phase == ProgressPhase::kVerifying;
    if (comes || event.phase == ProgressPhase::kWaiting) come = time;
    unpacked = time;
  }
};

Status pull(const std::string& folder, const std::string& name, bool again, Times& times) {
  TRY_ASSIGN(auto database, metadata::Database::open(cat(folder, "/metadata.db")));
  TRY_ASSIGN(auto content, content::open_local_store(cat(folder, "/content"), *database));
  TRY_ASSIGN(auto snapshots, snapshot::open_overlay(cat(folder, "/snapshots"), *database));
  metadata::LeaseStore leases(*database);
  image::Store images(*database);
  registry::Client client{registry::ClientOptions()};
  TRY_ASSIGN(oci::Reference reference, oci::parse_image_name(name));
  TRY_ASSIGN(registry::Repository repository, client.repository(reference));
  engine::PullOptions options;
  options.name_space = "moby";
  options.progress = [&](const engine::ProgressEvent& event) { times.see(event); };
  // To measure what it is good for: megabytes from which on a layer is fetched in parts.
  if (const char* megabytes = std::getenv("DHOW_BENCH_SPLIT")) {
    options.split_from = parse_number<std::int64_t>(megabytes).value_or(0) << 20;
  }
  engine::ImageStores stores{leases, *content, *snapshots, images};
  times.begin = times.known = times.come = times.unpacked = now();
  TRY(engine::pull_image(stores, repository, options));
  times.end = now();
  for (int i = 0; again && i < 10; ++i) {
    double begin = now();
    TRY(repository.resolve(reference.tag));
    double resolved = now();
    TRY(engine::pull_image(stores, repository, options));
    times.answer = std::min(times.answer, resolved - begin);
    times.again = std::min(times.again, now() - resolved);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  bool again = argc == 4 && std::string_view(argv[3]) == "again";
  if (argc != 3 && !again) {
    std::fprintf(stderr, "usage: dhow-bench-pull FOLDER IMAGE [again]\n");
    return 2;
  }
  Times times;
  if (auto status = pull(argv[1], argv[2], again, times); !status) {
    std::fprintf(stderr, "dhow-bench-pull: %s\n", status.error().message().c_str());
    return 1;
  }
  struct rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("dhow-split %.4f %.4f %.4f %.4f %.4f %ld\n", times.end - times.begin,
              times.known - times.begin, times.come - times.known, times.unpacked - times.come,
              times.end - times.unpacked, usage.ru_maxrss);
  if (again) std::printf("dhow-again %.4f %.4f\n", times.again, times.answer);
  return 0;
}
