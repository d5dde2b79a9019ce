-- SPDX-License-Identifier: Apache-2.0

-- Volumes; the folder of one is DATA/volumes/NAME. `options` and `labels` are JSON objects of texts.
-- `owner` is the container that it was made for without a name: one whose owner is gone, and which
-- nobody else uses, goes too. Keeping it takes the owner away.
CREATE TABLE volume (
  name TEXT PRIMARY KEY,
  driver TEXT NOT NULL,
  options TEXT NOT NULL DEFAULT '{}',
  labels TEXT NOT NULL DEFAULT '{}',
  created INTEGER NOT NULL,
  owner TEXT
) WITHOUT ROWID;
CREATE INDEX volume_owner ON volume (owner) WHERE owner IS NOT NULL;

-- Which containers mount it, running or not: it can't be removed before them.
CREATE TABLE volume_use (
  volume TEXT NOT NULL REFERENCES volume (name),
  container TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
  PRIMARY KEY (volume, container)
) WITHOUT ROWID;
CREATE INDEX volume_use_container ON volume_use (container);
