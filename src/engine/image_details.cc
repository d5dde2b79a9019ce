// SPDX-License-Identifier: Apache-2.0
#include "engine/image_details.h"

#include <algorithm>
#include <ranges>

#include "base/rfc3339.h"

namespace dhow::engine {

std::int64_t ImageDetails::created() const {
  if (content == nullptr) return entry.created;
  return parse_rfc3339(content->documents.config.created).value_or(0);
}

std::vector<HistoryItem> history_of(const ImageDetails& image) {
  std::vector<HistoryItem> items;
  if (image.content == nullptr) return items;
  const ImageContent& content = *image.content;
  std::size_t layer = 0;
  for (const oci::History& step : content.documents.config.history) {
    HistoryItem item;
    item.id = "<missing>";
    item.created = parse_rfc3339(step.created).value_or(0);
    item.created_by = step.created_by;
    item.comment = step.comment;
    if (!step.empty_layer && layer < content.layer_sizes.size()) {
      item.size = content.layer_sizes[layer++];
    }
    items.push_back(std::move(item));
  }
  // Layers that no step tells of.
  for (; layer < content.layer_sizes.size(); ++layer) {
    HistoryItem item;
    item.id = "<missing>";
    item.size = content.layer_sizes[layer];
    items.push_back(std::move(item));
  }
  std::ranges::reverse(items);
  if (items.empty()) return items;
  items.front().id = image.entry.id().text();
  for (const oci::Reference& name : image.entry.names) {
    if (!name.tag.empty()) items.front().tags.push_back(name.familiar());
  }
  return items;
}

Result<std::shared_ptr<const ImageContent>> ImageReader::read(
    const oci::Descriptor& target, const std::optional<oci::Platform>& platform) {
  if (!platform) {
    std::lock_guard lock(mutex_);
    if (auto known = kept_.find(target.digest); known != kept_.end()) return known->second;
  }
  auto content = std::make_shared<ImageContent>();
  TRY_ASSIGN(content->documents, read_image(stores_.content, target, platform.value_or(platform_)));
  bool complete = true;
  for (const Digest& id : content->documents.chain) {
    auto usage = stores_.snapshots.usage(id.text());
    complete = complete && usage.has_value();
    content->layer_sizes.push_back(usage ? usage->bytes : 0);
    content->size += content->layer_sizes.back();
  }
  std::shared_ptr<const ImageContent> result = std::move(content);
  if (platform || !complete) return result;
  std::lock_guard lock(mutex_);
  if (kept_.size() >= kKept) kept_.erase(kept_.begin());
  kept_.insert_or_assign(target.digest, result);
  return result;
}

ImageDetails ImageReader::details(ImageEntry entry) {
  ImageDetails image;
  image.entry = std::move(entry);
  if (auto content = read(image.entry.target)) image.content = std::move(*content);
  return image;
}

}  // namespace dhow::engine
