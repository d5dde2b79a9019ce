// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/database.h"
#include "network/address_pool.h"
#include "network/cni/library.h"
#include "network/firewall.h"
#include "network/link_reaper.h"
#include "network/links.h"
#include "network/place.h"
#include "network/record.h"
#include "sys/fd.h"

namespace dhow::network {

struct NetworksOptions {
  std::string name_space = "moby";
  std::string state;              // folder that lasts until the next boot
  std::string bridge;             // interface of the default network
  std::string table;              // of nf_tables
  std::string gate;               // interface for what is called from outside (network/gate.h)
  std::string address;            // of that interface, "172.17.0.1/16"; "": one that is free
  std::vector<SubnetPool> pools;  // of networks that don't say; empty: docker's, in /24s
  // The default network has IPv6, with this subnet; "": one of those below.
  bool ipv6 = false;
  std::string subnet6;
  std::vector<SubnetPool6> pools6;  // empty: a /48 of unique local addresses
  std::string host_id;              // what that one is made from: the same with each start
  std::uint32_t mtu = 0;            // 0: the kernel's
  // Where programs and configurations of CNI are.
  std::vector<std::string> cni_plugins = {"/opt/cni/bin", "/usr/lib/cni"};
  std::string cni_networks = "/etc/cni/net.d";
  // Firewalls of others are to let containers through, and published ports are open whatever those
  // say of the hook input.
  bool opens_host_firewall = false;
  // The kernel lets us make networks; else there are "host" and "none" alone.
  bool usable = true;
  // Where they are made; none: in the network namespace of this process.
  std::shared_ptr<Place> place;
};

// What is asked of a network that is to be made (POST /networks/create).
struct NewNetwork {
  std::string name;
  std::string driver;  // "": "bridge"
  std::string scope;
  bool internal = false;
  bool attachable = false;
  bool ingress = false;
  bool config_only = false;
  std::string config_from;
  std::optional<bool> ipv4;
  std::optional<bool> ipv6;
  std::string ipam_driver;
  std::vector<NewSubnet> subnets;
  TextMap ipam_options;
  TextMap options;
  TextMap labels;
};

// How much may pass by an interface, in one direction; as CNI's bandwidth has it.
struct Rate {
  std::uint64_t bits_a_second = 0;  // 0: no limit
  std::uint64_t burst = 0;          // bits; 0: a tenth of a second's, and 64 KiB at least
};

// How a container wants to be in a network.
struct Join {
  std::string network;  // id
  std::optional<Ip4> address;
  std::string mac;
  std::string inside;  // name of the interface; "": eth0 and so on
  std::int64_t priority = 0;
  std::optional<Ip6> address6;
  std::vector<Ip> link_local = {};  // more addresses, of 16 or 64 bits
  // Files below /proc/sys/net with "IFNAME" in the place of the interface, and what to write.
  std::vector<std::pair<std::string, std::string>> sysctls = {};
  Rate ingress = {};  // what comes to the container
  Rate egress = {};
};

struct AttachRequest {
  std::string container;
  std::string name;
  std::vector<Join> joins;
  std::vector<PortWish> ports;
  // The namespace to be used, borrowed; -1: a new one is made.
  FdRef space = FdRef(-1);
};

// A network namespace that is ready for a container. It lives as long as the descriptor, and then
// as long as there are processes in it.
struct Attachment {
  Fd space;  // a new one
  std::vector<Endpoint> endpoints;
};

// The networks of one engine: rows in the database, and what stands for them in the kernel: a
// bridge for each network that is in use, a pair of interfaces for each endpoint, one table of
// nf_tables. Rows are written before and removed after what they stand for, so whatever a death of
// the process leaves is found by the rows and settled by settle(). The database is borrowed. Thread
// safe; calls block on the database and the kernel. Errors are in docker's words.
class LocalNetworks {
 public:
  // With a place of its own and nobody in it: that goes, too.
  ~LocalNetworks();
  LocalNetworks(const LocalNetworks&) = delete;
  LocalNetworks& operator=(const LocalNetworks&) = delete;
  // Reads the rows, and makes that of the default network when there is none.
  static Result<std::unique_ptr<LocalNetworks>> open(NetworksOptions options,
                                                     metadata::Database& database);

  // Makes a network's row; the kernel hears of it with its first container.
  Result<NetworkRecord> create(const NewNetwork& wanted);
  // kPermissionDenied for one that is in use or is always there.
  Result<NetworkRecord> remove(std::string_view ref);
  // By id, name, or the beginning of an id. kNotFound.
  Result<NetworkRecord> find(std::string_view ref) const;
  std::vector<NetworkRecord> list() const;
  std::vector<Endpoint> endpoints_of_network(std::string_view id) const;
  // In the order of their interfaces.
  std::vector<Endpoint> endpoints_of_container(std::string_view id) const;

  // Makes a namespace with an interface for each join. One default route, by the join with the
  // highest priority; published ports lead to the same. All of it or nothing.
  Result<Attachment> attach(const AttachRequest& request);
  // Takes away all that attach and connect have made for the container, which has ended. Its
  // interfaces are gone a little later (finish()).
  void detach(const std::string& container);
  // Adds an interface to a container that runs; `space` is its network namespace. Default routes
  // and published ports go to the networks with the highest priority. `ports` are those that it
  // wants, for when it has none yet.
  Result<Endpoint> connect(const std::string& container, const std::string& name,
                           const Join& wanted, const std::vector<PortWish>& ports, FdRef space);
  // Takes an interface away from a container that runs; default routes and published ports that
  // were there go to another network. kNotFound when the container is not in it.
  Status disconnect(const std::string& container, const std::string& network, FdRef space);

  // Once, after it is known which containers run: what belongs to others goes, and so does an
  // endpoint that is only half there, which the caller connects again. Of the rest it is made sure
  // that all is there.
  void settle(const std::set<std::string>& running);

  // Blocks until the interfaces of what was taken away are gone.
  void finish() { reaper_.finish(); }

  bool is_usable() const { return options_.usable; }
  // What keeps containers from being reached, and what to do about it; for people. Blocks on the
  // kernel.
  std::vector<std::string> warnings() const;

 private:
  LocalNetworks(NetworksOptions options, metadata::Database& database);

  // local_place.cc: runs `work` where the networks are.
  Status in_place(Place::Way way, const std::function<Status()>& work) const;
  // Ports that are held by somebody else lead there.
  Status lead(const std::vector<FirewallPort>& ports) const;
  // What the public ones of the same name do there.
  Result<Attachment> attach_there(const AttachRequest& request);
  void detach_there(const std::string& container);
  Result<Endpoint> connect_there(const std::string& container, const std::string& name,
                                 const Join& wanted, const std::vector<PortWish>& ports,
                                 FdRef space);
  Status disconnect_there(const std::string& container, const std::string& network, FdRef space);
  void settle_there(const std::set<std::string>& running);
  struct Network {
    NetworkRecord record;
    AddressPool pool;
    AddressPool6 pool6;
    // Its bridge is there and known to the firewall.
    bool is_made = false;
  };
  struct Wired {
    Endpoint endpoint;
    // It is being taken away: the firewall is to know it no more.
    bool is_leaving = false;
  };

  // local_networks.cc
  Status make_default();
  // The default network gets or loses IPv6 as the settings say, when nobody is in it.
  Status refresh_default(NetworkRecord record);
  Result<std::optional<Addressing<Subnet6>>> default_six() const;
  Status load();
  void add_memory(NetworkRecord record);
  FirewallState truth() const;

  // config_networks.cc
  // `wanted` with what the network has that it takes its configuration from.
  Result<NewNetwork> configured(const NewNetwork& wanted) const;
  Result<NetworkRecord> config_record_of(const NewNetwork& wanted) const;

  // new_network.cc
  Result<NetworkRecord> record_of(const NewNetwork& wanted) const;
  // Of all networks, but for the one with this id.
  template <typename Net>
  std::vector<Net> other_subnets(std::string_view but = {}) const;
  // One that neither another network has nor a route of the host leads to.
  template <typename Net>
  Result<Net> choose_subnet(const std::vector<BasicSubnetPool<Net>>& pools,
                            std::string_view but = {}) const;
  std::vector<SubnetPool> pools() const;
  std::vector<SubnetPool6> pools6() const;
  Status name_interface(NetworkRecord& record) const;
  Status give_addresses(const NewNetwork& wanted, NetworkRecord& record) const;

  // local_bridge.cc
  // The interface of the host that the network's containers are connected to: its index.
  Result<int> ensure_device(Links& links, const std::string& network);
  Result<int> ensure_bridge(Links& links, const std::string& network);
  Result<std::optional<int>> made_bridge(Links& links, const std::string& network,
                                         NetworkRecord& record);
  void set_made(const std::string& network, bool is_made);
  Status make_bridge(Links& links, NetworkRecord& record);
  Status rechoose(Links& links, NetworkRecord& record);
  Status enable_forwarding(bool is_v6);
  Status guard_forwarding();
  // No network is in use: what the table is still needed for.
  Status rest_firewall();
  Status drop_bridge(const NetworkRecord& record);
  std::vector<std::string> made_bridges() const;
  // With the lock of bridges: has the firewalls of others let through what they are to, or tells of
  // it.
  void settle_host_firewall() const;
  // Those of the warnings that are about chains of others.
  std::vector<std::string> chain_warnings() const;
  // Whatever it is, from where it is.
  Status drop(const NetworkRecord& record);

  // local_attach.cc
  Result<Endpoint> plan(const std::string& container, const std::string& name, const Join& wanted,
                        std::size_t number);
  Status plan_addresses(Network& network, const Join& wanted, Endpoint& endpoint);
  Status add_rows(const std::vector<Endpoint>& endpoints);
  Status wire(const Endpoint& endpoint, const Join& wanted, FdRef space, Links& here, Links& there);
  // The interface in the container alone, down and without addresses.
  Status make_link(const Endpoint& endpoint, const NetworkRecord& record, FdRef space, Links& here,
                   Links& there);
  Status publish(const Endpoint& endpoint);
  Status attach_all(const AttachRequest& request, Attachment& result);

  // local_cni.cc
  Result<NetworkRecord> cni_record_of(const NewNetwork& wanted) const;
  // Whether one of them is of the driver "cni", beside which there are no others.
  Result<bool> is_for_plugins(const std::vector<Join>& joins) const;
  Result<Attachment> attach_by_plugins(const AttachRequest& request);
  Status plug(Endpoint& endpoint, const NetworkRecord& record, const Join& wanted, FdRef space);
  void unplug(const Endpoint& endpoint);
  void settle_plugged(const std::vector<Endpoint>& running);
  // Takes away what the plugins have made for containers that are not in the network any more.
  Status collect(const NetworkRecord& record) const;

  // Whether the interfaces are gone when it returns, or are only out of use, as of a namespace that
  // is going anyway.
  enum class Gone { kNow, kSoon };
  // None of them is of plugins. `space` is the container's network namespace, for what is nowhere
  // else; -1: it has ended.
  void unwire(const std::vector<Endpoint>& endpoints, Gone gone, FdRef space = FdRef(-1));
  Result<NetworkRecord> by_id(const std::string& id) const;

  // local_gateways.cc
  // Says of each whether default routes lead there.
  Status elect(std::vector<Endpoint>& endpoints) const;
  // Gives each endpoint those of the ports that are of a family whose gateway it is; the rest.
  static std::vector<PublishedPort> deal(const std::vector<PublishedPort>& ports,
                                         std::vector<Endpoint>& endpoints);
  // Those that come of the wishes, at the gateways among the endpoints.
  Result<std::vector<PublishedPort>> take_ports(const std::string& container,
                                                const std::vector<PortWish>& wishes,
                                                const std::vector<Endpoint>& endpoints);
  // Says of each whether it is one of the host's, by the network that carries it now.
  Status fit_ports(const std::string& container, std::vector<PublishedPort>& ports,
                   const std::vector<Endpoint>& endpoints);
  Status carry_ports(const std::vector<Endpoint>& before, const std::vector<Endpoint>& after);
  // `index` is that of its interface.
  Status set_routes(const Endpoint& endpoint, int index, Links& there) const;
  // After an endpoint has come, or before one goes (`leaving`): the others carry what it had.
  Status move_gateways(const std::string& container, const std::string& leaving,
                       const std::vector<PortWish>& ports, FdRef space);

  const NetworksOptions options_;
  metadata::Database& database_;

  mutable std::mutex mutex_;  // guards the members below; not held while the kernel is asked
  std::map<std::string, Network, std::less<>> networks_;          // by id
  std::map<std::string, std::vector<Wired>, std::less<>> wired_;  // by container
  PortTable ports_;

  const cni::Library cni_;
  std::mutex bridge_mutex_;  // one bridge is made at a time
  Firewall firewall_;
  LinkReaper reaper_;
};

// Whether its subnets can be those of a network; not whether others have them.
Status check_subnets(const NewNetwork& wanted);

// Docker's pools, in subnets of 254 addresses: more than three thousand of them.
std::vector<SubnetPool> default_pools();
// Of the default network: 172.17.0.0/16, or else one of as many addresses.
std::vector<SubnetPool> pools_of_default();
// As moby: a /48 of unique local addresses (RFC 4193) that is the host's own, in subnets of 64
// bits.
std::vector<SubnetPool6> default_pools6(std::string_view host_id);

}  // namespace dhow::network
