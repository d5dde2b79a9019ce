// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "network/firewall.h"
#include "network/ports.h"

namespace dhow::network {

// A network namespace that is not the process' own, where the bridges of its networks are, and how
// the ports of the host lead there. It outlives the process. Thread safe; all calls block.
class Place : public PortHolder {
 public:
  // Whether there has to be a way to the outside.
  enum class Way { kAny, kOut };

  // Runs `work` on a thread in the namespace, which is made if it is not there. Where the caller is
  // there already it runs at once. kFailedPrecondition: there is no way out, and how to get one.
  virtual Status run(Way way, const std::function<Status()>& work) = 0;
  // The namespace is there: somebody has made it.
  virtual bool exists() = 0;
  // Ports that are held lead there from now on. The targets are containers'.
  virtual Status lead(const std::vector<FirewallPort>& ports) = 0;
  // All ports that are not held or led in between are released.
  virtual void begin_ports() = 0;
  virtual void sweep_ports() = 0;
  // Takes the namespace away, with all that is in it; none is success.
  virtual void end() = 0;
};

}  // namespace dhow::network
