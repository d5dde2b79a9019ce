// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "tls/tls.h"

namespace dhow::dhowd {

// TLS in front of a server that knows nothing of it: takes connections, and hands over the plain
// side of each once its handshake is done. A thread for each connection, so there are few at a
// time.
class TlsFront {
 public:
  // With an authority among the files, clients must show a certificate of it.
  static Result<std::unique_ptr<TlsFront>> make(const tls::Files& files,
                                                std::function<void(Fd)> hand_over);
  // Ends all connections.
  ~TlsFront();
  TlsFront(const TlsFront&) = delete;
  TlsFront& operator=(const TlsFront&) = delete;

  // Accepts at a listening socket, in a thread.
  void listen(Fd socket);

 private:
  TlsFront(tls::Context context, Fd stop, std::function<void(Fd)> hand_over)
      : context_(std::move(context)), stop_(std::move(stop)), hand_over_(std::move(hand_over)) {}
  void accept_all(const Fd& listener);
  void serve(Fd socket);

  tls::Context context_;
  Fd stop_;  // readable once all has to end
  std::function<void(Fd)> hand_over_;
  std::mutex mutex_;
  std::condition_variable fewer_;
  std::size_t count_ = 0;
  bool ending_ = false;
  std::vector<std::thread> acceptors_;
};

}  // namespace dhow::dhowd
