-- SPDX-License-Identifier: Apache-2.0

-- Networks. `config` is JSON: the driver, the subnet, options and labels.
CREATE TABLE network (
  id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  config TEXT NOT NULL,
  UNIQUE (namespace, name)
) WITHOUT ROWID;

-- What connects a container that runs to a network; `address` is its IPv4 address as a number.
-- Written before anything is made in the kernel, and gone after that has been unmade, so a row without
-- a container that runs tells what is to be cleaned away.
CREATE TABLE endpoint (
  network TEXT NOT NULL REFERENCES network (id),
  container TEXT NOT NULL,
  address INTEGER NOT NULL,
  config TEXT NOT NULL,
  PRIMARY KEY (network, container),
  UNIQUE (network, address)
) WITHOUT ROWID;
