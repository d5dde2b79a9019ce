-- SPDX-License-Identifier: Apache-2.0

-- Endpoints get addresses of IPv6, as text of RFC 5952, and may have none of IPv4.
CREATE TABLE endpoint_of_both (
  network TEXT NOT NULL REFERENCES network (id),
  container TEXT NOT NULL,
  address INTEGER,
  address6 TEXT,
  config TEXT NOT NULL,
  PRIMARY KEY (network, container),
  UNIQUE (network, address),
  UNIQUE (network, address6)
) WITHOUT ROWID;
INSERT INTO endpoint_of_both (network, container, address, config)
  SELECT network, container, address, config FROM endpoint;
DROP TABLE endpoint;
ALTER TABLE endpoint_of_both RENAME TO endpoint;
