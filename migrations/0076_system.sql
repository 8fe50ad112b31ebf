-- What is going on in the installation itself: verifications and rebuilds that people asked for, and its nodes. All of it is the
-- platform's: no tenant owns a row, and nothing here is part of the books.

-- The node that runs it says so every second; one that is silent has died with it.
CREATE TABLE admin.run (
    run_id uuid NOT NULL PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('verification', 'rebuild')),
    subject text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled', 'lost')),
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    node text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    part text NOT NULL DEFAULT '',
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    cancel boolean NOT NULL DEFAULT false,
    error text NOT NULL DEFAULT '',
    result bytea
);

-- One of a kind at a time, over all nodes.
CREATE UNIQUE INDEX run_open ON admin.run (kind) WHERE state = 'running';

CREATE INDEX run_of_kind ON admin.run (kind, asked_at);

CREATE UNLOGGED TABLE admin.node (
    node text NOT NULL PRIMARY KEY,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    report bytea NOT NULL
);

-- One row a minute and node, kept for two days.
CREATE UNLOGGED TABLE admin.node_sample (
    at timestamptz NOT NULL,
    node text NOT NULL,
    cpu_permille integer NOT NULL,
    resident_bytes bigint NOT NULL,
    loop_lag_milliseconds integer NOT NULL,
    pool_used integer NOT NULL,
    pool_size integer NOT NULL,
    requests_running integer NOT NULL,
    PRIMARY KEY (at, node)
);
