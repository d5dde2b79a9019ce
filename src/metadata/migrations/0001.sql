-- SPDX-License-Identifier: Apache-2.0
-- Times are nanoseconds since 1970 (UTC), sizes bytes, labels JSON objects of texts.

-- Blobs of the content store that are complete and were verified. `boot` names the boot during which a
-- blob was written when it may not be on the disk yet: after another boot such a blob counts as lost.
CREATE TABLE blob (
  digest TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  boot TEXT,
  created INTEGER NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;

-- What a blob needs: a manifest its configuration and layers, a configuration the snapshot of its image.
CREATE TABLE reference (
  holder TEXT NOT NULL REFERENCES blob (digest) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('blob', 'snapshot')),
  target TEXT NOT NULL,
  PRIMARY KEY (holder, kind, target)
) WITHOUT ROWID;

-- Names of images; what they name is a blob.
CREATE TABLE image (
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL REFERENCES blob (digest),
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}',
  PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE INDEX image_digest ON image (digest);

-- Leases keep what has no name yet from being collected; `expires` NULL is never.
CREATE TABLE lease (
  id TEXT PRIMARY KEY,
  created INTEGER NOT NULL,
  expires INTEGER,
  labels TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE TABLE lease_resource (
  lease TEXT NOT NULL REFERENCES lease (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('blob', 'snapshot')),
  target TEXT NOT NULL,
  PRIMARY KEY (lease, kind, target)
) WITHOUT ROWID;
CREATE INDEX lease_resource_target ON lease_resource (kind, target);

-- Snapshots: `id` names the folder. Committed ones (layers) are named by their chain id. `boot` is as
-- with blobs, for committed ones; 'lost' keeps the place of one whose content is gone for those that
-- stand on it. A 'draft' is a layer that is being unpacked: it goes when its writer is gone.
CREATE TABLE snapshot (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  snapshotter TEXT NOT NULL,
  name TEXT NOT NULL,
  parent INTEGER REFERENCES snapshot (id),
  kind TEXT NOT NULL CHECK (kind IN ('active', 'view', 'draft', 'committed')),
  boot TEXT,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  bytes INTEGER,
  inodes INTEGER,
  labels TEXT NOT NULL DEFAULT '{}',
  UNIQUE (snapshotter, name)
);
CREATE INDEX snapshot_parent ON snapshot (parent);
