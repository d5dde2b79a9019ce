-- SPDX-License-Identifier: Apache-2.0

-- Containers. `config` is what was asked for and what the image adds, `facts` what was settled when the
-- container was made (both JSON, written once but for updates of limits); `state` is where it stands.
-- The writable layer is the snapshot "container/ID"; the lease of that name holds the image's blobs.
CREATE TABLE container (
  id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  config TEXT NOT NULL,
  facts TEXT NOT NULL,
  state TEXT NOT NULL,
  UNIQUE (namespace, name)
) WITHOUT ROWID;

-- What happened, in order. `attributes` is a JSON object of texts.
CREATE TABLE event (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  type TEXT NOT NULL,
  action TEXT NOT NULL,
  actor TEXT NOT NULL,
  attributes TEXT NOT NULL DEFAULT '{}'
);
