// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/container_types.h"
#include "unpack/byte_sink.h"
#include "unpack/byte_source.h"

namespace dhow::engine {

class ContainersImpl;

// The use cases of containers. `ref` is an id, a name with or without a slash in front, or a
// beginning of an id that only one has: else kNotFound ("No such container: x") or kInvalidArgument
// ("multiple IDs found with provided prefix: x"). Errors have docker's words, because clients tell
// by them. Thread safe; each call blocks for as long as its use case takes, and one at a time
// changes a container, so that a stuck one holds up nobody else; list, inspect and find never wait
// for a container.
class Containers {
 public:
  explicit Containers(std::unique_ptr<ContainersImpl> impl);
  ~Containers();
  Containers(const Containers&) = delete;
  Containers& operator=(const Containers&) = delete;

  // Makes a container, which is not started. kNotFound: "No such image: x"; kAlreadyExists: the
  // name is taken; kInvalidArgument, kUnimplemented: the field and the reason.
  Result<CreateAnswer> create(const CreateRequest& request);
  // Starts it; true when it ran already. A failure of the runtime has docker's words ("failed to
  // create task for container: …"), and the container is as before, with exit code 127 (no such
  // program), 126 (it can't be run) or 128.
  Result<bool> start(std::string_view ref);
  // Sends the stop signal, after the timeout SIGKILL, and waits for the end; true when it did not
  // run.
  Result<bool> stop(std::string_view ref, const StopOptions& options = {});
  Status restart(std::string_view ref, const StopOptions& options = {});
  // `signal` is a name or a number; "": SIGKILL. kFailedPrecondition when it does not run. With
  // SIGKILL it returns when the container has ended.
  Status kill(std::string_view ref, std::string_view signal);
  Status pause(std::string_view ref);
  Status unpause(std::string_view ref);
  // Changes limits and the restart policy, of a running one at once. Only what is set is changed.
  Result<std::vector<std::string>> update(std::string_view ref, const HostConfig& changes);
  Status rename(std::string_view ref, std::string_view name);
  Status remove(std::string_view ref, const RemoveOptions& options = {});
  // Takes away the link PARENT/ALIAS of the default network: the parent has the name no more, the
  // container behind it stays. kNotFound without the parent or the link, kFailedPrecondition when
  // the path is the name of a container.
  Status remove_link(std::string_view path);
  // Filters: until, label, label!.
  Result<PruneAnswer> prune(const Filters& filters);

  // Puts it into a network or takes it out, at once when it runs, else from its next start on. The
  // request outlives the container's runs. kPermissionDenied when it is there already, or not there
  // and not `force`; kNotFound for a network that there isn't.
  Status connect(std::string_view ref, std::string_view network, const EndpointConfig& config);
  Status disconnect(std::string_view ref, std::string_view network, bool force);

  // The full id.
  Result<std::string> find(std::string_view ref) const;
  Result<Inspection> inspect(std::string_view ref, bool size = false) const;
  // The newest first.
  Result<std::vector<ContainerSummary>> list(const ListOptions& options) const;
  // As list(), one after the other; ends with the failure of `take`.
  Status for_each(const ListOptions& options,
                  const std::function<Status(const ContainerSummary&)>& take) const;

  // Calls `done` once, from a thread of the engine's that must not be blocked for long, when the
  // condition holds; from within this call when it does already. When it returns, no exit that
  // comes can be missed.
  Result<std::unique_ptr<Subscription>> watch(std::string_view ref, WaitCondition condition,
                                              std::function<void(const WaitAnswer&)> done);
  // As watch, but blocks; kCancelled when `stop` is asked for.
  Result<WaitAnswer> wait(std::string_view ref, WaitCondition condition, std::stop_token stop);

  // Attaches to the standard streams: of a container that runs at once, else to its next start,
  // before its program runs. `connected` is called once, as of watch, with a connected stream
  // socket: docker's raw stream, or its frames; the end is the end of the streams. What is written
  // to it goes to the standard input. An error when the start fails, or when the container goes.
  Result<std::unique_ptr<Subscription>> attach(std::string_view ref, const AttachOptions& options,
                                               std::function<void(Result<Fd>)> connected);
  // Sets the size of the terminal, in characters.
  Status resize(std::string_view ref, std::uint32_t height, std::uint32_t width);
  // Calls `each` with every record; with `follow` until the container has ended or `stop` is asked
  // for. A failure of `each` ends it and is returned.
  Status logs(std::string_view ref, const LogOptions& options,
              const std::function<Status(const LogRecord&)>& each, std::stop_token stop);
  // The processes, as ps(1) shows them with those arguments ("": "-ef").
  Result<TopAnswer> top(std::string_view ref, std::string_view ps_arguments);
  // One that does not run has an empty sample.
  Result<StatsSample> stats(std::string_view ref);

  // The id of a new exec in a running container.
  Result<std::string> create_exec(std::string_view ref, const ExecConfig& config);
  // Runs it. Its streams, as of attach; no descriptor when detached. kFailedPrecondition when it
  // was started before; kNotFound: "No such exec instance: x". Failures of the runtime as of start.
  Result<Fd> start_exec(std::string_view exec, const ExecStartOptions& options);
  Result<ExecState> inspect_exec(std::string_view exec) const;
  Status resize_exec(std::string_view exec, std::uint32_t height, std::uint32_t width);

  // What the container changed of its image, sorted by path.
  Result<std::vector<Change>> changes(std::string_view ref);
  // Makes an image of it; the digest of its manifest.
  Result<std::string> commit(std::string_view ref, const CommitOptions& options);
  // The whole root file system as a tar stream.
  Status export_root(std::string_view ref, unpack::ByteSink& sink);
  // A file of the root file system and what is mounted in it; kNotFound: "Could not find the file x
  // in container y".
  Result<PathStat> stat_path(std::string_view ref, std::string_view path);
  // It, or a folder with all that is in it, as a tar stream with names from the path's last part
  // on. `known` is called with its stat before the first byte.
  Status get_archive(std::string_view ref, std::string_view path, unpack::ByteSink& sink,
                     const std::function<void(const PathStat&)>& known);
  // What is in a volume, as a tar stream; kNotFound as of Volumes::inspect.
  Status export_volume(std::string_view name, unpack::ByteSink& sink) const;
  // Makes a tar stream, packed or not, the content of a volume, which is made when it is not there.
  // What was in it stays until all of the stream is written. kFailedPrecondition while a container
  // that runs has the volume.
  Status import_volume(const std::string& name, unpack::ByteSource& archive);
  // The same with what is in another volume.
  Status copy_volume(const std::string& from, const std::string& to);
  // Unpacks a tar stream, packed or not, into the folder at `path`.
  Status put_archive(std::string_view ref, std::string_view path, unpack::ByteSource& archive,
                     const ArchivePutOptions& options);

 private:
  std::unique_ptr<ContainersImpl> impl_;
};

}  // namespace dhow::engine
