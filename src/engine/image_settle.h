// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/image_pull.h"
#include "oci/image.h"
#include "oci/platform.h"

namespace dhow::engine {

// The last steps of whatever brings an image: unpack, make it last, name it.

// Has a lease hold the snapshots of an image's layers, there already or not, and returns their
// names, the lowest first. To be called before it is looked whether they are there: those that are
// must not be collected meanwhile. Blocks on the disk.
Result<std::vector<std::string>> hold_chain(metadata::LeaseStore& leases, const std::string& lease,
                                            const oci::Image& image);

// When it returns, snapshots and blobs are on the disk to stay, and the configuration keeps the
// topmost layer's snapshot ("": there is no layer). Blocks on the disk.
Status make_durable(const ImageStores& stores, const Digest& config,
                    const std::vector<std::string>& chain, const std::string& top,
                    const std::vector<Digest>& blobs);

// Names an image that is durable, in the long form. Blocks on the disk.
Result<Pulled> name_image(const ImageStores& stores, const std::string& name_space,
                          std::string name, const oci::Descriptor& target, std::string top);

// Each layer is to be unpacked, as often as it is in the image, after `before` other steps.
void expect_layers(Progress& progress, const std::vector<oci::Descriptor>& layers, unsigned before);

struct SettleOptions {
  std::string lease;  // holds the snapshots; it must be there
  oci::Platform platform = oci::host_platform();
  unsigned threads = 0;          // layers that are unpacked at the same time; 0: one a processor
  bool strict_layers = false;    // as UnpackOptions::strict_layers
  Progress* progress = nullptr;  // borrowed; may be null. Told how each layer gets on.
};

// Makes an image that is in the content store ready to be named: the layers of its manifest for the
// platform are unpacked, and blobs and snapshots are on the disk to stay. Returns the topmost
// layer's snapshot. kNotFound when there is nothing for the platform, or something is missing;
// faults as of unpack_image. Blocks.
Result<std::string> settle_image(const ImageStores& stores, const oci::Descriptor& target,
                                 const SettleOptions& options);

}  // namespace dhow::engine
